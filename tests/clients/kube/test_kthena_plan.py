"""Plans: the patch, the steps, the GPUs, the guards, the line for kubectl."""

from __future__ import annotations

import copy
import shlex
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.kube.capacity import GpuLedger
from clients.kube.kthena_order import RULES
from clients.kube.kthena_plan import build
from clients.kube.plan_parts import Asker, ChangeError
from clients.kube.rows import ModelServingRow, NodeRow, OwnerRow
from clients.kube.scale_guards import Rights
from clients.serving.changes import ReplicasChange, inverse
from clients.serving.eta import Durations
from clients.serving.guards import Confirmation, Guard, Level
from clients.serving.keys import ObjectRef
from clients.serving.operation import Count, Operation
from clients.serving.phase import Phase
from clients.serving.plans import Money, ScalePlan, StepKind
from clients.serving.workload import Driver, RoleSpec, Workload
from tests.support.planning import NOW, grid, group, names, row_of, wanting

HEAD = RULES["head"]
PATH = "/apis/workload.serving.volcano.sh/v1alpha1/namespaces/llm/modelservings/qwen"
MERGE = "application/json-patch+json"


def plan(workload: Workload, groups: int | None = None, **roles: int) -> ScalePlan:
    return build(workload, row_of(workload), ReplicasChange(groups, tuple(roles.items())), rule=HEAD)


def guard(made: ScalePlan, name: str) -> Guard | None:
    return next((one for one in made.guards if one.id == name), None)


def level(made: ScalePlan, name: str) -> Level | None:
    found = guard(made, name)
    return found.level if found else None


def with_row(row: ModelServingRow, workload: Workload, groups: int | None = None, **roles: int) -> ScalePlan:
    return build(workload, row, ReplicasChange(groups, tuple(roles.items())), rule=HEAD)


def as_object(row: ModelServingRow) -> dict[str, Any]:
    """What the server holds of such a row."""
    roles: list[dict[str, Any]] = []
    for role in row.roles:
        roles.append({"name": role.name, "workerReplicas": role.workers})
        if role.replicas_present:
            roles[-1]["replicas"] = role.replicas
    spec: dict[str, Any] = {"template": {"roles": roles}, "schedulerName": "volcano"}
    if row.replicas_present:
        spec["replicas"] = row.replicas
    return {"metadata": {"name": row.name, "resourceVersion": row.resource_version}, "spec": spec}


class FailedTestError(Exception):
    """A ``test`` of the patch did not hold."""


def applied(obj: dict[str, Any], patch: list[dict[str, Any]]) -> dict[str, Any]:
    """RFC 6902, the three operations that plans use: all of it or nothing."""
    made = copy.deepcopy(obj)
    for step in patch:
        *path, last = (int(part) if part.isdigit() else part for part in step["path"][1:].split("/"))
        place: Any = made
        for part in path:
            place = place[part]
        if step["op"] == "test":
            if last not in place or place[last] != step["value"]:
                raise FailedTestError(step["path"])
        elif step["op"] == "replace":
            assert last in place, "replace needs what it replaces"
            place[last] = step["value"]
        else:
            assert step["op"] == "add"
            place[last] = step["value"]
    return made


def test_groups_up() -> None:
    made = plan(grid(0, 1), 4)
    assert [(step.kind, step.name, step.pods, step.gpus) for step in made.steps] == [
        (StepKind.CREATE, "qwen-2", 5, 6),
        (StepKind.CREATE, "qwen-3", 5, 6),
    ]
    assert (made.pods_delta, made.gpu_delta) == (10, 12)
    assert made.write is not None
    assert (made.write.method, made.write.path, made.write.content_type) == ("PATCH", PATH, MERGE)
    assert made.write.body == [
        {"op": "test", "path": "/spec/replicas", "value": 2},
        {"op": "replace", "path": "/spec/replicas", "value": 4},
    ]
    assert made.equivalent == "kubectl -n llm scale modelserving/qwen --replicas=4 --current-replicas=2"
    assert made.confirmation is Confirmation.OK
    assert made.prediction is not None
    assert made.prediction.order == names(2, 3)
    assert (made.order_known, made.order_note) == (True, "order of head")


