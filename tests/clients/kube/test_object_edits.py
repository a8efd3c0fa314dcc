"""What forms make of an answer: the objects, the patches, and what takes them back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from clients.embedded.apiserver.errors import ApiError
from clients.embedded.apiserver.patches import json_patch
from clients.kube import cronhpa_edit, hpa_edit
from clients.kube.cronhpa_edit import JobWish
from clients.kube.hpa_edit import HpaWish, Pace
from clients.kube.object_undo import inverse
from clients.serving.changes import ObjectChange, Verb
from clients.serving.keys import ObjectRef

HPA = ObjectRef("autoscaling", "HorizontalPodAutoscaler", "llm", "qwen")
CRON = ObjectRef("autoscaling.alibabacloud.com", "CronHorizontalPodAutoscaler", "llm", "qwen-cronhpa")
TARGET = ObjectRef("apps", "Deployment", "llm", "qwen")
WAITING = HpaWish("Pods", "vllm:num_requests_waiting", "5", 1, 4)


def stored(change: ObjectChange) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(change.body)
    return {**made, "metadata": {**made["metadata"], "resourceVersion": "7", "uid": "u"}, "status": {}}


def patched(raw: dict[str, Any], change: ObjectChange) -> dict[str, Any]:
    assert change.verb is Verb.PATCH
    found: dict[str, Any] = json_patch(raw, json.loads(change.body))
    return found


@pytest.mark.parametrize(
    "wish",
    [
        WAITING,
        HpaWish("Resource", "cpu", "70", 2, 10),
        HpaWish("External", "queue", "1500m", 1, 3),
        replace(WAITING, scale_out=Pace(0, 4, 60), scale_in=Pace(600, 1, 120)),
        replace(WAITING, scale_in=Pace(window=900)),
    ],
)
def test_what_is_made_reads_back_as_it_was_asked_for(wish: HpaWish) -> None:
    assert not list(hpa_edit.problems(wish))
    assert hpa_edit.wish_of(stored(hpa_edit.created(HPA, TARGET, "apps/v1", wish))) == wish


def test_an_edit_touches_only_what_differs() -> None:
    raw = stored(hpa_edit.created(HPA, TARGET, "apps/v1", WAITING))
    second = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 9}},
    }
    raw["spec"]["metrics"].append(second)
    raw["spec"]["behavior"] = {
        "scaleDown": {"selectPolicy": "Disabled", "policies": [{"type": "Percent", "value": 5}]}
    }
    assert json.loads(hpa_edit.edited(HPA, raw, hpa_edit.wish_of(raw)).body) == []
    wish = replace(hpa_edit.wish_of(raw), maximum=6, target="8", scale_in=Pace(120))
    now = patched(raw, hpa_edit.edited(HPA, raw, wish))["spec"]
    assert (now["minReplicas"], now["maxReplicas"]) == (1, 6)
    assert now["metrics"][0]["pods"]["target"]["averageValue"] == "8"
    assert now["metrics"][1:] == [second]
    assert now["behavior"]["scaleDown"] == {
        "selectPolicy": "Disabled",
        "policies": [{"type": "Percent", "value": 5}],
        "stabilizationWindowSeconds": 120,
    }


def test_a_status_that_moves_does_not_outrun_an_edit_but_another_edit_does() -> None:
    raw = stored(hpa_edit.created(HPA, TARGET, "apps/v1", WAITING))
    change = hpa_edit.edited(HPA, raw, replace(WAITING, scale_in=Pace(120)))
    moved = {**raw, "status": {"currentReplicas": 3}, "metadata": {**raw["metadata"], "resourceVersion": "8"}}
    assert patched(moved, change)["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 120
    theirs = {"scaleDown": {"selectPolicy": "Disabled"}}
    with pytest.raises(ApiError):
        patched({**raw, "spec": {**raw["spec"], "behavior": theirs}}, change)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (replace(WAITING, minimum=0), "an HPA does not go to 0"),
        (replace(WAITING, minimum=5), "the minimum 5 is above the maximum 4"),
        (replace(WAITING, maximum=None), "a maximum is missing"),
        (replace(WAITING, target="fast"), "a target above zero"),
        (replace(WAITING, metric=""), "a metric is missing"),
        (HpaWish("Resource", "cpu", "1.5", 1, 2), "whole per cent"),
        (replace(WAITING, scale_in=Pace(window=3601)), "3600 s"),
        (replace(WAITING, scale_out=Pace(None, 2, 1801)), "1 to 1800 s"),
    ],
)
def test_what_the_server_would_refuse_is_said_before(wish: HpaWish, said: str) -> None:
    assert any(said in problem for problem in hpa_edit.problems(wish))


def cron(*jobs: JobWish) -> dict[str, Any]:
    raw = stored(cronhpa_edit.created(CRON, TARGET, "apps/v1", jobs[0]))
    for job in jobs[1:]:
        raw = patched(raw, cronhpa_edit.with_job(CRON, raw, job, None))
    return raw


MORNING, NIGHT = JobWish("morning", "0 30 8 * * 1-5", 4), JobWish("night", "0 0 22 * * *", 1, once=True)


def test_jobs_come_change_and_go() -> None:
    raw = cron(MORNING, NIGHT)
    assert cronhpa_edit.jobs_of(raw) == (MORNING, NIGHT)
    later = replace(NIGHT, schedule="0 0 23 * * *", once=False)
    raw = patched(raw, cronhpa_edit.with_job(CRON, raw, later, 1))
    assert cronhpa_edit.jobs_of(raw) == (MORNING, later)
    raw = patched(raw, cronhpa_edit.without_job(CRON, raw, 0))
    assert cronhpa_edit.jobs_of(raw) == (later,)
    assert cronhpa_edit.without_job(CRON, raw, 0).verb is Verb.DELETE


def test_a_job_that_somebody_changed_meanwhile_is_not_overwritten() -> None:
    raw = cron(MORNING, NIGHT)
    change = cronhpa_edit.with_job(CRON, raw, replace(MORNING, size=9), 0)
    raw["spec"]["jobs"][0]["targetSize"] = 5
    with pytest.raises(ApiError):
        patched(raw, change)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (replace(MORNING, name="night"), "another job is called night"),
        (replace(MORNING, name=""), "a name is missing"),
        (replace(MORNING, size=None), "a number of replicas is missing"),
        (replace(MORNING, schedule="0 99 * * * *"), "minute goes from 0 to 59"),
    ],
)
def test_a_job_that_would_never_run_is_said(wish: JobWish, said: str) -> None:
    assert any(said in problem for problem in cronhpa_edit.problems(wish, (NIGHT,)))


def test_every_edit_has_a_way_back() -> None:
    raw = stored(hpa_edit.created(HPA, TARGET, "apps/v1", WAITING))
    wish = replace(WAITING, minimum=2, metric="vllm:kv_cache_usage_perc", scale_in=Pace(600, 1, 60))
    change = hpa_edit.edited(HPA, raw, wish)
    back = inverse(change, raw)
    assert back is not None
    assert patched(patched(raw, change), back) == raw
    jobs = cron(MORNING, NIGHT)
    for change in (
        cronhpa_edit.with_job(CRON, jobs, JobWish("noon", "0 0 12 * * *", 2), None),
        cronhpa_edit.with_job(CRON, jobs, replace(MORNING, size=9), 0),
        cronhpa_edit.without_job(CRON, jobs, 0),
    ):
        back = inverse(change, jobs)
        assert back is not None
        assert patched(patched(jobs, change), back) == jobs


def test_what_was_made_goes_again_and_what_was_deleted_comes_again() -> None:
    made = hpa_edit.created(HPA, TARGET, "apps/v1", WAITING)
    assert inverse(made, None) == ObjectChange(Verb.DELETE, HPA, "")
    back = inverse(hpa_edit.deleted(HPA), stored(made))
    assert back is not None
    assert (back.verb, json.loads(back.body)) == (Verb.CREATE, json.loads(made.body))
