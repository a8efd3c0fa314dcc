"""The plan's predicted order and victims against what the simulated controller then does: all of it right."""

from __future__ import annotations

import random

import pytest

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.faults import Fault, FaultKind
from clients.embedded.servings import Role
from clients.serving.guards import Level
from clients.serving.operation import Outcome
from clients.serving.plans import ScalePlan, StepKind
from tests.support.followed import COST, Followed
from tests.support.simworld import World

FLAVOURS = list(Flavour)
ROLES = (Role("prefill", 2), Role("decode", 2, 1))


def start(flavour: Flavour, groups: int = 2, roles: tuple[Role, ...] = ROLES, **more: object) -> Followed:
    world = World(flavour, nodes=24).grown(groups, roles, **more)
    return Followed(world, flavour)


def agrees(plan: ScalePlan, followed: Followed) -> None:
    assert plan.order_known
    assert [(step.kind, step.name) for step in plan.steps] == followed.did
    operation = followed.ended[-1]
    assert operation.outcome is Outcome.DONE
    assert operation.prediction is not None
    assert operation.prediction.order is not None
    assert set(operation.happened) == set(operation.prediction.order)
    assert operation.done == operation.total == len(plan.steps)


def cost_of(followed: Followed, group: int, cost: int, replica: str = "prefill-0") -> None:
    followed.world.annotate(f"chat-{group}-{replica}-0", COST, str(cost))


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_group_scale_up_and_down(flavour: Flavour) -> None:
    followed = start(flavour)
    plan, operation = followed.scale(4)
    agrees(plan, followed)
    assert operation is not None
    assert operation.happened == ("chat-2", "chat-3")
    plan, operation = followed.scale(1)
    agrees(plan, followed)
    assert operation is not None
    assert operation.happened == ("chat-3", "chat-2", "chat-1")


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_role_scale_up_and_down(flavour: Flavour) -> None:
    followed = start(flavour, 3)
    plan, _ = followed.scale(decode=4, prefill=3)
    agrees(plan, followed)
    plan, _ = followed.scale(decode=1, prefill=1)
    agrees(plan, followed)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_deletion_costs_and_gaps(flavour: Flavour) -> None:
    followed = start(flavour, 5)
    cost_of(followed, 1, -10)
    cost_of(followed, 3, -5)
    plan, _ = followed.scale(3)
    agrees(plan, followed)
    plan, _ = followed.scale(6)
    agrees(plan, followed)


@pytest.mark.parametrize("flavour", [Flavour.HEAD, Flavour.V1_0])
def test_a_group_that_is_not_ready_goes_first(flavour: Flavour) -> None:
    followed = start(flavour, 4, recovery="None", restart_grace=3600)
    world = followed.world
    world.cluster.kubelets.crash("llm", "chat-1-decode-0-0", Fault(FaultKind.CRASH, "llm", "*"))
    world.until(lambda: world.states()[1] == "Creating")
    plan, _ = followed.scale(3)
    assert [step.name for step in plan.steps] == ["chat-1"]
    assert plan.steps[0].note == "not ready, goes first"
    agrees(plan, followed)


@pytest.mark.parametrize("flavour", [Flavour.HEAD, Flavour.V1_0])
def test_the_partition_spares_the_first(flavour: Flavour) -> None:
    followed = start(flavour, 4)

    def protect(obj: Json) -> None:
        obj["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"]["partition"] = 2

    followed.world.edit(protect)
    followed.world.live(5)
    cost_of(followed, 0, -10)
    plan, _ = followed.scale(1)
    assert [step.name for step in plan.steps] == ["chat-3", "chat-2", "chat-0"]
    agrees(plan, followed)
    plan, _ = followed.scale(4)
    agrees(plan, followed)


@pytest.mark.parametrize("flavour", [Flavour.HEAD, Flavour.V1_0])
def test_groups_and_roles_together(flavour: Flavour) -> None:
    followed = start(flavour, 2)
    plan, _ = followed.scale(4, decode=3)
    agrees(plan, followed)
    plan, _ = followed.scale(3, decode=1, prefill=3)
    agrees(plan, followed)


