"""The forms of Exoscale's deployments: a new one, one of another size in place of one, the end of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from textual.app import App

from clients.exoscale.creation import MOST_GPUS, Creation, CreationError, another_size, read_creation
from clients.exoscale.decode import Deployment, deployment
from clients.serving.backend import Ticket
from clients.serving.changes import ObjectChange, ReplicasChange, Verb
from clients.serving.keys import ObjectRef, WorkloadKey
from clients.serving.phase import Phase
from clients.serving.plain import plain
from clients.serving.workload import Workload
from tui.deletion import deletion
from tui.dialogs.choice import Choice, ChoiceDialog
from tui.dialogs.fixed_draft import FixedDraft
from tui.dialogs.opening import Changing
from tui.dialogs.scale import ScaleDialog
from tui.door import DataError
from tui.forms.form import Form, FormDialog
from tui.forms.rows import FormRow, Values
from tui.session import Session

__all__ = ["ask_deletion", "new_deployment", "open_deployment_forms"]

_Done = Callable[[Ticket | None], None]
_SIZE, _NEW, _KEEP, _ZERO, _DELETE = "size", "new", "keep", "zero", "delete"


def open_deployment_forms(app: App[Any], session: Session, workload: Workload, done: _Done) -> None:
    """Offers what can be done to a deployment beside scaling it."""
    name = plain(workload.key.name, 60)
    choices = [
        Choice(_SIZE, "another GPU count", f"a new deployment that is to take the place of {name}"),
        Choice(_NEW, "a new deployment", f"in {plain(workload.key.cluster, 60)}"),
        Choice(_DELETE, f"delete {name}", "its URL and API key are lost; scaled to 0 it keeps them"),
    ]

    def chosen(answer: str | None) -> None:
        if answer == _SIZE:
            app.run_worker(_another_size(app, session, workload, done), exit_on_error=False)
        elif answer == _NEW:
            new_deployment(app, session, workload.key, done)
        elif answer == _DELETE:
            ask_deletion(app, session, workload, done)

    app.push_screen(ChoiceDialog(session, f"edit {session.title(workload.key)}", choices), chosen)


def new_deployment(app: App[Any], session: Session, near: WorkloadKey, done: _Done) -> None:
    """The form for one that takes nobody's place, in the zone of ``near``."""
    key = WorkloadKey(near.cluster, near.system, None, near.kind, "a new deployment")
    nothing = Workload(key=key, uid="", desired=0, ready=None, phase=Phase.ABSENT, groups=())
    app.push_screen(FormDialog(session, nothing, _form(Creation("", "", "", 1, 1), None)), done)


async def _another_size(app: App[Any], session: Session, workload: Workload, done: _Done) -> None:
    try:
        found = deployment((await session.door.object_text(workload.key)).encode())
    except DataError as error:
        session.tell(str(error))
        return
    count = min(MOST_GPUS, 2 * (found.gpu_count or 1))
    app.push_screen(FormDialog(session, workload, _form(another_size(found, count), found)), done)


def ask_deletion(app: App[Any], session: Session, workload: Workload, done: _Done) -> None:
    """Begins on the answer that changes nothing; then the plan, and the name to be typed."""
    name = plain(workload.key.name, 60)
    at_zero = workload.desired == 0
    choices = [
        Choice(_KEEP, "keep it", "nothing is sent"),
        Choice(
            _ZERO,
            "scale it to 0 instead",
            "it is at 0" if at_zero else "keeps its URL and API key, and ends GPU billing",
            enabled=not at_zero,
        ),
        Choice(_DELETE, f"delete {name}", "its URL and API key are lost with it"),
    ]

    def chosen(answer: str | None) -> None:
        if answer == _ZERO:
            Changing(app, session, workload, None, done).change(ReplicasChange(0))
        elif answer == _DELETE:
            draft = FixedDraft("Delete", deletion(workload.key))
            app.push_screen(ScaleDialog(session, workload, draft), done)

    app.push_screen(ChoiceDialog(session, f"delete {session.title(workload.key)}?", choices), chosen)


def _form(first: Creation, old: Deployment | None) -> Form:
    rows = (
        FormRow("name", "name", first.name, "chat-eu", explained="Its name in this zone."),
        FormRow("model", "model", first.model, "acme/demo-7b", explained="One that Exoscale has, by name."),
        FormRow("type", "GPU type", first.gpu_type, "gpua5000", explained="A family that the zone offers."),
        FormRow("count", "GPUs each", str(first.gpu_count), explained=f"1 to {MOST_GPUS}, for good."),
        FormRow("replicas", "replicas", str(first.replicas), explained="A whole number."),
        FormRow("words", "vLLM's words", " ".join(first.parameters), explained="For its command line."),
        FormRow("engine", "vLLM version", first.engine or "", "Exoscale's own choice"),
    )

    def read(values: Values) -> Creation | str:
        counts = [_whole(values[name]) for name in ("count", "replicas")]
        if None in counts:
            return "GPUs each and replicas are whole numbers"
        made = Creation(
            name=values["name"].strip(),
            model=values["model"].strip(),
            gpu_type=values["type"].strip(),
            gpu_count=counts[0] or 0,
            replicas=counts[1] or 0,
            parameters=tuple(values["words"].split()),
            engine=values["engine"].strip() or None,
        )
        try:
            return read_creation(made.text())
        except (CreationError, msgspec.MsgspecError) as error:
            return str(error)

    def change(values: Values) -> ObjectChange | str:
        made = read(values)
        return made if isinstance(made, str) else ObjectChange(Verb.CREATE, _ref(made.name), made.text())

    return Form("New deployment,", rows, lambda values: list(_said(read(values), old)), change)


def _said(made: Creation | str, old: Deployment | None) -> Iterator[str]:
    if isinstance(made, str):
        yield made
    else:
        yield f"{made.gpu_count} GPUs x {made.replicas} replicas = {made.gpu_count * made.replicas} GPUs"
    if old is not None:
        yield f"{plain(old.name, 60)} stays as it is until you scale it to 0, with its own URL and API key"


def _whole(text: str) -> int | None:
    stripped = text.strip()
    return int(stripped) if stripped.isascii() and stripped.isdigit() and len(stripped) < 7 else None


def _ref(name: str) -> ObjectRef:
    return ObjectRef("", "Exoscale", None, name)
