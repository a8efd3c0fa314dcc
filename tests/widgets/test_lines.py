"""The widgets of a few lines: what they say at which width."""

from __future__ import annotations

import msgspec
import pytest
from rich.style import Style

from clients.serving.backend import GpuTotals
from clients.serving.changes import ReplicasChange
from clients.serving.guards import Confirmation, Guard, Level
from clients.serving.operation import Count, Outcome, Prediction
from clients.serving.phase import Phase
from clients.serving.plans import Capacity, Eta, Money, ScalePlan, Step, StepKind, Write
from clients.serving.sources import SourceState, SourceStatus
from tests.support import fleets
from tests.support.fleets import group, key, operation, workload
from tests.support.stage import lines, staged
from widgets.cursor_words import CursorWords
from widgets.key_line import KeyLine
from widgets.log_lines import LogLines
from widgets.needs_you import NeedsYou
from widgets.operation_strip import OperationStrip
from widgets.plan_view import PlanView
from widgets.records import Check, KeyHint, Need, PlanShown, StatusView, StripView
from widgets.status_line import StatusLine
from widgets.words import progress


def _source(
    name: str, state: SourceState, contact: float = 100.0, *, have: int = 0, of: int | None = None
) -> SourceStatus:
    return SourceStatus("c", name, state, required=True, last_contact=contact, have=have, of=of)


async def _status(view: StatusView, now: float, columns: int = 160) -> str:
    widget = StatusLine()
    async with staged(widget, columns):
        widget.show(view, now)
        return lines(widget)[0]


# Status line


async def test_a_live_source_draws_no_number_and_ages_come_from_five_seconds_on() -> None:
    states = (_source("ms", SourceState.LIVE, 60.0), _source("hpa", SourceState.STALE, 86.0))
    view = StatusView("prod-eu", ("llm",), "ops", None, states)
    assert "ms live  hpa stale 14s" in await _status(view, 100.0)
    assert "ms live  hpa stale 15s" in await _status(view, 101.2)
    assert "stale 4s" not in await _status(view, 90.0)


async def test_gpus_that_may_not_be_seen_are_unknown() -> None:
    view = StatusView("prod", totals=GpuTotals(None, None, None), workloads=13, scaling=2)
    line = await _status(view, 0)
    assert "GPUs unknown" in line
    assert "13 workloads  2 scaling" in line
    view = StatusView("prod", totals=GpuTotals(128, 104, None))
    assert "GPUs 104/128 free unknown" in await _status(view, 0)


async def test_more_is_told_of_gpus_where_there_is_room() -> None:
    view = StatusView("prod", totals=GpuTotals(128, 104, 20, 4), busy=90, idle=14, workloads=13)
    assert "GPUs 104/128 busy 90 idle 14 free 20 unschedulable 4  13 workloads" in await _status(view, 0)
    assert "GPUs 104/128 idle 14 free 20  13 workloads" in await _status(view, 0, 80)
    assert "GPUs 104/128 free 20  13 workloads" in await _status(view, 0, 60)
    # A source in trouble comes first.
    cut = msgspec.structs.replace(view, sources=(_source("hpa", SourceState.STALE, 60.0),) * 3)
    assert "GPUs 104/128 free 20" in await _status(cut, 100.0, 80)


async def test_the_user_is_called_the_user() -> None:
    assert "admin > all  user admin" in await _status(StatusView("admin", user="admin"), 0)


@pytest.mark.parametrize("columns", [70, 80, 100])
async def test_what_is_cut_off_is_said_before_anything_else(columns: int) -> None:
    states = tuple(_source(name, SourceState.LIVE) for name in ("ms", "pods", "nodes", "events", "slices"))
    view = StatusView(
        "prod-eu",
        ("llm",),
        "ops",
        "read-only",
        (*states, _source("hpa", SourceState.STALE, 60.0), _source("pg", SourceState.DENIED)),
        GpuTotals(128, 104, 24),
        13,
        2,
    )
    line = await _status(view, 100.0, columns)
    assert "hpa stale 40s  pg denied" in line


async def test_sources_that_do_not_fit_are_counted() -> None:
    names = ("ms", "pods", "nodes", "events", "slices", "hpa", "policies")
    live = tuple(_source(name, SourceState.LIVE) for name in names)
    view = StatusView("prod", ("llm",), "ops", sources=live)
    assert "ms live  pods live  nodes live  +4 live" in await _status(view, 100.0, 70)
    assert await _status(view, 100.0, 34) == " prod > llm  user ops  all live   "
    assert "more" not in await _status(view, 100.0, 120)


