from __future__ import annotations

import io
import json
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from clients.serving.backend import GpuTotals, NotShown
from clients.serving.changes import ReplicasChange
from clients.serving.events import Event, EventKind
from clients.serving.guards import Confirmation, Guard, Level
from clients.serving.operation import Count, Prediction
from clients.serving.phase import Mark, Phase, Stage, Trouble, TroubleKind
from clients.serving.plans import Capacity, ScalePlan, Step, StepKind, Write
from clients.serving.sources import SourceState, SourceStatus
from tests.support.fleets import group, hpa, key, operation, workload
from tui.headless.event_lines import event_json, event_line
from tui.headless.output import Output, aligned, escaped_json
from tui.headless.plan_lines import ending_line, plan_lines
from tui.headless.snapshot import snapshot, workload_json
from tui.headless.tables import fleet_table, group_table, source_lines, totals_line

HOSTILE = "\x1b]0;owned\x07\x1b[2J[bold]\u202eevil\u200b\n\x9b31m" + "x" * 10_000


class StoppedClock:
    def now(self) -> float:
        return 1_700_000_000.25

    def monotonic(self) -> float:
        return 500.0


def acts(text: str) -> bool:
    return any(unicodedata.category(char) in {"Cc", "Cf"} and char != "\n" for char in text)


def test_the_fleet_is_told_in_aligned_columns() -> None:
    shown = [
        workload("qwen-chat", 2, drivers=[hpa()]),
        workload(
            "deepseek-r1",
            [group("deepseek-r1", 0), group("deepseek-r1", 1, Phase.CREATING, progress=40)],
            operation=operation("deepseek-r1", 1, 2),
        ),
    ]
    etas = {"deepseek-r1": 100.0}
    head, qwen, deepseek = fleet_table(shown, lambda one: etas.get(one.key.name), None)
    starts = {name: head.index(name) for name in head.split()}
    assert qwen[starts["DRIVER"] :].startswith("HPA 2-8 cpu 72>60")
    assert " ".join(qwen.split()) == (
        "qwen-chat ModelServing 2/2 2 running prefill 4/4 decode 4/4 8 HPA 2-8 cpu 72>60"
    )
    assert deepseek[starts["READY"] :].startswith("1/2")
    assert deepseek[starts["GROUPS"] :].startswith("1 running 1 creating")
    assert deepseek[starts["DRIVER"] :].startswith("manual")
    assert deepseek[starts["DOING"] :] == "1 to 2 groups by ops: 0/1, ~1m40s"


def test_namespaces_are_a_column_only_where_there_are_several() -> None:
    one, other = workload("a"), workload("b", namespace="other")
    assert "NAMESPACE" not in fleet_table([one], lambda _: None, None)[0]
    assert fleet_table([one, other], lambda _: None, None)[2].startswith("other")


def test_unknown_numbers_are_no_zeros() -> None:
    unknown = msgspec.structs.replace(workload("a"), ready=None, desired=None)
    assert "–/–" in fleet_table([unknown], lambda _: None, None)[1]
    assert totals_line(None) is None
    assert totals_line(GpuTotals(128, 104, None)) == "GPUs 104/128, free –"
    assert totals_line(GpuTotals(128, 104, 24, 0)) == "GPUs 104/128, free 24"
    assert totals_line(GpuTotals(128, 104, 16, 8)) == "GPUs 104/128, free 16, unschedulable 8"


def test_a_group_in_trouble_says_why() -> None:
    trouble = Trouble(TroubleKind.FAILED, "CrashLoopBackOff", "CUDA out of memory")
    value = workload(
        "qwen",
        [
            group("qwen", 0, mark=Mark.DONE),
            group("qwen", 1, Phase.CREATING, stage=Stage.WEIGHTS, progress=63, trouble=trouble),
            group("qwen", 2, Phase.CREATING, stage=Stage.WEIGHTS, progress=63),
        ],
    )
    table = group_table(value, None)
    assert table[1].split() == ["qwen-0", "running", "done", "prefill", "2/2", "decode", "2/2", "4"]
    assert table[2].endswith("4     failed: CrashLoopBackOff: CUDA out of memory")
    assert table[3].endswith("prefill-0 weights 63%")


def test_a_long_reason_is_whole_where_nothing_is_cut_to_a_width() -> None:
    message = "short of GPUs: needs 8 on one node, 12 of 16 nodes have fewer free; " + "x" * 250
    value = workload("a", trouble=Trouble(TroubleKind.BLOCKED, "Unschedulable", message))
    assert fleet_table([value], lambda _: None, None)[1].endswith(f"blocked: {message}")
    assert fleet_table([value], lambda _: None, 120)[1].endswith("…")