def test_groups_and_roles_are_one_patch() -> None:
    made = plan(grid(0, 1), 3, decode=4, prefill=2)
    assert made.write is not None
    assert made.write.body == [
        {"op": "test", "path": "/spec/replicas", "value": 2},
        {"op": "replace", "path": "/spec/replicas", "value": 3},
        {"op": "test", "path": "/spec/template/roles/0/name", "value": "prefill"},
        {"op": "test", "path": "/spec/template/roles/0/replicas", "value": 1},
        {"op": "replace", "path": "/spec/template/roles/0/replicas", "value": 2},
        {"op": "test", "path": "/spec/template/roles/1/name", "value": "decode"},
        {"op": "test", "path": "/spec/template/roles/1/replicas", "value": 2},
        {"op": "replace", "path": "/spec/template/roles/1/replicas", "value": 4},
    ]
    words = shlex.split(made.equivalent)
    assert words[:6] == ["kubectl", "-n", "llm", "patch", "modelserving", "qwen"]
    assert words[6:8] == ["--type=json", "-p"]
    assert msgspec.json.decode(words[8]) == made.write.body
    assert made.pods_delta == 3 * (2 + 4 * 2) - 2 * (1 + 2 * 2)


def test_kubectl_is_called_as_this_user_and_never_by_a_scale_that_is_not_there() -> None:
    there = grid(0)
    asker = Asker("prod eu", "ops", ("a", "b"))
    made = build(there, row_of(there), ReplicasChange(2), rule=HEAD, asker=asker)
    assert made.equivalent.startswith(
        "kubectl '--context=prod eu' --as=ops --as-group=a --as-group=b -n llm "
    )
    old = build(there, row_of(there), ReplicasChange(2), rule=RULES["v0.2"])
    assert shlex.split(old.equivalent)[3] == "patch"


def test_no_change_sends_nothing_and_asks_nothing() -> None:
    made = plan(grid(0, 1), 2, decode=2)
    assert (made.write, made.steps, made.guards, made.equivalent) == (None, (), (), "")
    assert made.confirmation is Confirmation.NONE
    assert made.level is Level.PASS


def test_an_unknown_role_is_said_with_those_that_exist() -> None:
    with pytest.raises(ChangeError, match="no role 'router'; there are: prefill, decode"):
        plan(grid(0), router=2)


def test_an_absent_count_is_one_and_is_guarded_by_the_version() -> None:
    there = grid(0)
    row = row_of(there, replicas_present=False)
    made = with_row(row, there, 2)
    assert made.write is not None
    assert made.write.body == [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "918273"},
        {"op": "add", "path": "/spec/replicas", "value": 2},
    ]
    assert made.write.note is not None
    assert applied(as_object(row), made.write.body)["spec"]["replicas"] == 2


def test_with_the_right_to_scale_alone() -> None:
    there = grid(0, 1)
    rights = Rights(patch=False, scale=True)
    made = build(there, row_of(there), ReplicasChange(3), rule=HEAD, rights=rights)
    assert made.write is not None
    assert made.write.path == f"{PATH}/scale"
    assert made.write.body[0] == {"op": "test", "path": "/spec/replicas", "value": 2}
    assert "webhook is not asked" in (made.write.note or "")
    assert not made.blocked
    zero = wanting(grid(), 0)
    made = build(zero, row_of(zero), ReplicasChange(3), rule=HEAD, rights=rights)
    assert made.write is not None
    assert [step["op"] for step in made.write.body] == ["test", "add"]
    roles = build(there, row_of(there), ReplicasChange(None, (("decode", 3),)), rule=HEAD, rights=rights)
    found = guard(roles, "right")
    assert found is not None
    assert found.level is Level.BLOCK
    assert "only for the number of groups" in found.reason


