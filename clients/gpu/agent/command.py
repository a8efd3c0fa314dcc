"""``servegrid agent``: samples and serves until SIGTERM, SIGINT or SIGHUP."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from clients.clock import Clock
from clients.gpu.agent.attribution import SOCKET, Attribution
from clients.gpu.agent.sampler import Sampler
from clients.gpu.agent.sampling import Sampling
from clients.gpu.agent.server import is_loopback, serve
from clients.gpu.agent.token import Token, TokenError

__all__ = ["CannotServe", "TokenError", "run"]


class CannotServe(Exception):  # noqa: N818 (says what cannot be)
    """The agent cannot listen; the message says where and why."""


def run(
    address: str,
    port: int,
    interval: float,
    token_file: Path | None,
    environ: Mapping[str, str],
    clock: Clock,
) -> None:
    """Runs the agent. ``interval`` in seconds; ``NODE_NAME`` is the name that the page gives the node.

    Raises:
        TokenError: the token file holds none.
        CannotServe: it cannot listen on the address.
    """
    token = Token(token_file) if token_file is not None else None
    hostname = environ.get("NODE_NAME") or os.uname().nodename
    asyncio.run(_run(address, port, interval, token, hostname, clock))


async def _run(
    address: str, port: int, interval: float, token: Token | None, hostname: str, clock: Clock
) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    sampling = Sampling(Sampler(clock), clock, interval, _tell)
    attribution = Attribution(SOCKET, clock)
    try:
        served = await serve(
            address,
            port,
            sampling=sampling,
            attribution=attribution,
            clock=clock,
            hostname=hostname,
            token=token,
        )
    except OSError as error:
        # asyncio wraps the system's words in its own; a name that is not found has only the resolver's.
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise CannotServe(f"cannot listen on {_where(address, port)}: {why}") from None
    asking = asyncio.ensure_future(attribution.run())
    try:
        if token is None and not is_loopback(address):
            _tell("no --token-file: whoever reaches this address may read the page")
        _tell(f"serving http://{_where(address, served.port)}/metrics")
        sampling.start()
        await ended.wait()
    finally:
        asking.cancel()
        await asyncio.wait((asking,))
        await served.close()
        sampling.stop()


def _where(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _tell(line: str) -> None:
    sys.stderr.write(f"servegrid agent: {line}\n")
    sys.stderr.flush()
