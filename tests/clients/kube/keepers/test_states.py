"""What is shown of plain workloads, LeaderWorkerSets and InferenceServices while the cluster acts on them."""

from __future__ import annotations

from typing import Any

import pytest

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers import kserve_webhook, lws_webhook
from clients.embedded.faults import CUDA_OOM, Fault, FaultKind
from clients.serving.phase import Cause, Phase, TroubleKind
from clients.serving.workload import Group, Workload
from tests.support.apps import DEPLOYMENTS, STATEFUL_SETS, change_spec, new_image, workload
from tests.support.looked import Looked
from tests.support.simworld import NAMESPACE, World

ISVC = "inferenceservices.serving.kserve.io"
LWS = "leaderworkersets.leaderworkerset.x-k8s.io"
STOP = "serving.kserve.io/stop"


def apps(kind: str, replicas: int = 3, **spec: Any) -> Looked:
    world = World().started()
    resource = DEPLOYMENTS if kind == "Deployment" else STATEFUL_SETS
    world.store.create(resource, workload(kind, replicas=replicas, gpus=1, **spec), manager="kubectl")
    return settled(Looked(world), "web", replicas)


def groups_of(replicas: int = 2, size: int = 3, **spec: Any) -> Looked:
    world = World().started()

    def template(name: str) -> Json:
        limits = {"limits": {"nvidia.com/gpu": "1"}}
        return {"spec": {"containers": [{"name": name, "image": "engine:1", "resources": limits}]}}

    group = {"size": size, "leaderTemplate": template("leader"), "workerTemplate": template("worker")}
    obj = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "ds", "namespace": NAMESPACE},
        "spec": {"replicas": replicas, "leaderWorkerTemplate": group, **spec},
    }
    world.store.create(LWS, lws_webhook.with_defaults(obj), manager="kubectl")
    return settled(Looked(world), "ds", replicas)


def service(annotations: dict[str, str] | None = None, **predictor: Any) -> Looked:
    world = World().started()
    container = {"name": "kserve-container", "image": "engine:1"}
    container["resources"] = {"limits": {"nvidia.com/gpu": "1"}, "requests": {"cpu": "1"}}  # type: ignore[assignment]
    obj = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": "iris",
            "namespace": NAMESPACE,
            "annotations": {"serving.kserve.io/deploymentMode": "Standard", **(annotations or {})},
        },
        "spec": {"predictor": {"containers": [container], **predictor}},
    }
    world.store.create(ISVC, kserve_webhook.with_defaults(obj), manager="kubectl")
    return settled(Looked(world), "iris", predictor.get("minReplicas", 1))


def settled(look: Looked, name: str, ready: int) -> Looked:
    look.until(lambda: bool(look.look()) and look(name).ready == ready and look(name).phase is Phase.RUNNING)
    return look


def by_phase(value: Workload, phase: Phase) -> list[Group]:
    return [group for group in value.groups if group.phase is phase]


def causes(value: Workload) -> set[Cause | None]:
    return {group.cause for group in value.groups if group.phase is not Phase.RUNNING}


# Counts that change


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_new_count_is_scaling_from_the_first_moment_to_the_last(kind: str) -> None:
    look = apps(kind)
    resource = DEPLOYMENTS if kind == "Deployment" else STATEFUL_SETS
    for count in (5, 1):
        change_spec(look.sim, resource, replicas=count)
        assert look("web").desired == count
        assert (look("web").phase, look("web").cause) == (Phase.SCALING, Cause.SCALE)

        def over(count: int = count) -> bool:
            value = look("web")
            done = len(value.groups) == count and value.ready == count
            assert done or (value.phase, value.cause) == (Phase.SCALING, Cause.SCALE), look.told()
            assert causes(value) <= {Cause.SCALE}
            return done

        look.until(over)
        assert look("web").phase is Phase.RUNNING


def test_ordinals_come_upwards_and_go_downwards() -> None:
    look = apps("StatefulSet", 1)
    change_spec(look.sim, STATEFUL_SETS, replicas=3)
    seen: list[list[Phase]] = []

    def watch(count: int) -> bool:
        seen.append([group.phase for group in look("web").groups])
        return len(look("web").groups) == count == look("web").ready

    look.until(lambda: watch(3))
    assert [Phase.RUNNING, Phase.CREATING, Phase.QUEUED] in seen
    assert [Phase.RUNNING, Phase.QUEUED, Phase.CREATING] not in seen
    change_spec(look.sim, STATEFUL_SETS, replicas=1)
    look.until(lambda: watch(1))
    assert [Phase.RUNNING, Phase.RUNNING, Phase.DELETING] in seen
    assert [Phase.RUNNING, Phase.DELETING, Phase.RUNNING] not in seen


