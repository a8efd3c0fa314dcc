"""The dialog of a load test: the form, what has to be typed, one test request, and then the load."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from textual import on
from textual.widgets import Input

from clients.load.lines import Reply
from clients.load.plan import LoadPlan
from clients.load.plan_check import PlanError
from clients.load.run import LoadError, try_once
from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from clients.serving.target import LoadTarget, is_loopback
from tui.dialogs.settled import SETTLE_SECONDS
from tui.door import Mode
from tui.forms.load import CONFIRM, ONLY_ONE, load_plan, load_rows, pasted
from tui.forms.rows import RowsDialog
from tui.load_settings import LoadSettings
from tui.session import Session

__all__ = ["LoadDialog", "LoadWish", "reply_words"]


class LoadWish(Struct, frozen=True):
    """What the dialog answers with."""

    plan: LoadPlan
    tried: str
    """What the test request came to."""


class LoadDialog(RowsDialog[LoadWish]):
    """Nothing is sent before Enter, and then one request before all the others."""

    def __init__(
        self,
        session: Session,
        key: WorkloadKey,
        target: LoadTarget,
        rules: LoadSettings,
        last: LoadPlan | None,
    ) -> None:
        super().__init__(session, f"Load test of {session.title(key)}", load_rows(target, rules, last))
        self._key = key
        self._target = target
        self._rules = rules
        self._asking = False
        self._outcome = ""
        """What the last Enter came to."""
        self._tried: LoadPlan | None = None
        """The plan whose test request failed: the next Enter starts it all the same."""
        self._typed_since = 0.0

    # What is said

    def said(self) -> Sequence[str]:
        """Where the values are from, whether it is a test target, and what is wrong."""
        plan = load_plan(self.values, self._target)
        if isinstance(plan, str):
            self.aim(None)
            return (self._sources(), f"not yet: {plan}", self._outcome)
        self.aim((plan, self._asking))
        wrong = self._rules.problems(plan)
        line = pasted(self.values)
        told = (
            self._sources() if line is None else f"a line of hey, the rows below do not count: {line[1][0]}"
        )
        return (told, wrong[0] if wrong else self._safety(plan), self._outcome)

    def _sources(self) -> str:
        """Of the rows that still are as the objects tell them."""
        values, target = {**self.values, "address": self.values["url"]}, self._target
        found = {**{name: fact.value for name, fact in target.facts}, "address": target.url}
        return "; ".join(
            f"{name}: {fact.source}"
            for name, fact in target.facts
            if fact.source and values[name] == (found[name] or "")
        )

    def _safety(self, plan: LoadPlan) -> str:
        allowed = self._allowed(plan)
        word = self._asks(plan)
        if word is None:
            return f"may be tested: {allowed}"
        if self.session.live.context.mode is Mode.PROTECTED:
            return f"type {plain(word)} to confirm: the context is protected"
        return (
            f"type {word} to confirm: nothing says that {plain(self._key.namespace or self._key.cluster)} "
            "is for tests (label servegrid.io/load-test=allowed, setting load.allow)"
        )

    def _allowed(self, plan: LoadPlan) -> str | None:
        """Why this is a target for tests, or ``None``."""
        if _is_here(plan):
            return "it is on this machine"
        if self._rules.allows(plan):
            return "setting load.allow names its host"
        if self._target.labelled and plan.url == self._target.url and plan.connect_to is None:
            return "its namespace is labelled servegrid.io/load-test=allowed"
        return None

    def _asks(self, plan: LoadPlan) -> str | None:
        """What has to be typed, or ``None``."""
        allowed = self._allowed(plan)
        if self.session.live.context.mode is Mode.PROTECTED and not _is_here(plan):
            return self._key.name
        return None if allowed is not None else "YES"

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._outcome = ""
        if event.input is self._lines[CONFIRM] and len(event.value) <= 1:
            self._typed_since = self.session.door.monotonic()

    # Keys

    def action_confirm(self) -> None:
        """The test request; after it, or where it has failed at the next Enter, the load."""
        plan = load_plan(self.values, self._target)
        if self._asking or isinstance(plan, str):
            self.say()
            return
        reason = self._why_not(plan)
        if reason is not None:
            self._told(f"not sent: {reason}")
        elif self._tried == plan and self.values["then"] != ONLY_ONE:
            self._start(plan, "the test request had failed")
        else:
            self._asking = True
            self._told("one test request is under way")
            self.run_worker(self._try(plan), group="try", exclusive=True, exit_on_error=False)

    def _start(self, plan: LoadPlan, tried: str) -> None:
        self.dismiss(LoadWish(self._rules.bounded(plan), tried))

    def _why_not(self, plan: LoadPlan) -> str | None:
        word, typed = self._asks(plan), self.values[CONFIRM]
        if wrong := self._rules.problems(plan):
            return wrong[0]
        if word is not None and typed != word:
            return f"type {plain(word)} into the line above, exactly"
        if word is not None and self.session.door.monotonic() - self._typed_since < SETTLE_SECONDS:
            return f"that was pasted; type {plain(word)} by hand"
        if not self.settled.ready:
            return "Enter came before this was to be seen; press it again"
        return None

    def _told(self, text: str) -> None:
        self._outcome = text
        self.say()

    async def _try(self, plan: LoadPlan) -> None:
        try:
            reply = await try_once(plan)
        except (LoadError, PlanError) as error:
            self._asking = False
            self._told(f"no test request: {error}")
            return
        self._asking = False
        words = reply_words(reply)
        if self.values["then"] == ONLY_ONE:
            self._told(words)
        elif reply.error is None:
            self._start(plan, words)
        else:
            self._tried = plan
            self._told(f"{words}; Enter starts the load all the same")


def _is_here(plan: LoadPlan) -> bool:
    """Whether what is dialled is this machine, whatever the URL says."""
    dialled = plan.url if plan.connect_to is None else f"http://{plan.connect_to}"
    return is_loopback(plan.url) and is_loopback(dialled)


def reply_words(reply: Reply) -> str:
    """What one request came to: status, time, reply."""
    head = (
        f"test request: {reply.status if reply.status is not None else reply.error} in {reply.took_ms:.0f} ms"
    )
    if reply.ttft_ms is not None:
        head += f", first token after {reply.ttft_ms:.0f} ms"
    if reply.error is not None:
        return plain(f"{head}: {reply.error}: {reply.message or reply.text}", 300)
    tokens = "" if reply.output_tokens is None else f", {reply.output_tokens} tokens"
    return plain(f"{head}{tokens}: {reply.text.strip()}", 300)