async def test_a_first_list_tells_how_far_it_is() -> None:
    view = StatusView("prod", sources=(_source("pods", SourceState.SYNCING, have=2100, of=7000),))
    assert "pods syncing 2100/7000" in await _status(view, 100.0)


# Needs you, keys


async def test_the_most_urgent_need_is_always_said() -> None:
    widget = NeedsYou()
    needs = (
        Need(key("deepseek-r1"), "G-0 prefill-1", "crash loop, 4 restarts: CUDA out of memory"),
        Need(key("qwen"), "G-1", "no node has 4 free GPUs " * 5, failed=False),
    )
    async with staged(widget, 100):
        widget.show(needs, 2, 0)
        first = lines(widget)[0]
        assert first.startswith(" ! 2 need you   deepseek-r1 G-0 prefill-1: crash loop, 4 restarts")
        assert "qwen" not in first
        widget.show(needs[:1], 1, 0)
        assert lines(widget)[0].startswith(" ! 1 needs you")
        widget.show((), 0, 0)
        assert not lines(widget)[0].strip()


async def test_keys_that_do_not_fit_are_left_out_but_help_stays() -> None:
    widget = KeyLine()
    hints = tuple(
        KeyHint(sign, word)
        for sign, word in (("enter", "open"), ("s", "scale"), ("e", "events"), ("?", "help"))
    )
    async with staged(widget, 32):
        widget.show(hints, 0)
        assert lines(widget)[0].split() == ["enter", "open", "s", "scale", "?", "help"]


# Operation


async def test_a_running_operation_says_how_far_how_long_and_by_whom() -> None:
    widget = OperationStrip()
    running = operation("q", 2, 4, done=1)
    async with staged(widget, 100):
        widget.show(StripView(running, Eta(95, 104, 20)), 1060)
        drawn = lines(widget)
        assert drawn[0].strip() == "2>4 1 of 2 groups done  1m00s, ~1m40s to go, from 20 earlier starts"
        assert drawn[1].rstrip().endswith("by ops")
        widget.show(StripView(running), 1060)
        assert "no history" in lines(widget)[0]


async def test_an_operation_has_a_bar_only_once_something_is_known_of_its_progress() -> None:
    widget = OperationStrip()
    value = workload("q", [group("q", 0), group("q", 1), group("q", 2), group("q", 3, Phase.QUEUED)])
    begun = operation("q", 2, 4)
    assert progress(begun, value) is None
    groups = [*value.groups[:2], group("q", 2, Phase.CREATING, progress=60), value.groups[3]]
    half_way = progress(begun, msgspec.structs.replace(value, groups=tuple(groups)))
    assert half_way == 30
    assert progress(msgspec.structs.replace(begun, done=1), value) == 50
    async with staged(widget, 100):
        widget.show(StripView(begun), 1060)
        assert lines(widget)[1].strip() == "by ops"
        widget.show(StripView(begun, progress=half_way), 1060)
        assert lines(widget)[1].split() == ["⣿" * 9 + "⡇" + "⣀" * 23, "by", "ops"]


async def test_progress_of_role_replicas_counts_those_that_are_scaled() -> None:
    value = workload("q", [group("q", 0, Phase.CREATING, progress=40, roles=(("decode", 2),))])
    asked = msgspec.structs.replace(operation("q", 1, 1), affected=("q-0/decode-1",), total=1)
    replicas = (fleets.replica("decode", 0), fleets.replica("decode", 1, Phase.CREATING, progress=70))
    role = msgspec.structs.replace(value.groups[0].roles[0], replicas=replicas)
    one = msgspec.structs.replace(value.groups[0], roles=(role,))
    assert progress(asked, msgspec.structs.replace(value, groups=(one,))) == 70


# What the cursor is on


async def test_a_sentence_that_is_too_long_goes_on_below_and_says_where_it_is_cut() -> None:
    widget = CursorWords()
    async with staged(widget, 40, 2):
        widget.show("G-0 decode-1", "short of GPUs: needs 8 on one node, 12 of 16 nodes have fewer", Style())
        assert [line.rstrip() for line in lines(widget)] == [
            " G-0 decode-1  short of GPUs: needs 8",
            " on one node, 12 of 16 nodes have fewer",
        ]
        widget.show("G-0 decode-1", "word " * 40, Style())
        assert lines(widget)[1].rstrip().endswith("…")
        widget.show("", "", Style())
        assert "".join(lines(widget)).strip() == ""


