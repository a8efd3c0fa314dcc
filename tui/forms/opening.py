"""The forms that a workload has: its HPA, the jobs of its CronHPAs, and what each would be made for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from textual.app import App

from clients.kube.cronhpa import DEFAULT_ZONE
from clients.kube.cronhpa import GROUP as CRON_GROUP
from clients.kube.cronhpa import KIND as CRON
from clients.kube.cronhpa_edit import jobs_of, without_job
from clients.kube.hpa import GROUP as HPA_GROUP
from clients.kube.hpa import KIND as HPA
from clients.kube.hpa_edit import deleted
from clients.serving.backend import Ticket
from clients.serving.changes import ObjectChange
from clients.serving.keys import ObjectRef, ScaleTarget
from clients.serving.plain import plain
from clients.serving.workload import Workload
from tui import lasting
from tui.dialogs.choice import Choice, ChoiceDialog
from tui.dialogs.fixed_draft import FixedDraft
from tui.dialogs.scale import ScaleDialog
from tui.door import DataError
from tui.forms.changed_lines import changed_lines
from tui.forms.cron import Zone, job_form
from tui.forms.form import Form, FormDialog
from tui.forms.hpa import hpa_form
from tui.session import Session

__all__ = ["open_forms"]

_Done = Callable[[Ticket | None], None]
_KEPT = "KServe keeps its HPA and writes it anew: change its bounds with s"


class _Entry(Struct, frozen=True):
    """One thing to make, edit or delete."""

    id: str
    label: str
    ref: ObjectRef
    index: int | None = None
    """Of a job."""
    new: bool = False
    gone: bool = False
    reason: str = ""


async def open_forms(app: App[Any], session: Session, workload: Workload, done: _Done) -> None:
    """Offers every form of the workload, each with the reason why not."""
    if workload.key.system == "exoscale":
        from tui.forms.deployment import open_deployment_forms

        open_deployment_forms(app, session, workload, done)
        return
    try:
        entries = {entry.id: entry for entry in await _entries(session, workload)}
    except DataError as error:
        session.tell(str(error))
        return
    choices = [Choice(entry.id, entry.label, entry.reason, not entry.reason) for entry in entries.values()]

    def chosen(answer: str | None) -> None:
        if answer is not None:
            app.run_worker(_open(app, session, workload, entries[answer], done), exit_on_error=False)

    title = f"edit what drives {session.title(workload.key)}"
    app.push_screen(ChoiceDialog(session, title, choices), chosen)


async def _entries(session: Session, workload: Workload) -> list[_Entry]:
    key = workload.key
    hpas = [driver.ref for driver in workload.drivers if driver.ref.kind == HPA]
    keda = any(driver.ref.kind == "ScaledObject" for driver in workload.drivers)
    kept = _KEPT if lasting.takes_bounds(workload) else "KEDA keeps its HPA" if keda else ""
    found: list[_Entry] = []
    if hpas and not kept:
        name = plain(hpas[0].name, 60)
        found.append(_Entry("hpa", f"edit HPA {name}", hpas[0]))
        found.append(_Entry("no-hpa", f"delete HPA {name}", hpas[0], gone=True))
    else:
        new = ObjectRef(HPA_GROUP, HPA, key.namespace, key.name)
        found.append(_Entry("hpa", "create an HPA", new, new=True, reason=kept))
    for driver in workload.drivers:
        if driver.ref.kind == CRON:
            name = plain(driver.ref.name, 60)
            for index, job in enumerate(jobs_of(await session.door.driver_object(driver.ref))):
                words = f"{plain(job.name, 40)}: {plain(job.schedule, 40)} to {job.size}"
                found.append(_Entry(f"job-{name}-{index}", f"edit job {words}", driver.ref, index))
                found.append(
                    _Entry(
                        f"no-job-{name}-{index}",
                        f"remove job {plain(job.name, 40)}",
                        driver.ref,
                        index,
                        gone=True,
                    )
                )
    crons = [driver.ref for driver in workload.drivers if driver.ref.kind == CRON]
    new = crons[0] if crons else ObjectRef(CRON_GROUP, CRON, key.namespace, f"{key.name}-cronhpa")
    label = f"add a job to CronHPA {plain(new.name, 60)}" if crons else "create a CronHPA with one job"
    reason = "KServe writes back what a CronHPA would move: use class external" if kept == _KEPT else ""
    found.append(_Entry("new-job", label, new, new=not crons, reason=reason))
    return found


async def _open(app: App[Any], session: Session, workload: Workload, entry: _Entry, done: _Done) -> None:
    door = session.door
    try:
        raw = None if entry.new else await door.driver_object(entry.ref)
        if entry.gone:
            change = (
                deleted(entry.ref) if entry.index is None else without_job(entry.ref, raw or {}, entry.index)
            )
            _confirm(app, session, workload, change, done)
            return
        scaled = await door.scaled(workload.key)
        if entry.ref.kind == HPA:
            form: Form = hpa_form(workload, entry.ref, scaled, raw)
        else:
            form = job_form(
                entry.ref, _of_cron(workload, scaled), raw, entry.index, await _zone(session, workload)
            )
    except DataError as error:
        session.tell(str(error))
        return
    app.push_screen(FormDialog(session, workload, form), done)


def _confirm(app: App[Any], session: Session, workload: Workload, change: ObjectChange, done: _Done) -> None:
    draft = FixedDraft("Change what drives", change, changed_lines(change))
    app.push_screen(ScaleDialog(session, workload, draft), done)


def _of_cron(workload: Workload, scaled: ScaleTarget) -> ScaleTarget:
    """A CronHPA beside an HPA has to go through it, or both set the same count in turn."""
    hpa = next((driver.ref for driver in workload.drivers if driver.ref.kind == HPA), None)
    return scaled if hpa is None else ScaleTarget(hpa, "autoscaling/v1")


async def _zone(session: Session, workload: Workload) -> Zone:
    value = await session.door.autoscaling(workload.key)
    now = session.door.now()
    for schedule in value.schedules if value is not None else ():
        return Zone(schedule.zone, schedule.zone_known, now)
    return Zone(DEFAULT_ZONE, False, now)
