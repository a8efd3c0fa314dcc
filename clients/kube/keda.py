"""KEDA ScaledObjects as drivers: what they scale and within which bounds (keda.sh/v1alpha1)."""

from __future__ import annotations

from clients.kube.keda_object import GROUP, KIND, KedaObject
from clients.kube.keda_object import decode_object as decode
from clients.kube.resources import ResourceSpec
from clients.serving.chain import Link, LinkKind
from clients.serving.changes import Direction
from clients.serving.keys import ObjectRef
from clients.serving.workload import Driver

__all__ = ["GROUP", "KIND", "WATCHES", "decode", "drivers", "links"]

WATCHES = (ResourceSpec("keda", GROUP, "scaledobjects", KIND, ("v1alpha1",)),)


def drivers(scaled: KedaObject) -> tuple[tuple[ObjectRef, Driver], ...]:
    """(target, driver) for the target. A paused one leaves a count set by hand alone, unless it is pinned."""
    if scaled.target is None:
        return ()
    held = scaled.paused_at
    driver = Driver(
        kind="KEDA",
        ref=scaled.ref,
        minimum=scaled.minimum,
        maximum=scaled.maximum,
        signal=scaled.triggers[0].kind or None if scaled.triggers else None,
        interval=scaled.polling,
        reverts=not scaled.paused or held is not None,
        note=f"paused at {held}" if held is not None else "paused" if scaled.paused else None,
        frozen=tuple(
            direction
            for direction, frozen in ((Direction.IN, scaled.paused_in), (Direction.OUT, scaled.paused_out))
            if frozen
        ),
        suspended=scaled.paused,
    )
    return ((scaled.target, driver),)


def links(scaled: KedaObject) -> tuple[Link, ...]:
    """What it scales, directly between 0 and 1, else through its HPA."""
    return () if scaled.target is None else (Link(scaled.ref, scaled.target, LinkKind.SCALES),)
