"""Predicted order against what the embedded controllers then do: a ReplicaSet's victims, ordinals."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers import lws_webhook, replicaset_order
from clients.embedded.controllers.owned_pods import OwnedPod
from clients.embedded.faults import CUDA_OOM, Fault, FaultKind
from clients.kube import decode
from clients.kube.count_plan import predict
from clients.kube.victims import victims
from clients.serving.phase import Phase
from clients.serving.plans import StepKind
from tests.support.apps import DEPLOYMENTS, STATEFUL_SETS, change_spec, workload
from tests.support.looked import Looked, raw
from tests.support.simworld import NAMESPACE, START, World

LWS = "leaderworkersets.leaderworkerset.x-k8s.io"
COST = "controller.kubernetes.io/pod-deletion-cost"


def moment(seconds: int) -> str:
    return f"2023-11-14T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}Z"


def pod_of(
    number: int,
    *,
    uid: str,
    node: str | None,
    ready: bool = True,
    ready_at: int = 0,
    created: int = 0,
    phase: str = "Running",
    cost: int = 0,
    restarts: tuple[int, ...] = (0,),
) -> Json:
    turned = {"type": "Ready", "status": str(ready), "lastTransitionTime": moment(ready_at)}
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs", "controller": True}
    return {
        "metadata": {
            "name": f"web-{number}",
            "namespace": NAMESPACE,
            "uid": uid,
            "creationTimestamp": moment(created),
            "annotations": {COST: str(cost)},
            "ownerReferences": [owner],
        },
        "spec": {"nodeName": node} if node else {},
        "status": {
            "phase": phase,
            "conditions": [turned],
            "containerStatuses": [{"name": f"c{at}", "restartCount": n} for at, n in enumerate(restarts)],
        },
    }


@st.composite
def pods(draw: st.DrawFn) -> list[Json]:
    found = []
    for number in range(draw(st.integers(1, 7))):
        phase = draw(st.sampled_from(["Running", "Running", "Pending"]))
        found.append(
            pod_of(
                number,
                uid=f"{draw(st.integers(0, 9))}-{number}",
                node=draw(st.sampled_from([None, "n1", "n1", "n2"])),
                ready=phase == "Running" and draw(st.booleans()),
                ready_at=draw(st.sampled_from([60, 61, 900, 1000, 7000])),
                created=draw(st.sampled_from([0, 1, 800])),
                phase=phase,
                cost=draw(st.sampled_from([0, 0, 0, -1, 5])),
                restarts=(draw(st.integers(0, 2)), draw(st.integers(0, 2))),
            )
        )
    return found


@settings(max_examples=400, deadline=None)
@given(found=pods(), share=st.floats(0, 1), after=st.sampled_from([0.0, 5.0, 60.0]))
def test_certain_victims_are_those_of_the_controller(found: list[Json], share: float, after: float) -> None:
    count = round(share * len(found))
    now = START // 86400 * 86400 + 8000
    chosen, certain = victims([decode.pod(raw(pod)) for pod in found], count, now)
    assert len(chosen) == count
    theirs = [OwnedPod(pod, "rs") for pod in found]
    gone = {pod.name for pod in replicaset_order.victims(theirs, theirs, count, now + after)}
    if certain:
        assert set(chosen) == gone


def test_most_choices_are_certain() -> None:
    """Else the test before proves nothing."""
    dice = random.Random(7)
    certain = 0
    for _ in range(100):
        found = [
            pod_of(number, uid=str(number), node=f"n{dice.randrange(6)}", ready_at=dice.randrange(7000))
            for number in range(6)
        ]
        certain += victims([decode.pod(raw(pod)) for pod in found], 2, START // 86400 * 86400 + 8000)[1]
    assert certain >= 60


@pytest.mark.parametrize("seed", range(6))
def test_a_deployment_gives_up_the_pods_that_were_named(seed: int) -> None:
    """Through all of it: the simulated cluster's pods, decoded, derived, predicted; then its own choice."""
    dice = random.Random(seed)
    world = World(nodes=3).started()
    world.store.create(DEPLOYMENTS, workload("Deployment", replicas=2, gpus=1), manager="kubectl")
    look = Looked(world)
    if seed % 2:
        world.cluster.faults.add(Fault(FaultKind.CRASH, NAMESPACE, "web-*", CUDA_OOM, times=2))
    for count in (4, 7):
        world.live(dice.randrange(20, 300))
        change_spec(world, DEPLOYMENTS, replicas=count)
    world.live(dice.randrange(60, 300))
    for name in dice.sample(world.pods(), 2):
        world.annotate(name, COST, str(dice.choice([-5, 3])))
    value = look("web")
    told = predict(value, 3, world.cluster.clock.now(), pods=look.world.keepers.pods(value.uid))
    assert len(told.steps) == 4
    change_spec(world, DEPLOYMENTS, replicas=3)
    world.live(1)
    gone = {group.name for group in look("web").groups if group.phase is Phase.DELETING}
    gone |= {step.name for step in told.steps} - {group.name for group in look("web").groups}
    if told.known:
        assert {step.name for step in told.steps} == gone
    assert len(gone) == 4


def _ordered(kind: str, **spec: Any) -> tuple[Looked, str, str]:
    world = World().started()
    if kind == "LeaderWorkerSet":
        pod = {"spec": {"containers": [{"name": "main", "image": "engine:1"}]}}
        body: Json = {
            "apiVersion": "leaderworkerset.x-k8s.io/v1",
            "kind": kind,
            "metadata": {"name": "web", "namespace": NAMESPACE},
            "spec": {"replicas": 3, "leaderWorkerTemplate": {"size": 2, "workerTemplate": pod}},
        }
        world.store.create(LWS, lws_webhook.with_defaults(body), manager="kubectl")
        return Looked(world), LWS, "web"
    world.store.create(STATEFUL_SETS, workload(kind, replicas=3, **spec), manager="kubectl")
    return Looked(world), STATEFUL_SETS, "web"


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("StatefulSet", {}),
        ("StatefulSet", {"podManagementPolicy": "Parallel"}),
        ("StatefulSet", {"ordinals": {"start": 5}}),
        ("LeaderWorkerSet", {}),
    ],
)
@pytest.mark.parametrize("count", [1, 5, 0])
def test_ordinals_come_and_go_in_the_order_that_was_named(kind: str, spec: Json, count: int) -> None:
    look, resource, name = _ordered(kind, **spec)
    look.until(lambda: bool(look.look()) and look(name).ready == 3)
    look.sim.live(30)
    told = predict(look(name), count, look.sim.cluster.clock.now(), pods={})
    assert told.known
    happened: list[str] = []

    def note(change: str, obj: Json) -> None:
        """Groups as their first pod is made, or as its deletion begins."""
        meta = obj["metadata"]
        begins = change == "ADDED" if count > 3 else "deletionTimestamp" in meta
        if begins and meta["name"].count("-") == 1 and meta["name"] not in happened:
            happened.append(meta["name"])

    look.sim.store.subscribe("pods", note)
    change_spec(look.sim, resource, name, replicas=count)
    look.sim.live(300)
    assert [step.name for step in told.steps] == happened
    assert {step.kind for step in told.steps} == {StepKind.CREATE if count > 3 else StepKind.DELETE}
