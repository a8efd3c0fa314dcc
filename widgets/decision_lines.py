"""One decision drawn: bounds, metrics with their pods, and the steps from what is asked to what is set."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from rich.style import Style

from clients.serving.autoscaling_words import bounds_words, fold_pods, metric_cells, named, steps
from clients.serving.decision import Decision, MetricDecision, Outcome, PodSample, SampleState
from clients.serving.decision_words import amount
from widgets.bars import bar
from widgets.cells import fit, number, shown, width, wrapped
from widgets.lines import Line, Piece
from widgets.theme import Look

__all__ = ["LABEL", "decision_lines", "labelled", "outcome_style"]

LABEL = 12
"""Cells of the labels on the left."""
_BAR = 20
_NUMBER = 9
_SINGLY = 12
"""Pods that are drawn one by one; of more only those that are not ready, and these at most."""


def outcome_style(outcome: Outcome, look: Look) -> Style:
    """Accent for what moves, a warning for what is not decided."""
    if outcome is Outcome.SCALES:
        return look.styles.accent
    return look.styles.warn if outcome in (Outcome.NONE, Outcome.UNKNOWN) else look.styles.strong


def labelled(label: str, text: str, cells: int, look: Look, style: Style | None = None) -> Iterator[Line]:
    """A label, and a text over as many lines as it takes beside it."""
    for at, part in enumerate(wrapped(text, max(10, cells - LABEL - 2))):
        head = f" {label if at == 0 else '':<{LABEL}}"
        yield ((head, look.styles.dim), (part, style or look.styles.normal))


def decision_lines(
    decision: Decision, free_groups: int | None, cells: int, look: Look, *, titled: bool
) -> Iterator[Line]:
    """All of it; ``titled`` where there are several, so that each needs its name."""
    if titled:
        role = "" if decision.role is None else f" of {shown(decision.role, 60)}"
        yield ((f" {named(decision.subject)}{role}", look.styles.head),)
    yield from _bounds(decision, free_groups, cells, look)
    if decision.metrics:
        yield ()
        yield from _metrics(decision, cells, look)
    yield ()
    for step in steps(decision):
        last = step.name == "desired"
        count = number(step.replicas, 5, look.glyphs.unknown)
        style = look.styles.strong if last else look.styles.normal
        for at, part in enumerate(wrapped(step.why, max(10, cells - LABEL - 9))):
            head: Piece = (f" {step.name if at == 0 else '':<{LABEL}}", look.styles.dim)
            yield (head, (count if at == 0 else " " * 5, style), (f"  {part}", look.styles.normal))


def _bounds(decision: Decision, free_groups: int | None, cells: int, look: Look) -> Iterator[Line]:
    low, high, now = decision.minimum, decision.maximum, decision.current
    words = bounds_words(decision, free_groups)
    if low is None or high is None or now is None or high <= low or cells < 60:
        yield from labelled("bounds", words, cells, look)
        return
    drawn = bar((now - low) / (high - low), _BAR, look.glyphs)
    for at, part in enumerate(wrapped(words, max(10, cells - LABEL - _BAR - 4))):
        head = f" {'bounds' if at == 0 else '':<{LABEL}}"
        graph = drawn if at == 0 else " " * _BAR
        yield ((head, look.styles.dim), (graph, look.styles.accent), (f"  {part}", look.styles.normal))


def _metrics(decision: Decision, cells: int, look: Look) -> Iterator[Line]:
    styles = look.styles
    told = [metric_cells(metric) for metric in decision.metrics]
    name = max(LABEL, min(max(width(one[0]) for one in told), cells - 4 * _NUMBER - 2))
    heads = "".join(fit(word, _NUMBER, right=True) for word in ("current", "target", "ratio", "asks for"))
    yield ((f" {fit('metric', name)}{heads}", styles.dim),)
    for at, (metric, (label, *numbers, note)) in enumerate(zip(decision.metrics, told, strict=True)):
        style = styles.strong if at == decision.winner else styles.normal
        row = "".join(fit(word, _NUMBER, right=True, ellipsis=look.glyphs.ellipsis) for word in numbers)
        line: list[Piece] = [(f" {fit(label, name, ellipsis=look.glyphs.ellipsis)}{row}", style)]
        beside = bool(note) and width(note) <= cells - name - 4 * _NUMBER - 4
        bad = styles.warn if metric.error is not None else styles.dim
        if beside:
            line.append((f"  {note}", bad))
        yield tuple(line)
        if note and not beside:
            yield from labelled("", note, cells, look, bad)
        if metric.pods:
            yield from labelled("pods", fold_pods(metric), cells, look)
            yield from _pods(metric, cells, look)


def _pods(metric: MetricDecision, cells: int, look: Look) -> Iterator[Line]:
    """Each pod by the end of its name, with its value; those without a say are marked in words."""
    shown_ones = list(metric.pods)
    if len(shown_ones) > _SINGLY:
        shown_ones = [sample for sample in metric.pods if sample.state is not SampleState.READY][:_SINGLY]
    if not shown_ones:
        return
    every = [sample.pod for sample in metric.pods]
    same = takewhile(lambda pair: pair[0] == pair[1], zip(min(every), max(every), strict=False))
    cut = "".join(one for one, _ in same).rfind("-") + 1 if len(every) > 1 else 0
    names = [shown(sample.pod[cut:], 120) for sample in shown_ones]
    label = min(24, max(width(one) for one in names))
    size = label + 1 + 8 + 1 + 8
    columns = max(1, (cells - LABEL - 1) // (size + 2))
    for start in range(0, len(names), columns):
        line: list[Piece] = [(" " * (LABEL + 1), look.styles.normal)]
        for one, sample in list(zip(names, shown_ones, strict=True))[start : start + columns]:
            line += _pod(one, sample, metric, label, look)
        yield tuple(line)


def _pod(label: str, sample: PodSample, metric: MetricDecision, cells: int, look: Look) -> list[Piece]:
    styles, ready = look.styles, sample.state is SampleState.READY
    value = fit(amount(sample.value, metric.unit), 8, right=True, ellipsis=look.glyphs.ellipsis)
    state = fit("" if ready else str(sample.state), 8)
    return [
        (fit(label, cells, ellipsis=look.glyphs.ellipsis), styles.dim),
        (f" {value} ", styles.normal),
        (f"{state}  ", styles.normal if ready else styles.warn),
    ]
