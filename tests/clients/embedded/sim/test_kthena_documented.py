"""The documented order: the stage tables of Kthena's scaling guide, read off the controller's own dump."""

from __future__ import annotations

import pytest

from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.servings import Role
from tests.support.simworld import World

Stages = list[dict[int, str]]


@pytest.fixture
def guide(make_world: type[World]) -> World:
    """A cluster in the documented order."""
    return make_world(Flavour.DOCUMENTED)


def stages(world: World, groups: int) -> Stages:
    """The distinct states of the groups, one after the other, until all of ``groups`` are Running."""
    seen: Stages = []

    def settled() -> bool:
        states = world.states()
        if not seen or seen[-1] != states:
            seen.append(states)
        return len(seen) > 1 and world.all_running(groups)

    world.until(settled, step=0.05)
    return seen


def running(*ordinals: int) -> dict[int, str]:
    return dict.fromkeys(ordinals, "Running")


def test_groups_are_created_one_after_the_other_each_waiting_for_the_one_before(guide: World) -> None:
    guide.grown(2)
    guide.scale(4)
    assert stages(guide, 4) == [
        running(0, 1),
        running(0, 1) | {2: "Creating"},
        running(0, 1, 2),
        running(0, 1, 2) | {3: "Creating"},
        running(0, 1, 2, 3),
    ]


def test_groups_are_deleted_one_after_the_other_the_highest_first(guide: World) -> None:
    guide.grown(4)
    guide.annotate("chat-3-prefill-0-0", "controller.kubernetes.io/pod-deletion-cost", "1000")
    guide.scale(2)
    assert stages(guide, 2) == [
        running(0, 1, 2, 3),
        running(0, 1, 2) | {3: "Deleting"},
        running(0, 1, 2),
        running(0, 1) | {2: "Deleting"},
        running(0, 1),
    ]


@pytest.mark.parametrize("replicas", [3, 1])
def test_roles_are_scaled_from_the_last_group_to_the_first_each_waiting(guide: World, replicas: int) -> None:
    guide.grown(4, [Role("prefill"), Role("decode", 2)])
    guide.scale_role("decode", replicas)
    scaling, done = dict.fromkeys(range(4), "Scaling"), running(0, 1, 2, 3)
    busy: list[int] = []

    def one_at_a_time() -> bool:
        at_work = [
            g for g in range(4)
            if len(guide.roles(g, "decode")) not in (2, replicas)
            or set(guide.roles(g, "decode").values()) - {"Running"}
        ]  # fmt: skip
        assert len(at_work) <= 1
        busy.extend(g for g in at_work if g not in busy)
        return guide.all_running(4) and len(guide.roles(0, "decode")) == replicas

    seen: Stages = []

    def settled() -> bool:
        if not seen or seen[-1] != guide.states():
            seen.append(guide.states())
        return one_at_a_time()

    guide.until(settled, step=0.05)
    assert busy == [3, 2, 1, 0]
    assert seen == [
        done,
        scaling,
        scaling | running(3),
        scaling | running(3, 2),
        scaling | running(3, 2, 1),
        done,
    ]


def test_a_new_modelserving_comes_up_group_by_group(guide: World) -> None:
    guide.started().create(guide.plan(3))
    guide.live(5)
    assert guide.states() == {0: "Creating"}
    guide.until(lambda: guide.states() == {0: "Running", 1: "Creating"}, step=0.1)
    guide.until(lambda: guide.all_running(3))


def test_a_turn_back_in_the_middle_leaves_what_was_not_begun_alone(guide: World) -> None:
    guide.grown(2)
    guide.scale(4)
    guide.until(lambda: guide.states().get(2) == "Creating", limit=10)
    guide.scale(2)
    pods = guide.watch("pods")
    guide.until(lambda: guide.all_running(2))
    assert not [name for _, _, name in pods if name.startswith("chat-3")]


def test_one_modelserving_may_follow_it_in_a_cluster_of_another_order(world: World) -> None:
    world.cluster.kthena.flavours[("llm", "chat")] = Flavour.DOCUMENTED
    world.cluster.ground.plant(world.plan(2, name="other"), 3600)
    world.grown(2)
    world.scale(4)
    world.scale(4, "other")
    world.live(5)
    assert set(world.states()) == {0, 1, 2}
    assert set(world.states("other")) == {0, 1, 2, 3}
