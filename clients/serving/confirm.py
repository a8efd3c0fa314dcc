"""What a person has to type before a plan is sent: one rule for every screen and the command line."""

from __future__ import annotations

from collections.abc import Iterable

from clients.serving.guards import Confirmation, Guard, Level, ScaleInWord
from clients.serving.operation import Count
from clients.serving.plans import Step, StepKind

__all__ = ["ScaleInWord", "accepts", "confirmation", "goes_to_zero"]


def goes_to_zero(before: Count, after: Count) -> bool:
    """Whether all groups, or all replicas of some role, are given up."""
    if before.groups and after.groups == 0:
        return True
    return any(replicas and after.role(name) == 0 for name, replicas in before.roles)


def confirmation(
    before: Count,
    after: Count,
    steps: Iterable[Step],
    *,
    confirm_scale_in: ScaleInWord = "yes",
    protected: bool = False,
    guards: Iterable[Guard] = (),
    elsewhere: bool = False,
    deletes: bool = False,
) -> Confirmation:
    """Nothing for no change; the name in a protected context; YES when what serves goes or capacity ends.

    ``elsewhere``: something else than counts changes, such as bounds. ``deletes``: an object is deleted.
    ``confirm_scale_in="ok"`` lets an OK suffice while some capacity stays; going to zero is always YES.
    """
    if before == after and not elsewhere:
        return Confirmation.NONE
    if protected or deletes:
        return Confirmation.NAME
    if goes_to_zero(before, after) or any(guard.level is Level.CONFIRM for guard in guards):
        return Confirmation.YES
    loses = any(step.serving and step.kind is StepKind.DELETE for step in steps)
    return Confirmation.YES if loses and confirm_scale_in == "yes" else Confirmation.OK


def accepts(asked: Confirmation, typed: str | None, name: str) -> bool:
    """Whether what was typed suffices; ``None`` is no answer at all, and an empty answer is a plain OK."""
    if asked is Confirmation.NONE:
        return True
    if typed is None:
        return False
    if asked is Confirmation.OK:
        return True
    return typed == ("YES" if asked is Confirmation.YES else name)