def _growing(capacity: Capacity, *guards: Guard) -> ScalePlan:
    return ScalePlan(
        key=key("qwen"),
        uid="u",
        change=ReplicasChange(4),
        before=Count(2),
        after=Count(4),
        steps=(Step(StepKind.CREATE, "qwen-2", 3, 3), Step(StepKind.CREATE, "qwen-3", 3, 3)),
        order_known=True,
        order_note="order of v1.0",
        pods_delta=6,
        gpu_delta=6,
        capacity=capacity,
        eta=None,
        guards=guards,
        write=Write("PATCH", "/", "json", {}),
        equivalent="kubectl scale",
        confirmation=Confirmation.OK,
    )


def test_gpus_of_a_plan_are_told_once() -> None:
    enough = Guard("gpus", Level.PASS, "6 GPUs needed, 8 free")
    lines = plan_lines(_growing(Capacity(8, 96, 6, True, 12), enough), None)
    assert "pods +6, GPUs +6 (needs 6, free 8)" in lines
    assert not any("6 GPUs needed" in line for line in lines)
    short = Guard("gpus", Level.WARN, "6 GPUs short: 6 needed, 0 free on 12 nodes", ("add nodes",))
    lines = plan_lines(_growing(Capacity(0, 96, 6, False, 12), short), None)
    assert "pods +6, GPUs +6" in lines
    at = lines.index(f"warn: gpus: {short.reason}")
    assert lines[at + 1] == "  try: add nodes"


@given(st.lists(st.lists(st.text(max_size=30), min_size=3, max_size=3), min_size=1), st.integers(30, 120))
def test_no_line_is_wider_than_the_terminal(rows: list[list[str]], width: int) -> None:
    for line in aligned(rows, width):
        assert cell_len(line) <= width
        assert not acts(line)


def test_wide_characters_keep_columns_aligned() -> None:
    lines = aligned([["模型服务", "x"], ["a", "y"]], None)
    assert [cell_len(line) for line in lines] == [11, 11]


def test_hostile_strings_do_not_act_in_any_line() -> None:
    trouble = Trouble(TroubleKind.BLOCKED, HOSTILE, HOSTILE)
    value = msgspec.structs.replace(
        workload("x", [group("x", 0, trouble=trouble)], trouble=trouble, drivers=[hpa(signal=HOSTILE)]),
        key=msgspec.structs.replace(key("x"), name=HOSTILE, namespace=HOSTILE),
        operation=operation("x", 1, 2, by=HOSTILE),
    )
    event = Event(
        1.0, 2.0, "c", EventKind.TROUBLE, key=value.key, group=HOSTILE, actor=HOSTILE, reason=HOSTILE
    )
    lines = [
        *fleet_table([value], lambda _: None, None),
        *group_table(value, 80),
        event_line(event),
        escaped_json(event_json(event), indent=None),
        escaped_json(workload_json(value, lambda _: None), indent=None),
    ]
    assert not any(acts(line) or "\n" in line for line in lines)
    assert json.loads(lines[-1])["name"] == HOSTILE


@given(st.text())
def test_json_is_the_same_value_after_escaping(text: str) -> None:
    written = escaped_json({"text": text})
    assert json.loads(written) == {"text": text}
    assert not acts(written)


def test_an_event_is_a_line_and_an_object() -> None:
    event = Event(
        at=1_700_000_000.5,
        seen_at=1_700_000_001.0,
        cluster="c0ffee",
        kind=EventKind.PHASE,
        key=key("qwen"),
        group="qwen-3",
        role="prefill",
        replica="prefill-0",
        before="queued",
        after="creating",
        actor="ops",
        reason="scale",
    )
    assert event_line(event) == (
        "2023-11-14T22:13:20Z ModelServing/llm/qwen qwen-3/prefill-0 queued > creating by ops: scale"
    )
    assert list(json.loads(escaped_json(event_json(event))).items())[:4] == [
        ("v", 1),
        ("at", "2023-11-14T22:13:20.500000Z"),
        ("seen_at", "2023-11-14T22:13:21Z"),
        ("cluster", "c0ffee"),
    ]
    cut = Event(0.0, 0.0, "c", EventKind.SOURCE, before="live", after="stale", detail={"source": "pods"})
    assert event_line(cut) == "1970-01-01T00:00:00Z pods live > stale"
    bare = event_json(Event(1.0, 1.0, "c", EventKind.SOURCE))
    assert set(bare) == {
        "v", "at", "seen_at", "cluster", "key", "group", "role", "replica", "kind", "from", "to", "actor",
        "reason", "detail",
    }  # fmt: skip


