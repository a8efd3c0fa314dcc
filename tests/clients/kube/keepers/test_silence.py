"""Controllers that take nothing up are named, whichever; what was wanted between two looks is told."""

from __future__ import annotations

import pytest

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers import kserve_webhook, lws_webhook
from clients.kube import controller_decode
from clients.kube.world import World
from clients.serving.phase import TroubleKind
from clients.serving.workload import Workload
from tests.support import serving_objects as objects
from tests.support.apps import DEPLOYMENTS, STATEFUL_SETS, workload
from tests.support.looked import Looked, empty, raw
from tests.support.simworld import NAMESPACE
from tests.support.simworld import World as Sim

SERVICE = kserve_webhook.with_defaults(objects.service())
SET = lws_webhook.with_defaults(objects.group_set())
APPS = {
    "Deployment": (DEPLOYMENTS, workload("Deployment", replicas=2)),
    "StatefulSet": (STATEFUL_SETS, workload("StatefulSet", replicas=2)),
    "LeaderWorkerSet": (objects.LWS, SET),
    "InferenceService": (objects.ISVC, SERVICE),
}


def only(look: Looked) -> Workload:
    (value,) = look.look().values()
    return value


@pytest.mark.parametrize("kind", sorted(APPS))
def test_who_takes_up_nothing_is_named(kind: str) -> None:
    sim = Sim(nodes=2)  # Nothing in it acts.
    resource, body = APPS[kind]
    sim.store.create(resource, body, manager="kubectl")
    look = Looked(sim)
    assert only(look).trouble is None
    sim.live(31)
    trouble = only(look).trouble
    assert trouble is not None
    assert (trouble.kind, trouble.reason) == (TroubleKind.BLOCKED, "ControllerSilent")
    assert trouble.message == "the controller has not taken up generation 1 for 30 s"
    sim.live(60)
    assert "for 1 min" in str(only(look).trouble)


@pytest.mark.parametrize("kind", sorted(APPS))
def test_who_acts_is_not(kind: str) -> None:
    sim = Sim(nodes=3).started()
    resource, body = APPS[kind]
    sim.store.create(resource, body, manager="kubectl")
    look = Looked(sim)
    for known in look.live(150, 5):
        for value in known.values():
            assert value.trouble is None or value.trouble.reason != "ControllerSilent"


def test_a_count_that_nobody_takes_up_is_named_until_it_is() -> None:
    sim = Sim(nodes=2)
    sim.store.create(DEPLOYMENTS, APPS["Deployment"][1], manager="kubectl")

    def tell(generation: int) -> None:
        def change(obj: Json) -> None:
            obj["status"] = {"observedGeneration": generation, "replicas": 2, "updatedReplicas": 2}

        sim.store.mutate(DEPLOYMENTS, NAMESPACE, "web", change, manager="kcm", subresource="status")

    def scale(obj: Json) -> None:
        obj["spec"]["replicas"] = 5

    tell(1)
    look = Looked(sim)
    sim.live(100)
    assert only(look).behind_since is None
    sim.store.mutate(DEPLOYMENTS, NAMESPACE, "web", scale, manager="kubectl")
    assert only(look).behind_since == sim.cluster.clock.now()
    sim.live(40)
    assert "generation 2 for 30 s" in str(only(look).trouble)
    tell(2)
    assert only(look).trouble is None


def test_counts_that_change_again_before_a_look_are_told_one_by_one() -> None:
    def put(world: World, replicas: int, generation: int) -> None:
        body = workload("Deployment", replicas=replicas)
        body["metadata"] |= {"uid": "u-1", "generation": generation}
        body["status"] = {"observedGeneration": generation}
        world.put_keeper(controller_decode.deployment(raw(body)))

    world = empty()
    put(world, 2, 1)
    world.derive(1000.0)
    for replicas, generation in ((4, 2), (4, 2), (3, 3), (2, 4)):
        put(world, replicas, generation)
    assert [(one.desired, one.generation) for one in world.passed()] == [(4, 2), (3, 3)]
    assert world.passed() == []
    changed, _ = world.derive(1001.0)
    assert [one.desired for one in changed.values()] == [2]
    put(world, 5, 5)
    put(world, 2, 6)
    row = controller_decode.deployment(
        raw({**workload("Deployment"), "metadata": {"uid": "u-1", "name": "web"}})
    )
    world.drop_keeper(row)
    assert world.passed() == [], "what is gone passes nothing on"
