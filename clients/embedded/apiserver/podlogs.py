"""Pod logs: which lines are wanted, of which container; the simulation says what they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from aiohttp import web
from msgspec import Struct

from clients.embedded.apiserver.errors import bad_request
from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.requests import Target, flag, number
from clients.embedded.apiserver.responses import Responder
from clients.embedded.apiserver.times import micro_rfc3339

__all__ = ["LogQuery", "LogSource", "Logs"]


class LogQuery(Struct, frozen=True):
    """Which lines are wanted."""

    namespace: str
    pod: str
    container: str
    tail: int | None = None
    """The newest so many lines; None: all."""
    follow: bool = False
    previous: bool = False
    """Of the container's former run."""
    since: float | None = None
    """UTC seconds."""


LogSource = Callable[[LogQuery], AsyncIterator[tuple[float, str]]]
"""(UTC seconds, line), oldest first; when following, then what comes, until the container ends."""


class Logs:
    """Answers ``pods/log``."""

    def __init__(self, responder: Responder, now: Callable[[], float]) -> None:
        self._responder = responder
        self._now = now
        self.source: LogSource | None = None

    async def answer(self, request: web.Request, target: Target, pod: Json) -> web.StreamResponse:
        """Lines as plain text. Raises ApiError 400 where no container is chosen or it has not started."""
        query = request.query
        container = self._container(pod, query.get("container"))
        previous = flag(query, "previous")
        self._refuse_not_started(pod, container, previous=previous)
        seconds = number(query, "sinceSeconds")
        asked = LogQuery(
            target.namespace or "",
            target.name or "",
            container,
            number(query, "tailLines"),
            flag(query, "follow"),
            previous,
            self._now() - seconds if seconds is not None else None,
        )
        stamped, left = flag(query, "timestamps"), number(query, "limitBytes")
        response = web.StreamResponse(headers=self._responder.headers("text/plain"))
        await response.prepare(request)
        if self.source is not None and (asked.tail != 0 or asked.follow):
            async for at, line in self.source(asked):
                text = f"{micro_rfc3339(at)} {line}\n" if stamped else f"{line}\n"
                data = text.encode("utf-8", "replace")
                if left is not None:
                    data = data[:left]
                    left -= len(data)
                await response.write(data)
                if left == 0:
                    break
        await response.write_eof()
        return response

    def _container(self, pod: Json, wanted: str | None) -> str:
        spec, name = pod.get("spec") or {}, pod["metadata"]["name"]
        inits = [c.get("name") for c in spec.get("initContainers") or ()]
        mains = [c.get("name") for c in spec.get("containers") or ()]
        if wanted:
            if wanted not in (*mains, *inits):
                raise bad_request(f"container {wanted} is not valid for pod {name}")
            return wanted
        if len(mains) == 1:
            return str(mains[0])
        listed = " ".join(str(n) for n in mains)
        more = f" or one of the init containers: [{' '.join(map(str, inits))}]" if inits else ""
        raise bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{listed}]{more}"
        )

    def _refuse_not_started(self, pod: Json, container: str, *, previous: bool) -> None:
        status = pod.get("status") or {}
        told = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
        found = next((c for c in told if c.get("name") == container), None)
        name = pod["metadata"]["name"]
        if previous and not (found or {}).get("lastState", {}).get("terminated"):
            raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
        waiting = ((found or {}).get("state") or {}).get("waiting")
        if not previous and waiting and not (found or {}).get("restartCount"):
            reason = waiting.get("reason", "ContainerCreating")
            raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {reason}')