def test_a_group_goes_with_its_leader_and_its_workers_stay_in_sight() -> None:
    look = groups_of(2)
    change_spec(look.sim, LWS, "ds", replicas=1)
    look.until(lambda: bool(by_phase(look("ds"), Phase.DELETING)))
    stages = set()
    for known in look.live(60):
        value = known["LeaderWorkerSet/ds"]
        pods = [name for name in look.sim.pods() if name.startswith("ds-1")]
        leaving = by_phase(value, Phase.DELETING)
        assert [group.name for group in leaving] == (["ds-1"] if pods else [])
        for group in leaving:
            assert group.cause is Cause.SCALE
            shown = sorted(pod.name for role in group.roles for one in role.replicas for pod in one.pods)
            assert shown == sorted(pods)
            stages.add(len(shown))
        assert value.ready == 1
        assert len(known) == 1, "what LWS owns is no row of its own"
    assert 2 in stages, "the workers outlive their leader"


# Recovery


def test_a_lost_pod_of_a_deployment_comes_back_for_recovery() -> None:
    look = apps("Deployment")
    look.sim.store.delete("pods", NAMESPACE, look.sim.pods()[0])
    look.until(lambda: len(by_phase(look("web"), Phase.CREATING)) == 1)
    value = look("web")
    assert (value.phase, value.cause, value.ready, value.desired) == (Phase.CREATING, Cause.RECOVERY, 2, 3)
    assert causes(value) == {Cause.RECOVERY}
    settled(look, "web", 3)


def test_a_lost_worker_takes_its_group_with_it() -> None:
    look = groups_of(2)
    look.sim.store.delete("pods", NAMESPACE, "ds-1-2")
    look.until(lambda: bool(by_phase(look("ds"), Phase.DELETING)))
    (gone,) = by_phase(look("ds"), Phase.DELETING)
    assert (gone.name, gone.cause) == ("ds-1", Cause.RECOVERY)
    assert look("ds").ready == 1
    settled(look, "ds", 2)


# Rollouts


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_new_template_is_a_rollout_to_its_end(kind: str) -> None:
    look = apps(kind)
    new_image(look.sim, DEPLOYMENTS if kind == "Deployment" else STATEFUL_SETS, "engine:2")
    look.until(lambda: look("web").phase is Phase.UPDATING)
    for known in look.live(400):
        value = known[f"{kind}/web"]
        assert value.cause in (Cause.ROLLOUT, None)
        assert causes(value) <= {Cause.ROLLOUT}
    assert look("web").phase is Phase.RUNNING
    assert not any(group.outdated for group in look("web").groups)


def test_a_rollout_that_was_underway_at_the_first_look_is_one() -> None:
    look = apps("StatefulSet")
    new_image(look.sim, STATEFUL_SETS, "engine:2")
    look.until(lambda: bool(by_phase(look("web"), Phase.CREATING)))
    fresh = Looked(look.sim)
    assert causes(fresh("web")) == {Cause.ROLLOUT}


def test_a_new_template_of_a_leader_worker_set_is_a_rollout_with_its_surge() -> None:
    rollout = {"partition": 0, "maxUnavailable": 1, "maxSurge": 1}
    look = groups_of(2, rolloutStrategy={"type": "RollingUpdate", "rollingUpdateConfiguration": rollout})

    def change(obj: Json) -> None:
        for name in ("leaderTemplate", "workerTemplate"):
            obj["spec"]["leaderWorkerTemplate"][name]["spec"]["containers"][0]["image"] = "engine:2"

    look.sim.store.mutate(LWS, NAMESPACE, "ds", change, manager="kubectl")
    look.until(lambda: look("ds").phase is Phase.UPDATING)
    names = set()
    for known in look.live(600, 1.0):
        value = known["LeaderWorkerSet/ds"]
        assert causes(value) <= {Cause.ROLLOUT}, look.told()
        names |= {group.name for group in value.groups}
    assert names == {"ds-0", "ds-1", "ds-2"}
    assert (look("ds").phase, look("ds").ready, len(look("ds").groups)) == (Phase.RUNNING, 2, 2)


