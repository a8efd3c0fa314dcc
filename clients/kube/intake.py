"""From a reflector's rows to the world: lists become differences, so that only what changed is touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from msgspec import Struct

from clients.kube import (
    controller_decode,
    cronhpa,
    decode,
    hpa,
    keda,
    kserve,
    kthena,
    kthena_policy,
    lws,
    workloads,
)
from clients.kube.autoscalers import Autoscalers
from clients.kube.controller_rows import KeeperRow
from clients.kube.feed import HasUid
from clients.kube.resources import ResourceSpec
from clients.kube.rows import EventRow
from clients.kube.shared_watches import ENDPOINT_SLICES, EVENTS, NODES, PODS
from clients.kube.world import World
from clients.serving.sources import SourceStatus

__all__ = ["DRIVING", "KEEPERS", "Intake", "Stream", "streams"]

KEEPERS = (
    kserve.INFERENCE_SERVICES,
    lws.LEADER_WORKER_SETS,
    workloads.DEPLOYMENTS,
    workloads.STATEFUL_SETS,
    workloads.REPLICA_SETS,
)
"""Kinds that keep pods, beside ModelServings."""

DRIVING = {spec.kind: spec for module in (hpa, cronhpa, keda, kthena_policy) for spec in module.WATCHES}
"""What drives counts, by kind."""

_KEEPER_DECODERS: tuple[Callable[[Any], KeeperRow], ...] = (
    controller_decode.inference_service,
    controller_decode.leader_worker_set,
    controller_decode.deployment,
    controller_decode.stateful_set,
    controller_decode.replica_set,
)


def decoder_of(spec: ResourceSpec) -> Callable[[Any], KeeperRow]:
    """How an object that keeps pods becomes a row."""
    return _KEEPER_DECODERS[KEEPERS.index(spec)]


Row = TypeVar("Row", bound=HasUid)


class Stream(Struct, frozen=True):
    """One resource that is read: how an object becomes a row, and where rows go."""

    spec: ResourceSpec
    decode: Callable[[Any], Any]
    put: Callable[[Any], None]
    drop: Callable[[Any], None]
    everywhere: bool = False
    """Read in the whole cluster whatever the scope: pods and nodes, for the GPUs they hold."""


def streams(world: World, scalers: Autoscalers) -> tuple[Stream, ...]:
    """All resources in the order in which they are to be read first: small ones before pods, events last."""
    driving: tuple[tuple[Any, Callable[[Any], None]], ...] = (
        (hpa, scalers.put_hpa),
        (kthena_policy, scalers.put_policy),
        (keda, scalers.put_keda),
        (cronhpa, scalers.put_cron),
    )

    def put_event(row: EventRow) -> None:
        world.put_event(row)
        scalers.put_event(row)

    return (
        Stream(
            kthena.MODEL_SERVINGS, decode.model_serving, world.put_model_serving, world.drop_model_serving
        ),
        *(
            Stream(spec, read, world.put_keeper, world.drop_keeper)
            for spec, read in zip(KEEPERS, _KEEPER_DECODERS, strict=True)
        ),
        Stream(NODES, decode.node, world.put_node, world.drop_node),
        *(
            Stream(spec, module.decode, put, scalers.drop)
            for module, put in driving
            for spec in module.WATCHES
        ),
        Stream(kthena.POD_GROUPS, decode.pod_group, world.put_pod_group, world.drop_pod_group),
        Stream(PODS, decode.pod, world.put_pod, world.drop_pod, everywhere=True),
        Stream(ENDPOINT_SLICES, decode.endpoint_slice, world.put_endpoints, world.drop_endpoints),
        Stream(EVENTS, decode.event, put_event, world.drop_event),
    )


class Intake(Generic[Row]):
    """One reflector's sink."""

    def __init__(
        self, put: Callable[[Row], None], drop: Callable[[Row], None], touched: Callable[[], None]
    ) -> None:
        """``touched`` is called after every change of rows or state."""
        self._put = put
        self._drop = drop
        self._touched = touched
        self._rows: dict[str, Row] = {}
        self.synced = False
        """A first list has been read."""

    def replaced(self, rows: Mapping[str, Row]) -> None:
        """After a list: tells what is new, changed or gone."""
        for uid in self._rows.keys() - rows.keys():
            self._drop(self._rows.pop(uid))
        for uid, row in rows.items():
            if self._rows.get(uid) is not row:
                self._rows[uid] = row
                self._put(row)
        self.synced = True
        self._touched()

    def changed(self, row: Row) -> None:
        """A row that is new or has changed."""
        self._rows[row.uid] = row
        self._put(row)
        self._touched()

    def removed(self, row: Row) -> None:
        """An object that is gone."""
        if self._rows.pop(row.uid, None) is not None:
            self._drop(row)
        self._touched()

    def status_changed(self, status: SourceStatus) -> None:
        """The state is read when it is wanted; here it only counts that it is another."""
        self._touched()