async def test_an_ended_operation_puts_prediction_and_outcome_side_by_side() -> None:
    widget = OperationStrip()
    ended = msgspec.structs.replace(
        operation("q", 6, 4, done=2),
        ended_at=1182.0,
        outcome=Outcome.DONE,
        happened=("q-5", "q-4"),
        prediction=Prediction(("q-5", "q-4"), 188.0, 192.0, 12),
    )
    async with staged(widget, 100):
        widget.show(StripView(ended), 1300)
        drawn = lines(widget)
        assert drawn[0].strip() == "6>4 done, 2 of 2 groups, by ops"
        assert drawn[1].strip() == "predicted G-5, G-4, ~3m10s; happened G-5, G-4, 3m02s"
        widget.show(StripView(None, quiet="4 of 4 ready"), 1300)
        assert lines(widget)[0].strip() == "4 of 4 ready"


# Plan


def _plan(**changes: object) -> ScalePlan:
    steps = (
        Step(StepKind.DELETE, "q-3", 4, 4, note="not ready, goes first"),
        Step(StepKind.DELETE, "q-2", 4, 4, serving=True),
    )
    plan = ScalePlan(
        key=key("q"),
        uid="u",
        change=ReplicasChange(2),
        before=Count(4, (("decode", 2),)),
        after=Count(2, (("decode", 3),)),
        steps=steps,
        order_known=True,
        order_note="order of v1.0",
        pods_delta=-8,
        gpu_delta=-8,
        capacity=Capacity(24, 128, 0, True, 16),
        eta=Eta(60, 62, 12),
        guards=(
            Guard("right", Level.PASS, "you may patch modelservings"),
            Guard("driver", Level.WARN, "the HPA undoes this in 15 s", ("pause it",)),
        ),
        write=Write("PATCH", "/", "json", {}),
        equivalent="kubectl -n llm scale modelserving/q --replicas=2",
        confirmation=Confirmation.YES,
        cost_before=Money("76.00", "EUR"),
        cost_after=Money("38.00", "EUR"),
    )
    return msgspec.structs.replace(plan, **changes)


async def _planned(shown: PlanShown, columns: int = 90) -> list[str]:
    widget = PlanView()
    async with staged(widget, columns, 30):
        widget.show(shown, 0)
        return [line.strip() for line in lines(widget)]


async def test_a_plan_shows_order_cost_time_and_the_command() -> None:
    drawn = await _planned(PlanShown(_plan(), typed="YE"))
    assert "steps    order of v1.0" in drawn
    assert "1.  - G-3       4 pods  4 GPU  not ready, goes first" in drawn
    assert "2.  - G-2       4 pods  4 GPU  serving" in drawn
    assert "cost     76.00 EUR > 38.00 EUR an hour" in drawn
    assert "same as  kubectl -n llm scale modelserving/q --replicas=2" in drawn
    assert "type YES and Enter: YE   Esc goes back" in drawn


async def test_guards_speak_in_words_the_strongest_first() -> None:
    stop = Guard("gang", Level.BLOCK, "below the gang minimum")
    drawn = await _planned(PlanShown(_plan(guards=(*_plan().guards, stop))))
    said = [line for line in drawn if line.startswith(("STOP", "WARN", "ok"))]
    assert said == [
        "STOP     below the gang minimum",
        "WARN     the HPA undoes this in 15 s",
        "ok       you may patch modelservings",
    ]
    assert "try: pause it" in drawn
    assert any("cannot be sent" in line for line in drawn)
    assert not any("type YES" in line for line in drawn)


async def test_an_unknown_order_is_not_numbered() -> None:
    drawn = await _planned(PlanShown(_plan(order_known=False, order_note="order unknown")))
    assert "steps    order unknown" in drawn
    assert not any(line.startswith("1.") for line in drawn)


async def test_gpus_of_a_growing_plan_are_needed_against_free() -> None:
    enough = Guard("gpus", Level.PASS, "8 GPUs needed, 24 free")
    shown = _plan(gpu_delta=8, capacity=Capacity(24, 128, 8, True, 16), guards=(enough,))
    drawn = await _planned(PlanShown(shown))
    assert "GPUs     8 needed, 24 free of 128 on 16 nodes" in drawn
    assert sum("24 free" in line for line in drawn) == 1
    shown = _plan(gpu_delta=8, capacity=Capacity(None, None, 8, None))
    assert "GPUs     8 needed, unknown free" in await _planned(PlanShown(shown))