def test_without_any_right_it_is_blocked_and_unknown_rights_are_tried() -> None:
    there = grid(0)
    none = build(there, row_of(there), ReplicasChange(2), rule=HEAD, rights=Rights(patch=False, scale=False))
    found = guard(none, "right")
    assert none.blocked
    assert found is not None
    assert found.reason == "no right to patch modelservings in llm"
    assert level(plan(there, 2), "right") is Level.PASS


def test_expected_count() -> None:
    there = grid(0, 1)
    row = row_of(there)
    made = build(there, row, ReplicasChange(4, expect_groups=3), rule=HEAD)
    assert made.blocked
    assert level(made, "current") is Level.BLOCK
    assert not build(there, row, ReplicasChange(4, expect_groups=2), rule=HEAD).blocked


def test_the_dry_run_has_yet_to_come() -> None:
    assert level(plan(grid(0), 2), "dry-run") is Level.WARN


@pytest.mark.parametrize(
    ("name", "groups", "blocked"),
    [("q" * 49, 9, False), ("q" * 49, 10, True), ("q" * 40, 100, False)],
)
def test_the_webhook_counts_the_letters_of_its_longest_name(name: str, groups: int, blocked: bool) -> None:
    there = grid(*range(8))
    row = row_of(there, name=name)
    assert len(f"{name}-9-prefill-1-0") == 63 or len(name) < 49
    assert with_row(row, there, groups).blocked is blocked


@pytest.mark.parametrize(
    ("unavailable", "groups", "blocked"),
    [("10%", 5, True), ("10%", 10, False), ("50%", 0, True), ("1", 0, False), (None, 0, False)],
)
def test_the_webhook_refuses_a_percentage_that_comes_to_nothing(
    unavailable: str | None, groups: int, blocked: bool
) -> None:
    there = grid(0, 1, 2)
    made = with_row(row_of(there, max_unavailable=unavailable), there, groups)
    assert (level(made, "webhook") is Level.BLOCK) is blocked


def test_the_webhook_under_role_rolling_update() -> None:
    there = grid(0)
    row = row_of(there, rollout_type="RoleRollingUpdate", max_unavailable="10%")
    made = with_row(row, there, decode=0)
    found = guard(made, "webhook")
    assert found is not None
    assert found.level is Level.BLOCK
    assert "decode can not go to 0" in found.reason
    roles = tuple(msgspec.structs.replace(role, max_unavailable="2") for role in row.roles[1:])
    two = msgspec.structs.replace(row, roles=(row.roles[0], *roles))
    assert level(with_row(two, there, decode=1), "webhook") is Level.BLOCK
    assert level(with_row(two, there, decode=3), "webhook") is Level.PASS


def test_negative_numbers_are_blocked_even_through_scale() -> None:
    there = grid(0)
    rights = Rights(patch=False, scale=True)
    made = build(there, row_of(there), ReplicasChange(-1), rule=HEAD, rights=rights)
    assert level(made, "webhook") is Level.BLOCK
    assert level(plan(there, decode=-1), "webhook") is Level.BLOCK


def test_scale_goes_past_the_webhook_with_a_warning() -> None:
    there = grid(0, 1, 2)
    row = row_of(there, max_unavailable="10%")
    made = build(there, row, ReplicasChange(5), rule=HEAD, rights=Rights(patch=False, scale=True))
    assert level(made, "webhook") is Level.WARN


