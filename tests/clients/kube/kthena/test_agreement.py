"""What is derived agrees with the embedded controller's own memory: the bar is 99.5 % of samples.

Samples are taken five times a simulated second, of every group and every role replica; what is shown may be
behind the controller by one second. What still differs is explained here:

- The controller remembers a role replica (and a new group) once all its pods exist; here it is Creating from
  its first pod on. With many pods the controller's budget of 5 calls a second makes that over a second.
- In the documented order the controller looks at its groups only in passes, so a group whose last role
  replica has gone stays Scaling until the next one.
- Between two values a group may pass through a state: the last role replica becomes ready and the next one
  is taken by the rollout.
- A role replica of a group being deleted whose pods were gone before the console began to look is unknown.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.faults import Fault, FaultKind
from clients.embedded.servings import Role
from clients.serving.phase import Cause, Phase, Stage
from tests.support.kthena_agreement import NAMESPACE, Observed

WITH_WORKERS = (Role("prefill"), Role("decode", 2, 1))
ONE_ROLE = (Role("decode"),)
BAR = 0.995

flavours = pytest.mark.parametrize("flavour", list(Flavour), ids=lambda flavour: flavour.value)
shapes = pytest.mark.parametrize("roles", [WITH_WORKERS, ONE_ROLE], ids=["with workers", "one role"])


def scale_groups(world: Observed) -> None:
    for groups in (4, 1, 3):
        world.scale(groups)
        world.until(world.settled(groups))


def scale_back_before_the_end(world: Observed) -> None:
    world.scale(4)
    world.live(12)
    world.scale(2)
    world.live(5)
    world.scale(4)
    world.until(world.settled(4))


def scale_role(world: Observed) -> None:
    for replicas in (4, 1):
        world.scale_role("decode", replicas)
        world.live(1)
        world.until(world.settled(2))


def scale_both(world: Observed) -> None:
    def change(obj: Json) -> None:
        obj["spec"]["replicas"] = 3
        obj["spec"]["template"]["roles"][-1]["replicas"] = 3

    world.edit(change)
    world.live(1)
    world.until(world.settled(3))


def crash(world: Observed) -> None:
    fault = Fault(FaultKind.CRASH, NAMESPACE, "*", "CUDA out of memory")
    assert world.cluster.kubelets.crash(NAMESPACE, "chat-1-decode-0-0", fault)
    world.live(45)
    world.until(world.settled(2))


def lose_readiness(world: Observed) -> None:
    assert world.cluster.kubelets.flap(NAMESPACE, "chat-1-decode-0-0", 15)
    world.live(30)
    world.until(world.settled(2))


def delete_from_outside(world: Observed) -> None:
    world.store.delete("pods", NAMESPACE, "chat-1-decode-0-0")
    world.live(45)
    world.until(world.settled(2))


def roll_out(world: Observed) -> None:
    world.new_image("v0.12.0")
    world.live(160)
    world.until(world.settled(2))


@flavours
@shapes
@pytest.mark.parametrize(
    "script",
    [
        scale_groups,
        scale_back_before_the_end,
        scale_role,
        scale_both,
        crash,
        lose_readiness,
        delete_from_outside,
        roll_out,
    ],
)
def test_controller_state_agrees_with_the_controllers_memory(
    flavour: Flavour, roles: tuple[Role, ...], script: Callable[[Observed], None]
) -> None:
    world = Observed(flavour, 2, roles, nodes=10)
    world.live(2)
    script(world)
    assert world.agreement.samples > 200
    assert world.agreement.share >= BAR, world.agreement.log[:40]


@flavours
@pytest.mark.parametrize(
    ("script", "settings"),
    [
        pytest.param(crash, {"restart_grace": 10}, id="crash with a grace"),
        pytest.param(crash, {"recovery": "ServingGroupRecreate"}, id="crash, whole group made again"),
        pytest.param(crash, {"recovery": "None", "restart_grace": 60}, id="crash, nothing made again"),
        pytest.param(roll_out, {"by_role": True}, id="role by role"),
        pytest.param(scale_groups, {"scheduler": "default-scheduler"}, id="without PodGroups"),
    ],
)
def test_it_agrees_under_other_policies_too(
    flavour: Flavour, script: Callable[[Observed], None], settings: dict[str, object]
) -> None:
    world = Observed(flavour, 2, WITH_WORKERS, nodes=10, **settings)  # type: ignore[arg-type]
    world.live(2)
    script(world)
    assert world.agreement.share >= BAR, world.agreement.log[:40]


@flavours
def test_it_agrees_from_the_first_pod_of_a_new_serving_on(flavour: Flavour) -> None:
    world = Observed(flavour, 3, WITH_WORKERS, nodes=10, grown=False)
    world.until(world.settled(3))
    assert world.agreement.share >= BAR, world.agreement.log[:40]


def test_phases_and_causes_of_a_scaling_follow_each_other() -> None:
    world = Observed(Flavour.DOCUMENTED, 2, nodes=10)
    world.live(2)
    world.scale(4)
    world.until(world.settled(4))
    seen: list[tuple[tuple[Phase, ...], Cause | None]] = []
    for value in world.values:
        now = tuple(group.phase for group in value.groups), value.cause
        if not seen or seen[-1] != now:
            seen.append(now)
    running, queued, creating = Phase.RUNNING, Phase.QUEUED, Phase.CREATING
    assert seen == [
        ((running, running), None),
        ((running, running, creating, queued), Cause.SCALE),
        ((running, running, running, creating), Cause.SCALE),
        ((running, running, running, running), None),
    ]


def test_progress_never_falls_while_a_group_is_made() -> None:
    world = Observed(Flavour.HEAD, 1, WITH_WORKERS, nodes=10)
    world.live(2)
    world.scale(2)
    world.until(world.settled(2))
    new = [value.groups[1] for value in world.values if len(value.groups) == 2]
    progress = [group.progress or 0 for group in new]
    assert progress == sorted(progress)
    assert progress[-1] == 100
    stages = {item.stage for group in new for item in group.roles[0].replicas}
    assert stages >= {Stage.UNSCHEDULED, Stage.INIT, Stage.WEIGHTS, Stage.READY}


def test_the_cause_of_a_rollout_and_of_a_recovery_is_told() -> None:
    for policy, script, cause in (
        ({}, roll_out, Cause.ROLLOUT),
        ({"by_role": True}, roll_out, Cause.ROLLOUT),
        ({}, crash, Cause.RECOVERY),
        ({"recovery": "ServingGroupRecreate"}, crash, Cause.RECOVERY),
    ):
        world = Observed(Flavour.HEAD, 2, WITH_WORKERS, nodes=10, **policy)
        world.live(2)
        script(world)
        causes = {group.cause for value in world.values for group in value.groups}
        assert causes == {None, cause}
        assert {value.cause for value in world.values} == {None, cause}
