"""Which object a change of a workload is written to, and the plan for it; one way for each system.

What is patched, and what fights back, is the map of the fact sheet ``kserve-hpa-lws``, section 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from clients.clock import Clock
from clients.kube import count_plan, kserve, kthena, kthena_plan, lws, workloads
from clients.kube.access import Access, Right
from clients.kube.bounds_plan import BoundsPlanner
from clients.kube.controller_rows import ControllerRow, InferenceServiceRow, KeeperRow, LeaderWorkerSetRow
from clients.kube.count_plan import CountTarget
from clients.kube.errors import ErrorKind, KubeError
from clients.kube.kthena_order import rule_for
from clients.kube.plan_parts import Asker, ChangeError
from clients.kube.resources import ResourceSpec
from clients.kube.scale_guards import Rights
from clients.kube.session import Session
from clients.kube.world import World
from clients.kube.writes import Writes
from clients.serving.changes import BoundsChange, Change, ReplicasChange
from clients.serving.eta import Durations
from clients.serving.keys import ObjectRef, ScaleTarget, WorkloadKey
from clients.serving.plans import Money, ScalePlan
from clients.serving.workload import Workload

__all__ = ["SPECS", "Planner"]

SPECS: Mapping[str, ResourceSpec] = {
    spec.kind: spec
    for spec in (
        kthena.MODEL_SERVINGS,
        kserve.INFERENCE_SERVICES,
        lws.LEADER_WORKER_SETS,
        workloads.DEPLOYMENTS,
        workloads.STATEFUL_SETS,
    )
}
"""What a workload of each kind is read as."""
_LWS_TAKES_BACK = (("LeaderWorkerSet", True),)


class Planner:
    """Plans for all workloads of one cluster."""

    def __init__(
        self,
        session: Session,
        access: Access,
        writes: Writes,
        clock: Clock,
        *,
        order: Callable[[str, str], str | None],
        version_of: Callable[[str, str], str | None],
        prices: Mapping[str, Money],
        durations: Durations,
        asker: Asker,
    ) -> None:
        """``order`` is the user's word on a ModelServing's order rule, ``version_of`` the one that holds."""
        self._access = access
        self._writes = writes
        self._clock = clock
        self._order = order
        self._version_of = version_of
        self._prices = prices
        self._durations = durations
        self._asker = asker
        self._bounds = BoundsPlanner(session, access, self._leads_to, asker)

    async def rights(self, key: WorkloadKey) -> Rights:
        """Whether this user may change the workload's counts."""
        spec = SPECS[key.kind]
        return await self._writes.rights(spec.group, spec.plural, key.namespace or "", key.name)

    def scaled(self, world: World, workload: Workload) -> ScaleTarget:
        """The object that an autoscaler of the workload has as its target.

        Raises:
            KubeError: there is none: it is gone or stopped, or another system scales it.
        """
        key = workload.key
        if key.kind == kthena.MODEL_SERVINGS.kind:
            spec = kthena.MODEL_SERVINGS
            ref = ObjectRef(spec.group, key.kind, key.namespace, key.name)
            return ScaleTarget(ref, f"{spec.group}/{spec.versions[0]}")
        row = world.keepers.row(key)
        if row is None:
            raise KubeError(f"{key} is gone", kind=ErrorKind.NOT_FOUND)
        try:
            target = _count_target(world, row)
        except ChangeError as error:
            raise KubeError(str(error), kind=ErrorKind.INVALID) from None
        return ScaleTarget(target.ref, f"{target.ref.group}/{target.version}")

    async def plan(self, world: World, workload: Workload, change: Change, *, stale: str | None) -> ScalePlan:
        """The plan with every guard but the server's dry run; ``stale`` says why what is shown may be old.

        Raises:
            KubeError: the object is gone, or there is no such change of it.
        """
        try:
            if isinstance(change, ReplicasChange):
                return await self._counts(world, workload, change, stale=stale)
            return await self._bounds.plan(world, workload, change, stale=stale)
        except ChangeError as error:
            raise KubeError(str(error), kind=ErrorKind.INVALID) from None

    async def _counts(
        self, world: World, workload: Workload, change: ReplicasChange, *, stale: str | None
    ) -> ScalePlan:
        key = workload.key
        if key.kind == kthena.MODEL_SERVINGS.kind:
            return await self._model_serving(world, workload, change, stale=stale)
        row = world.keepers.row(key)
        if row is None or row.uid != workload.uid:
            raise KubeError(f"{key} is gone", kind=ErrorKind.NOT_FOUND)
        if isinstance(row, InferenceServiceRow):
            if row.mode != "Standard":
                raise ChangeError(kserve.shown_only(row))
            if row.stopped:
                raise ChangeError("it is stopped: resume it first")
            if row.scaler == "none" and change.groups is not None and not change.roles:
                bounds = BoundsChange(minimum=change.groups)
                return await self._bounds.plan(world, workload, bounds, stale=stale)
            if row.scaler != "external":
                raise ChangeError(
                    f"an InferenceService of class {row.scaler} takes bounds, not a count: set its minimum "
                    "and maximum, or pin it"
                )
        target = _count_target(world, row)
        right = await self._access.can(
            "patch",
            target.ref.group,
            target.plural,
            target.ref.namespace,
            subresource="scale",
            name=target.ref.name,
        )
        return count_plan.build(
            workload,
            target,
            change,
            right=right,
            now=self._clock.now(),
            gpus=world.ledger,
            durations=self._durations,
            prices=self._prices,
            pods=world.keepers.pods(row.uid),
            asker=self._asker,
            stale=stale,
        )

    def _leads_to(
        self, world: World, workload: Workload, change: ReplicasChange, role: str | None
    ) -> ScalePlan:
        """The counts that a change of bounds leads to, planned as if they were asked for."""
        if workload.key.kind == kthena.MODEL_SERVINGS.kind:
            return self._of_model_serving(world, workload, change, Rights(), stale=None)
        row = world.keepers.row(workload.key)
        if row is None:
            raise ChangeError(f"{workload.key} is gone")
        return count_plan.build(
            workload,
            _any_target(world, workload, row, role),
            change,
            right=Right(None, ""),
            now=self._clock.now(),
            gpus=world.ledger,
            durations=self._durations,
            prices=self._prices,
            pods=world.keepers.pods(row.uid),
            asker=self._asker,
        )

    async def _model_serving(
        self, world: World, workload: Workload, change: ReplicasChange, *, stale: str | None
    ) -> ScalePlan:
        rights = await self.rights(workload.key)
        return self._of_model_serving(world, workload, change, rights, stale=stale)

    def _of_model_serving(
        self,
        world: World,
        workload: Workload,
        change: ReplicasChange,
        rights: Rights,
        *,
        stale: str | None,
    ) -> ScalePlan:
        key = workload.key
        row = world.servings.row(key.namespace or "", key.name)
        if row is None or row.uid != workload.uid:
            raise KubeError(f"{key} is gone", kind=ErrorKind.NOT_FOUND)
        version = self._version_of(row.namespace, row.name)
        named = self._order(row.namespace, row.name) is not None
        return kthena_plan.build(
            workload,
            row,
            change,
            rule=rule_for(version),
            rule_source="set in the settings" if named else "told by the server's schema",
            gpus=world.ledger,
            durations=self._durations,
            rights=rights,
            prices=self._prices,
            asker=self._asker,
            stale=stale,
        )


