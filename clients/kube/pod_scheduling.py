"""What a scheduler says when a pod fits nowhere, told so that a person knows what is missing.

The messages are those of kube-scheduler (``0/16 nodes are available: 12 Insufficient nvidia.com/gpu, …``)
and of Volcano (``0/16 nodes are unavailable: …``, and for gangs ``3/8 tasks in gang unschedulable: …``).
Their wording is not a contract: what is not recognised is passed on as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache

from clients.kube.decode_gpus import GPU_RESOURCES

__all__ = ["gang_sentence", "unschedulable_sentence"]

_NODES = re.compile(r"(\d+)/(\d+) nodes are (?:un)?available:? ?(.*)", re.DOTALL)
_PART = re.compile(r"(\d+) (?:node\(s\) )?(.+)")
_SHORT = re.compile(r"Insufficient (\S+)", re.IGNORECASE)
_PREEMPTION = re.compile(r"[.,;]?\s*(?:preemption:|Preemption is not helpful).*", re.DOTALL)
_GANG = re.compile(r"(\d+)/(\d+) tasks in gang unschedulable", re.IGNORECASE)
_TAINT = re.compile(r"had (?:un|in)tolerated taints?\(?s?\)? ?(\{[^}]*\})?", re.IGNORECASE)


@lru_cache(maxsize=2048)
def unschedulable_sentence(message: str, gpus: int) -> str:
    """Which resource is short, for a pod that needs ``gpus``, and then what else keeps it from nodes."""
    found = _NODES.search(message)
    if found is None:
        return message[:400]
    total, rest = found[2], _PREEMPTION.sub("", found[3])
    clauses = [_clause(part, total, gpus) for part in _split(rest)]
    if not clauses:
        return message[:400]
    return "; ".join(text for _, text in sorted(clauses, key=lambda clause: clause[0]))[:400]


def _split(rest: str) -> list[str]:
    """The comma-separated reasons; a comma inside ``{…}`` separates nothing."""
    parts, depth, begin = [], 0, 0
    for at, char in enumerate(rest):
        if char == "{":
            depth += 1
        elif char == "}":
            depth = max(0, depth - 1)
        elif char == "," and not depth:
            parts.append(rest[begin:at])
            begin = at + 1
    parts.append(rest[begin:])
    return [part.strip().rstrip(".") for part in parts if part.strip()]


def _clause(part: str, total: str, gpus: int) -> tuple[tuple[bool, int], str]:
    """Its rank, and its words: what is short before what forbids, and what holds on most nodes first."""
    found = _PART.fullmatch(part)
    if found is None:
        return (True, 0), part
    count, why = found[1], found[2]
    of = f"{count} of {total} nodes"
    short = _SHORT.search(why)
    if short is not None:
        return (False, -int(count)), _shortage(short[1].rstrip(".,"), of, gpus)
    return (True, -int(count)), _obstacle(why, of)


def _shortage(resource: str, of: str, gpus: int) -> str:
    if resource not in GPU_RESOURCES:
        return f"short of {resource} on {of}"
    if not gpus:
        return f"short of GPUs on {of}"
    return f"short of GPUs: needs {gpus} on one node, {of} have fewer free"


def _obstacle(why: str, of: str) -> str:
    taint = _TAINT.search(why)
    if taint is not None:
        return f"{of} have a taint it does not tolerate {taint[1] or ''}".rstrip()
    if "affinity" in why or "selector" in why:
        return f"{of} do not match its node selector or affinity"
    if "unschedulable" in why.lower():
        return f"{of} are cordoned"
    return f"{of}: {why}"


@lru_cache(maxsize=2048)
def gang_sentence(message: str, minimum: int | None, phase: str) -> str:
    """What a whole group lacks, and then that it is placed all at once or not at all."""
    found = _GANG.search(message)
    where = _NODES.search(message)
    if where is not None:
        lacks = unschedulable_sentence(message[where.start() :], 0)
    else:
        rest = _GANG.sub("", message, count=1).strip(" :")
        lacks = rest[:300] if rest else f"PodGroup is {phase or 'not yet seen by the scheduler'}"
    nowhere = f"{found[1]} of {found[2]} pods fit nowhere, and " if found is not None else ""
    at_once = f"the group needs {minimum} pods placed at once" if minimum else "the group is placed at once"
    return f"{lacks}; {nowhere}{at_once}"[:400]
