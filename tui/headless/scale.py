"""``servegrid scale``: the console's plan, guards, confirmation and audit log, on one command line."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import Any

from clients.kube.errors import ErrorKind, KubeError
from clients.serving.affected import count_of
from clients.serving.backend import Result, Ticket
from clients.serving.eta import spell
from clients.serving.guards import Confirmation, Level
from clients.serving.operation import Operation, Outcome
from clients.serving.phase import Phase
from clients.serving.plain import plain
from clients.serving.plans import ScalePlan
from clients.serving.workload import Workload
from tui.exits import Exit, Stop
from tui.headless.asked import change_of
from tui.headless.connect import Connection, connected
from tui.headless.naming import one_workload
from tui.headless.output import Output, ReaderLeftError, escaped_json
from tui.headless.plan_lines import ending_line, plan_json, plan_lines
from tui.headless.tables import moves, slowest, source_lines
from tui.scaling import NotSent
from tui.start import Start

__all__ = ["scale"]

SCHEMA = 1
_SYNC_SECONDS = 10.0

_CODES = {
    Result.ACCEPTED: Exit.DONE,
    Result.CONFLICT: Exit.FAILED,
    Result.UNKNOWN: Exit.FAILED,
    Result.REFUSED: Exit.STOPPED,
}


async def scale(arguments: Namespace, start: Start, output: Output) -> Exit:
    """Plans, asks, sends once, and with ``--wait`` follows until it is done."""
    async with connected(start) as connection:
        run = _Run(arguments, start, output, connection)
        try:
            code = await run.whole()
        except Stop as stop:
            run.say_json(stop.code, stop.message)
            raise
        run.say_json(code)
        return code


class _Run:
    """One scaling, from the name to its end."""

    def __init__(self, arguments: Namespace, start: Start, output: Output, connection: Connection) -> None:
        self._given = vars(arguments)
        self._start = start
        self._output = output
        self._connection = connection
        self._text = arguments.output == "text"
        self._readers_left = False
        self._plan: ScalePlan | None = None
        self._ticket: Ticket | None = None
        self._ended: Operation | None = None
        self._why: str | None = None

    async def whole(self) -> Exit:
        workload = await self._workload()
        current = self._given.get("current")
        if current is not None and workload.desired != current:
            return self._fail(
                Exit.FAILED,
                f"conflict: {workload.desired} groups are wanted now, not {current}; nothing was sent",
            )
        change = change_of(workload, self._given, self._connection.scaling.pins)
        try:
            plan = await self._connection.scaling.plan(workload, change)
        except KubeError as error:
            return self._fail(_code(error), error.message)
        self._plan = plan
        if plan.write is None:
            self._say_plan(plan)
            return self._fail(Exit.DONE, "nothing changes, so nothing is sent")
        if not plan.blocked:
            # The webhook speaks in the dry run: a person should hear it before answering.
            try:
                self._plan = plan = await self._connection.scaling.dry_run(plan)
            except KubeError as error:
                self._say_plan(plan)
                return self._fail(_code(error), error.message)
        self._say_plan(plan)
        if plan.blocked:
            return self._fail(_blocked(plan), "stopped by a guard; nothing was sent")
        if self._given.get("dry_run"):
            self._say("dry run: the server would take it; nothing was changed")
            return Exit.DONE
        return await self._send(plan)

    async def _workload(self) -> Workload:
        connection = self._connection
        whole = await connection.first_sync(_SYNC_SECONDS)
        seen = list(connection.fleet.view().workloads.values())
        found = one_workload(seen, self._given["name"], connection.backend.chains, whole=whole)
        if found is None or not whole:
            lines = source_lines(connection.sources)
            raise Stop(Exit.UNREACHABLE, "\n".join(lines) or "the cluster did not answer in time")
        return found

    async def _send(self, plan: ScalePlan) -> Exit:
        typed = await self._confirmation(plan)
        try:
            ticket = await self._connection.scaling.send(plan, typed=typed)
        except NotSent as error:
            return self._fail(Exit.STOPPED, f"{plain(str(error), 400)}; nothing was sent")
        self._ticket = ticket
        if ticket.result is not Result.ACCEPTED:
            code = Exit.UNREACHABLE if ticket.status in (401, 403) else _CODES[ticket.result]
            return self._fail(code, f"{ticket.result}: {plain(ticket.message, 400)}")
        problem = self._connection.scaling.problem
        if problem:
            self._output.note(plain(problem, 400))
        self._say("accepted")
        # Bounds that move nothing now have nothing to wait for.
        waits = self._given.get("wait") and plan.after != plan.before
        return await self._wait(plan) if waits else Exit.DONE

    async def _confirmation(self, plan: ScalePlan) -> str | None:
        """What stands for the person's answer; ``None`` for none."""
        if self._given.get("yes") and plan.confirmation in (Confirmation.OK, Confirmation.YES):
            return "YES"
        questions = {
            Confirmation.OK: "Send it? [y/N] ",
            Confirmation.YES: "What serves goes away. Type YES to send it: ",
            Confirmation.NAME: f"Protected context. Type {plain(plan.named)} to send it: ",
        }
        if not self._output.can_ask:
            return None
        if not (self._text and self._output.terminal):
            self._output.notes(plan_lines(plan, self._connection.config.context))
        answer = await self._output.ask(questions[plan.confirmation])
        if plan.confirmation is Confirmation.OK:
            return "" if (answer or "").strip().lower() in ("y", "yes", "ok") else None
        return answer

    async def _wait(self, plan: ScalePlan) -> Exit:
        connection, limit = self._connection, self._given.get("timeout")
        clock = connection.backend.clock
        end = None if limit is None else clock.monotonic() + limit
        while True:
            ended = connection.fleet.finished(plan.key)
            if ended is not None and _carries(ended, plan, self._ticket):
                self._ended = ended
                return self._outcome(ended)
            workload = connection.fleet.view().workloads.get(plan.key)
            lost = _lost(workload, plan, self._ticket)
            if lost is not None:
                return self._fail(Exit.FAILED, lost)
            if workload is not None:
                self._progress(workload, plan)
            if end is not None and clock.monotonic() >= end:
                return self._fail(
                    Exit.FAILED, f"timed out after {spell(limit)}; the change stays as it was sent"
                )
            await connection.wait(0.5 if end is None else min(0.5, max(0.01, end - clock.monotonic())))

    def _progress(self, workload: Workload, plan: ScalePlan) -> None:
        operation = workload.operation
        if operation is None or not self._text:
            return
        left = self._connection.remaining(workload)
        parts = [
            f"{operation.done}/{operation.total} done",
            "no history" if left is None else f"~{spell(left)}",
        ]
        for group in workload.groups:
            if group.phase in (Phase.CREATING, Phase.SCALING):
                slow = slowest(group.roles)
                where = f" {slow.id} {slow.stage or slow.phase} {slow.progress or 0}%" if slow else ""
                parts.append(f"{group.name} {group.phase}{where}")
            elif group.phase is Phase.DELETING:
                parts.append(f"{group.name} {group.phase}")
            if group.trouble is not None:
                parts.append(f"{group.name} {group.trouble.kind}: {group.trouble.reason}")
        text = plain(", ".join(parts), 400)
        if text != self._why:
            self._why = text
            self._tell(lambda: self._output.progress(text))

    def _outcome(self, ended: Operation) -> Exit:
        self._say(ending_line(ended))
        if ended.outcome is Outcome.DONE:
            self._why = None
            return Exit.DONE
        return self._fail(Exit.FAILED, f"{ended.outcome}: {plain(ended.detail or '', 400)}".rstrip(": "))

    def _fail(self, code: Exit, why: str) -> Exit:
        self._why = why
        self._output.note(why)
        return code

    def _say_plan(self, plan: ScalePlan) -> None:
        if self._text:
            self._tell(lambda: self._output.lines(plan_lines(plan, self._connection.config.context)))

    def _say(self, text: str) -> None:
        if self._text:
            self._tell(lambda: self._output.lines([text]))

    def _tell(self, write: Callable[[], None]) -> None:
        """A reader that leaves ends the telling, never the scaling: its exit code still counts."""
        if self._readers_left:
            return
        try:
            write()
        except ReaderLeftError:
            self._readers_left = True

    def say_json(self, code: Exit, message: str | None = None) -> None:
        """One object, when all is over, if JSON was asked for."""
        if self._text:
            return
        plan, ticket, ended = self._plan, self._ticket, self._ended
        value = {
            "schema": SCHEMA,
            "code": int(code),
            "message": self._why if message is None else message,
            "workload": None if plan is None else {**_key(plan), "uid": plan.uid},
            "plan": None if plan is None else plan_json(plan),
            "sent": None
            if ticket is None
            else {
                "result": ticket.result,
                "message": ticket.message,
                "generation": ticket.generation,
                "status": ticket.status,
            },
            "ended": None
            if ended is None
            else {
                "outcome": ended.outcome,
                "detail": ended.detail,
                "happened": ended.happened,
                "predicted": ended.prediction.order if ended.prediction else None,
                "seconds": None if ended.ended_at is None else round(ended.ended_at - ended.started_at, 1),
            },
        }
        self._tell(lambda: self._output.lines([escaped_json(value)]))


