"""What Kthena does when pods fail or vanish (kthena.md section 6)."""

from __future__ import annotations

import pytest

from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.faults import CUDA_OOM, Fault, FaultKind
from clients.embedded.servings import Role
from tests.support.simworld import World

PD = [Role("prefill"), Role("decode", 2, 1)]
CRASH = Fault(FaultKind.CRASH, "llm", "*", CUDA_OOM)


def uids(world: World, prefix: str) -> dict[str, str]:
    return {name: world.pod(name)["metadata"]["uid"] for name in world.pods(prefix)}


def test_a_failed_pod_costs_its_role_replica_which_comes_back_under_the_same_id(world: World) -> None:
    world.grown(2, PD)
    before = uids(world, "chat-1")
    assert world.cluster.kubelets.crash("llm", "chat-1-decode-0-1", CRASH)
    world.until(lambda: world.states()[1] == "Creating", limit=5, step=0.02)
    assert world.roles(1, "decode")["decode-0"] == "Creating"
    world.until(lambda: world.roles(1, "decode").get("decode-0") == "Deleting", limit=15, step=0.1)
    world.until(lambda: world.states()[1] == "Scaling", limit=30, step=0.1)
    world.until(lambda: world.all_running(2))
    after = uids(world, "chat-1")
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"chat-1-decode-0-0", "chat-1-decode-0-1"}


def test_at_v1_0_the_role_replica_comes_back_under_the_next_free_id(make_world: type[World]) -> None:
    world = make_world(Flavour.V1_0).grown(1, [Role("prefill"), Role("decode", 2)])
    world.cluster.kubelets.crash("llm", "chat-0-decode-0-0", CRASH)
    world.live(3)
    world.until(lambda: world.all_running(1))
    assert set(world.roles(0, "decode")) == {"decode-1", "decode-2"}


def test_the_whole_group_is_recreated_with_that_policy(world: World) -> None:
    world.grown(2, PD, recovery="ServingGroupRecreate")
    before = uids(world, "chat-0")
    world.cluster.kubelets.crash("llm", "chat-0-prefill-0-0", CRASH)
    world.until(lambda: world.states().get(0) == "Deleting", limit=20, step=0.1)
    assert world.states()[1] == "Running"
    world.until(lambda: world.states().get(0) == "Creating", limit=40)
    world.until(lambda: world.all_running(2))
    assert not set(before.values()) & set(uids(world, "chat-0").values())


def test_with_policy_none_a_deleted_pod_stays_missing_until_a_later_pass(world: World) -> None:
    world.grown(1, PD, recovery="None")
    world.store.delete("pods", "llm", "chat-0-decode-0-0")
    world.live(120)
    assert "chat-0-decode-0-0" not in world.pods()
    assert world.status()["availableReplicas"] == 1
    world.scale(2)
    world.until(lambda: "chat-0-decode-0-0" in world.pods(), limit=20)
    world.until(lambda: world.all_running(2))


def test_a_pod_that_recovers_within_the_grace_period_stays(world: World) -> None:
    world.grown(1, PD, restart_grace=120)
    before = uids(world, "chat-0")
    world.cluster.kubelets.crash("llm", "chat-0-decode-1-0", CRASH)
    world.until(lambda: world.states()[0] == "Creating", limit=5)
    world.until(lambda: world.all_running(1), limit=100)
    world.live(180)
    assert uids(world, "chat-0") == before
    assert world.pod("chat-0-decode-1-0")["status"]["containerStatuses"][0]["restartCount"] == 1


def test_a_pod_that_does_not_recover_is_deleted_when_the_grace_period_ends(world: World) -> None:
    world.grown(1, PD, restart_grace=60)
    world.cluster.faults.add(Fault(FaultKind.CRASH, "llm", "chat-0-decode-1-0", CUDA_OOM, times=3))
    world.cluster.kubelets.crash("llm", "chat-0-decode-1-0", CRASH)
    began = world.now
    world.until(lambda: world.roles(0, "decode").get("decode-1") == "Deleting", limit=120)
    assert 60 <= world.now - began < 72
    world.until(lambda: world.all_running(1), limit=300)


def test_a_probe_that_fails_without_a_restart_changes_nothing(world: World) -> None:
    world.grown(1, PD)
    assert world.cluster.kubelets.flap("llm", "chat-0-decode-0-0", 30)
    world.live(5)
    assert world.states() == {0: "Running"}
    assert world.roles(0, "decode")["decode-0"] == "Running"
    assert world.status()["availableReplicas"] == 1
    ready = [c for c in world.pod("chat-0-decode-0-0")["status"]["conditions"] if c["type"] == "Ready"]
    assert ready[0]["status"] == "False"


def test_a_pod_deleted_by_hand_costs_its_role_replica_too(world: World) -> None:
    world.grown(1, PD)
    world.store.delete("pods", "llm", "chat-0-prefill-0-0")
    world.live(2)
    assert world.states() == {0: "Running"}, "nothing is done before the pod is gone"
    world.until(lambda: world.states()[0] == "Scaling", limit=20)
    world.until(lambda: world.all_running(1))


@pytest.mark.parametrize("when", [1.0, 6.0])
def test_a_restarted_controller_forgets_scaling_and_deleting(world: World, when: float) -> None:
    world.grown(3, PD)
    world.scale_role("decode", 3)
    world.live(when)
    assert set(world.states().values()) == {"Scaling"}
    world.cluster.kthena.restart()
    world.live(0.005)
    assert set(world.states().values()) == {"Creating"}
    assert world.roles(0, "prefill") == {"prefill-0": "Running"}
    world.until(lambda: world.all_running(3))
    assert len(world.roles(2, "decode")) == 3


def test_a_restarted_controller_does_not_see_what_is_already_going(world: World) -> None:
    world.grown(3, PD)
    world.scale(2)
    world.until(lambda: world.states()[2] == "Deleting", limit=5)
    world.live(1)
    world.cluster.kthena.restart()
    assert set(world.states()) == {0, 1}
    world.live(60)
    assert world.all_running(2)
    assert world.pods("chat-2") == []


def test_restarting_tells_of_every_role_again(world: World) -> None:
    world.grown(2, PD)
    assert world.events("RoleRunning") == []
    world.cluster.kthena.restart()
    world.live(1)
    assert len(world.events("RoleRunning")) == 6
