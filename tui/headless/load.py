"""``servegrid load``: a load test from the command line, with the options of hey or a plan."""

from __future__ import annotations

import asyncio
import signal
import sys
from argparse import Namespace
from pathlib import Path

import msgspec

from clients.load.hey import HeyLine, plan_of
from clients.load.lines import Second
from clients.load.plan import LoadPlan
from clients.load.plan_check import PlanError, read_plan
from clients.load.result import Result
from clients.load.run import LoadError, LoadRun, try_once
from clients.serving.plain import plain
from clients.serving.target import is_loopback
from tui.exits import Exit, Stop
from tui.headless.load_job import run_in_cluster
from tui.headless.load_lines import progress_line, reply_lines, result_lines
from tui.headless.output import Output, escaped_json
from tui.load_settings import LoadSettings
from tui.start import Start

__all__ = ["load"]


async def load(arguments: Namespace, start: Start, output: Output) -> Exit:
    """Runs it to its end and prints the result.

    Raises:
        Stop: the plan cannot be run, or is more than the settings allow.
    """
    rules = start.settings.load
    try:
        plan, notes = _plan(arguments)
    except PlanError as error:
        raise Stop(Exit.USAGE, _each(str(error))) from None
    found = rules.problems(plan)
    if found:
        raise Stop(Exit.STOPPED, _each("\n".join(found)))
    plan = rules.bounded(plan)
    if not _is_test_target(plan, rules):
        output.note(
            plain(f"load: {plan.url} is neither on this machine nor named by setting load.allow", 300)
        )
    output.notes([f"servegrid: load: {plain(note, 300)}" for note in notes])
    if arguments.pods is not None:
        result, interrupted = await run_in_cluster(plan, arguments, start, output)
        return _tell(result, arguments, output, interrupted=interrupted)
    try:
        if arguments.once:
            return await _once(plan, arguments.output, output)
        return await _run(plan, arguments, output)
    except LoadError as error:
        raise Stop(Exit.FAILED, f"load: {error}") from None


def _plan(arguments: Namespace) -> tuple[LoadPlan, tuple[str, ...]]:
    """From a file, or from the options of hey; and what differs from hey."""
    if arguments.plan is None:
        given = {name: getattr(arguments, name) for name in HeyLine.__struct_fields__}
        return plan_of(HeyLine(**given))
    try:
        return read_plan(Path(arguments.plan).read_bytes()), ()
    except OSError as error:
        raise PlanError(f"--plan {arguments.plan}: {error.strerror}") from None


def _each(text: str) -> str:
    return "\n".join(f"load: {line}" for line in text.splitlines())


def _is_test_target(plan: LoadPlan, rules: LoadSettings) -> bool:
    dialled = plan.url if plan.connect_to is None else f"http://{plan.connect_to}"
    return rules.allows(plan) or (is_loopback(plan.url) and is_loopback(dialled))


async def _once(plan: LoadPlan, form: str, output: Output) -> Exit:
    reply = await try_once(plan)
    if form == "json":
        output.lines([escaped_json(msgspec.to_builtins(reply))])
    else:
        output.lines(reply_lines(reply))
    return Exit.DONE if reply.error is None else Exit.FAILED


async def _run(plan: LoadPlan, arguments: Namespace, output: Output) -> Exit:
    progress = Output(sys.stderr, sys.stderr)
    due = 0
    async with LoadRun(plan, log=arguments.log) as run:
        interrupted = _on_interrupt(run)
        async for record in run.records():
            if isinstance(record, Second) and progress.terminal:
                due += record.figures.scheduled
                progress.progress(progress_line(plan, record, due))
    assert run.result is not None
    progress.lines([])
    return _tell(run.result, arguments, output, interrupted=bool(interrupted))


def _tell(result: Result, arguments: Namespace, output: Output, *, interrupted: bool) -> Exit:
    if arguments.output == "json":
        output.lines([escaped_json(msgspec.to_builtins(result))])
    else:
        output.lines(result_lines(result, output.width))
    return Exit.INTERRUPTED if interrupted else _code(result)


def _on_interrupt(run: LoadRun) -> list[asyncio.Task[None]]:
    """The first ctrl-c ends the load and waits for what is underway, the next cuts it off; what was done."""
    loop = asyncio.get_running_loop()
    done: list[asyncio.Task[None]] = []

    def interrupt() -> None:
        done.append(asyncio.ensure_future(run.abort() if done else run.stop("interrupted")))

    loop.add_signal_handler(signal.SIGINT, interrupt)
    return done


def _code(result: Result) -> Exit:
    """A rule that stopped it, or nothing that succeeded, is a failure; single errors are a result."""
    failed = result.ended in ("rule", "aborted") or not result.requests.ok
    return Exit.FAILED if failed else Exit.DONE
