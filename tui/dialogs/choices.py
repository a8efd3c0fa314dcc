"""What the program's own dialogs offer: contexts, namespaces, and whether to quit."""

from __future__ import annotations

from clients.serving.plain import plain
from tui.dialogs.choice import Choice, ChoiceDialog
from tui.door import ContextView
from tui.session import Session
from widgets.words import counts

__all__ = ["ALL", "STAY", "context_dialog", "namespace_dialog", "quit_dialog"]

ALL = "*"
STAY = "stay"


def context_dialog(session: Session, context: ContextView) -> ChoiceDialog:
    """Every context of the kubeconfig; the answer is its name."""
    choices = [
        Choice(name, name, "this one" if name == context.name else "", picked=name == context.name)
        for name in context.contexts
    ]
    at = next((index for index, choice in enumerate(choices) if choice.picked), 0)
    hint = "Enter goes there; what runs here goes on and is not followed any more"
    return ChoiceDialog(session, "which context?", choices, at=at, hint=hint)


def namespace_dialog(session: Session, context: ContextView) -> ChoiceDialog:
    """All, and every namespace that was seen; the answer is its name, or ``*``."""
    now = context.namespaces or ()
    known = dict.fromkeys((*now, *sorted(context.known_namespaces)))
    choices = [Choice(ALL, "all namespaces", picked=not now)]
    choices += [Choice(name, name, picked=name in now) for name in known]
    at = next((index for index, choice in enumerate(choices) if choice.picked), 0)
    return ChoiceDialog(session, f"which namespace of {plain(context.name)}?", choices, at=at)


def quit_dialog(session: Session) -> ChoiceDialog:
    """Asked while something of mine runs; the answer is ``quit``, ``stay``, or nothing."""
    running = session.mine_running
    lines = [
        f"{plain(workload.key.name)} {counts(workload.operation.before, workload.operation.after)}"
        for workload in running
        if workload.operation
    ]
    said: list[str] = []
    notes: list[str] = []
    if (load := session.load_running) is not None:
        said.append(f"a load test of yours runs: {plain(load.key.name)}")
        notes.append("the load ends with the console")
    if lines:
        said.append(
            f"an operation of yours still runs: {', '.join(lines[:4])}{' …' if len(lines) > 4 else ''}"
        )
        notes.append("the cluster finishes it; the next start takes it up again")
    choices = [Choice(STAY, "stay, and see it through"), Choice("quit", "quit", "; ".join(notes))]
    title = "; ".join(said)
    return ChoiceDialog(session, title, choices)
