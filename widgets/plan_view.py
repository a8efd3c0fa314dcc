"""A scale plan before it is sent: what, in which order, on which GPUs, for how much, against which rules."""

from __future__ import annotations

from rich.style import Style
from textual.strip import Strip

from clients.serving.changes import ReplicasChange
from clients.serving.cost_words import COST, without_number
from clients.serving.guards import DRY_RUN, Confirmation, Guard, Level
from clients.serving.plans import Money, ScalePlan, Step, StepKind
from widgets.cells import fit, shown, span, width, wrapped
from widgets.lines import Line, LineWidget, Piece, strip
from widgets.records import Check, PlanShown
from widgets.theme import Look
from widgets.words import earlier, grows, item_label

__all__ = ["PlanView"]

_LABEL = 10
_WORDS = {Level.PASS: "ok", Level.WARN: "WARN", Level.CONFIRM: "CONFIRM", Level.BLOCK: "STOP"}
_GPUS = "gpus"
"""The guard that is drawn in a way of its own."""
_STEPS = 12
"""Steps drawn one by one; more are told in sum, the first and the last ones shown."""


class PlanView(LineWidget):
    """Scrolls where it is taller than its place; ``row_count`` tells how tall it would like to be."""

    _shown: PlanShown | None = None

    def show(self, shown_plan: PlanShown, now: float) -> None:
        """Draws the plan."""
        self._shown = shown_plan
        self.update_rows()

    def row_keys(self) -> list[object]:
        """The lines themselves."""
        return [] if self._shown is None else list(_lines(self._shown, self.size.width, self.look))

    def draw_row(self, row: int, cells: int) -> Strip:
        """The line, cut or padded."""
        line = self._keys[row]
        assert isinstance(line, tuple)
        return strip(line, cells, self.look)


def _lines(view: PlanShown, cells: int, look: Look) -> list[Line]:
    plan, styles = view.plan, look.styles
    lines: list[Line] = [()]
    if plan.write is None:
        lines.append(_row("", "nothing changes, nothing will be sent", look))
    lines += [_said(line, look) for line in view.says]
    lines += _elsewhere(plan, cells, look)
    lines += _steps(plan, look)
    if plan.before != plan.after or isinstance(plan.change, ReplicasChange):
        lines += _amounts(plan, look)
    lines.append(())
    for guard in sorted(plan.guards, key=lambda guard: -_weight(guard, view)):
        lines += _guard(guard, view, cells, look)
    if plan.write is not None and plan.write.note:
        lines += _wrapped("", shown(plan.write.note, 400), styles.dim, cells, look)
    if plan.guards:
        lines.append(())
    if plan.equivalent:
        lines += _wrapped("same as", shown(plan.equivalent, 1000), styles.normal, cells, look)
        lines.append(())
    if view.message:
        lines += _wrapped("", shown(view.message, 600), styles.warn, cells, look)
    lines.append(_prompt(view, look))
    return lines


def _said(line: str, look: Look) -> Line:
    """A line of an edit."""
    styles = look.styles
    style = {"-": styles.warn, "+": styles.accent}.get(line[:1], styles.dim)
    return ((f" {'':<{_LABEL - 1}}", styles.dim), (shown(line, 300), style))


def _elsewhere(plan: ScalePlan, cells: int, look: Look) -> list[Line]:
    """What else than counts changes, and where it is written."""
    lines: list[Line] = []
    if plan.target is not None:
        lines.append(_row("writes", shown(str(plan.target), 200), look))
    before, after = plan.bounds_before, plan.bounds_after
    if before is not None and after is not None:
        pinned = "  (pinned)" if after.pinned else ""
        moves = f"{before} > {after}{pinned}" if before != after else f"{before}{pinned}"
        lines.append(_row("bounds", moves, look))
    for at, note in enumerate(plan.notes):
        lines += _wrapped("" if at else "then", shown(note, 400), look.styles.normal, cells, look)
    return lines


def _amounts(plan: ScalePlan, look: Look) -> list[Line]:
    """GPUs, pods, cost and time."""
    lines: list[Line] = [()]
    if plan.capacity is not None or plan.gpu_delta:
        lines.append(_row("GPUs", _gpus(plan), look))
    if not plan.key.managed:
        lines.append(_row("pods", f"{plan.pods_delta:+d}", look))
    lines.append(_row("cost", _cost(plan), look))
    eta = shown(plan.vendor_time, 120) or "no history"
    if plan.eta is not None:
        learned = earlier(plan.eta.samples, growing=grows(plan.before, plan.after))
        eta = f"{span(plan.eta.low, plan.eta.high)}, {learned}"
    lines.append(_row("time", eta, look))
    return lines


def _row(label: str, text: str, look: Look) -> Line:
    return ((f" {label:<{_LABEL - 1}}", look.styles.dim), (text, look.styles.normal))


def _steps(plan: ScalePlan, look: Look) -> list[Line]:
    if not plan.steps:
        return []
    styles = look.styles
    order = shown(plan.order_note, 120) if plan.order_note else ("" if plan.order_known else "order unknown")
    lines: list[Line] = [
        ((f" {'steps':<{_LABEL - 1}}", styles.dim), (order, styles.dim if plan.order_known else styles.warn))
    ]
    name = max(8, max(width(item_label(step.name, plan.key.name)) for step in plan.steps))
    name = min(name, 40)
    steps = list(enumerate(plan.steps, 1))
    head, tail = (steps, []) if len(steps) <= _STEPS else (steps[: _STEPS - 3], steps[-2:])
    for number, step in head:
        lines.append(_step(number, step, plan, name, look))
    if tail:
        lines.append(
            ((f"{'':<{_LABEL}}{look.glyphs.ellipsis} {len(steps) - len(head) - len(tail)} more", styles.dim),)
        )
        for number, step in tail:
            lines.append(_step(number, step, plan, name, look))
    return lines


