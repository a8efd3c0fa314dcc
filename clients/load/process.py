"""A generator as a process: its order and controls on standard input, its records on standard output.

The end of standard input is the end of who started it, so that no load outlives a console that was killed.
As a pod of a Job it has neither: its order is in its environment, and its Job's deadline bounds it. Who plays
a cluster, and starts pods as processes, can have them end with their input all the same.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar

import msgspec

from clients.clock import SystemClock
from clients.load.exchange import Exchange, Outcome
from clients.load.generator import Generator
from clients.load.line_writer import LineWriter
from clients.load.lines import Control, Order, Ready, Record, Refused, Reply, encode
from clients.load.outgoing import OutgoingError, prepare
from clients.load.pod_order import PodOrderError, pod_order

__all__ = ["main"]

_IN, _OUT = 0, 1
_PIECE = 65536
_LAST_WORDS = 1.0
"""Seconds that who started it gets to read the last records."""


T = TypeVar("T")


def main(words: Sequence[str]) -> int:
    """Runs one order; with ``--job`` that of a pod, which ends with 1 if it could not begin.

    ``--job --held`` is a pod that ends as soon as its input does.
    """
    # The console decides what an interrupt means; here it would only cut the result off.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _many_sockets()
    out = LineWriter(_OUT)

    def tell(record: Record) -> None:
        out.put(encode(record))

    try:
        if words and words[0] == "--job":
            return 0 if _run(_work_in_pod(tell, held="--held" in words)) else 1
        _run(_work(tell))
    finally:
        out.close(_LAST_WORDS)
    return 0


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


async def _work_in_pod(tell: Callable[[Record], None], *, held: bool) -> bool:
    """Begins with the other pods of its Job, at the moment that all were told; whether it did."""
    loop, clock, cut = asyncio.get_running_loop(), SystemClock(), asyncio.Event()
    lines: asyncio.Queue[bytes | None] = asyncio.Queue()

    def put(line: bytes | None) -> None:
        lines.put_nowait(line)
        if line is None:
            cut.set()

    if held:
        Thread(target=_read_lines, args=(loop, put), daemon=True).start()
    # The first process of a container is not ended by a signal that it does not handle.
    loop.add_signal_handler(signal.SIGTERM, cut.set)
    tell(_ready(loop))
    try:
        order, start_at = pod_order(os.environ)
        exchange = Exchange(order.plan, prepare(order.plan, os.environ), clock)
    except (PodOrderError, OutgoingError) as error:
        tell(Refused(message=str(error)))
        return False
    async with exchange:
        left = start_at - clock.now()
        if left < 0:
            tell(Refused(message=f"a pod was ready {-left:.1f} s after all were to begin"))
            return False
        with suppress(TimeoutError):
            await asyncio.wait_for(cut.wait(), left)
            tell(Refused(message="stopped before it began"))
            return False
        await _generate(order, exchange, tell, lines)
    return True


def _ready(loop: asyncio.AbstractEventLoop) -> Ready:
    return Ready(pid=os.getpid(), event_loop=type(loop).__module__.partition(".")[0])


async def _work(tell: Callable[[Record], None]) -> None:
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[bytes | None] = asyncio.Queue()
    Thread(target=_read_lines, args=(loop, lines.put_nowait), daemon=True).start()
    tell(_ready(loop))
    first = await lines.get()
    if first is None:
        return
    try:
        order = msgspec.json.decode(first, type=Order)
        outgoing = prepare(order.plan, os.environ)
        exchange = Exchange(order.plan, outgoing, SystemClock())
    except (msgspec.DecodeError, OutgoingError) as error:
        tell(Refused(message=str(error)))
        return
    async with exchange:
        if order.once:
            await _once(exchange, tell, lines)
        else:
            await _generate(order, exchange, tell, lines)


async def _generate(
    order: Order, exchange: Exchange, tell: Callable[[Record], None], lines: asyncio.Queue[bytes | None]
) -> None:
    log = None
    if order.log is not None:
        try:
            log = LineWriter(os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
        except OSError as error:
            tell(Refused(message=f"{order.log}: {error.strerror}"))
            return
    gc.collect()
    gc.freeze()
    generator = Generator(order, exchange, SystemClock(), tell, None if log is None else log.put)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, generator.abort)
    listening = asyncio.create_task(_listen(lines, generator))
    try:
        await generator.run()
    finally:
        listening.cancel()
        if log is not None:
            log.close(_LAST_WORDS)


async def _listen(lines: asyncio.Queue[bytes | None], generator: Generator) -> None:
    while (line := await lines.get()) is not None:
        with suppress(msgspec.DecodeError):
            generator.control(msgspec.json.decode(line, type=Control))
    generator.abort()


async def _once(
    exchange: Exchange, tell: Callable[[Record], None], lines: asyncio.Queue[bytes | None]
) -> None:
    """One request; a parent that goes away meanwhile is not waited for."""
    sending = asyncio.ensure_future(exchange.send(0, lambda _: None, keep=True))
    leaving = asyncio.ensure_future(_until_gone(lines))
    await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    if sending.done():
        tell(_reply(sending.result()))
    else:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _until_gone(lines: asyncio.Queue[bytes | None]) -> None:
    while await lines.get() is not None:
        pass


def _reply(outcome: Outcome) -> Reply:
    took, first = outcome.end - outcome.sent, outcome.first_token
    return Reply(
        status=outcome.status,
        error=outcome.error,
        message=outcome.message,
        took_ms=round(took * 1000, 3),
        ttft_ms=None if first is None else round((first - outcome.sent) * 1000, 3),
        prompt_tokens=outcome.prompt_tokens,
        output_tokens=outcome.output_tokens,
        text=outcome.text,
    )


def _read_lines(loop: asyncio.AbstractEventLoop, put: Callable[[bytes | None], None]) -> None:
    """In a thread: standard input may be a pipe, a file or a terminal, and no loop waits for all of them."""
    tail = b""
    with suppress(RuntimeError):  # The loop is closed: nobody listens any more.
        while piece := _piece():
            *lines, tail = (tail + piece).split(b"\n")
            for line in lines:
                loop.call_soon_threadsafe(put, line)
        loop.call_soon_threadsafe(put, None)


def _piece() -> bytes:
    try:
        return os.read(_IN, _PIECE)
    except OSError:
        return b""


def _many_sockets() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
