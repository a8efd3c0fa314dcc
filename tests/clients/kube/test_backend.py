"""One backend over HTTP on the embedded cluster: reading, planning, writing, with all and with few rights."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from clients.clock import SystemClock
from clients.embedded.accounts import bound_account, namespace_account, viewer_account
from clients.embedded.api import make_app, serve
from clients.embedded.apiserver.access import Identity
from clients.embedded.apiserver.objects import Json
from clients.embedded.servings import Role
from clients.kube.backend import KubeBackend
from clients.kube.errors import KubeError
from clients.serving.backend import GpuTotals, NotShown, Result
from clients.serving.changes import ReplicasChange
from clients.serving.events import Event
from clients.serving.guards import Guard, Level
from clients.serving.keys import WorkloadKey
from clients.serving.phase import Phase
from clients.serving.plans import ScalePlan
from clients.serving.sources import SourceState, SourceStatus
from clients.serving.workload import Workload
from tests.support.kube import SHORT, config_for, until
from tests.support.simworld import NAMESPACE, World

GROUP = "workload.serving.volcano.sh"
READS = ["get", "list", "watch"]
SCALER = [
    {"apiGroups": ["*"], "resources": ["*"], "verbs": READS},
    {"apiGroups": [GROUP], "resources": ["modelservings/scale"], "verbs": ["patch"]},
]
BLIND = [{"apiGroups": [GROUP], "resources": ["modelservings"], "verbs": READS}]


class Seen:
    """A sink that keeps the newest of everything."""

    def __init__(self) -> None:
        self.workloads: dict[WorkloadKey, Workload] = {}
        self.statuses: dict[str, SourceStatus] = {}
        self.gpus: GpuTotals | None = None
        self.hidden = NotShown()

    def publish(self, changed: Mapping[WorkloadKey, Workload], removed: Collection[WorkloadKey]) -> None:
        self.workloads.update(changed)
        for key in removed:
            self.workloads.pop(key, None)

    def sources(self, origin: str, statuses: Sequence[SourceStatus]) -> None:
        self.statuses = {status.name: status for status in statuses}

    def events(self, events: Sequence[Event]) -> None:
        raise AssertionError("no HPA moves a count here")

    def not_shown(self, cluster: str, objects: NotShown) -> None:
        self.hidden = objects

    def totals(self, cluster: str, totals: GpuTotals) -> None:
        self.gpus = totals

    @property
    def chat(self) -> Workload:
        return next(iter(self.workloads.values()))


class Rig:
    """A simulated cluster with three groups behind a real port, and a backend that reads it."""

    def __init__(self, world: World, backend: KubeBackend, seen: Seen) -> None:
        self.world = world
        self.backend = backend
        self.seen = seen

    async def plan(self, **change: object) -> ScalePlan:
        return await self.backend.plan(self.seen.chat, ReplicasChange(**change))  # type: ignore[arg-type]


def guard(plan: ScalePlan, name: str) -> Guard:
    return next(one for one in plan.guards if one.id == name)


@asynccontextmanager
async def rig(
    token: str | None = None, namespaces: tuple[str, ...] | None = None, world: World | None = None
) -> AsyncIterator[Rig]:
    world = world or World().grown(groups=3)
    identity = Identity(
        {
            "viewer": viewer_account(world.store),
            "ns": namespace_account(world.store, NAMESPACE),
            "scaler": bound_account(world.store, "scaler", SCALER),
            "blind": bound_account(world.store, "blind", BLIND),
        }
    )
    app = make_app(world.store, identity=identity, clock_rate=lambda: 1.0, bookmark_seconds=0.5)
    runner, port = await serve(app, 0)
    config = config_for(f"http://127.0.0.1:{port}", token=token)
    backend = await KubeBackend.open(config, clock=SystemClock(), namespaces=namespaces, timing=SHORT)
    seen = Seen()
    reading = asyncio.ensure_future(backend.run(seen))
    try:
        await until(lambda: seen.workloads)
        yield Rig(world, backend, seen)
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        await backend.close()
        await runner.cleanup()


async def test_reads_a_fleet_with_its_gpus_and_the_version_of_its_schema() -> None:
    async with rig() as one:
        await until(lambda: one.seen.gpus and one.seen.gpus.free is not None)
        await until(lambda: one.seen.chat.version == "head")
        chat = one.seen.chat
        assert (chat.desired, chat.ready, chat.phase) == (3, 3, Phase.RUNNING)
        assert [group.ordinal for group in chat.groups] == [0, 1, 2]
        assert one.seen.gpus is not None
        assert one.seen.gpus.allocated == chat.gpus
        assert chat.key.cluster == one.backend.cluster


ZONE, NAME = "topology.kubernetes.io/zone", "metadata.name"
IN_A = {"key": ZONE, "operator": "In", "values": ["sim-1a"]}
NOT_04 = {"key": NAME, "operator": "NotIn", "values": ["gpu-node-04"]}
MORE = {"key": "nvidia.com/gpu.count", "operator": "Gt", "values": ["7"]}
MUCH_MORE = {**MORE, "values": ["8"]}
TAINTED = {"key": "gpu", "value": "old", "effect": "NoSchedule"}


def fresh(terms: list[Json] | None, tolerations: list[Json]) -> World:
    """Six nodes, one cordoned and one tainted, and a workload of nothing whose pods take a node each."""
    world = World(nodes=6).started()
    world.store.mutate(
        "nodes", None, "gpu-node-05", lambda obj: obj["spec"].update(unschedulable=True), manager="kubectl"
    )
    world.store.mutate(
        "nodes", None, "gpu-node-03", lambda obj: obj["spec"].update(taints=[TAINTED]), manager="kubectl"
    )

    def asks(obj: Json) -> None:
        (role,) = obj["spec"]["template"]["roles"]
        spec = role["entryTemplate"]["spec"]
        spec["tolerations"] = tolerations
        if terms is not None:
            required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
            spec["affinity"] = {"nodeAffinity": required}

    world.create(world.plan(0, [Role("prefill", gpus=8)], scheduler="default-scheduler"), asks)
    return world


@pytest.mark.parametrize(
    ("terms", "tolerations", "placed", "shut", "shut_to_all"),
    [
        (None, [], 4, 2, 2),
        (None, [{"key": "gpu", "operator": "Exists"}], 5, 1, 1),
        ([{"matchExpressions": [IN_A]}], [], 1, 1, 2),
        ([{"matchExpressions": [IN_A]}], [{"operator": "Exists", "effect": "NoSchedule"}], 2, 0, 0),
        ([{"matchExpressions": [IN_A]}, {"matchFields": [{**NOT_04, "operator": "In"}]}], [], 2, 1, 2),
        ([{"matchExpressions": [MORE], "matchFields": [NOT_04]}], [], 3, 2, 2),
        ([{"matchExpressions": [MUCH_MORE]}], [], 0, 0, 2),
    ],
)
async def test_as_many_pods_find_a_node_as_the_plan_says(
    terms: list[Json] | None, tolerations: list[Json], placed: int, shut: int, shut_to_all: int
) -> None:
    async with rig(world=fresh(terms, tolerations)) as one:
        told = GpuTotals(48, 0, 48 - 8 * shut_to_all, 8 * shut_to_all)
        await until(lambda: one.seen.gpus == told)
        capacity = (await one.plan(groups=6)).capacity
        assert capacity is not None
        assert (capacity.usable, capacity.free, capacity.unschedulable) == (8 * placed, 8 * placed, 8 * shut)
        assert capacity.fits is False
        exact = (await one.plan(groups=placed)).capacity
        assert exact is None or exact.fits is True
        one.world.scale(6)
        one.world.live(60)
        pods = [one.world.pod(name) for name in one.world.pods()]
        assert len(pods) == 6
        assert len([pod for pod in pods if pod["spec"].get("nodeName")]) == placed


async def test_a_plan_is_checked_by_the_server_sent_once_and_carried_out() -> None:
    async with rig() as one:
        plan = await one.plan(groups=4, roles=())
        assert guard(plan, "right").level is Level.PASS
        checked = await one.backend.dry_run(plan)
        assert guard(checked, "dry-run").level is Level.PASS
        assert one.world.serving()["spec"]["replicas"] == 3
        ticket = await one.backend.apply(checked)
        assert ticket.result is Result.ACCEPTED
        assert one.world.serving()["spec"]["replicas"] == 4
        assert ticket.generation == one.world.serving()["metadata"]["generation"]
        one.world.live(120)
        await until(lambda: one.seen.chat.ready == 4)
        again = await one.backend.poll(ticket)
        assert again is not None
        assert again.desired == 4


async def test_the_webhook_speaks_in_the_dry_run_and_blocks() -> None:
    async with rig() as one:
        checked = await one.backend.dry_run(await one.plan(roles=(("prefill", -1),)))
        assert guard(checked, "dry-run").level is Level.BLOCK
        assert one.world.serving()["metadata"]["generation"] == 1


async def test_a_change_in_between_is_a_conflict_and_nothing_is_applied() -> None:
    async with rig() as one:
        plan = await one.plan(groups=5)
        one.world.scale(2)
        ticket = await one.backend.apply(plan)
        assert ticket.result is Result.CONFLICT
        assert "2 groups" in ticket.message
        assert one.world.serving()["spec"]["replicas"] == 2


async def test_without_the_right_to_change_the_plan_is_blocked_and_names_it() -> None:
    async with rig("viewer") as one:
        plan = await one.plan(groups=4)
        assert plan.blocked
        assert "patch modelservings" in guard(plan, "right").reason


async def test_with_the_right_to_scale_alone_the_change_goes_there_and_says_so() -> None:
    async with rig("scaler") as one:
        plan = await one.plan(groups=4)
        assert plan.write is not None
        assert plan.write.path.endswith("/scale")
        assert plan.write.note is not None
        assert "webhook" in plan.write.note
        ticket = await one.backend.apply(await one.backend.dry_run(plan))
        assert ticket.result is Result.ACCEPTED
        assert one.world.serving()["spec"]["replicas"] == 4
        roles = await one.plan(roles=(("prefill", 2),))
        assert roles.blocked


async def test_in_one_namespace_the_groups_are_known_and_the_free_gpus_are_not() -> None:
    async with rig("ns", (NAMESPACE,)) as one:
        await until(lambda: one.seen.chat.ready == 3)
        await until(lambda: one.seen.statuses["nodes"].state is SourceState.DENIED)
        assert one.seen.statuses["pods"].state is SourceState.LIVE
        await until(lambda: one.seen.gpus is not None)
        assert one.seen.gpus == GpuTotals(None, None, None)
        plan = await one.plan(groups=4)
        assert guard(plan, "gpus").level is Level.WARN
        assert plan.capacity is not None
        assert plan.capacity.free is None


async def test_without_the_right_to_see_pods_no_state_of_a_group_is_claimed() -> None:
    async with rig("blind") as one:
        chat = one.seen.chat
        assert chat.desired == 3
        assert (chat.ready, chat.groups) == (None, ())
        assert chat.trouble is not None
        assert "pods" in chat.trouble.message


async def test_a_plan_for_what_is_gone_is_refused_in_words() -> None:
    async with rig() as one:
        chat = one.seen.chat
        one.world.store.delete("modelservings.workload.serving.volcano.sh", NAMESPACE, "chat")
        await until(lambda: not one.seen.workloads)
        with pytest.raises(KubeError, match="is gone"):
            await one.backend.plan(chat, ReplicasChange(groups=4))