def test_gang_minimum() -> None:
    specs = (RoleSpec("prefill", 2, 0, minimum=2), RoleSpec("decode", 3, 0))
    there = grid(group(0, specs=specs), specs=specs)
    assert level(plan(there, prefill=1), "gang") is Level.BLOCK
    assert level(plan(there, decode=1), "gang") is Level.PASS
    assert guard(plan(grid(0), decode=1), "gang") is None


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("LeaderWorkerSet", Level.BLOCK), ("ModelBooster", Level.WARN), ("Something", Level.WARN)],
)
def test_owners(kind: str, expected: Level) -> None:
    there = grid(0)
    made = with_row(row_of(there, owner=OwnerRow(kind, "boss", "u9")), there, 2)
    found = guard(made, "owner")
    assert found is not None
    assert found.level is expected
    assert f"{kind}/boss" in found.reason


def _driven(role: str | None = None, **changes: Any) -> Workload:
    ref = ObjectRef("autoscaling", "HorizontalPodAutoscaler", "llm", "scaler")
    driver = Driver("HPA", ref, role, 2, 8, "cpu 72>60", 15.0)
    return msgspec.structs.replace(grid(0, 1, 2), drivers=(msgspec.structs.replace(driver, **changes),))


def test_a_driver_that_will_revert_says_when_and_to_what() -> None:
    def reason(workload: Workload, groups: int) -> str:
        found = guard(plan(workload, groups), "driver")
        assert found is not None
        assert found.level is Level.WARN
        return found.reason

    assert reason(_driven(), 1) == "HPA scaler sets groups to 2 within 15s: 1 is below its minimum"
    assert reason(_driven(), 9) == "HPA scaler sets groups to 8 within 15s: 9 is above its maximum"
    assert reason(_driven(), 5) == "HPA scaler may set groups again within 15s between 2 and 8"
    assert "rests while groups are 0" in reason(_driven(), 0)
    assert reason(_driven(interval=0), 1).startswith("HPA scaler sets groups to 2 at once")


def test_a_driver_of_something_else_or_at_rest_is_silent() -> None:
    assert guard(plan(_driven("decode"), 1), "driver") is None
    assert level(plan(_driven("decode"), decode=1), "driver") is Level.WARN
    assert guard(plan(_driven(reverts=False), 1), "driver") is None
    assert guard(plan(_driven(), decode=1), "driver") is None


def _ledger(*free: int) -> GpuLedger:
    ledger = GpuLedger()
    for at, gpus in enumerate(free):
        labels = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
        ledger.put_node(NodeRow(f"u{at}", f"n{at}", gpus, True, labels=labels))
    return ledger


def test_gpus_short_scattered_unknown_and_enough() -> None:
    there = grid(0)

    def made(ledger: GpuLedger | None) -> ScalePlan:
        return build(there, row_of(there), ReplicasChange(2), rule=HEAD, gpus=ledger)

    short = guard(made(_ledger(4)), "gpus")
    assert short is not None
    assert (short.level, short.reason) == (Level.WARN, "2 GPUs short: 6 needed, 4 free on 1 nodes")
    scattered = guard(made(_ledger(1, 1, 1, 1, 1, 1)), "gpus")
    assert scattered is not None
    assert (scattered.level, scattered.reason) == (
        Level.WARN,
        "6 GPUs needed and 6 free, but scattered: of use are 4 of them, no node holds the other pods",
    )
    assert level(made(_ledger(8)), "gpus") is Level.PASS
    assert level(made(None), "gpus") is Level.WARN
    blind = _ledger(8)
    blind.pods_seen = False
    unknown = guard(made(blind), "gpus")
    assert unknown is not None
    assert "unknown" in unknown.reason
    assert guard(plan(grid(0, 1), 1), "gpus") is None


def _gang(workload: Workload, **minimum: int) -> Workload:
    specs = (
        msgspec.structs.replace(spec, gang=True, minimum=minimum.get(spec.name))
        for spec in workload.role_specs
    )
    return msgspec.structs.replace(workload, role_specs=tuple(specs))


