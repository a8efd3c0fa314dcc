"""How many GPUs a pod asks for, and how many a node has."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

__all__ = ["GPU_RESOURCES", "ContainerNeeds", "Quantities", "gpus_in", "gpus_of_pod"]

GPU_RESOURCES: tuple[str, ...] = (
    "nvidia.com/gpu",
    "amd.com/gpu",
    "gpu.intel.com/i915",
    "gpu.intel.com/xe",
    "habana.ai/gaudi",
    "huawei.com/Ascend910",
    "huawei.com/Ascend310P",
    "aws.amazon.com/neuron",
    "google.com/tpu",
    "cambricon.com/vmlu",
    "metax-tech.com/gpu",
)
"""Extended resources that count as one GPU (or comparable accelerator) each, most common first."""

Quantities: Any = msgspec.defstruct(
    "Quantities",
    [(f"gpu{i}", str | int | None, None) for i in range(len(GPU_RESOURCES))],
    rename={f"gpu{i}": name for i, name in enumerate(GPU_RESOURCES)},
    gc=False,
)
"""A resource list, of which only the GPU resources are decoded."""

_FIELDS = tuple(f"gpu{i}" for i in range(len(GPU_RESOURCES)))
_NONE = Quantities()


class _Resources(Struct, gc=False):
    requests: Quantities | None = None
    limits: Quantities | None = None


class ContainerNeeds(Struct, rename="camel", gc=False):
    """A container of a pod's spec: what it needs, and whether it has a startup probe."""

    resources: _Resources | None = None
    restart_policy: str | None = None
    startup_probe: dict[str, msgspec.Raw] | None = None


@lru_cache(maxsize=1024)
def _count(quantity: str) -> int:
    """Whole units of a Kubernetes quantity; extended resources are whole, so suffixes are rare."""
    scale = {"k": 10**3, "M": 10**6, "Ki": 2**10, "Mi": 2**20}
    digits = quantity.rstrip("kMi")
    factor = scale.get(quantity[len(digits) :], 1 if digits == quantity else 0)
    return int(digits) * factor if digits.isdecimal() and len(digits) < 12 else 0


def gpus_in(quantities: Any) -> int:
    """All GPUs of a resource list; names of vendors other than the first add up."""
    if quantities is None:
        return 0
    first = quantities.gpu0
    if first is not None:
        return _count(first) if isinstance(first, str) else max(0, first)
    if quantities == _NONE:
        return 0
    total = 0
    for field in _FIELDS:
        value = getattr(quantities, field)
        if value is not None:
            total += _count(value) if isinstance(value, str) else max(0, value)
    return total


def _needs(container: ContainerNeeds) -> int:
    """Requests; for extended resources limits stand in for absent requests (Kubernetes defaulting)."""
    resources = container.resources
    if resources is None:
        return 0
    return gpus_in(resources.requests) or gpus_in(resources.limits)


def gpus_of_pod(
    containers: Sequence[ContainerNeeds] | None, init_containers: Sequence[ContainerNeeds] | None = None
) -> int:
    """GPUs that the scheduler reserves: the larger of what runs together and of any init step.

    Init containers with ``restartPolicy: Always`` (sidecars) go on running: they add to everything after.
    """
    running = 0
    for container in containers or ():
        running += _needs(container)
    if not init_containers:
        return running
    sidecars = peak = 0
    for container in init_containers:
        needs = _needs(container)
        peak = max(peak, sidecars + needs)
        if container.restart_policy == "Always":
            sidecars += needs
    return max(running + sidecars, peak)