def test_the_snapshot_has_the_schema_of_its_contract() -> None:
    running = msgspec.structs.replace(
        operation("qwen", 1, 2),
        prediction=Prediction(("qwen-1",), 90.0, 100.0, 4),
        before=Count(1, (("decode", 1),)),
        after=Count(2, (("decode", 1),)),
    )
    value = workload("qwen", 2, drivers=[hpa()], operation=running)
    source = SourceStatus("c0ffee", "ms", SourceState.LIVE, True, 499.0, have=1)
    told = json.loads(
        msgspec.json.encode(snapshot([value], [source], StoppedClock(), lambda _: 99.96, NotShown()))
    )
    assert list(told) == ["schema", "observed_at", "sources", "workloads", "not_shown"]
    assert told["schema"] == 1
    assert told["observed_at"] == "2023-11-14T22:13:20.250000Z"
    assert told["sources"] == [
        {"cluster": "c0ffee", "name": "ms", "state": "live", "age_s": 1.0, "detail": None}
    ]
    (one,) = told["workloads"]
    assert list(one) == [
        "cluster", "system", "kind", "namespace", "name", "uid", "desired", "ready", "phase", "trouble",
        "driver", "operation", "endpoint", "groups",
    ]  # fmt: skip
    assert one["driver"] == {"kind": "HPA", "name": "scaler", "min": 2, "max": 8, "signal": "cpu 72>60"}
    assert one["operation"] == {
        "by": "ops", "from": 1, "to": 2, "started_at": "1970-01-01T00:16:40Z", "done": 0, "total": 1,
        "eta_s": 100.0, "predicted": ["qwen-1"],
    }  # fmt: skip
    assert list(one["groups"][0]) == [
        "name", "ordinal", "phase", "trouble", "cause", "mark", "controller_state", "roles",
    ]  # fmt: skip
    assert list(one["groups"][0]["roles"][0]) == ["name", "desired", "replicas"]
    assert list(one["groups"][0]["roles"][0]["replicas"][0]) == [
        "id", "ordinal", "phase", "trouble", "progress", "reason", "controller_state", "pods",
    ]  # fmt: skip


def test_an_operation_on_roles_says_which_and_one_that_ended_is_no_operation() -> None:
    scaling = msgspec.structs.replace(
        operation("qwen", 2, 2),
        before=Count(2, (("prefill", 1), ("decode", 1))),
        after=Count(2, (("prefill", 1), ("decode", 3))),
    )
    told = msgspec.to_builtins(workload_json(workload("qwen", operation=scaling), lambda _: None))
    assert (told["operation"]["from"], told["operation"]["to"]) == (2, 2)
    assert told["operation"]["roles"] == {"decode": {"from": 1, "to": 3}}
    over = msgspec.structs.replace(scaling, ended_at=2000.0)
    assert (
        msgspec.to_builtins(workload_json(workload("qwen", operation=over), lambda _: None))["operation"]
        is None
    )


@pytest.mark.parametrize(
    ("state", "required", "line"),
    [
        (SourceState.LIVE, True, None),
        (SourceState.QUIET, True, None),
        (SourceState.ABSENT, False, None),
        (SourceState.ABSENT, True, "ms: absent: why"),
        (SourceState.DENIED, False, "not required, and not read: ms denied"),
    ],
)
def test_sources_that_do_not_tell_the_truth_of_now_are_named(
    state: SourceState, required: bool, line: str | None
) -> None:
    told = source_lines([SourceStatus("c", "ms", state, required, None, "why")])
    assert told == ([] if line is None else [line])


def test_prediction_and_outcome_stand_side_by_side() -> None:
    ended = msgspec.structs.replace(
        operation("qwen", 4, 6, started=1000.0),
        prediction=Prediction(("G-5", "G-4"), 170.0, 190.0, 3),
        happened=("G-4", "G-5"),
        ended_at=1182.0,
    )
    assert ending_line(ended) == "predicted G-5, G-4, ~3m10s; happened G-4, G-5, 3m02s"


def test_progress_in_a_pipe_is_plain_lines() -> None:
    out = io.StringIO()
    output = Output(out, io.StringIO())
    output.progress("0/2 done")
    output.progress("1/2 done")
    output.lines(["done"])
    assert out.getvalue() == "0/2 done\n1/2 done\ndone\n"