def test_of_what_use_free_gpus_are_where_whole_groups_are_placed_at_once() -> None:
    """Groups of one prefill with 2 GPUs, and two decodes of two pods with one each."""

    def usable(there: Workload, groups: int | None, free: int, **roles: int) -> int | None:
        change = ReplicasChange(groups, tuple(roles.items()))
        made = build(there, row_of(there), change, rule=HEAD, gpus=_ledger(free))
        assert made.capacity is not None
        return made.capacity.usable

    assert usable(grid(0), 3, 10) == 10
    assert usable(_gang(grid(0)), 3, 10) == 6
    assert usable(_gang(grid(0)), 3, 5) == 0
    # Of each group one prefill and one decode at once, the other decode as it comes.
    assert usable(_gang(grid(0), prefill=1, decode=1), 2, 5) == 5
    assert usable(_gang(grid(0), prefill=1, decode=1), 2, 3) == 0
    # Replicas that join a group: all at once, or what its minimum still lacks.
    assert usable(grid(0), None, 3, decode=4) == 3
    assert usable(_gang(grid(0)), None, 3, decode=4) == 0
    assert usable(_gang(grid(0), prefill=1, decode=1), None, 3, decode=4) == 3


def test_a_group_that_is_placed_at_once_says_of_what_use_free_gpus_are() -> None:
    there = _gang(grid(0))
    made = build(there, row_of(there), ReplicasChange(3), rule=HEAD, gpus=_ledger(10))
    found = guard(made, "gpus")
    assert found is not None
    assert found.reason == "2 GPUs short: 12 needed, 10 free on 1 nodes, of use are 6 of them"


def test_cost_by_the_models_of_the_nodes_it_may_use() -> None:
    there = grid(0)
    prices = {"H100": Money("2.50", "EUR")}
    made = build(there, row_of(there), ReplicasChange(2), rule=HEAD, gpus=_ledger(8), prices=prices)
    assert (made.cost_before, made.cost_after) == (Money("15.00", "EUR"), Money("30.00", "EUR"))
    assert plan(there, 2).cost_after is None


def test_an_operation_under_way_warns_but_going_back_does_not() -> None:
    before, after = Count(2, (("prefill", 1), ("decode", 2))), Count(4, (("prefill", 1), ("decode", 2)))
    running = Operation("o", grid(0).key, "ops", before, after, NOW, names(2, 3), 1, 2)
    there = grid(0, 1, group(2, Phase.CREATING), group(3, Phase.QUEUED), desired=4)
    there = msgspec.structs.replace(there, operation=running)
    assert level(plan(there, 6), "operation") is Level.WARN
    back = plan(there, 2)
    assert level(back, "operation") is Level.PASS
    assert back.confirmation is Confirmation.OK, "what is taken back does not serve yet"
    assert [step.name for step in back.steps] == list(names(3, 2))


def test_stale_data_warns() -> None:
    there = grid(0)
    made = build(there, row_of(there), ReplicasChange(2), rule=HEAD, stale="pods are 40s old")
    found = guard(made, "stale")
    assert found is not None
    assert (found.level, found.reason) == (Level.WARN, "pods are 40s old")


def test_confirmation_of_what_goes() -> None:
    there = grid(0, 1)
    assert plan(there, 1).confirmation is Confirmation.YES
    assert plan(there, 0).confirmation is Confirmation.YES
    assert plan(there, decode=1).confirmation is Confirmation.YES
    assert plan(grid(0, group(1, Phase.CREATING)), 1).confirmation is Confirmation.OK
    row = row_of(there)
    mild = build(there, row, ReplicasChange(1), rule=HEAD, confirm_scale_in="ok")
    assert mild.confirmation is Confirmation.OK
    zero = build(there, row, ReplicasChange(0), rule=HEAD, confirm_scale_in="ok")
    assert zero.confirmation is Confirmation.YES
    safe = build(there, row, ReplicasChange(3), rule=HEAD, protected=True)
    assert safe.confirmation is Confirmation.NAME


