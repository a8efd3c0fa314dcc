"""Cron lines as the CronHPA controller reads them, and CronHPA objects: next times, plan, traps."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.embedded.controllers.cron_schedule import ScheduleError, parse_schedule
from clients.embedded.controllers.cronhpa_jobs import day_off
from clients.kube import cronhpa
from clients.kube.cron import CronError, parse
from clients.kube.cronhpa import Bounds, bounds_after
from clients.kube.rows import OwnerRow
from clients.serving.chain import LinkKind, resolve
from clients.serving.keys import ObjectRef
from clients.serving.schedule import clock_times, zone_named
from tests.support.kube import session_to

SHANGHAI, NEW_YORK, LORD_HOWE = "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe"


def moment(text: str, zone: str = SHANGHAI, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def following(line: str, begin: str, zone: str = SHANGHAI, count: int = 2) -> list[str]:
    schedule, at, found = parse(line), moment(begin, zone), []
    for _ in range(count):
        following_at = schedule.next_after(at, ZoneInfo(zone))
        assert following_at is not None
        at = following_at
        found.append(datetime.fromtimestamp(at, ZoneInfo(zone)).isoformat(" ", "seconds")[:19])
    return found


@pytest.mark.parametrize(
    ("line", "begin", "times"),
    [
        ("0 30 8 * * 1-5", "2026-08-21 09:00", ["2026-08-24 08:30:00", "2026-08-25 08:30:00"]),
        ("0 30 8 * * MON-fri", "2026-08-21 09:00", ["2026-08-24 08:30:00", "2026-08-25 08:30:00"]),
        ("0 0 22 * * *", "2026-08-22 22:00", ["2026-08-23 22:00:00", "2026-08-24 22:00:00"]),
        ("*/20 * * * * *", "2026-08-22 10:00:05", ["2026-08-22 10:00:20", "2026-08-22 10:00:40"]),
        ("5/20 0,30 9-10 * * *", "2026-08-22 09:30:30", ["2026-08-22 09:30:45", "2026-08-22 10:00:05"]),
        ("0 0 0 29 2 *", "2026-08-22 00:00", ["2028-02-29 00:00:00", "2032-02-29 00:00:00"]),
        ("0 0 0 1 JAN,jul ?", "2026-08-22 00:00", ["2027-01-01 00:00:00", "2027-07-01 00:00:00"]),
        ("0 0 9 1 * MON", "2026-08-25 00:00", ["2026-08-31 09:00:00", "2026-09-01 09:00:00"]),
        ("0 0 9 */10 * MON", "2026-08-01 00:00", ["2026-08-31 09:00:00", "2026-09-21 09:00:00"]),
        ("0 0 9 ? * 0", "2026-08-22 00:00", ["2026-08-23 09:00:00", "2026-08-30 09:00:00"]),
        ("@hourly", "2026-08-22 10:10", ["2026-08-22 11:00:00", "2026-08-22 12:00:00"]),
        ("@daily", "2026-08-22 10:10", ["2026-08-23 00:00:00", "2026-08-24 00:00:00"]),
        ("@weekly", "2026-08-22 10:10", ["2026-08-23 00:00:00", "2026-08-30 00:00:00"]),
        ("@monthly", "2026-08-22 10:10", ["2026-09-01 00:00:00", "2026-10-01 00:00:00"]),
        ("@yearly", "2026-08-22 10:10", ["2027-01-01 00:00:00", "2028-01-01 00:00:00"]),
        ("@date 2020-09-01 20:00:00", "2026-08-22 10:10", ["2026-09-01 20:00:00", "2027-09-01 20:00:00"]),
        ("@every 1h30m", "2026-08-22 10:10", ["2026-08-22 11:40:00", "2026-08-22 13:10:00"]),
    ],
)
def test_next_times(line: str, begin: str, times: list[str]) -> None:
    assert following(line, begin) == times


def test_a_crontab_line_of_five_fields_is_told_to_mean_something_else() -> None:
    schedule = parse("0 8 * * *")
    assert following("0 8 * * *", "2026-08-22 10:10") == ["2026-08-22 11:08:00", "2026-08-22 12:08:00"]
    assert schedule.misread == (
        "five fields: the first is seconds here, so it fires at second 0, minute 8, hour any; "
        "as crontab means it, write 0 0 8 * * *"
    )
    assert parse("0 0 8 * * *").misread is None


def test_a_day_that_never_comes() -> None:
    assert parse("0 0 0 30 2 *").next_after(moment("2026-08-22"), ZoneInfo(SHANGHAI)) is None


@pytest.mark.parametrize(
    "line",
    [
        "", "  ", "0 0", "0 0 8 * *  * *", "60 0 0 * * *", "0 0 24 * * *", "0 0 0 0 * *", "0 0 0 * 13 *",
        "0 0 0 * * 7", "5-1 * * * * *", "*/0 * * * * *", "a * * * * *", "1-2-3 * * * * *", "1/2/3 * * * * *",
        "-1 * * * * *", "@reboot", "@every soon", "@date 2026-02-30 00:00:00", "@date tomorrow", "0 " * 200,
    ],
)  # fmt: skip
def test_what_the_controller_refuses(line: str) -> None:
    with pytest.raises(CronError):
        parse(line)


def test_where_clocks_change() -> None:
    """A time that is skipped does not come; one that is repeated comes twice, as in robfig/cron."""
    assert following("0 30 2 * * *", "2026-03-07 12:00", NEW_YORK) == [
        "2026-03-09 02:30:00",
        "2026-03-10 02:30:00",
    ]
    first = moment("2026-11-01 01:30", NEW_YORK)
    again = moment("2026-11-01 01:30", NEW_YORK, fold=1)
    zone, schedule = ZoneInfo(NEW_YORK), parse("0 30 1 * * *")
    assert [schedule.next_after(at, zone) for at in (first - 60, first)] == [first, again]
    assert again - first == 3600
    half = ZoneInfo(LORD_HOWE)
    found = list(
        parse("0 45 1 * * *").between(
            moment("2026-04-04 12:00", LORD_HOWE), moment("2026-04-05 12:00", LORD_HOWE), half
        )
    )
    assert [at - found[0] for at in found] == [0, 1800]


_PART = st.one_of(
    st.just("*"),
    st.integers(0, 6).map(str),
    st.tuples(st.integers(0, 3), st.integers(4, 6)).map(lambda r: f"{r[0]}-{r[1]}"),
    st.integers(1, 9).map(lambda step: f"*/{step}"),
    st.lists(st.integers(1, 6).map(str), min_size=1, max_size=3).map(",".join),
)


@given(
    st.tuples(_PART, _PART, _PART, st.sampled_from(["*", "1", "1-5", "*/7"]), st.just("*"), _PART),
    st.floats(1.5e9, 1.9e9),
    st.sampled_from([SHANGHAI, NEW_YORK, LORD_HOWE]),
)
def test_the_next_time_matches_and_nothing_before_it_does(
    fields: tuple[str, ...], at: float, name: str
) -> None:
    zone, schedule = ZoneInfo(name), parse(" ".join(fields))
    found = schedule.next_after(at, zone)
    assert found is not None
    assert found > at

    def matches(when: float) -> bool:
        local = datetime.fromtimestamp(when, zone)
        parts = (local.second, local.minute, local.hour)
        in_time = all(part in field.values for part, field in zip(parts, schedule.fields, strict=False))
        dom, dow = schedule.fields[3], schedule.fields[5]
        days = (local.day in dom.values, local.isoweekday() % 7 in dow.values)
        return in_time and (all(days) if dom.star or dow.star else any(days))

    assert matches(found)
    assert not any(matches(float(when)) for when in range(int(at) + 1, min(int(found), int(at) + 400)))


# -- objects


OBJECT: dict[str, Any] = {
    "metadata": {"uid": "u", "name": "office", "namespace": "llm"},
    "spec": {
        "scaleTargetRef": {
            "apiVersion": "autoscaling/v1",
            "kind": "HorizontalPodAutoscaler",
            "name": "scaler",
        },
        "excludeDates": ["* * * * * 0"],
        "jobs": [
            {"name": "morning", "schedule": "0 30 8 * * 1-5", "targetSize": 3},
            {"name": "night", "schedule": "0 0 22 * * *", "targetSize": 1},
            {"name": "launch", "schedule": "@date 2026-09-01 20:00:00", "targetSize": 4, "runOnce": True},
        ],
    },
    "status": {
        "conditions": [
            {"name": "night", "state": "Succeed", "lastProbeTime": "2026-08-21T14:00:00Z", "message": "done"},
            {"name": "launch", "state": "Submitted", "lastProbeTime": "2026-08-20T09:00:00Z", "message": ""},
        ]
    },
}
NOW = moment("2026-08-21 21:00")


def made(**spec: Any) -> cronhpa.CronHpaRow:
    return cronhpa.decode(msgspec.json.encode({**OBJECT, "spec": {**OBJECT["spec"], **spec}}))


def jobs(*lines: str, **more: Any) -> list[dict[str, Any]]:
    return [{"name": f"j{n}", "schedule": line, "targetSize": n, **more} for n, line in enumerate(lines)]


def test_the_driver_says_what_comes_next() -> None:
    row = made()
    ((target, driver),) = cronhpa.drivers(row, NOW)
    assert target == ObjectRef("autoscaling", "HorizontalPodAutoscaler", "llm", "scaler")
    assert (driver.kind, driver.signal, driver.interval) == ("CronHPA", "22:00 to 1", 3600)
    assert cronhpa.drivers(row)[0][1].signal == "3 jobs"
    assert cronhpa.drivers(row, NOW, "UTC")[0][1].signal == "22:00 to 1"
    assert cronhpa.drivers(row, moment("2026-08-22 23:00"))[0][1].signal == "22:00 to 1"
    assert cronhpa.drivers(made(jobs=jobs("0 30 8 1 * ?")), NOW)[0][1].signal == "Sep 01 08:30 to 0"
    assert cronhpa.drivers(made(jobs=jobs("bad")), NOW)[0][1].signal == "fires no more"


def test_links() -> None:
    hpa, web = (
        ObjectRef("autoscaling", "HorizontalPodAutoscaler", "llm", "scaler"),
        ObjectRef("apps", "Deployment", "llm", "web"),
    )
    (link,) = cronhpa.links(made())
    assert (link.target, link.kind) == (hpa, LinkKind.BOUNDS)
    direct = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    (link,) = cronhpa.links(made(scaleTargetRef=direct))
    assert (link.target, link.kind) == (web, LinkKind.SCALES)
    assert resolve([link], [web]).rows_of(made().ref) == (web,)


def test_the_plan_of_a_day() -> None:
    schedule = cronhpa.plan(made(excludeDates=[]), NOW, SHANGHAI)
    assert (schedule.zone, schedule.zone_known) == (SHANGHAI, True)
    assert [(firing.job, firing.replicas, firing.skipped) for firing in schedule.firings] == [
        ("night", 1, None)
    ]
    week = cronhpa.plan(made(excludeDates=[]), NOW, ahead=3.5 * 86400)
    assert [firing.job for firing in week.firings] == [
        "night",
        "night",
        "night",
        "morning",
        "night",
        "morning",
    ]
    assert not week.zone_known
    night = next(job for job in schedule.jobs if job.name == "night")
    assert (night.state, night.last_at, night.message) == ("Succeed", moment("2026-08-21 22:00"), "done")
    assert (schedule.jobs[2].next_at, schedule.jobs[2].last_at) == (moment("2026-09-01 20:00"), None)


def test_a_job_that_ran_once_does_not_run_again() -> None:
    done = {"conditions": [{"name": "launch", "state": "Succeed", "lastProbeTime": "2026-08-20T09:00:00Z"}]}
    row = cronhpa.decode(msgspec.json.encode({**OBJECT, "status": done}))
    launch = cronhpa.plan(row, NOW, ahead=30 * 86400).jobs[2]
    assert (launch.next_at, launch.notes[-1]) == (None, "ran once and does not run again")


def test_every_is_counted_from_the_last_run() -> None:
    row = made(jobs=[{"name": "night", "schedule": "@every 90m", "targetSize": 2}, *jobs("@every 1h")])
    schedule = cronhpa.plan(row, moment("2026-08-21 23:30"), ahead=7200)
    assert [firing.at for firing in schedule.firings] == [moment("2026-08-22 01:00")]
    assert schedule.jobs[1].next_at is None
    assert "next time is not known" in schedule.jobs[1].notes[-1]


def test_a_plan_of_very_many_firings_says_that_it_is_cut() -> None:
    schedule = cronhpa.plan(made(jobs=jobs("* * * * * *")), NOW)
    assert (len(schedule.firings), schedule.more) == (500, True)


@pytest.mark.parametrize(
    ("line", "exclude", "skipped"),
    [
        ("0 0 9 23 8 ?", "* * * * * 0", "excluded by * * * * * 0"),
        ("0 0 9 24 8 ?", "* * * * * 0", None),
        ("0 30 0 25 8 ?", "* * * * * 0", "through a fault of the controller"),
        ("0 30 0 31 8 ?", "* * * * * 0", None),
        ("0 0 9 23 8 ?", "not a line", None),
    ],
)
def test_excluded_dates(line: str, exclude: str, skipped: str | None) -> None:
    schedule = cronhpa.plan(made(jobs=jobs(line), excludeDates=[exclude]), NOW, ahead=20 * 86400)
    (firing,) = schedule.firings
    assert (firing.skipped is None) if skipped is None else (skipped in (firing.skipped or ""))


def test_traps_are_told() -> None:
    row = made(
        scaleTargetRef={"apiVersion": "v1", "kind": "HorizontalPodAutoscaler", "name": "s"},
        jobs=[*jobs("0 8 * * *", "never"), {"name": "j0", "schedule": "@daily", "targetSize": 1}],
    )
    for words in (
        "crashes on it",
        "never lowers max",
        "two jobs are named j0",
        "job j1: the schedule is refused",
        "five fields",
    ):
        assert any(words in note for note in row.notes), words
    assert made().notes == ("acts on an HPA: raises max where a job needs it, and never lowers max again",)
    assert "KServe rewrites this HPA" in (cronhpa.owner_note(OwnerRow("InferenceService", "qwen", "u")) or "")
    assert cronhpa.owner_note(OwnerRow("Deployment", "web", "u")) is None
    assert cronhpa.owner_note(None) is None


@pytest.mark.parametrize(
    ("size", "bounds", "current", "after"),
    [
        (3, (1, 4), 1, Bounds(3, 4, 3)),
        (6, (1, 4), 2, Bounds(6, 6, 6)),
        (1, (3, 4), 3, Bounds(1, 4, None)),
        (2, (3, 8), 5, Bounds(2, 8, None)),
        (4, (2, 8), 6, Bounds(2, 8, None)),
        (1, (1, 4), 1, Bounds(1, 4, None)),
    ],
)
def test_what_a_job_does_to_an_hpa(size: int, bounds: tuple[int, int], current: int, after: Bounds) -> None:
    assert bounds_after(size, *bounds, current) == after


def test_the_zone_of_the_controller() -> None:
    env = [{"name": "TZ", "value": "America/New_York"}]
    deployment = {"spec": {"template": {"spec": {"containers": [{"name": "c", "env": env}]}}}}
    assert cronhpa.zone_in(msgspec.json.encode(deployment)) == NEW_YORK
    assert cronhpa.zone_in(b"{}") is None
    assert str(zone_named("No/Such")) == SHANGHAI
    assert str(zone_named("../../etc/passwd")) == SHANGHAI


def test_a_controller_that_is_silent_is_named() -> None:
    meta = {**OBJECT["metadata"], "creationTimestamp": "2026-08-21T12:00:00Z"}
    fresh = cronhpa.decode(msgspec.json.encode({**OBJECT, "metadata": meta, "status": None}))
    assert cronhpa.plan(fresh, NOW).notes[-1] == (
        "no CronHPA controller has taken this in for 1h00m: it is not installed, or is down"
    )
    assert cronhpa.plan(fresh, NOW - 3500).notes == fresh.notes
    late = cronhpa.plan(made(), moment("2026-08-22 23:00"))
    assert late.jobs[1].notes == ("was due 1h00m ago and has not run: the controller may be down",)
    assert cronhpa.plan(made(), moment("2026-08-22 22:04")).jobs[1].notes == ()


async def test_a_zone_that_cannot_be_read_is_not_known() -> None:
    async with session_to("http://127.0.0.1:1") as session:
        assert await cronhpa.read_zone(session) is None


def test_both_clocks_are_told() -> None:
    at = moment("2026-08-24 08:30")
    assert clock_times(at, ZoneInfo(SHANGHAI), ZoneInfo("UTC")) == "Mon 08:30 CST (00:30 UTC)"
    assert clock_times(at, ZoneInfo(SHANGHAI), ZoneInfo(NEW_YORK)) == "Mon 08:30 CST (Sun 20:30 EDT)"
    assert clock_times(at, ZoneInfo(SHANGHAI), ZoneInfo("Asia/Taipei")) == "Mon 08:30 CST"


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=6)
        | st.sampled_from(["* * * * * *", "@every 1s", "0 8 * * *"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "metadata",
                        "spec",
                        "status",
                        "jobs",
                        "schedule",
                        "targetSize",
                        "name",
                        "conditions",
                        "state",
                        "lastProbeTime",
                        "excludeDates",
                        "scaleTargetRef",
                        "kind",
                        "apiVersion",
                        "runOnce",
                    ]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=15,
    )
)
def test_any_object_gives_a_row(value: Any) -> None:
    row = cronhpa.decode(msgspec.json.encode(value))
    assert cronhpa.plan(row, NOW, ahead=60).subject == row.ref
    assert len(cronhpa.drivers(row, NOW)) == len(cronhpa.links(row))


@given(
    st.tuples(
        _PART,
        _PART,
        _PART,
        st.sampled_from(["*", "?", "1", "1-5", "*/7"]),
        _PART.filter(lambda part: "0" not in part),
        _PART,
    ),
    st.integers(1_500_000_000, 1_900_000_000),
    st.booleans(),
)
def test_the_embedded_controller_reads_lines_and_days_off_alike(
    fields: tuple[str, ...], at: int, five: bool
) -> None:
    line, zone = " ".join(fields[:5] if five else fields), ZoneInfo(SHANGHAI)
    when = datetime.fromtimestamp(at, zone)
    try:
        theirs = parse_schedule(line).next(when)
    except ScheduleError:
        with pytest.raises(CronError):
            parse(line)
        return
    assert parse(line).next_after(float(at), zone) == (None if theirs is None else theirs.timestamp())
    exact = f"{when.second} {when.minute} {when.hour} {when.day} {when.month} ?"
    schedule = cronhpa.plan(made(jobs=jobs(exact), excludeDates=[line]), float(at - 1), SHANGHAI, ahead=1.0)
    (firing,) = schedule.firings
    assert (firing.skipped is None) == (day_off([line], when) is None)
