"""How far a LeaderWorkerSet's rolling update has come: the leader set's size and partition (v0.10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.lws_names import REPLICAS

__all__ = ["Group", "Sizes", "limits", "sizes"]


class Group(Struct):
    """One group, surge groups included."""

    ready: bool = False
    updated: bool = False


class Sizes(Struct):
    """What the leader StatefulSet gets."""

    replicas: int
    partition: int


def limits(obj: Json) -> tuple[int, int]:
    """(surge groups, groups that may be missing) during a rolling update."""
    rolling = obj["spec"]["rolloutStrategy"].get("rollingUpdateConfiguration") or {}
    wanted = int(obj["spec"]["replicas"])
    surge = min(wanted, _resolved(rolling.get("maxSurge", 0), wanted, up=True))
    return surge, _resolved(rolling.get("maxUnavailable", 1), wanted, up=False)


def _resolved(value: Any, total: int, *, up: bool) -> int:
    text = str(value)
    if not text.endswith("%"):
        return int(text)
    share = int(text[:-1]) * total
    return -(-share // 100) if up else share // 100


def sizes(obj: Json, leaders: Json | None, groups: Sequence[Group], *, renewed: bool) -> Sizes:
    """``leaders`` is the StatefulSet as it is; ``renewed`` says that its template is of a former revision.

    A new count comes before a rollout; surge groups are given back as the last ones become ready.
    """
    wanted = int(obj["spec"]["replicas"])
    kept = int((obj["spec"]["rolloutStrategy"].get("rollingUpdateConfiguration") or {}).get("partition", 0))
    if leaders is None:
        return Sizes(wanted, 0)
    has = int(leaders["spec"]["replicas"])
    surge, missing = limits(obj)
    partition = int(leaders["spec"]["updateStrategy"]["rollingUpdate"]["partition"])

    def surged(unready: int) -> int:
        return wanted + max(0, unready - 1) if unready <= surge else wanted + surge

    if renewed:
        return Sizes(surged(wanted), min(wanted, has))
    if partition <= kept and has == wanted:
        return Sizes(wanted, min(partition, kept) if partition else 0)
    unready = sum(not (g.ready and g.updated) for g in groups[kept:wanted]) if groups else wanted
    if leaders["metadata"]["annotations"].get(REPLICAS) != str(wanted):
        return Sizes(surged(unready) if partition > kept else wanted, min(partition, wanted + surge))
    step = missing + surge - (wanted + surge - has)
    return Sizes(surged(unready), max(kept, _partition(groups, has, step, partition)))


def _partition(groups: Sequence[Group], has: int, step: int, partition: int) -> int:
    done = 0
    for group in reversed(groups[:has]):
        if not (group.ready and group.updated):
            break
        done += 1
    first = max(0, has - done - step)
    first += sum(not group.ready for group in groups[:first])
    # Groups that are down, or done already, cost nothing more.
    index = min(first, has - 1)
    while index >= 0 and index < len(groups) and (not groups[index].ready or groups[index].updated):
        first = index
        index -= 1
    return min(first, partition)
