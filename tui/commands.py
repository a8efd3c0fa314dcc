"""From a parsed command line to the command that runs. Loads only what the command needs."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, NoReturn

from clients.clock import SystemClock
from tui.exits import Exit, Stop
from tui.headless import loop
from tui.headless.output import Output
from tui.start import Start, start_from

__all__ = ["run"]

_LOOK_SECONDS = 0.5
"""How often the demo looks whether its cluster still lives."""


def run(arguments: Namespace) -> Exit:
    """Runs the command and gives its exit code.

    Raises:
        Stop: the command ends with a code and a line for standard error.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    if arguments.command == "demo":
        return _demo(arguments, os.environ)
    if arguments.command == "agent":
        return _agent(arguments, os.environ)
    start = start_from(arguments, os.environ)
    output = Output()
    if arguments.command is None:
        return _console(arguments, start, output)
    module = importlib.import_module(f"tui.headless.{arguments.command}")
    return loop.run(getattr(module, arguments.command)(arguments, start, output))


def _console(
    arguments: Namespace, start: Start, output: Output, failure: Callable[[], str | None] = lambda: None
) -> Exit:
    """The screen, or lines where there is none. The screen is loaded by name: this module starts without.

    ``failure`` says why what is watched has ended for good; lines end with it, a screen stays.
    """
    plain = getattr(arguments, "plain", False) or os.environ.get("TERM", "dumb") == "dumb"
    if plain or not (sys.stdin.isatty() and sys.stdout.isatty()):
        watch = importlib.import_module("tui.headless.watch")
        return loop.run(_unless(failure, watch.plain_console(start, output)))
    gc.disable()  # Modules being imported leave no garbage, but double the rounds that look for it.
    console = importlib.import_module("tui.console")
    return Exit(console.run(start))


async def _unless(failure: Callable[[], str | None], command: Coroutine[Any, Any, Exit]) -> Exit:
    task = asyncio.ensure_future(command)
    try:
        while failure() is None:
            done, _ = await asyncio.wait((task,), timeout=_LOOK_SECONDS)
            if done:
                return task.result()
        return Exit.FAILED
    finally:
        task.cancel()
        await asyncio.wait((task,))


def _demo(arguments: Namespace, environ: Mapping[str, str]) -> Exit:
    given = vars(arguments)
    if "kubeconfig" in given:
        raise Stop(Exit.USAGE, "demo: --kubeconfig: the demo has a cluster of its own")
    demo = importlib.import_module("tui.demo")
    words = [f"--{name}={given[name]}" for name in ("scenario", "speed", "seed") if name in given]
    hidden = demo.demo_environment(environ)
    for name in set(environ) - set(hidden):
        os.environ.pop(name, None)
    with demo.running(words, hidden, SystemClock()) as cluster:
        start = start_from(arguments, hidden, demo_kubeconfig=cluster.kubeconfig, demo_clouds=cluster.clouds)
        code = _console(arguments, start, Output(), cluster.failure)
        failure = cluster.failure()
    if failure is not None:
        raise Stop(Exit.FAILED, failure)
    return code


def _agent(arguments: Namespace, environ: Mapping[str, str]) -> Exit:
    command = importlib.import_module("clients.gpu.agent.command")
    token_file = None if arguments.token_file is None else Path(arguments.token_file)
    asked = (arguments.listen, arguments.port, arguments.interval, token_file)
    try:
        command.run(*asked, environ, SystemClock())
    except command.TokenError as error:
        raise Stop(Exit.USAGE, f"--token-file {error}") from None
    except command.CannotServe as error:
        raise Stop(Exit.FAILED, str(error)) from None
    return Exit.DONE


def _interrupt(number: int, frame: object) -> NoReturn:
    """Unwinds, so that the terminal is given back and what was started is ended."""
    raise KeyboardInterrupt