def _count_target(world: World, row: KeeperRow) -> CountTarget:
    if isinstance(row, InferenceServiceRow):
        return _behind_service(world, row)
    if isinstance(row, LeaderWorkerSetRow):
        return _target(row, lws.LEADER_WORKER_SETS, row.replicas)
    assert isinstance(row, ControllerRow)
    spec = workloads.STATEFUL_SETS if row.kind == "StatefulSet" else workloads.DEPLOYMENTS
    return _target(row, spec, row.replicas, takes_back=_LWS_TAKES_BACK)


def _behind_service(world: World, row: InferenceServiceRow) -> CountTarget:
    """The predictor's Deployment of a service of class external, whose replicas KServe leaves alone."""
    item = _deployment(world, row, "predictor")
    if item is None:
        raise ChangeError("it has no Deployment to scale: KServe has not made one yet")
    note = f"class {row.scaler}: written to Deployment/{item.name}, which KServe leaves alone"
    return _target(item, workloads.DEPLOYMENTS, item.replicas, role="predictor", note=note)


def _deployment(world: World, row: InferenceServiceRow, role: str) -> ControllerRow | None:
    return next(
        (item for item in world.keepers.deployments(row.uid) if kserve.component_of(row, item) == role), None
    )


def _any_target(world: World, workload: Workload, row: KeeperRow, role: str | None) -> CountTarget:
    """The object whose count is moved in the end, also while there is none; without ``role`` all of them."""
    if not isinstance(row, InferenceServiceRow):
        return _count_target(world, row)
    item = _deployment(world, row, role) if role is not None else None
    if item is not None:
        return _target(item, workloads.DEPLOYMENTS, item.replicas, role=role)
    count = workload.desired or 0 if role is None else 0
    ref = ObjectRef("apps", "Deployment", row.namespace, f"{row.name}-{role or 'predictor'}")
    return CountTarget(ref, workloads.DEPLOYMENTS.plural, "v1", count, row.resource_version, role=role)


def _target(
    row: ControllerRow | LeaderWorkerSetRow,
    spec: ResourceSpec,
    replicas: int,
    *,
    role: str | None = None,
    takes_back: tuple[tuple[str, bool], ...] = (),
    note: str | None = None,
) -> CountTarget:
    owner = row.owner if role is None else None
    return CountTarget(
        ObjectRef(row.group, row.kind, row.namespace, row.name),
        spec.plural,
        spec.versions[0],
        replicas,
        row.resource_version,
        owner,
        role,
        takes_back,
        note,
    )
