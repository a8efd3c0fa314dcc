"""What was asked of a deployment and is not seen to be there yet: when to look again, and when it is over.

Nobody documents whether an operation's ``success`` means accepted or done, nor when ``replicas`` changes in
what is read. So done is both: the operation succeeded, and the deployment is ready with what was asked for.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from clients.exoscale.decode import READY, SCALING, Deployment, Operation

__all__ = ["MOST_ERRORS", "Following", "converged", "poll_delay", "settled"]

MOST_ERRORS = 5
"""Operations that cannot be read so often in a row are no longer asked for (both of Exoscale's SDKs)."""
_FIRST, _LAST = 3.0, 60.0
_FLAT, _LONG = 30.0, 900.0
_GIVEN_UP = 3600.0
"""Seconds after which what was asked for is no longer expected."""


def poll_delay(elapsed: float) -> float:
    """Seconds until an operation is asked for again, ``elapsed`` after its beginning.

    3 s for half a minute, then in a line to a minute after a quarter of an hour (``exoscale`` 0.16.4,
    ``_poll_interval``).
    """
    slope = (_LAST - _FIRST) / (_LONG - _FLAT)
    return min(_LAST, max(_FIRST, _FIRST + slope * (elapsed - _FLAT)))


class Following(Struct, frozen=True):
    """One change that this program sent, until its end."""

    replicas: int | None
    """Wanted; ``None``: it is deleted."""
    since: float
    """Monotonic seconds."""
    operation: str | None = None
    state: str = "pending"
    """The operation's, as told last."""
    errors: int = 0
    """Times in a row that the operation could not be read."""
    words: str = ""
    """Why Exoscale gave it up. From outside."""
    left: int | None = None
    """Replicas that a failed change has left behind."""

    @property
    def asks(self) -> bool:
        """Whether the operation is still to be asked for."""
        return self.operation is not None and self.state == "pending" and self.errors < MOST_ERRORS

    @property
    def failed(self) -> bool:
        """Exoscale gave it up."""
        return self.state in ("failure", "timeout")

    def told(self, operation: Operation) -> Following:
        """The same with what its operation says now; what fails may leave any number of replicas behind."""
        words = ": ".join(part for part in (operation.reason, operation.message) if part)
        said = words or "Exoscale gives no reason"
        return replace(self, state=operation.state or self.state, errors=0, words=said)

    def over(self, deployment: Deployment | None, now: float) -> bool:
        """Whether it needs no following any more: done, not to be expected, or failed and changed since.

        ``deployment`` is ``None`` where there is none of its name.
        """
        if now - self.since > _GIVEN_UP:
            return True
        if self.failed:
            return deployment is None or deployment.replicas != self.left
        if self.asks:
            return False
        return deployment is None or converged(deployment, self.replicas)


def settled(deployment: Deployment) -> bool:
    """Nothing moves there: it is ready, or has no replicas, in which case its state may say ``scaling``."""
    if deployment.replicas == 0 and deployment.state == SCALING:
        return True
    return deployment.state == READY


def converged(deployment: Deployment, replicas: int | None) -> bool:
    """It is what was asked for."""
    return settled(deployment) and deployment.replicas == replicas