def test_the_order_is_told_or_said_to_be_unknown() -> None:
    there = grid(0, 1, 2)
    row = row_of(there)
    known = build(there, row, ReplicasChange(1), rule=RULES["v1.0"], rule_source="by the server's schema")
    assert known.order_note == "order of v1.0, by the server's schema"
    unknown = build(there, row, ReplicasChange(1), rule=RULES["unknown"])
    assert (unknown.order_known, unknown.order_note) == (False, "order unknown")
    assert [step.name for step in unknown.steps] == list(names(1, 2)), "by name"
    assert unknown.prediction is not None
    assert unknown.prediction.order is None


def test_eta_from_history() -> None:
    there = grid(0, 1)
    learned = Durations()
    for seconds in (60, 80, 100):
        making = msgspec.structs.replace(there, groups=(*there.groups, group(2, Phase.CREATING, created=NOW)))
        learned.see(there, making, NOW)
        ready = msgspec.structs.replace(there, groups=(*there.groups, group(2)))
        learned.see(making, ready, NOW + seconds)
        learned.see(ready, there, NOW + 200)
    made = build(there, row_of(there), ReplicasChange(4), rule=HEAD, durations=learned)
    assert made.eta is not None
    assert (made.eta.low, made.eta.high, made.eta.samples) == (60, 100, 3)
    staged = build(there, row_of(there), ReplicasChange(4), rule=RULES["documented"], durations=learned)
    assert staged.eta is not None
    assert (staged.eta.low, staged.eta.high) == (120, 200)
    assert plan(there, 4).eta is None


_COUNTS = st.fixed_dictionaries(
    {"groups": st.integers(0, 5), "prefill": st.integers(0, 4), "decode": st.integers(0, 4)}
)


@given(_COUNTS, _COUNTS, st.booleans(), st.sampled_from([v for v in RULES if v not in ("v0.1",)]))
def test_the_patch_brings_exactly_what_is_wanted_and_the_inverse_takes_it_back(
    before: dict[str, int], after: dict[str, int], present: bool, version: str
) -> None:
    specs = tuple(RoleSpec(name, before[name], at) for at, name in enumerate(("prefill", "decode")))
    there = grid(*range(before["groups"]), specs=specs)
    row = row_of(there)
    if not present and before["groups"] == 1:
        row.replicas_present = False
    change = ReplicasChange(after["groups"], (("prefill", after["prefill"]), ("decode", after["decode"])))
    made = build(there, row, change, rule=RULES[version])
    body = [] if made.write is None else made.write.body
    result = applied(as_object(row), body)
    assert result["spec"].get("replicas", 1) == after["groups"]
    counts = {role["name"]: role["replicas"] for role in result["spec"]["template"]["roles"]}
    assert counts == {"prefill": after["prefill"], "decode": after["decode"]}
    assert result["spec"]["schedulerName"] == "volcano"
    groups = [step for step in made.steps if "/" not in step.name]
    assert len(groups) == abs(after["groups"] - before["groups"])
    standing = min(before["groups"], after["groups"])
    delta = sum(abs(after[name] - before[name]) for name in ("prefill", "decode"))
    assert len(made.steps) - len(groups) == standing * delta
    if made.write is not None:
        with pytest.raises(FailedTestError):
            applied(result | {"metadata": {"resourceVersion": "918274"}}, body)
    undo = inverse(change, before["groups"], {name: before[name] for name in ("prefill", "decode")})
    specs_after = tuple(RoleSpec(name, after[name], at) for at, name in enumerate(("prefill", "decode")))
    then = grid(*range(after["groups"]), specs=specs_after)
    back = build(then, row_of(then), undo, rule=RULES[version])
    restored = applied(result, [] if back.write is None else back.write.body)
    assert restored["spec"].get("replicas", 1) == before["groups"]
    assert {step.name for step in back.steps} == {step.name for step in made.steps}
    assert (back.pods_delta, back.gpu_delta) == (-made.pods_delta, -made.gpu_delta)
