"""How Kthena scales whole ServingGroups, at HEAD and at v1.0 (kthena.md section 5)."""

from __future__ import annotations

import pytest

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.faults import Fault, FaultKind
from clients.embedded.servings import Role
from tests.support.simworld import World

COST = "controller.kubernetes.io/pod-deletion-cost"


def created(pods: list[tuple[float, str, str]]) -> list[str]:
    return [name for _, change, name in pods if change == "ADDED"]


def test_head_creates_all_missing_groups_in_one_pass_ascending_entry_before_workers(world: World) -> None:
    world.grown(2, [Role("prefill"), Role("decode", 2, 1)])
    pods, groups = world.watch("pods"), world.watch("podgroups.scheduling.volcano.sh")
    world.scale(4)
    world.until(lambda: len(created(pods)) == 10, limit=30)
    assert created(pods) == [
        f"chat-{g}-{tail}"
        for g in (2, 3)
        for tail in ("prefill-0-0", "decode-0-0", "decode-0-1", "decode-1-0", "decode-1-1")
    ]
    assert created(groups) == ["chat-2", "chat-3"]
    first_pod = next(at for at, _, name in pods if name.startswith("chat-2"))
    assert next(at for at, _, name in groups if name == "chat-2") <= first_pod
    assert world.states() == {0: "Running", 1: "Running", 2: "Creating", 3: "Creating"}
    world.until(lambda: world.all_running(4))


def test_pods_trickle_at_five_a_second_after_a_burst_of_ten(world: World) -> None:
    world.grown(1, [Role("prefill", 4), Role("decode", 4)])
    pods = world.watch("pods")
    world.live(60)
    world.scale(4)
    world.live(20)
    times = [at for at, change, _ in pods if change == "ADDED"]
    assert len(times) == 24
    assert times[7] - times[0] < 0.5
    paced = times[12:]
    assert (paced[-1] - paced[0]) / (len(paced) - 1) == pytest.approx(0.2, abs=0.02)


def test_head_fills_gaps_and_v1_0_appends(make_world: type[World]) -> None:
    for flavour, expected in ((Flavour.HEAD, {0, 1, 2, 3}), (Flavour.V1_0, {0, 2, 3, 4})):
        world = make_world(flavour).grown(4)
        for ordinal in (0, 2, 3):
            world.annotate(f"chat-{ordinal}-prefill-0-0", COST, "100")
        world.scale(3)
        world.until(lambda w=world: w.all_running(3))  # type: ignore[misc]
        assert set(world.states()) == {0, 2, 3}
        world.scale(4)
        world.until(lambda w=world: w.all_running(4))  # type: ignore[misc]
        assert set(world.states()) == expected


def test_out_of_range_groups_count_when_gaps_are_filled(world: World) -> None:
    world.grown(6)
    for ordinal in (0, 2, 5):
        world.annotate(f"chat-{ordinal}-decode-0-0", COST, "9")
    world.scale(3)
    world.until(lambda: world.all_running(3))
    assert set(world.states()) == {0, 2, 5}
    world.scale(4)
    world.until(lambda: world.all_running(4))
    assert set(world.states()) == {0, 1, 2, 5}


def test_all_victims_go_in_the_same_pass_highest_ordinal_first(world: World) -> None:
    world.grown(5)
    gone = world.watch("podgroups.scheduling.volcano.sh")
    world.scale(2)
    world.live(3)
    assert [name for _, change, name in gone if change == "DELETED"] == ["chat-4", "chat-3", "chat-2"]
    assert world.states() == {0: "Running", 1: "Running", 2: "Deleting", 3: "Deleting", 4: "Deleting"}
    assert world.status()["replicas"] == 5
    world.until(lambda: world.all_running(2))
    assert world.status()["replicas"] == 2
    assert world.pods("chat-2") == []


def test_not_running_groups_go_first_then_the_cheapest(world: World) -> None:
    world.grown(4)
    for ordinal in (1, 2, 3):
        world.annotate(f"chat-{ordinal}-prefill-0-0", COST, str(10 * ordinal))
    world.annotate("chat-0-prefill-0-0", COST, "not a number")
    world.scale(5)
    world.until(lambda: world.states().get(4) == "Creating", limit=10)
    world.scale(3)
    world.until(lambda: world.all_running(3))
    assert set(world.states()) == {1, 2, 3}


def test_a_partition_spares_the_first_list_positions(world: World) -> None:
    world.grown(4)

    def partition(obj: dict[str, object]) -> None:
        spec = obj["spec"]
        assert isinstance(spec, dict)
        spec["rolloutStrategy"]["rollingUpdateConfiguration"]["partition"] = 2

    world.edit(partition)
    world.annotate("chat-3-prefill-0-0", COST, "50")
    world.scale(3)
    world.until(lambda: world.all_running(3))
    assert set(world.states()) == {0, 1, 3}
    world.scale(1)
    world.until(lambda: world.all_running(1))
    assert set(world.states()) == {0}


def test_a_group_being_deleted_holds_its_ordinal_until_it_is_gone(world: World) -> None:
    world.grown(3)
    world.scale(2)
    world.until(lambda: world.states()[2] == "Deleting", limit=5)
    old = {world.pod(name)["metadata"]["uid"] for name in world.pods("chat-2")}
    world.scale(3)
    world.live(2)
    assert world.states()[2] == "Deleting"
    assert {world.pod(name)["metadata"]["uid"] for name in world.pods("chat-2")} == old
    world.until(lambda: world.states().get(2) == "Creating", limit=30)
    world.until(lambda: world.all_running(3))
    assert not old & {world.pod(name)["metadata"]["uid"] for name in world.pods("chat-2")}


def test_a_shrink_overshoots_when_a_higher_group_stops_running_meanwhile(world: World) -> None:
    world.grown(4, restart_grace=600)
    world.annotate("chat-1-prefill-0-0", COST, "-5")
    world.scale(3)
    world.until(lambda: world.states()[1] == "Deleting", limit=5)
    world.annotate("chat-3-prefill-0-0", COST, "-10")
    world.cluster.kubelets.crash("llm", "chat-3-decode-0-0", Fault(FaultKind.CRASH, "llm", "*"))
    world.until(lambda: world.states().get(3) == "Deleting", limit=10)
    world.until(lambda: world.all_running(3))
    assert set(world.states()) == {0, 1, 2}


def test_an_absurd_number_of_groups_costs_no_more_than_what_is_created(world: World) -> None:
    world.grown(1)
    world.scale(2_000_000_000)
    world.live(10)
    assert 10 < len(world.pods()) < 80


def test_v1_0_fills_gaps_below_the_partition_and_appends_above(make_world: type[World]) -> None:
    world = make_world(Flavour.V1_0).grown(5)
    for ordinal in (2, 4):
        world.annotate(f"chat-{ordinal}-prefill-0-0", COST, "9")
    world.scale(2)
    world.until(lambda: world.all_running(2))
    assert set(world.states()) == {2, 4}

    def change(obj: Json) -> None:
        obj["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"]["partition"] = 2
        obj["spec"]["replicas"] = 5

    world.edit(change)
    world.until(lambda: world.all_running(5))
    assert set(world.states()) == {0, 1, 2, 4, 5}
