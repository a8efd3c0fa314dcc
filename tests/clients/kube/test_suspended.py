"""What is written where nothing was: a status that moves is no hindrance, another's word there is."""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json
from clients.serving.backend import Result
from clients.serving.changes import Direction, FreezeChange, SuspendChange
from clients.serving.keys import ObjectRef
from tests.support.apps import DEPLOYMENTS, workload
from tests.support.backends import looking
from tests.support.serving_objects import SCALED_OBJECTS, scaled_object
from tests.support.simworld import NAMESPACE, World

KEDA = ObjectRef("keda.sh", "ScaledObject", NAMESPACE, "web-keda")


async def test_a_scaled_object_without_annotations_is_suspended_while_its_status_moves() -> None:
    world = World(nodes=2).started()
    world.store.create(DEPLOYMENTS, workload("Deployment", replicas=2, gpus=1), manager="kubectl")
    world.store.create(SCALED_OBJECTS, scaled_object(), manager="kubectl")
    world.live(60)

    def annotations() -> Json | None:
        found = world.store.get(SCALED_OBJECTS, NAMESPACE, KEDA.name)
        assert found is not None
        told: Json | None = found["metadata"].get("annotations")
        return told

    def tell_status(obj: Json) -> None:
        obj.setdefault("status", {})["lastActiveTime"] = "2026-09-01T08:00:00Z"

    def annotate(obj: Json) -> None:
        obj["metadata"]["annotations"] = {"team": "search"}

    def strip(obj: Json) -> None:
        del obj["metadata"]["annotations"]

    async with looking(world) as looked:
        await looked.has("web", 2, 1)
        web = looked.named("web")
        assert web is not None
        assert annotations() is None
        for change in (SuspendChange(KEDA, True), FreezeChange(KEDA, Direction.IN, True)):
            plan = await looked.backend.dry_run(await looked.backend.plan(web, change))
            world.store.mutate(SCALED_OBJECTS, NAMESPACE, KEDA.name, tell_status, manager="keda")
            assert (await looked.backend.apply(plan)).result is Result.ACCEPTED
            assert [name.partition("/")[2] for name in annotations() or ()] in (
                ["paused"], ["paused-scale-in"],
            )  # fmt: skip
            world.store.mutate(SCALED_OBJECTS, NAMESPACE, KEDA.name, strip, manager="kubectl")
        plan = await looked.backend.plan(web, SuspendChange(KEDA, True))
        world.store.mutate(SCALED_OBJECTS, NAMESPACE, KEDA.name, annotate, manager="kubectl")
        ticket = await looked.backend.apply(plan)
        assert ticket.result is Result.CONFLICT
        assert "annotations is {'team': 'search'} now, not absent" in ticket.message
        assert annotations() == {"team": "search"}