async def test_gpus_that_are_short_are_told_once() -> None:
    short = Guard("gpus", Level.WARN, "4 GPUs short: 8 needed, 4 free on 16 nodes", ("add nodes",))
    drawn = await _planned(
        PlanShown(_plan(gpu_delta=8, capacity=Capacity(4, 128, 8, False, 16), guards=(short,)))
    )
    assert "GPUs     +8" in drawn
    assert [line for line in drawn if "4 free" in line] == [f"WARN     {short.reason}"]


async def test_a_plan_that_changes_nothing_says_so() -> None:
    still = _plan(after=Count(4, (("decode", 2),)), steps=(), write=None, confirmation=Confirmation.NONE)
    assert "nothing changes, nothing will be sent" in await _planned(PlanShown(still))


async def test_a_check_that_still_runs_warns_of_nothing_and_moves_no_other_line() -> None:
    not_asked = Guard("dry-run", Level.WARN, "the server's own check has not been run yet")
    accepts = Guard("dry-run", Level.PASS, "the server's dry run accepts it")
    first = await _planned(PlanShown(_plan(guards=(*_plan().guards, not_asked)), Check.FIRST))
    heard = await _planned(PlanShown(_plan(guards=(*_plan().guards, accepts))))
    differing = [(old, new) for old, new in zip(first, heard, strict=True) if old != new]
    assert differing == [
        ("check    the server is asked what it says to this", "ok       the server's dry run accepts it")
    ]
    again = await _planned(PlanShown(_plan(guards=(*_plan().guards, accepts)), Check.AGAIN))
    assert [line for line in again if line not in heard] == [
        "ok       the server's dry run accepts it (checking again)"
    ]
    nobody = await _planned(PlanShown(_plan(guards=(*_plan().guards, not_asked))))
    assert f"WARN     {not_asked.reason}" in nobody


async def test_long_plans_show_their_first_and_last_steps() -> None:
    steps = tuple(Step(StepKind.CREATE, f"q-{at}", 4, 4) for at in range(100))
    drawn = await _planned(PlanShown(_plan(steps=steps)))
    assert any(line.startswith("1.") and "G-0" in line for line in drawn)
    assert any(line.startswith("100.") and "G-99" in line for line in drawn)
    assert any("89 more" in line for line in drawn)


async def test_long_commands_are_wrapped_and_lose_nothing() -> None:
    command = "kubectl patch modelserving q --type=json -p '" + '[{"op":"replace"}]' * 9 + "'"
    drawn = await _planned(PlanShown(_plan(equivalent=command)), 60)
    start = next(at for at, line in enumerate(drawn) if line.startswith("same as"))
    joined = "".join(
        line.removeprefix("same as").replace(" ", "") for line in drawn[start : drawn.index("", start)]
    )
    assert joined == command.replace(" ", "")


@pytest.mark.parametrize(
    ("confirmation", "words"),
    [
        (Confirmation.NONE, "nothing to send"),
        (Confirmation.OK, "Enter sends it"),
        (Confirmation.YES, "type YES and Enter"),
        (Confirmation.NAME, "type q and Enter"),
    ],
)
async def test_the_prompt_asks_for_what_has_to_be_typed(confirmation: Confirmation, words: str) -> None:
    drawn = await _planned(PlanShown(_plan(confirmation=confirmation)))
    assert any(words in line for line in drawn)
    busy = await _planned(PlanShown(_plan(confirmation=confirmation), busy="asking the server"))
    assert "asking the server" in busy
    assert not any(words in line for line in busy)


# Logs


async def test_logs_follow_until_scrolled_up_and_keep_a_bounded_number() -> None:
    log = LogLines(keep=100)
    async with staged(log, 40, 5):
        log.append(f"line {at}" for at in range(250))
        assert [line.strip() for line in lines(log)] == [f"line {at}" for at in range(245, 250)]
        assert log.row_count == 100
        log.scroll_rows(-3)
        assert not log.following
        held = lines(log)
        log.append(["more"])
        assert "more" not in "".join(lines(log))
        assert lines(log) == held
        log.scroll_last()
        assert lines(log)[4].strip() == "more"
        log.say("the stream ended")
        assert lines(log)[4].strip() == "the stream ended"


async def test_long_log_lines_are_looked_at_piece_by_piece() -> None:
    log = LogLines()
    async with staged(log, 20, 2):
        log.append(["0123456789" * 5])
        assert lines(log)[0] == "0123456789012345678…"
        log.scroll_sideways(40)
        assert lines(log)[0].strip() == "0123456789"
        log.scroll_sideways(-100)
        assert lines(log)[0].startswith("0123")
