"""Every system over HTTP: listed, derived, planned, checked by the server, written, observed; and outrun."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from clients.embedded.apiserver.objects import Json
from clients.serving.backend import Result
from clients.serving.changes import BoundsChange, Change, ReplicasChange, RunChange
from clients.serving.confirm import confirmation
from clients.serving.guards import CHANGED, Confirmation, Level
from clients.serving.phase import Phase
from clients.serving.plans import ScalePlan
from clients.serving.workload import Workload
from tests.support import serving_objects as objects
from tests.support.apps import DEPLOYMENTS, STATEFUL_SETS, workload
from tests.support.fleet_rig import Rig, guard, rig

MODEL_SERVINGS = "modelservings.workload.serving.volcano.sh"


def asked(plan: ScalePlan) -> Confirmation:
    """What would have to be typed for it."""
    return confirmation(plan.before, plan.after, plan.steps, guards=plan.guards, elsewhere=True)


def at(obj: Json, *path: str) -> Any:
    value: Any = obj
    for step in path:
        value = value[step]
    return value


class Case(NamedTuple):
    """One system: what is there, what is asked for, where it is written, and what comes of it."""

    objects: tuple[tuple[str, Json], ...]
    kind: str
    name: str
    change: Change
    written: tuple[str, str]
    """(resource, name)"""
    path: tuple[str, ...]
    """Of the field that is written."""
    value: int
    asks: Confirmation
    desired: int


def web(kind: str = "Deployment", replicas: int = 3) -> tuple[str, Json]:
    resource = DEPLOYMENTS if kind == "Deployment" else STATEFUL_SETS
    return resource, workload(kind, replicas=replicas, gpus=1)


def isvc(scaler: str, **predictor: Any) -> tuple[str, Json]:
    return objects.ISVC, objects.service(scaler, **predictor)


REPLICAS = ("spec", "replicas")
PREDICTOR = ("spec", "predictor", "minReplicas")
CASES = {
    "Deployment": Case(
        (web(),), "Deployment", "web", ReplicasChange(2), (DEPLOYMENTS, "web"), REPLICAS, 2,
        Confirmation.YES, 2,
    ),
    "StatefulSet": Case(
        (web("StatefulSet"),), "StatefulSet", "web", ReplicasChange(4), (STATEFUL_SETS, "web"), REPLICAS, 4,
        Confirmation.OK, 4,
    ),
    "LeaderWorkerSet": Case(
        ((objects.LWS, objects.group_set()),), "LeaderWorkerSet", "ds", ReplicasChange(1),
        (objects.LWS, "ds"), REPLICAS, 1, Confirmation.YES, 1,
    ),
    "InferenceService hpa": Case(
        (isvc("hpa", minReplicas=2, maxReplicas=4),), "InferenceService", "iris", BoundsChange(3, 5),
        (objects.ISVC, "iris"), PREDICTOR, 3, Confirmation.OK, 3,
    ),
    "InferenceService external": Case(
        (isvc("external"),), "InferenceService", "iris", ReplicasChange(3), (DEPLOYMENTS, "iris-predictor"),
        REPLICAS, 3, Confirmation.OK, 3,
    ),
    "InferenceService none": Case(
        (isvc("none", minReplicas=3),), "InferenceService", "iris", ReplicasChange(1), (objects.ISVC, "iris"),
        PREDICTOR, 1, Confirmation.YES, 1,
    ),
    "InferenceService keda": Case(
        (isvc("keda", minReplicas=2, maxReplicas=4),), "InferenceService", "iris", BoundsChange(3),
        (objects.ISVC, "iris"), PREDICTOR, 3, Confirmation.OK, 3,
    ),
    "HPA": Case(
        (web(replicas=4), (objects.HPAS, objects.hpa(least=4, most=6))), "Deployment", "web",
        BoundsChange(2, 3), (objects.HPAS, "web-hpa"), ("spec", "maxReplicas"), 3, Confirmation.YES, 3,
    ),
    "ScaledObject": Case(
        (web(replicas=2), (objects.SCALED_OBJECTS, objects.scaled_object())), "Deployment", "web",
        BoundsChange(4, 4, pin=True), (objects.SCALED_OBJECTS, "web-keda"), ("spec", "minReplicaCount"), 4,
        Confirmation.OK, 4,
    ),
    "AutoscalingPolicy": Case(
        ((MODEL_SERVINGS, objects.model_serving()), (objects.POLICIES, objects.policy())), "ModelServing",
        "chat", BoundsChange(3), (objects.POLICIES, "chat-policy"),
        ("spec", "homogeneousTarget", "minReplicas"), 3, Confirmation.OK, 3,
    ),
}  # fmt: skip
EVERY = pytest.mark.parametrize("case", list(CASES.values()), ids=list(CASES))


def settled(value: Workload | None, count: int | None = None) -> bool:
    if value is None or value.phase is not Phase.RUNNING or not value.desired:
        return False
    return value.ready == value.desired == (count or value.desired) == len(value.groups)


def driven(case: Case, value: Workload | None) -> bool:
    """Everything that was created is there and linked."""
    wanted = 1 if case.desired and isinstance(case.change, BoundsChange) else 0
    return value is not None and len(value.drivers) >= wanted


async def ready(one: Rig, case: Case) -> None:
    await one.live_until(
        lambda: settled(one.find(case.kind, case.name)) and driven(case, one.find(case.kind, case.name))
    )


@EVERY
async def test_from_the_list_to_what_is_observed(case: Case) -> None:
    async with rig(*case.objects) as one:
        await ready(one, case)
        plan = await one.plan(case.kind, case.name, case.change)
        assert not plan.blocked, plan.guards
        assert guard(plan, "right").level is Level.PASS
        assert guard(plan, "dry-run").level is Level.PASS
        assert plan.after.groups == case.desired
        assert len(plan.steps) == abs((plan.after.groups or 0) - (plan.before.groups or 0))
        assert asked(plan) is case.asks
        untouched = at(one.get(*case.written), *case.path)
        assert untouched != case.value, "a dry run changes nothing"
        ticket = await one.backend.apply(plan)
        assert ticket.result is Result.ACCEPTED, ticket.message
        assert at(one.get(*case.written), *case.path) == case.value
        await one.live_until(lambda: settled(one.find(case.kind, case.name), case.desired))
        again = await one.backend.poll(ticket)
        assert again is not None
        assert again.desired == case.desired
        assert plan.undo is not None
        back = await one.plan(case.kind, case.name, plan.undo)
        assert not back.blocked
        await one.backend.apply(back)
        assert at(one.get(*case.written), *case.path) == untouched


@EVERY
async def test_who_is_outrun_changes_nothing_and_is_told_so(case: Case) -> None:
    async with rig(*case.objects) as one:
        await ready(one, case)
        plan = await one.plan(case.kind, case.name, case.change)

        def other(obj: Json) -> None:
            at(obj, *case.path[:-1])[case.path[-1]] = 7

        one.set(*case.written, other)
        before = one.get(*case.written)
        checked = await one.backend.dry_run(plan)
        assert guard(checked, CHANGED).level is Level.BLOCK
        ticket = await one.backend.apply(plan)
        assert ticket.result is Result.CONFLICT
        assert "nothing was applied" in ticket.message
        assert f"{case.path[-1]} is 7 now" in ticket.message
        assert one.get(*case.written) == before


# Guards


async def blocked(
    case_objects: tuple[tuple[str, Json], ...], kind: str, name: str, change: Change
) -> ScalePlan:
    async with rig(*case_objects) as one:
        await one.live_until(lambda: settled(one.find(kind, name)))
        if isinstance(change, BoundsChange):
            await one.live_until(lambda: one.see(kind, name).drivers)
        plan = await one.backend.plan(one.see(kind, name), change)
        assert plan.blocked
        return plan


async def test_an_hpa_is_not_told_to_go_to_zero() -> None:
    found = (isvc("hpa", minReplicas=1, maxReplicas=3),)
    plan = await blocked(found, "InferenceService", "iris", BoundsChange(0))
    rules = guard(plan, "rules")
    assert "does not go to 0" in rules.reason
    assert rules.remedies == ("stop the service instead",)
    plain = (web(replicas=2), (objects.HPAS, objects.hpa()))
    plan = await blocked(plain, "Deployment", "web", BoundsChange(0))
    assert guard(plan, "rules").remedies == ("set the count to 0 instead: an HPA rests then",)


async def test_bounds_that_are_upside_down_are_refused() -> None:
    plan = await blocked(
        (web(replicas=2), (objects.HPAS, objects.hpa())), "Deployment", "web", BoundsChange(8)
    )
    assert guard(plan, "rules").reason == "the minimum 8 is above the maximum 6"


async def test_a_count_by_hand_names_the_autoscaler_that_takes_it_back() -> None:
    async with rig(web(replicas=2), (objects.HPAS, objects.hpa())) as one:
        await one.live_until(
            lambda: settled(one.find("Deployment", "web")) and one.see("Deployment", "web").drivers
        )
        low = guard(await one.plan("Deployment", "web", ReplicasChange(1)), "driver")
        assert low.level is Level.WARN
        assert low.reason == "HPA web-hpa sets groups to 2 within 15s: 1 is below its minimum"
        assert low.remedies == ("lower the minimum of HorizontalPodAutoscaler/web-hpa",)
        between = guard(await one.plan("Deployment", "web", ReplicasChange(4)), "driver")
        assert between.reason.startswith("HPA web-hpa may set groups again within 15s between 2 and 6")
        assert between.remedies == ("set the bounds of HorizontalPodAutoscaler/web-hpa to 4",)
        zero = guard(await one.plan("Deployment", "web", ReplicasChange(0)), "driver")
        assert "rests while groups are 0" in zero.reason


async def test_a_pin_is_called_one_and_bounds_that_move_nothing_say_when_they_bite() -> None:
    async with rig(web(replicas=2), (objects.HPAS, objects.hpa())) as one:
        await one.live_until(
            lambda: settled(one.find("Deployment", "web")) and one.see("Deployment", "web").drivers
        )
        pin = await one.plan("Deployment", "web", BoundsChange(2, pin=True))
        assert guard(pin, "rules").reason == "pinned at 2"
        assert any(note.startswith("pinned at 2") for note in pin.notes)
        assert pin.bounds_before is not None
        assert (str(pin.bounds_before), str(pin.bounds_after)) == ("2-6", "2-2")
        assert (pin.steps, asked(pin)) == ((), Confirmation.OK)
        wider = await one.plan("Deployment", "web", BoundsChange(maximum=9))
        assert (wider.steps, asked(wider)) == ((), Confirmation.OK)
        assert any("nothing moves now" in note for note in wider.notes)
        assert any("within 15 s" in note for note in wider.notes)


async def test_an_hpa_that_keda_keeps_is_written_by_way_of_its_owner() -> None:
    async with rig(web(replicas=2), (objects.SCALED_OBJECTS, objects.scaled_object())) as one:
        await one.live_until(
            lambda: settled(one.find("Deployment", "web")) and one.see("Deployment", "web").drivers
        )
        plan = await one.plan("Deployment", "web", BoundsChange(3))
        assert plan.target is not None
        assert (plan.target.kind, plan.target.name) == ("ScaledObject", "web-keda")


@pytest.mark.parametrize("scaler", ["hpa", "keda"])
async def test_a_service_that_takes_bounds_names_them_where_a_count_is_asked_for(scaler: str) -> None:
    async with rig(isvc(scaler, minReplicas=1, maxReplicas=3)) as one:
        await one.live_until(lambda: settled(one.find("InferenceService", "iris")))
        with pytest.raises(Exception, match=f"class {scaler} takes bounds.*minimum and maximum, or pin"):
            await one.plan("InferenceService", "iris", ReplicasChange(2))


async def test_a_knative_service_is_shown_without_counts_and_not_changed() -> None:
    made = objects.service("hpa")
    made["metadata"]["annotations"] = {"serving.kserve.io/deploymentMode": "Knative"}
    async with rig((objects.ISVC, made)) as one:
        await one.live_until(lambda: one.find("InferenceService", "iris"))
        value = one.see("InferenceService", "iris")
        assert (value.desired, value.ready, value.groups) == (None, None, ())
        for change in (ReplicasChange(2), BoundsChange(1, 2), RunChange(False)):
            with pytest.raises(Exception, match="shown only: any change of its bounds makes a new revision"):
                await one.plan("InferenceService", "iris", change)


async def test_a_service_is_stopped_with_yes_and_resumed_with_the_gpus_that_it_needs() -> None:
    async with rig(isvc("hpa", minReplicas=2, maxReplicas=4)) as one:
        await one.live_until(lambda: settled(one.find("InferenceService", "iris"), 2))
        stop = await one.plan("InferenceService", "iris", RunChange(False))
        assert (len(stop.steps), stop.gpu_delta, asked(stop)) == (2, -2, Confirmation.YES)
        assert (await one.backend.apply(stop)).result is Result.ACCEPTED
        await one.live_until(lambda: one.see("InferenceService", "iris").state == "stopped")
        resume = await one.plan("InferenceService", "iris", RunChange(True))
        assert (resume.gpu_delta, asked(resume)) == (2, Confirmation.OK)
        assert resume.capacity is not None
        assert resume.capacity.needed == 2
        assert (await one.backend.apply(resume)).result is Result.ACCEPTED
        await one.live_until(lambda: settled(one.find("InferenceService", "iris"), 2))
        assert objects.STOP not in one.get(objects.ISVC, "iris")["metadata"]["annotations"]


async def test_only_stopping_touches_annotations_and_labels_of_a_service() -> None:
    """They are copied into the pod template: any other would make every pod anew."""
    async with rig(isvc("hpa", minReplicas=1, maxReplicas=3)) as one:
        await one.live_until(lambda: settled(one.find("InferenceService", "iris")))
        for change in (BoundsChange(2, 3), BoundsChange(2, pin=True)):
            plan = await one.plan("InferenceService", "iris", change)
            assert plan.write is not None
            assert not any(
                "annotations" in step["path"] or "labels" in step["path"] for step in plan.write.body
            )


async def test_a_service_with_workers_says_that_every_pod_is_made_anew() -> None:
    made = objects.service("none", minReplicas=1)
    made["spec"]["predictor"]["workerSpec"] = {"containers": [{"name": "worker", "image": "engine:1"}]}
    async with rig((objects.ISVC, made)) as one:
        await one.live_until(lambda: one.find("InferenceService", "iris"))
        plan = await one.backend.plan(one.see("InferenceService", "iris"), ReplicasChange(2))
        assert guard(plan, "restart").level is Level.CONFIRM
        assert asked(plan) is Confirmation.YES


async def test_a_count_behind_an_external_service_names_the_job_that_sets_it_next() -> None:
    cron = objects.cron_hpa("iris-predictor", jobs={"night": ("0 0 23 * * *", 1)})
    async with rig(isvc("external"), (objects.CRON_HPAS, cron)) as one:
        await one.live_until(
            lambda: (
                settled(one.find("InferenceService", "iris")) and one.see("InferenceService", "iris").drivers
            )
        )
        plan = await one.plan("InferenceService", "iris", ReplicasChange(3))
        assert guard(plan, "driver").reason == "CronHPA office sets groups again: 23:00 to 1"
        assert guard(plan, "driver").remedies == ("change the jobs of office",)
