"""CronHPA: when a schedule is due, and what its jobs do to targets, HPAs and their own status."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.cron_schedule import ScheduleError, parse_schedule
from clients.embedded.controllers.cronhpa import CRON_HPAS
from clients.embedded.controllers.cronhpa_jobs import day_off
from clients.embedded.controllers.hpa import HPAS
from clients.embedded.controllers.hpa_objects import hpa_object, pods_metric, serving_reference
from tests.support.simworld import START, World

SHANGHAI = timezone(timedelta(hours=8))
SERVING = serving_reference("chat")
AN_HPA = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "name": "chat"}


def due(schedule: str, after: str, times: int = 1) -> list[str]:
    when: datetime | None = datetime.fromisoformat(after)
    found = []
    for _ in range(times):
        assert when is not None
        when = parse_schedule(schedule).next(when)
        assert when is not None
        found.append(f"{when:%Y-%m-%d %H:%M:%S}")
    return found


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("0 30 8 * * 1-5", "2026-08-21 09:00:00", ["2026-08-24 08:30:00", "2026-08-25 08:30:00"]),
        ("0 8 * * *", "2026-08-21 09:10:00", ["2026-08-21 10:08:00", "2026-08-21 11:08:00"]),
        ("*/20 * * * * *", "2026-08-21 09:00:50", ["2026-08-21 09:01:00", "2026-08-21 09:01:20"]),
        ("0 0 0 13 * FRI", "2026-08-01 00:00:00", ["2026-08-07 00:00:00", "2026-08-13 00:00:00"]),
        ("0 0 0 13 * *", "2026-08-14 00:00:00", ["2026-09-13 00:00:00"]),
        ("0 0 12 ? JAN,MAR MON", "2026-01-30 00:00:00", ["2026-03-02 12:00:00"]),
        ("0 0 0 29 2 *", "2026-01-01 00:00:00", ["2028-02-29 00:00:00"]),
        ("5/25 0 9-11/2 * * *", "2026-08-21 09:00:30", ["2026-08-21 09:00:55", "2026-08-21 11:00:05"]),
        ("@hourly", "2026-08-21 09:00:00", ["2026-08-21 10:00:00"]),
        ("@weekly", "2026-08-21 09:00:00", ["2026-08-23 00:00:00"]),
        ("@every 1h30m", "2026-08-21 09:00:00", ["2026-08-21 10:30:00", "2026-08-21 12:00:00"]),
        ("@date 2026-09-01 20:00:00", "2026-08-21 09:00:00", ["2026-09-01 20:00:00", "2027-09-01 20:00:00"]),
        ("@date 1999-09-01 20:00:00", "2026-08-21 09:00:00", ["2026-09-01 20:00:00"]),
    ],
)
def test_when_a_schedule_is_due(schedule: str, after: str, expected: list[str]) -> None:
    assert due(schedule, after, len(expected)) == expected


@pytest.mark.parametrize(
    "schedule",
    ["", "* * *", "0 0 0 * * * *", "60 * * * * *", "0 0 0 0 * *", "0 0 0 * * 7", "0 0 0 5-2 * *",
     "0 */0 * * * *", "0 0 x * * *", "@sometimes", "@every soon", "@date 2026-13-01 00:00:00", "9" * 5000],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(schedule: str) -> None:
    with pytest.raises(ScheduleError):
        parse_schedule(schedule)


def test_a_date_that_never_comes_is_due_never() -> None:
    assert parse_schedule("0 0 0 31 2 *").next(datetime(2026, 1, 1)) is None


def test_days_off_are_told_by_month_and_hour_only() -> None:
    def off(when: str) -> bool:
        return day_off(["* * * 15 11 *"], datetime.fromisoformat(when)) is not None

    assert off("2026-11-15 09:00:00"), "the right day"
    assert off("2026-11-03 00:30:00"), "hour 0 of another day of the month: the controller's fault"
    assert not off("2026-11-03 09:00:00")
    assert not off("2026-10-15 09:00:00")
    assert day_off(["no date"], datetime(2026, 11, 15)) is None
    told = day_off(["* * * * * 5"], datetime.fromisoformat("2026-08-21 09:00:00"))
    assert told == "skip scaling activity,because of excludeDate (* * * * * 5)."


def cron(target: dict[str, str], *jobs: Json, **spec: Any) -> Json:
    return {
        "apiVersion": "autoscaling.alibabacloud.com/v1beta1",
        "kind": "CronHorizontalPodAutoscaler",
        "metadata": {"name": "office", "namespace": "llm"},
        "spec": {"scaleTargetRef": target, "jobs": list(jobs), **spec},
    }


def job(name: str, schedule: str, size: int, **more: Any) -> Json:
    return {"name": name, "schedule": schedule, "targetSize": size, **more}


def soon(world: World, seconds: float) -> str:
    """A schedule that is due every day at the time that it is so many seconds from now."""
    when = datetime.fromtimestamp(START + world.now + seconds, SHANGHAI)
    return f"{when:%-S %-M %-H} * * *"


def submit(world: World, obj: Json) -> None:
    world.store.create(CRON_HPAS, obj, manager="kubectl", validate=True)


def status(world: World) -> dict[str, Json]:
    found = world.store.get(CRON_HPAS, "llm", "office")
    assert found is not None
    return {c["name"]: c for c in (found.get("status") or {}).get("conditions") or []}


def replicas(world: World) -> int:
    wanted: int = world.serving()["spec"]["replicas"]
    return wanted


def told(world: World, reason: str) -> list[str]:
    return [e["message"] for e in world.events(reason) if e["source"]["component"].startswith("Cron")]


def test_a_job_sets_its_target_in_the_time_zone_of_its_controller(world: World) -> None:
    world.grown(1)
    submit(world, cron(SERVING, job("up", soon(world, 60), 3)))
    world.live(30)
    waiting = status(world)["up"]
    assert (waiting["state"], waiting["message"]) == ("Submitted", "")
    world.until(lambda: replicas(world) == 3, limit=60)
    assert world.now == pytest.approx(62, abs=1)
    world.live(1)
    done = status(world)["up"]
    message = "cron hpa job up executed successfully. current replicas:1, desired replicas:3."
    assert (done["state"], done["message"]) == ("Succeed", message)
    assert done["jobId"] == waiting["jobId"]
    assert told(world, "Succeed") == [message]
    world.scale(1)
    world.live(86_400)
    assert replicas(world) == 3, "and again the next day"


def test_another_zone_can_be_set(world: World) -> None:
    world.cluster.cronhpa.set_zone("UTC")
    world.grown(1)
    submit(world, cron(SERVING, job("up", soon(world, 60), 3)))
    world.live(120)
    assert replicas(world) == 1
    world.live(8 * 3600)
    assert replicas(world) == 3


def test_what_runs_once_does_not_run_again(world: World) -> None:
    world.grown(1)
    submit(
        world,
        cron(
            SERVING,
            job("once", soon(world, 20), 2, runOnce=True),
            job("date", f"@date {datetime.fromtimestamp(START + 40, SHANGHAI):%Y-%m-%d %H:%M:%S}", 3),
        ),
    )
    world.live(60)
    assert replicas(world) == 3
    assert {c["state"] for c in status(world).values()} == {"Succeed"}
    world.scale(1)
    world.live(2 * 86_400)
    assert replicas(world) == 1


def test_days_off_are_skipped_and_say_so(world: World) -> None:
    world.grown(1)
    today = datetime.fromtimestamp(START, SHANGHAI)
    day = f"* * * {today.day} {today.month} *"
    submit(world, cron(SERVING, job("up", soon(world, 20), 3), excludeDates=[day]))
    world.live(40)
    assert replicas(world) == 1
    assert told(world, "Succeed") == [
        f"cron hpa job up executed successfully. skip scaling activity,because of excludeDate ({day})."
    ]


def add_hpa(world: World, least: int, most: int) -> None:
    made = hpa_object("llm", "chat", SERVING, least, most, [pods_metric("vllm:num_requests_running", "60")])
    world.store.create(HPAS, made, manager="helm")


def bounds(world: World) -> tuple[int, int]:
    found = world.store.get(HPAS, "llm", "chat")
    assert found is not None
    return found["spec"]["minReplicas"], found["spec"]["maxReplicas"]


@pytest.mark.parametrize(
    ("least", "most", "size", "expected", "groups", "skipped"),
    [
        (1, 4, 3, (3, 4), 3, False),
        (1, 2, 3, (3, 3), 3, False),
        (2, 4, 1, (1, 4), 2, True),
        (1, 4, 2, (1, 4), 2, True),
    ],
)
def test_an_hpa_is_pushed_up_and_its_floor_let_down(
    world: World, least: int, most: int, size: int, expected: tuple[int, int], groups: int, skipped: bool
) -> None:
    add_hpa(world, least, most)
    world.grown(2)
    world.live(20)
    submit(world, cron(AN_HPA, job("j", soon(world, 10), size)))
    world.live(14)
    assert bounds(world) == expected
    assert replicas(world) == groups
    (message,) = told(world, "Succeed")
    skip = "Skip scale replicas because HPA chat in namespace llm current replicas:2"
    skip = f"{skip} >= desired replicas:{size}."
    assert message.endswith(skip if skipped else f". current replicas:2, desired replicas:{size}.")


def test_a_job_that_fails_is_tried_for_ten_seconds(world: World) -> None:
    world.grown(1)
    submit(world, cron(serving_reference("nobody"), job("up", soon(world, 10), 3)))
    world.live(20)
    assert status(world)["up"]["state"] == "Submitted"
    world.live(10)
    failed = status(world)["up"]
    assert failed["state"] == "Failed"
    assert failed["message"] == (
        "cron hpa failed to execute, because of failed to scale ModelServing nobody in llm namespace to 3 "
        "after retrying 4 times and exit,because of failed to find source target ModelServing nobody in llm "
        "namespace"
    )
    assert told(world, "Failed") == [failed["message"]]


def test_an_hpa_is_not_taken_to_zero(world: World) -> None:
    add_hpa(world, 1, 4)
    world.grown(2)
    world.live(20)
    submit(world, cron(AN_HPA, job("down", soon(world, 10), 0)))
    world.live(30)
    assert bounds(world) == (1, 4)
    assert (
        "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"
        in (status(world)["down"]["message"])
    )


def test_a_schedule_that_cannot_be_read_is_a_failed_condition_and_an_odd_version_none(world: World) -> None:
    world.grown(1)
    submit(world, cron(SERVING, job("bad", "0 0 25 * * *", 3), job("good", soon(world, 20), 2)))
    odd = cron({**SERVING, "apiVersion": "v1"}, job("up", soon(world, 20), 3))
    odd["metadata"]["name"] = "odd"
    submit(world, odd)
    world.live(5)
    bad = status(world)["bad"]
    assert bad["state"] == "Failed"
    assert "End of range (25) above maximum (23): 25" in bad["message"]
    version = world.store.version
    world.live(10)
    assert world.store.version - version < 40, "it does not turn in circles"
    world.live(20)
    assert replicas(world) == 2
    found = world.store.get(CRON_HPAS, "llm", "odd")
    assert found is not None
    assert "status" not in found


def test_an_edited_job_is_submitted_anew_and_a_removed_one_forgotten(world: World) -> None:
    world.grown(1)
    submit(world, cron(SERVING, job("a", soon(world, 600), 3), job("b", soon(world, 700), 4)))
    world.live(5)
    before = status(world)

    def edit(obj: Json) -> None:
        obj["spec"]["jobs"] = [job("a", soon(world, 30), 2), job("c", soon(world, 800), 5)]

    world.store.mutate(CRON_HPAS, "llm", "office", edit, manager="kubectl")
    world.live(5)
    after = status(world)
    assert after.keys() == {"a", "c"}
    assert after["a"]["jobId"] != before["a"]["jobId"]
    world.live(710)
    assert replicas(world) == 2


def test_without_its_controller_nothing_happens(world: World) -> None:
    world.cluster.cronhpa.installed = False
    world.grown(1)
    submit(world, cron(SERVING, job("up", soon(world, 20), 3)))
    world.live(60)
    assert replicas(world) == 1
    assert status(world) == {}
