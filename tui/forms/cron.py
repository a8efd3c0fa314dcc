"""The form of one job of a CronHPA: when, to how many, and the next times in both zones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from clients.kube.cron import CronError, parse
from clients.kube.cronhpa_edit import JobWish, created, jobs_of, problems, with_job
from clients.serving.changes import ObjectChange
from clients.serving.keys import ObjectRef, ScaleTarget
from clients.serving.schedule import clock_times, zone_named
from tui.forms.form import Form
from tui.forms.rows import FormRow, Values

__all__ = ["Zone", "job_form"]

_TIMES = 3
_NO, _YES = "every time", "once"


class Zone(Struct, frozen=True):
    """Where the controller's clock runs, and the moment from which the next times count (cluster time)."""

    name: str
    known: bool
    now: float


def job_form(
    ref: ObjectRef, scaled: ScaleTarget, raw: Mapping[str, Any] | None, index: int | None, zone: Zone
) -> Form:
    """``raw`` is the CronHPA, ``None`` where one is made; ``index`` of the job, ``None`` for one more."""
    jobs = jobs_of(raw) if raw is not None else ()
    job = jobs[index] if index is not None else JobWish("", "", None)
    others = tuple(one for at, one in enumerate(jobs) if at != index)
    rows = (
        FormRow("name", "name", job.name, "morning"),
        FormRow("schedule", "schedule", job.schedule, "0 30 8 * * 1-5: second minute hour day month weekday"),
        FormRow("size", "replicas", "" if job.size is None else str(job.size)),
        FormRow("once", "fires", _YES if job.once else _NO, options=(_NO, _YES)),
    )

    def read(values: Values) -> JobWish:
        size = values["size"]
        whole = size.isascii() and size.isdigit() and len(size) < 7
        return JobWish(
            values["name"], values["schedule"], int(size) if whole else None, values["once"] == _YES
        )

    def change(values: Values) -> ObjectChange | str:
        wish = read(values)
        wrong = next(problems(wish, others), None)
        if wrong:
            return wrong
        if raw is None:
            return created(ref, scaled.ref, scaled.api_version, wish)
        return with_job(ref, raw, wish, index)

    def said(values: Values) -> list[str]:
        return list(_said(read(values), others, scaled, zone))

    what = f"Job {job.name} of CronHPA {ref.name}," if index is not None else f"A job of CronHPA {ref.name},"
    return Form(what, rows, said, change)


def _said(wish: JobWish, others: tuple[JobWish, ...], scaled: ScaleTarget, zone: Zone) -> Iterator[str]:
    yield from _when(wish.schedule, zone)
    yield from (problem for problem in problems(wish, others) if not problem.startswith("the schedule"))
    if scaled.ref.kind == "HorizontalPodAutoscaler":
        yield f"it moves the bounds of {scaled.ref}: max is raised where needed, and never lowered again"
    else:
        yield f"it sets the replicas of {scaled.ref}"


def _when(line: str, zone: Zone) -> Iterator[str]:
    if not line:
        return
    try:
        cron = parse(line)
    except CronError as error:
        yield f"never fires: {error}"
        return
    if cron.misread:
        yield f"! {cron.misread}"
    yield from cron.notes
    if cron.every is not None:
        yield f"every {cron.every:.0f} s, counted from its last run"
        return
    there, at = zone_named(zone.name), zone.now
    times = []
    for _ in range(_TIMES):
        found = cron.next_after(at, there)
        if found is None:
            break
        times.append(clock_times(found, there))
        at = found
    assumed = "" if zone.known else f" ({zone.name} is assumed)"
    yield f"next: {', '.join(times)}{assumed}" if times else "it does not fire within five years"
