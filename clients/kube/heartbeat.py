"""Whether the API server answers at all, asked every two seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct

from clients.clock import Clock
from clients.kube.errors import ErrorKind, KubeError
from clients.kube.session import Session

__all__ = ["Heartbeat", "Pulse"]

EVERY = 2.0
LIMIT = 2.0
"""Seconds between questions, and for one answer: a dead server is known within four."""
ALIVE = {
    ErrorKind.UNAUTHORIZED,
    ErrorKind.FORBIDDEN,
    ErrorKind.NOT_FOUND,
    ErrorKind.INVALID,
    ErrorKind.THROTTLED,
    ErrorKind.CONFLICT,
    ErrorKind.GONE,
}
"""Answers of a server that is there, whatever it thinks of us."""


class Pulse(Struct, frozen=True):
    """What the last question brought."""

    asked: float
    """Monotonic seconds of the question: a byte that came after it outweighs that it was not answered."""

    alive: bool
    since: float
    """Monotonic seconds: of the first answer, or of the first question without one."""
    detail: str | None = None
    """Why the server counts as dead."""
    login: bool = False
    """Not the server is missing but credentials to ask it with."""


class Heartbeat:
    """GET ``/readyz``, else a list of one namespace; tells ``on_status`` what came of it.

    ``on_status`` is called on the heartbeat's event loop: with the first answer, with the first after
    questions that were not answered, and with every question that is not answered (sources that prove the
    server alive meanwhile may fall silent later). At each first answer the cluster is identified anew.
    """

    def __init__(
        self,
        session: Session,
        clock: Clock,
        on_status: Callable[[Pulse], None],
        *,
        every: float = EVERY,
        limit: float = LIMIT,
    ) -> None:
        self._session = session
        self._clock = clock
        self._on_status = on_status
        self._every = every
        self._limit = limit
        self._identified = False
        self.pulse: Pulse | None = None

    async def run(self) -> None:
        """Asks until cancelled."""
        while True:
            asked = self._clock.monotonic()
            error = await self._ask()
            self._tell(asked, error)
            if error is None and not self._identified:
                self._identified = await self._identify()
            await asyncio.sleep(max(0.0, self._every - (self._clock.monotonic() - asked)))

    async def _ask(self) -> KubeError | None:
        """None from a server that answers; else why not."""
        try:
            async with asyncio.timeout(self._limit):
                try:
                    await self._session.get("/readyz", timeout=self._limit)
                except KubeError as error:
                    if error.kind in ALIVE:
                        return None
                    if error.status is None:
                        return error
                    await self._session.get("/api/v1/namespaces", {"limit": 1}, timeout=self._limit)
        except KubeError as error:
            return None if error.kind in ALIVE else error
        except TimeoutError:
            return KubeError(
                f"{self._session.server}: no answer in {self._limit:g} s", kind=ErrorKind.UNREACHABLE
            )
        return None

    async def _identify(self) -> bool:
        try:
            async with asyncio.timeout(5 * self._limit):
                await self._session.identify()
        except (KubeError, TimeoutError):
            return False
        return True

    def _tell(self, asked: float, error: KubeError | None) -> None:
        before = self.pulse
        alive = error is None
        if alive and before is not None and before.alive:
            return
        if not alive:
            # After an outage another server may answer under this name.
            self._identified = False
        since = before.since if before is not None and before.alive == alive else asked
        self.pulse = Pulse(
            asked=asked,
            alive=alive,
            since=since,
            detail=error.message if error is not None else None,
            login=error is not None and error.kind is ErrorKind.LOGIN,
        )
        self._on_status(self.pulse)
