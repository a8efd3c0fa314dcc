"""Kubernetes resource quantities, as far as pods ask for them: read, add up, write."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

__all__ = ["GPU", "add_resources", "format_quantity", "gpus_of", "parse_quantity", "requests_of"]

GPU = "nvidia.com/gpu"

_SUFFIXES = {
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
}


def parse_quantity(text: object) -> Fraction:
    """The number that a quantity stands for; what is not a quantity counts as 0."""
    raw = str(text).strip()
    try:
        for suffix, factor in _SUFFIXES.items():
            if raw.endswith(suffix):
                return Fraction(raw[: -len(suffix)]) * factor
        if raw.endswith("m"):
            return Fraction(raw[:-1]) / 1000
        return Fraction(raw)
    except (ValueError, ZeroDivisionError):
        return Fraction(0)


def format_quantity(value: Fraction) -> str:
    """The shortest usual way to write it: whole, with a binary suffix, or in thousandths."""
    if value.denominator != 1:
        return f"{-(-value * 1000 // 1)}m"
    whole = int(value)
    for suffix in ("Ti", "Gi", "Mi", "Ki"):
        if whole and whole % _SUFFIXES[suffix] == 0:
            return f"{whole // _SUFFIXES[suffix]}{suffix}"
    return str(whole)


def add_resources(total: dict[str, Fraction], requests: Mapping[str, object], times: int) -> None:
    """Adds ``requests`` to ``total``, ``times`` over."""
    for name, quantity in requests.items():
        total[name] = total.get(name, Fraction(0)) + parse_quantity(quantity) * times


def requests_of(container: Mapping[str, Any]) -> Mapping[str, object]:
    """What a container asks for; a limit alone counts as a request, as the API server defaults it."""
    resources = container.get("resources") or {}
    return {**(resources.get("limits") or {}), **(resources.get("requests") or {})}


def gpus_of(pod_spec: Mapping[str, Any]) -> int:
    """GPUs that a pod needs: the sum of its containers, or its largest init container if that is more."""
    main = sum(int(parse_quantity(requests_of(c).get(GPU, 0))) for c in pod_spec.get("containers") or ())
    init = [int(parse_quantity(requests_of(c).get(GPU, 0))) for c in pod_spec.get("initContainers") or ()]
    return max([main, *init])
