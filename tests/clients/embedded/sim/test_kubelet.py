"""A pod's way to ready and to its end, and the ways in which it fails."""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json
from clients.embedded.faults import CUDA_OOM, Fault, FaultKind
from clients.embedded.servings import Role
from tests.support.simworld import World

ONE = [Role("prefill")]
POD = "chat-0-prefill-0-0"


def container(pod: Json, which: str = "containerStatuses") -> Json:
    found: Json = pod["status"][which][0]
    return found


def conditions(pod: Json) -> dict[str, str]:
    return {c["type"]: c["status"] for c in pod["status"]["conditions"]}


def reason(pod: Json) -> str:
    state = container(pod)["state"]
    return str((state.get("waiting") or state.get("terminated") or {}).get("reason", ""))


def test_a_pod_comes_up_by_stages(world: World) -> None:
    world.started().create(world.plan(1, ONE))
    world.live(0.3)
    assert world.pod(POD)["status"]["phase"] == "Pending"
    world.until(lambda: "nodeName" in world.pod(POD)["spec"], limit=5, step=0.1)
    assert conditions(world.pod(POD)) == {"PodScheduled": "True"}
    world.until(lambda: reason(world.pod(POD)) == "PodInitializing" if world.pod(POD)["status"].get(
        "containerStatuses") else False, limit=5, step=0.1)  # fmt: skip
    assert conditions(world.pod(POD))["Initialized"] == "False"
    world.until(
        lambda: "running" in container(world.pod(POD), "initContainerStatuses")["state"], limit=10, step=0.1
    )
    world.until(lambda: "running" in container(world.pod(POD))["state"], limit=20, step=0.1)
    loading = world.pod(POD)
    assert loading["status"]["phase"] == "Running"
    assert (container(loading)["started"], container(loading)["ready"]) == (False, False)
    assert conditions(loading) | {"Initialized": "True", "Ready": "False"} == conditions(loading)
    done = container(loading, "initContainerStatuses")["state"]["terminated"]
    assert (done["exitCode"], done["reason"]) == (0, "Completed")
    began = world.now
    world.until(lambda: container(world.pod(POD))["started"], limit=60, step=0.1)
    assert 10 < world.now - began < 50, "weights take their time"
    assert container(world.pod(POD))["ready"] is False
    world.until(lambda: container(world.pod(POD))["ready"], limit=10, step=0.1)
    ready = world.pod(POD)
    assert set(conditions(ready).values()) == {"True"}
    assert ready["status"]["podIP"].startswith("10.42.")
    assert ready["status"]["hostIP"]
    assert 25 < world.now < 60
    told = [e["reason"] for e in world.events() if e["involvedObject"].get("kind") == "Pod"]
    assert told == ["Scheduled", "Pulled", "Pulled", "Created", "Started"]


def test_an_image_is_pulled_once_a_node(make_world: type[World]) -> None:
    world = make_world(nodes=1).grown(1, ONE)
    world.new_image("docker.io/vllm/vllm-openai:v0.11.1", ["prefill"])
    world.until(lambda: bool(world.events("Pulling")), limit=60)
    assert reason(world.pod(POD)) == "PodInitializing"
    world.until(lambda: world.all_running(1), limit=120)
    (pulled,) = [e for e in world.events("Pulled") if "Successfully pulled" in e["message"]]
    assert "v0.11.1" in pulled["message"]
    world.scale(2)
    world.until(lambda: world.all_running(2))
    assert len(world.events("Pulling")) == 1


def test_deletion_stops_the_container_within_its_grace_and_then_removes_the_pod(world: World) -> None:
    world.grown(1, ONE)
    changes = world.watch("pods")
    world.scale(0)
    world.until(lambda: "deletionTimestamp" in world.pod(POD)["metadata"], limit=5, step=0.1)
    assert world.pod(POD)["metadata"]["deletionGracePeriodSeconds"] == 30
    assert container(world.pod(POD))["ready"] is True
    began = world.now
    world.until(lambda: "terminated" in container(world.pod(POD))["state"], limit=15, step=0.1)
    assert 3 < world.now - began < 9
    assert conditions(world.pod(POD))["Ready"] == "False"
    world.until(lambda: world.pods() == [], limit=5, step=0.1)
    assert [change for _, change, _ in changes] == ["MODIFIED", "MODIFIED", "DELETED"]
    assert [e["message"] for e in world.events("Killing")] == ["Stopping container engine"]


def test_a_short_grace_kills(world: World) -> None:
    world.grown(1, ONE)
    world.store.delete("pods", "llm", POD, grace=2)
    world.until(lambda: "terminated" in container(world.pod(POD))["state"], limit=5, step=0.1)
    assert container(world.pod(POD))["state"]["terminated"]["exitCode"] == 137


def test_a_pod_without_a_node_goes_at_once(make_world: type[World]) -> None:
    world = make_world(nodes=1).grown(1, [Role("prefill", gpus=8)])
    world.scale(2)
    world.live(3)
    assert "nodeName" not in world.pod("chat-1-prefill-0-0")["spec"]
    world.scale(1)
    world.live(1)
    assert world.pods("chat-1") == []


