"""What Kthena itself has against a plan for a ModelServing: its webhook's rules, gangs, groups lost besides.

The webhook's rules (fact sheet ``kthena``, section 2) are checked here so that a person sees them at
once; the server's own word comes with the dry run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from clients.kube.rows import ModelServingRow, RoleRow
from clients.serving.guards import Guard, Level
from clients.serving.operation import Count
from clients.serving.plain import plain

__all__ = ["TAKES_BACK", "gang_guard", "overshoot_guard", "webhook_guard"]

TAKES_BACK = {"LeaderWorkerSet": True, "ModelBooster": False}
"""Owners of a ModelServing, and whether they write its counts again at once."""
_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LONGEST = 63


def _floor(setting: str, of: int) -> int | None:
    """An int-or-percent setting of ``of``, rounded down; ``None`` if it is neither."""
    text = setting.strip()
    try:
        return of * int(text[:-1]) // 100 if text.endswith("%") else int(text)
    except ValueError:
        return None


def _rules(row: ModelServingRow, after: Count) -> list[str]:
    """What the webhook would find wrong with the row if the counts were ``after``."""
    wrong = []
    groups = row.replicas if after.groups is None else after.groups
    if groups < 0:
        wrong.append(f"the number of groups is negative: {groups}")
    by_role = row.rollout_type == "RoleRollingUpdate"
    if row.max_unavailable is not None and not by_role and _floor(row.max_unavailable, groups) == 0:
        wrong.append(f"maxUnavailable {plain(row.max_unavailable)} of {groups} groups rounds down to 0")
    for role in row.roles:
        replicas = _replicas(role, after)
        if replicas < 0:
            wrong.append(f"replicas of {plain(role.name)} are negative: {replicas}")
        name = f"{row.name}-{groups}-{role.name}-{replicas}-{role.workers}"
        if len(name) > _LONGEST:
            wrong.append(f"{plain(name)} has {len(name)} characters, and such a name may have {_LONGEST}")
        elif min(groups, replicas) >= 0 and _LABEL.fullmatch(name) is None:
            wrong.append(f"{plain(name)} is no DNS label")
        if by_role:
            setting = role.max_unavailable or "1"
            spare = _floor(setting, replicas)
            if spare is not None and not 0 < spare <= replicas:
                wrong.append(
                    f"{plain(role.name)}: maxUnavailable {plain(setting)} needs 1 to {replicas}"
                    if replicas
                    else f"{plain(role.name)} can not go to 0 under RoleRollingUpdate"
                )
    return wrong


def _replicas(role: RoleRow, after: Count) -> int:
    wanted = after.role(role.name)
    return role.replicas if wanted is None else wanted


def webhook_guard(row: ModelServingRow, after: Count, *, by_scale: bool) -> Guard:
    """What the validating webhook refuses; through ``/scale`` it is not asked, so then it is a warning."""
    wrong = _rules(row, after)
    if not wrong:
        return Guard("webhook", Level.PASS, "Kthena's rules hold")
    negative = any("negative" in rule for rule in wrong)
    level = Level.WARN if by_scale and not negative else Level.BLOCK
    reason = "; ".join(wrong)
    if level is Level.WARN:
        reason = f"{reason}; /scale does not ask the webhook, which will refuse the next edit of the object"
    return Guard("webhook", level, reason)


def gang_guard(row: ModelServingRow, after: Count) -> Guard | None:
    """A role may not go below its gang minimum, which can not be changed once set."""
    short = [
        f"{plain(role.name)} {_replicas(role, after)} is below its gang minimum {minimum}"
        for name, minimum in row.min_role_replicas
        for role in row.roles
        if role.name == name and _replicas(role, after) < minimum
    ]
    if short:
        return Guard("gang", Level.BLOCK, "; ".join(short), ("remove groups instead of role replicas",))
    return Guard("gang", Level.PASS, "gang minimum kept") if row.min_role_replicas else None


def overshoot_guard(lost: Sequence[str]) -> Guard | None:
    """Kthena may delete groups that should stay while others are on their way out, and make them again.

    Deleting ones stay candidates for deletion in every pass; one that is scaled inside is not ready
    either, and goes if it is cheaper or its ordinal is higher (fact sheet ``kthena``, section 5: overshoot).
    """
    if not lost:
        return None
    reason = f"{', '.join(plain(name) for name in lost)} may be deleted as well and made again afterwards"
    why = "scaled inside, it counts as not ready while other groups are being deleted"
    remedy = "change the number of groups first, the roles when that is done"
    return Guard("overshoot", Level.CONFIRM, f"{reason}: {why}", (remedy,))