def test_pods_that_a_partition_holds_back_are_old_and_not_updating() -> None:
    look = apps("StatefulSet", updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    new_image(look.sim, STATEFUL_SETS, "engine:2")
    look.until(lambda: look("web").phase is Phase.UPDATING)
    settled(look, "web", 3)
    assert [group.outdated for group in look("web").groups] == [True, True, False]
    assert {group.phase for group in look("web").groups} == {Phase.RUNNING}
    assert look("web").about == (("partition", "ordinals below 2 keep the old template"),)


# What fails


def test_an_image_that_is_not_there_is_told_of_the_pod_that_needs_it() -> None:
    look = apps("StatefulSet")
    look.sim.cluster.faults.add(Fault(FaultKind.IMAGE, NAMESPACE, "web-3", "manifest unknown"))
    change_spec(look.sim, STATEFUL_SETS, replicas=4)
    look.until(lambda: look("web").trouble is not None)
    trouble = look("web").trouble
    assert trouble is not None
    assert trouble.kind is TroubleKind.FAILED
    assert trouble.message.startswith("G-3 engine cannot pull engine:1")
    assert look("web").ready == 3


def test_a_crashing_engine_is_told_with_its_last_words() -> None:
    look = apps("Deployment", 1)
    look.sim.cluster.faults.add(Fault(FaultKind.CRASH, NAMESPACE, "web-*", CUDA_OOM))
    change_spec(look.sim, DEPLOYMENTS, replicas=2)
    look.until(lambda: look("web").trouble is not None)
    trouble = look("web").trouble
    assert trouble is not None
    assert "CUDA out of memory" in trouble.message
    assert look("web").ready == 1


def test_gpus_that_are_not_there_block() -> None:
    look = apps("Deployment", 1)
    change_spec(look.sim, DEPLOYMENTS, replicas=70)
    look.until(lambda: look("web").trouble is not None)
    trouble = look("web").trouble
    assert trouble is not None
    assert (trouble.kind, trouble.reason) == (TroubleKind.BLOCKED, "Unschedulable")


# Services


def test_a_stopped_service_is_shown_until_its_last_pod_is_gone() -> None:
    look = service(minReplicas=2, maxReplicas=4)
    assert list(look.look()) == ["InferenceService/iris"], "its Deployment is no row of its own"

    def stop(obj: Json, value: str = "true") -> None:
        obj["metadata"]["annotations"][STOP] = value

    look.sim.store.mutate(ISVC, NAMESPACE, "iris", stop, manager="kubectl")
    look.until(lambda: not look.world.keepers.deployments(look("iris").uid))
    for known in look.live(60):
        value = known["InferenceService/iris"]
        assert value.gpus == len(look.sim.pods())
        assert value.ready == 0
        if look.sim.pods():
            assert (value.phase, value.cause, value.desired) == (Phase.DELETING, Cause.SCALE, 0)
    assert (look("iris").phase, look("iris").trouble) == (Phase.ABSENT, None)
    assert look("iris").state == "stopped"

    look.sim.store.mutate(ISVC, NAMESPACE, "iris", lambda obj: stop(obj, "false"), manager="kubectl")
    for known in look.live(5):
        assert known["InferenceService/iris"].trouble is None
    settled(look, "iris", 2)


def test_each_component_of_a_service_is_a_role_with_its_own_autoscaler() -> None:
    look = service(minReplicas=2)

    def change(obj: Json) -> None:
        made = {"name": "kserve-container", "image": "shape:1"}
        obj["spec"]["transformer"] = {"minReplicas": 1, "containers": [made]}

    look.sim.store.mutate(ISVC, NAMESPACE, "iris", change, manager="kubectl")
    settled(look, "iris", 3)
    assert [spec.name for spec in look("iris").role_specs] == ["predictor", "transformer"]
    roles = sorted(group.roles[0].name for group in look("iris").groups)
    assert roles == ["predictor", "predictor", "transformer"]


def test_a_deleted_owner_leaves_no_rows_behind() -> None:
    look = groups_of(2)
    look.sim.store.delete(LWS, NAMESPACE, "ds")
    for known in look.live(40):
        assert known == {}
    assert look.world.hidden == ()