def _code(error: KubeError) -> Exit:
    lost = (
        ErrorKind.UNREACHABLE,
        ErrorKind.UNAUTHORIZED,
        ErrorKind.FORBIDDEN,
        ErrorKind.LOGIN,
        ErrorKind.THROTTLED,
    )
    if error.kind is ErrorKind.INVALID:
        return Exit.USAGE
    return Exit.UNREACHABLE if error.kind in lost else Exit.FAILED


def _blocked(plan: ScalePlan) -> Exit:
    """A missing right is "not allowed", another count than ``--current`` a conflict, all else a guard."""
    ids = {guard.id for guard in plan.guards if guard.level is Level.BLOCK}
    if "right" in ids:
        return Exit.UNREACHABLE
    return Exit.FAILED if "current" in ids else Exit.STOPPED


def _carries(ended: Operation, plan: ScalePlan, ticket: Ticket | None) -> bool:
    """Whether the operation is the one that the plan's write began or extended."""
    if ticket is None or (ended.ended_at or ended.started_at) < ticket.sent_at - 1:
        return False
    return ended.after.groups == plan.after.groups and dict(ended.after.roles) == dict(plan.after.roles)


def _lost(workload: Workload | None, plan: ScalePlan, ticket: Ticket | None) -> str | None:
    """What became of a change that was undone so soon that it was never seen to begin."""
    if workload is None or workload.uid != plan.uid:
        return f"{Outcome.GONE}: the workload was deleted"
    later = (
        ticket is not None
        and ticket.generation is not None
        and workload.generation is not None
        and workload.generation > ticket.generation
    )
    if not later or count_of(workload) == plan.after:
        return None
    who = plain(workload.replicas_manager or "somebody")
    return f"{Outcome.REVERTED}: {who} asked for {moves(plan.after, count_of(workload))}"


def _key(plan: ScalePlan) -> dict[str, Any]:
    key = plan.key
    return {
        "cluster": key.cluster,
        "system": key.system,
        "kind": key.kind,
        "namespace": key.namespace,
        "name": key.name,
    }
