"""How Kthena scales roles, at HEAD and at v1.0 (kthena.md sections 4 and 5)."""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.servings import Role
from tests.support.simworld import World

COST = "controller.kubernetes.io/pod-deletion-cost"
PD = [Role("prefill"), Role("decode", 2)]


def test_all_groups_scale_in_the_same_pass_ascending_and_flip_together(world: World) -> None:
    world.grown(3, PD)
    pods = world.watch("pods")
    world.scale_role("decode", 3)
    world.live(2)
    created = [name for _, change, name in pods if change == "ADDED"]
    assert created == [f"chat-{g}-decode-2-0" for g in range(3)]
    assert world.states() == dict.fromkeys(range(3), "Scaling")
    assert world.roles(1, "decode") == {"decode-0": "Running", "decode-1": "Running", "decode-2": "Creating"}
    assert world.status()["availableReplicas"] == 0
    assert world.status()["replicas"] == 3
    world.until(lambda: world.all_running(3))
    assert world.status()["availableReplicas"] == 3


def test_role_replicas_go_not_running_first_then_cheapest_then_highest(world: World) -> None:
    world.grown(1, [Role("prefill"), Role("decode", 3)])
    world.annotate("chat-0-decode-2-0", COST, "7")
    world.scale_role("decode", 2)
    world.until(lambda: world.all_running(1) and len(world.roles(0, "decode")) == 2)
    assert set(world.roles(0, "decode")) == {"decode-0", "decode-2"}
    world.scale_role("decode", 3)
    world.until(lambda: world.roles(0, "decode").get("decode-1") == "Creating", limit=10)
    world.scale_role("decode", 2)
    world.until(lambda: world.all_running(1) and len(world.roles(0, "decode")) == 2)
    assert set(world.roles(0, "decode")) == {"decode-0", "decode-2"}


def test_v1_0_appends_role_ordinals_and_head_fills_the_gap(make_world: type[World]) -> None:
    for flavour, new in ((Flavour.HEAD, "decode-0"), (Flavour.V1_0, "decode-2")):
        world = make_world(flavour).grown(1, PD)
        world.annotate("chat-0-decode-1-0", COST, "1")
        world.scale_role("decode", 1)
        world.until(lambda w=world: len(w.roles(0, "decode")) == 1)  # type: ignore[misc]
        world.scale_role("decode", 2)
        world.until(lambda w=world: w.all_running(1) and len(w.roles(0, "decode")) == 2)  # type: ignore[misc]
        assert set(world.roles(0, "decode")) == {"decode-1", new}


def test_several_roles_and_groups_in_one_change_are_one_generation_and_one_pass(world: World) -> None:
    world.grown(2, PD)

    def change(obj: Json) -> None:
        obj["spec"]["replicas"] = 3
        obj["spec"]["template"]["roles"][0]["replicas"] = 2
        obj["spec"]["template"]["roles"][1]["replicas"] = 1

    world.edit(change)
    world.live(4)
    assert world.serving()["metadata"]["generation"] == 2
    assert world.states() == {0: "Scaling", 1: "Scaling", 2: "Creating"}
    world.until(lambda: world.all_running(3))
    assert world.status()["observedGeneration"] == 2
    for group in range(3):
        assert set(world.roles(group, "prefill")) == {"prefill-0", "prefill-1"}
        assert set(world.roles(group, "decode")) == {"decode-0"}


def test_more_workers_are_added_in_place_and_roll_out(world: World) -> None:
    world.grown(2, [Role("prefill"), Role("decode", 1, 1)])

    def change(obj: Json) -> None:
        obj["spec"]["template"]["roles"][1]["workerReplicas"] = 2

    pods = world.watch("pods")
    world.edit(change)
    world.live(2)
    assert [name for _, kind, name in pods if kind == "ADDED"][:2] == [
        "chat-0-decode-0-2",
        "chat-1-decode-0-2",
    ]
    world.until(lambda: world.all_running(2) and world.status()["updatedReplicas"] == 2)


def test_a_role_scaled_to_nothing_leaves_the_group_running(world: World) -> None:
    world.grown(1, PD)
    world.scale_role("prefill", 0)
    world.until(lambda: world.all_running(1) and world.roles(0, "prefill") == {})
    assert world.pods("chat-0-prefill") == []