def test_groups_and_roles_together_as_documented() -> None:
    followed = start(Flavour.DOCUMENTED, 2)
    plan, _ = followed.scale(4, decode=3)
    agrees(plan, followed)
    plan, operation = followed.scale(3, decode=1)
    assert not plan.order_known
    assert operation is not None
    assert operation.outcome is Outcome.DONE


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_costs_within_a_role(flavour: Flavour) -> None:
    followed = start(flavour, 2, (Role("prefill"), Role("decode", 4, 1)))
    cost_of(followed, 0, -5, "decode-1")
    cost_of(followed, 1, 7, "decode-3")
    plan, _ = followed.scale(decode=2)
    if flavour is not Flavour.DOCUMENTED:
        assert {step.name for step in plan.steps} == {
            "chat-0/decode-1",
            "chat-0/decode-3",
            "chat-1/decode-1",
            "chat-1/decode-2",
        }
    agrees(plan, followed)
    plan, _ = followed.scale(decode=4)
    agrees(plan, followed)


@pytest.mark.parametrize("flavour", [Flavour.HEAD, Flavour.V1_0])
def test_a_surviving_group_may_be_deleted_too_and_the_plan_says_so(flavour: Flavour) -> None:
    followed = start(flavour, 3)
    cost_of(followed, 0, -5)
    cost_of(followed, 1, -5)
    plan = followed.plan(1, decode=3)
    (guard,) = [guard for guard in plan.guards if guard.id == "overshoot"]
    assert guard.level is Level.CONFIRM
    assert "chat-2" in guard.reason
    assert not plan.order_known
    followed.scale(1, decode=3)
    assert (StepKind.DELETE, "chat-2") in followed.did


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize(("first", "second", "wait"), [(6, 4, 3), (6, 2, 12), (4, 6, 3), (1, 0, 2)])
def test_a_change_while_another_is_under_way(flavour: Flavour, first: int, second: int, wait: float) -> None:
    followed = start(flavour, 2)
    followed.send(followed.plan(first))
    followed.world.live(wait)
    earlier = followed.plan().before
    plan, operation = followed.scale(second)
    assert earlier.groups == first
    assert operation is not None
    assert operation.outcome is Outcome.DONE
    begun = [(step.kind, step.name) for step in plan.steps]
    assert followed.did[len(followed.did) - len(begun) :] == begun
    assert len(followed.workload.groups) == second


@pytest.mark.parametrize("flavour", [Flavour.HEAD, Flavour.V1_0])
def test_growing_while_several_are_on_their_way_out_is_not_foretold(flavour: Flavour) -> None:
    followed = start(flavour, 4)
    followed.send(followed.plan(1))
    followed.world.live(1)
    plan, operation = followed.scale(3)
    assert not plan.order_known
    assert "gone or ready first" in plan.order_note
    assert operation is not None
    assert operation.outcome is Outcome.DONE


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("seed", range(4))
def test_random_walks(flavour: Flavour, seed: int) -> None:
    chance = random.Random(seed)
    followed = start(flavour, 3, (Role("prefill"), Role("decode", 2)))
    foretold = 0
    for _ in range(6):
        for name in followed.world.pods():
            if chance.random() < 0.2:
                followed.world.annotate(name, COST, str(chance.randint(-9, 9)))
        wanted: dict[str, int] = {}
        if chance.random() < 0.6:
            wanted["groups"] = chance.randint(0, 6)
        if not wanted or chance.random() < 0.3:
            wanted |= {role: chance.randint(1, 4) for role in chance.sample(["prefill", "decode"], 2)}
        plan, operation = followed.scale(**wanted)
        if operation is not None and plan.order_known:
            agrees(plan, followed)
            foretold += 1
    assert foretold >= 3
