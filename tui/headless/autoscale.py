"""``servegrid autoscale``: what drives one workload, why it does what it does, and what it will do."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from clients.serving.autoscaling import Autoscaling
from clients.serving.autoscaling_words import (
    bounds_words,
    fold_pods,
    headlines,
    job_words,
    metric_cells,
    named,
    part_words,
    rescale_words,
    steps,
    zone_words,
)
from clients.serving.decision import Decision, MetricDecision, PodSample
from clients.serving.decision_words import amount, sentence
from clients.serving.plain import plain
from clients.serving.schedule import Schedule
from tui.exits import Exit, Stop
from tui.headless.connect import connected
from tui.headless.event_lines import event_json
from tui.headless.naming import one_workload
from tui.headless.output import Output, aligned, escaped_json
from tui.moments import moment, rfc3339
from tui.start import Start

__all__ = ["autoscale", "autoscaling_json", "autoscaling_lines"]

_FIRINGS = 12
"""Firings of a schedule that are listed."""
_TIMES = frozenset({"at", "since", "until", "next_at", "last_at"})


async def autoscale(arguments: Namespace, start: Start, output: Output) -> Exit:
    """Prints it once the required sources have answered, or time is up."""
    async with connected(start) as connection:
        found = await one_workload(connection, arguments.name, arguments.timeout)
        if found is None:
            for line in connection.doubts():
                output.note(line)
            raise Stop(Exit.UNREACHABLE, f"{plain(arguments.name)}: not among what could be read")
        value = await connection.line(found.key).backend.autoscaling(found)
        if value is None:
            raise Stop(Exit.STOPPED, f"{plain(arguments.name)}: its system has nothing that drives it")
        if arguments.output == "json":
            output.lines([escaped_json(autoscaling_json(value))])
        else:
            output.lines(autoscaling_lines(value, output.width))
        for line in connection.doubts(found.key):
            output.note(line)
        return Exit.DONE if connection.whole(found.key) else Exit.UNREACHABLE


def autoscaling_json(value: Autoscaling) -> dict[str, Any]:
    """The record with times as RFC 3339, and each decision's sentence; docs/cli.md tells it."""
    told = _written(msgspec.to_builtins(value))
    told["rescales"] = [event_json(event) for event in value.rescales]
    for decision, made in zip(value.decisions, told["decisions"], strict=True):
        made["sentence"] = sentence(decision)
    return {"v": told.pop("v"), **told}


def _written(value: Any) -> Any:
    """Times of our own records: every field that holds one is named in ``_TIMES``."""
    if isinstance(value, dict):
        return {
            name: moment(inner) if name in _TIMES and isinstance(inner, int | float) else _written(inner)
            for name, inner in value.items()
        }
    return [_written(inner) for inner in value] if isinstance(value, list | tuple) else value


def autoscaling_lines(value: Autoscaling, width: int | None) -> list[str]:
    """What the screen says, from top to bottom; cut to nothing but the tables to the terminal's width."""
    lines = [plain(str(value.key), 400), *headlines(value)]
    for way in value.chain:
        rows = [(f"{'  ' * depth}{named(part.ref)}", part_words(part)) for depth, part in enumerate(way)]
        lines += ["", *aligned(rows, width)]
    for decision in value.decisions:
        lines += ["", *_decision(decision, value.free_groups, width)]
    lines += _section("conditions", (plain(words) for words in value.conditions))
    for schedule in value.schedules:
        lines += _section(
            f"{named(schedule.subject)}, zone {zone_words(schedule)}", _jobs(schedule, value.at, width)
        )
    moves = [(rfc3339(event.at, whole=True), *rescale_words(event)) for event in value.rescales]
    lines += _section("rescales", aligned(moves, width) if moves else ())
    lines += _section("missing", (plain(words) for words in value.absences))
    assumed = dict.fromkeys(words for decision in value.decisions for words in decision.assumptions)
    lines += _section("assumed", (plain(words) for words in assumed))
    return lines


def _section(head: str, lines: Iterable[str]) -> list[str]:
    body = [f"  {line}" for line in lines]
    return ["", head, *body] if body else []


def _decision(decision: Decision, free_groups: int | None, width: int | None) -> list[str]:
    role = "" if decision.role is None else f", role {plain(decision.role, 60)}"
    lines = [f"{named(decision.subject)}{role}: {bounds_words(decision, free_groups)}"]
    if decision.metrics:
        head = ("METRIC", "CURRENT", "TARGET", "RATIO", "ASKS FOR", "")
        rows = [head, *(metric_cells(metric) for metric in decision.metrics)]
        lines += ["", *aligned(rows, width)]
    for metric in decision.metrics:
        if metric.pods:
            lines += ["", plain(f"{metric.name}: {fold_pods(metric)}", 400)]
            pods = [
                (f"  {one.pod}", amount(one.value, metric.unit), str(one.state), _counted(one, metric))
                for one in metric.pods
            ]
            lines += aligned(pods, width)
    table = [
        (one.name, "–" if one.replicas is None else str(one.replicas), one.why) for one in steps(decision)
    ]
    return [*lines, "", *aligned(table, width)]


def _counted(sample: PodSample, metric: MetricDecision) -> str:
    return "" if sample.counted_as is None else f"counts as {amount(sample.counted_as, metric.unit)}"


def _jobs(schedule: Schedule, now: float, width: int | None) -> Iterator[str]:
    told = [job_words(schedule, job, now) for job in schedule.jobs]
    rows = [
        (job.name, when, count, words)
        for job, (when, count, words, _) in zip(schedule.jobs, told, strict=True)
    ]
    table = aligned(rows, width) if rows else []
    for line, (*_, notes) in zip(table, told, strict=True):
        yield line
        for note in notes:
            yield f"  {note}"
    for note in schedule.notes:
        yield plain(note)
    coming = [firing for firing in schedule.firings if firing.skipped is None]
    if coming:
        day = ", ".join(f"{rfc3339(one.at, whole=True)} to {one.replicas}" for one in coming[:_FIRINGS])
        more = ", …" if len(coming) > _FIRINGS or schedule.more else ""
        yield f"next 24 h: {day}{more}"
