"""One write at a time for each resource, none of them sent twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from clients.clock import Clock
from clients.managed.calls import CloudError
from clients.serving.backend import Result, Ticket
from clients.serving.keys import WorkloadKey

__all__ = ["Writes"]


class Writes:
    """The writes of one backend. ``clock`` is the cloud's time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._under_way: set[WorkloadKey] = set()

    async def send(
        self, key: WorkloadKey, write: Callable[[], Awaitable[str]], shows: Callable[[], Awaitable[bool]]
    ) -> Ticket:
        """What became of one write.

        ``write`` sends it and returns a line of what the cloud answered; ``shows`` reads whether it took
        effect, and is asked where no answer came: a write is never sent again to find out.
        """
        at = self._clock.now()
        if key in self._under_way:
            said = "another change of it is being sent; nothing was applied"
            return Ticket(key, Result.CONFLICT, at, said)
        self._under_way.add(key)
        try:
            return Ticket(key, Result.ACCEPTED, at, await write())
        except CloudError as error:
            if error.refused or not error.sent:
                result = Result.CONFLICT if error.status == 409 else Result.REFUSED
                said = f"{error.message}; nothing was applied"
                return Ticket(key, result, at, said, status=error.status)
            return await self._looked(key, at, error, shows)
        finally:
            self._under_way.discard(key)

    async def _looked(
        self, key: WorkloadKey, at: float, error: CloudError, shows: Callable[[], Awaitable[bool]]
    ) -> Ticket:
        try:
            applied = await shows()
        except CloudError:
            said = f"{error.message}; it could not be read again: it may or may not have been applied"
            return Ticket(key, Result.UNKNOWN, at, said, status=error.status)
        if applied:
            said = f"{error.message}; read again, it was applied"
            return Ticket(key, Result.ACCEPTED, at, said, status=error.status)
        said = f"{error.message}; read again, it does not show: it may still come, look before trying again"
        return Ticket(key, Result.UNKNOWN, at, said, status=error.status)
