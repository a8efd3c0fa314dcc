"""One change on the command line: the console's plan, guards, confirmation and audit log, to its end."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from clients.kube.errors import ErrorKind, KubeError
from clients.serving.affected import count_of
from clients.serving.backend import BackendError, Result, Ticket
from clients.serving.changes import ObjectChange, Verb
from clients.serving.eta import spell
from clients.serving.guards import Confirmation, Level
from clients.serving.operation import Operation, Outcome
from clients.serving.phase import Phase
from clients.serving.plain import plain
from clients.serving.plans import ScalePlan
from clients.serving.workload import Workload
from tui.exits import Exit, Stop
from tui.headless.connect import Connection
from tui.headless.output import Output, ReaderLeftError, escaped_json
from tui.headless.plan_lines import ending_line, plan_json, plan_lines
from tui.headless.tables import moves, slowest
from tui.line import Line
from tui.scaling import NotSent

__all__ = ["Sending"]

SCHEMA = 1

_CODES = {
    Result.ACCEPTED: Exit.DONE,
    Result.CONFLICT: Exit.FAILED,
    Result.UNKNOWN: Exit.FAILED,
    Result.REFUSED: Exit.STOPPED,
}


class Sending:
    """One change of one command, from its plan to its end."""

    def __init__(self, arguments: Namespace, output: Output, connection: Connection) -> None:
        """Reads ``yes``, ``dry_run``, ``wait``, ``timeout`` and ``output`` of the arguments."""
        self._given = vars(arguments)
        self._output = output
        self._connection = connection
        self._text = arguments.output == "text"
        self._readers_left = False
        self._plan: ScalePlan | None = None
        self._ticket: Ticket | None = None
        self._ended: Operation | None = None
        self._why: str | None = None

    async def told(self, doing: Coroutine[Any, Any, Exit]) -> Exit:
        """The code that it comes to; where JSON was asked for, one object when all is over."""
        try:
            code = await doing
        except Stop as stop:
            self._say_json(stop.code, stop.message)
            raise
        self._say_json(code)
        return code

    async def carry_out(self, line: Line, planning: Awaitable[ScalePlan]) -> Exit:
        """Shows the plan, asks the server, then the person, sends it once, and waits if it is to."""
        try:
            plan = await planning
        except BackendError as error:
            return self.fail(_code(error), error.message)
        self._plan = plan
        if plan.write is None and not plan.blocked:
            self._say_plan(plan, line)
            return self.fail(Exit.DONE, "nothing changes, so nothing is sent")
        if not plan.blocked:
            # The webhook speaks in the dry run: a person should hear it before answering.
            try:
                self._plan = plan = await line.scaling.dry_run(plan)
            except BackendError as error:
                self._say_plan(plan, line)
                return self.fail(_code(error), error.message)
        self._say_plan(plan, line)
        if plan.blocked:
            return self.fail(_blocked(plan), "stopped by a guard; nothing was sent")
        if self._given.get("dry_run"):
            self._say("dry run: the server would take it; nothing was changed")
            return Exit.DONE
        return await self._send(plan, line)

    async def _send(self, plan: ScalePlan, line: Line) -> Exit:
        typed = await self._confirmation(plan, line)
        try:
            ticket = await line.scaling.send(plan, typed=typed)
        except NotSent as error:
            return self.fail(Exit.STOPPED, f"{plain(str(error), 400)}; nothing was sent")
        self._ticket = ticket
        if ticket.result is not Result.ACCEPTED:
            code = Exit.UNREACHABLE if ticket.status in (401, 403) else _CODES[ticket.result]
            return self.fail(code, f"{ticket.result}: {plain(ticket.message, 400)}")
        problem = line.scaling.problem
        if problem:
            self._output.note(plain(problem, 400))
        self._say("accepted")
        # Bounds that move nothing now have nothing to wait for.
        waits = self._given.get("wait") and plan.after != plan.before
        return await self._wait(plan) if waits else Exit.DONE

    async def _confirmation(self, plan: ScalePlan, line: Line) -> str | None:
        """What stands for the person's answer; ``None`` for none."""
        if self._given.get("yes") and plan.confirmation in (Confirmation.OK, Confirmation.YES):
            return "YES"
        questions = {
            Confirmation.OK: "Send it? [y/N] ",
            Confirmation.YES: "What serves goes away. Type YES to send it: ",
            Confirmation.NAME: f"{_why_named(plan)} Type {plain(plan.named)} to send it: ",
        }
        if not self._output.can_ask:
            return None
        if not (self._text and self._output.terminal):
            self._output.notes(plan_lines(plan, line.name))
        answer = await self._output.ask(questions[plan.confirmation])
        if plan.confirmation is Confirmation.OK:
            return "" if (answer or "").strip().lower() in ("y", "yes", "ok") else None
        return answer

    async def _wait(self, plan: ScalePlan) -> Exit:
        connection, limit = self._connection, self._given.get("timeout")
        clock = connection.lines.clock(plan.key.cluster)
        end = None if limit is None else clock.monotonic() + limit
        while True:
            ended = connection.fleet.finished(plan.key)
            if ended is not None and _carries(ended, plan, self._ticket):
                self._ended = ended
                return self._outcome(ended)
            workload = connection.fleet.view().workloads.get(plan.key)
            if workload is None and _verb(plan) is Verb.DELETE:
                self._say("deleted")
                return Exit.DONE
            lost = _lost(workload, plan, self._ticket)
            if lost is not None:
                return self.fail(Exit.FAILED, lost)
            if workload is not None:
                self._progress(workload, plan)
            if end is not None and clock.monotonic() >= end:
                return self.fail(
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
        return self.fail(Exit.FAILED, f"{ended.outcome}: {plain(ended.detail or '', 400)}".rstrip(": "))

    def fail(self, code: Exit, why: str) -> Exit:
        """Says why on standard error; the code is handed back."""
        self._why = why
        self._output.note(why)
        return code

    def _say_plan(self, plan: ScalePlan, line: Line) -> None:
        if self._text:
            self._tell(lambda: self._output.lines(plan_lines(plan, line.name)))

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

    def _say_json(self, code: Exit, message: str | None = None) -> None:
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


def _code(error: BackendError) -> Exit:
    if isinstance(error, KubeError) and error.kind is ErrorKind.INVALID:
        return Exit.USAGE
    return Exit.UNREACHABLE if error.lost else Exit.FAILED


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


def _verb(plan: ScalePlan) -> Verb | None:
    return plan.change.verb if isinstance(plan.change, ObjectChange) else None


def _why_named(plan: ScalePlan) -> str:
    return "It is deleted." if _verb(plan) is Verb.DELETE else "Protected context."


def _lost(workload: Workload | None, plan: ScalePlan, ticket: Ticket | None) -> str | None:
    """What became of a change that was undone so soon that it was never seen to begin."""
    if _verb(plan) is Verb.CREATE:
        return None  # It is seen as soon as its system lists it.
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
