"""The plan's predicted order and victims against what the simulated controller then does: all of it right."""

from __future__ import annotations

import random

import pytest

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.faults import Fault, FaultKind
from clients.embedded.servings import Role
from clients.serving.operation import Outcome
from clients.serving.plans import ScalePlan, StepKind
from tests.support.followed import Followed
from tests.support.simworld import World

COST = "controller.kubernetes.io/pod-deletion-cost"
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
@pytest.mark.parametrize("seed", range(3))
def test_random_walks(flavour: Flavour, seed: int) -> None:
    chance = random.Random(seed)
    followed = start(flavour, 3, (Role("prefill"), Role("decode", 2)))
    for _ in range(6):
        for group in followed.workload.groups:
            if chance.random() < 0.3:
                cost_of(followed, group.ordinal or 0, chance.randint(-9, 9))
        if chance.random() < 0.7:
            wanted: dict[str, int] = {"groups": chance.randint(0, 6)}
        else:
            wanted = {role: chance.randint(1, 4) for role in chance.sample(["prefill", "decode"], 2)}
        plan, operation = followed.scale(**wanted)
        if operation is not None:
            agrees(plan, followed)
            assert all(step.kind in StepKind for step in plan.steps)