def _step(number: int, step: Step, plan: ScalePlan, name: int, look: Look) -> Line:
    styles, glyphs = look.styles, look.glyphs
    goes = step.kind is StepKind.DELETE
    place = f"{number}." if plan.order_known else look.glyphs.bar_empty
    pieces: list[Piece] = [
        (f"{'':<{_LABEL}}{place:<4}", styles.dim),
        ("- " if goes else "+ ", styles.warn if goes and step.serving else styles.accent),
        (fit(item_label(step.name, plan.key.name), name, ellipsis=glyphs.ellipsis), styles.normal),
        (f"  {step.gpus} GPU" if plan.key.managed else f"  {step.pods} pods  {step.gpus} GPU", styles.dim),
    ]
    if step.serving:
        pieces.append(("  serving", styles.warn))
    if step.note:
        pieces.append((f"  {shown(step.note)}", styles.dim))
    return tuple(pieces)


def _gpus(plan: ScalePlan) -> str:
    """What is needed and free; the change alone where a guard objects, since that guard says it all."""
    capacity, delta = plan.capacity, plan.gpu_delta
    if any(guard.id == _GPUS and guard.level > Level.PASS for guard in plan.guards):
        return f"{delta:+d}"
    if capacity is None:
        return f"{delta:+d}" if plan.key.managed else f"{delta:+d}, free unknown"
    if delta <= 0:
        return f"{delta:+d}" if delta else "no change"
    free = "unknown" if capacity.free is None else str(capacity.free)
    total = "" if capacity.total is None else f" of {capacity.total}"
    nodes = "" if capacity.nodes is None else f" on {capacity.nodes} nodes"
    told = [f"{count} {shown(model, 40) or 'of unknown model'}" for model, count in capacity.models]
    models = f": {', '.join(told)}" if len(told) > 1 else ""
    return f"{capacity.needed} needed, {free} free{total}{nodes}{models}"


def _cost(plan: ScalePlan) -> str:
    """Before and after; a price that nobody has written is unknown, never 0."""
    if plan.cost_before is None and plan.cost_after is None:
        return without_number(plan)
    return f"{_money(plan.cost_before)} > {_money(plan.cost_after)} an hour"


def _money(money: Money | None) -> str:
    return "unknown" if money is None else f"{shown(money.amount, 24)} {shown(money.currency, 8)}"


def _weight(guard: Guard, view: PlanShown) -> Level:
    """A check that runs for the first time stands where its answer will, if that is good."""
    return Level.PASS if guard.id == DRY_RUN and view.check is Check.FIRST else guard.level


def _guard(guard: Guard, view: PlanShown, cells: int, look: Look) -> list[Line]:
    styles = look.styles
    if guard.id == COST and view.plan.cost_before is None and view.plan.cost_after is None:
        return []
    if guard.id == _GPUS and guard.level is Level.PASS:
        return []  # Its row among the facts says the same.
    reason = shown(guard.reason, 600)
    if guard.id == DRY_RUN and view.check is Check.FIRST:
        asked = "the server is asked what it says to this"
        return [] if view.plan.blocked else _wrapped("check", asked, styles.dim, cells, look)
    if guard.id == DRY_RUN and view.check is Check.AGAIN:
        reason += " (checking again)"
    style = {
        Level.PASS: styles.dim,
        Level.WARN: styles.warn,
        Level.CONFIRM: styles.warn,
        Level.BLOCK: styles.alarm,
    }[guard.level]
    plain_style = styles.dim if guard.level is Level.PASS else styles.normal
    lines = _wrapped(_WORDS[guard.level], reason, plain_style, cells, look, style)
    for remedy in guard.remedies:
        lines += _wrapped("", "try: " + shown(remedy, 300), styles.dim, cells, look)
    return lines


def _wrapped(
    label: str, text: str, style: Style, cells: int, look: Look, label_style: Style | None = None
) -> list[Line]:
    """A labelled text over as many lines as it takes, broken at blanks where it can be."""
    room = max(10, cells - _LABEL - 1)
    lines: list[Line] = []
    for part in wrapped(text, room):
        head = f" {label:<{_LABEL - 1}}" if not lines else " " * _LABEL
        lines.append(((head, label_style or look.styles.dim), (part, style)))
    return lines


def _prompt(view: PlanShown, look: Look) -> Line:
    styles, plan = look.styles, view.plan
    if view.busy:
        return ((f" {shown(view.busy)}", styles.accent),)
    if plan.blocked:
        return ((" this cannot be sent; Esc goes back", styles.alarm),)
    match plan.confirmation:
        case Confirmation.NONE:
            return ((" nothing to send; Esc goes back", styles.dim),)
        case Confirmation.OK:
            return ((" Enter sends it", styles.strong), (", Esc goes back", styles.dim))
        case Confirmation.YES:
            ask = "YES"
        case Confirmation.NAME:
            ask = shown(plan.named, 120)
    return (
        (f" type {ask} and Enter: ", styles.strong),
        (shown(view.typed, 300), styles.accent),
        (" ", styles.cursor),
        ("  Esc goes back", styles.dim),
    )