def test_a_crash_loop_backs_off_longer_and_longer(world: World) -> None:
    world.grown(1, ONE, restart_grace=36000)
    fault = Fault(FaultKind.CRASH, "llm", POD, CUDA_OOM, after=5)
    world.cluster.faults.add(fault)
    world.cluster.kubelets.crash("llm", POD, fault)
    waits: list[str] = []

    def looped() -> bool:
        waiting = container(world.pod(POD))["state"].get("waiting") or {}
        message = str(waiting.get("message", ""))
        if waiting.get("reason") == "CrashLoopBackOff" and message not in waits:
            waits.append(message)
        return len(waits) == 6

    world.until(looped, limit=2000)
    uid = world.pod(POD)["metadata"]["uid"]
    expected = ["10s", "20s", "40s", "1m20s", "2m40s", "5m0s"]
    assert waits == [
        f"back-off {wait} restarting failed container=engine pod={POD}_llm({uid})" for wait in expected
    ]
    status = container(world.pod(POD))
    assert status["restartCount"] == 6
    last = status["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (1, "Error")
    assert last["message"].startswith("torch.OutOfMemoryError: CUDA out of memory")
    world.cluster.faults.remove(fault)
    world.until(lambda: bool(container(world.pod(POD))["ready"]), limit=400)


def test_killed_for_memory_it_says_so(world: World) -> None:
    world.grown(1, ONE, restart_grace=36000)
    fault = Fault(FaultKind.CRASH, "llm", POD, reason="OOMKilled", exit_code=137, times=0)
    world.cluster.kubelets.crash("llm", POD, fault)
    ended = container(world.pod(POD))["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


def test_an_image_that_cannot_be_had_backs_off(world: World) -> None:
    world.grown(1, ONE)
    world.cluster.faults.add(Fault(FaultKind.IMAGE, "llm", "chat-1-*", until=1_700_000_000.0 + 120))
    world.scale(2)
    seen: list[str] = []

    def both() -> bool:
        names = world.pods("chat-1")
        pod = world.pod(names[0]) if names else {"status": {}}
        told = reason(pod) if pod["status"].get("containerStatuses") else ""
        if told not in seen:
            seen.append(told)
        return "ImagePullBackOff" in seen

    world.until(both, limit=60, step=0.1)
    assert seen[-2:] == ["ErrImagePull", "ImagePullBackOff"]
    message = container(world.pod("chat-1-prefill-0-0"))["state"]["waiting"]["message"]
    assert message.startswith('Back-off pulling image "docker.io/vllm/vllm-openai:v0.11.0"')
    world.until(lambda: world.all_running(2), limit=400)


def test_a_stuck_pod_stays_terminating_and_holds_its_group(world: World) -> None:
    world.grown(2, ONE)
    world.cluster.faults.add(Fault(FaultKind.STUCK, "llm", "chat-1-*"))
    world.scale(1)
    world.live(3600)
    assert world.states() == {0: "Running", 1: "Deleting"}
    assert world.status()["replicas"] == 2
    world.store.delete("pods", "llm", "chat-1-prefill-0-0", grace=0)
    world.live(1)
    assert world.states() == {0: "Running"}


def test_a_lost_node_takes_its_pods_out_and_gives_them_back(world: World) -> None:
    world.grown(1, ONE)
    node = world.pod(POD)["spec"]["nodeName"]
    world.cluster.kubelets.lose_node(node)
    obj = world.store.get("nodes", None, node)
    assert obj is not None
    ready = next(c for c in obj["status"]["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
    assert conditions(world.pod(POD))["Ready"] == "False"
    assert world.states() == {0: "Running"}, "no restart, so Kthena takes no notice"
    world.live(100)
    world.cluster.kubelets.restore_node(node)
    assert conditions(world.pod(POD))["Ready"] == "True"
    world.live(400)
    assert "deletionTimestamp" not in world.pod(POD)["metadata"]


def test_pods_of_a_node_lost_for_long_hang_in_termination(world: World) -> None:
    world.grown(1, ONE)
    node = world.pod(POD)["spec"]["nodeName"]
    world.cluster.kubelets.lose_node(node)
    world.live(400)
    pod = world.pod(POD)
    assert "deletionTimestamp" in pod["metadata"]
    assert pod["status"]["reason"] == "NodeLost"
    world.cluster.kubelets.restore_node(node)
    world.live(30)
    world.until(lambda: world.all_running(1), limit=120)


def test_one_pods_durations_do_not_depend_on_what_else_happens(make_world: type[World]) -> None:
    def ready_at(busy: bool) -> float:
        world = make_world().grown(1, ONE)
        if busy:
            world.cluster.ground.plant(world.plan(2, name="other"), 60)
            world.cluster.kubelets.crash("llm", "other-0-prefill-0-0", Fault(FaultKind.CRASH, "llm", "*"))
        world.live(100)
        world.scale(2)
        return world.until(lambda: world.all_running(2), step=0.01)

    assert ready_at(False) == ready_at(True)


def test_pods_are_as_large_as_real_ones(world: World) -> None:
    world.grown(1, ONE)
    record = world.store.record("pods", "llm", POD)
    assert record is not None
    assert 5000 < len(record.body()) < 8500
