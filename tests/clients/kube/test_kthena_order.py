"""Which groups and role replicas are made and removed, in each version's order."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.kube.kthena_order import (
    RULES,
    from_schema,
    predict_groups,
    predict_groups_down,
    predict_groups_up,
    predict_roles,
    resolve_partition,
    rule_for,
    schema_fields,
)
from clients.serving.phase import ControllerState, Phase
from clients.serving.workload import RoleSpec
from tests.support.planning import grid, group, names, replica, wanting

HEAD, V1, DOCUMENTED = RULES["head"], RULES["v1.0"], RULES["documented"]
ALL = [rule.version for rule in RULES.values()]


@pytest.mark.parametrize("version", ALL)
def test_from_two_to_four_and_back_where_all_run(version: str) -> None:
    rule = rule_for(version)
    assert predict_groups_up(grid(0, 1), 4, rule) == names(2, 3)
    down = names(2, 3) if version == "v0.1" else names(3, 2)
    assert predict_groups_down(grid(0, 1, 2, 3), 2, rule) == down


@pytest.mark.parametrize(
    ("version", "there", "target", "made"),
    [
        ("head", (0, 2, 3), 4, (1,)),
        ("head", (0, 2, 5), 4, (1,)),
        ("head", (0, 2), 5, (1, 3, 4)),
        ("v1.0", (0, 2, 3), 4, (4,)),
        ("v0.3", (0, 2), 4, (3, 4)),
        ("v0.2", (1, 2), 3, (3,)),
        ("documented", (0, 2, 3), 4, (1,)),
    ],
)
def test_gaps(version: str, there: tuple[int, ...], target: int, made: tuple[int, ...]) -> None:
    assert predict_groups_up(grid(*there), target, RULES[version]) == names(*made)


def test_v0_1_deletes_what_lies_beyond_in_string_order() -> None:
    assert predict_groups_down(grid(*range(12)), 1, RULES["v0.1"])[:3] == names(1, 10, 11)


def test_v0_1_fills_and_deletes_by_ordinal_whatever_the_count() -> None:
    """It never rests with a gap: what is missing or beyond at 3 comes and goes without a change to 4."""
    moves = predict_groups(grid(0, 2, 5, desired=3), 4, RULES["v0.1"])
    assert [(move.name, move.create) for move in moves] == [("qwen-3", True)]


def test_gaps_below_the_partition_are_refilled_in_v1() -> None:
    assert predict_groups_up(grid(0, 3), 4, V1, "2") == names(1, 4)
    assert predict_groups_up(grid(0, 3), 4, V1, None) == names(4, 5)


def test_not_ready_goes_first_then_the_cheapest_then_the_last() -> None:
    there = grid(group(0, cost=-5), group(1), group(2, Phase.CREATING), group(3, cost=7))
    moves = predict_groups(there, 0, HEAD)
    assert [move.name for move in moves] == list(names(2, 0, 1, 3))
    assert [move.reason for move in moves] == [
        "not ready, goes first",
        "lowest deletion cost, -5",
        "lowest deletion cost, 0",
        "highest ordinal",
    ]
    assert predict_groups_down(there, 2, RULES["v0.2"]) == names(0, 2)
    assert predict_groups_down(there, 2, DOCUMENTED) == names(3, 2)


def test_losing_readiness_is_no_reason_for_a_controller_that_does_not_see_it() -> None:
    """A probe that fails changes nothing in Kthena's memory: controller_state stays Running."""
    flapping = msgspec.structs.replace(group(1, Phase.CREATING), controller_state=ControllerState.RUNNING)
    assert predict_groups_down(grid(0, flapping, 2), 2, HEAD) == names(2)
    starting = msgspec.structs.replace(flapping, controller_state=ControllerState.CREATING)
    assert predict_groups_down(grid(0, starting, 2), 2, HEAD) == names(1)


def test_the_partition_spares_list_positions_until_others_are_used_up() -> None:
    there = grid(group(0, Phase.CREATING), 1, 2, 3)
    assert predict_groups_down(there, 3, HEAD, "2") == names(3)
    assert predict_groups_down(there, 1, HEAD, "2") == names(3, 2, 0)
    assert predict_groups_down(there, 2, HEAD, "50%") == names(3, 2)
    assert predict_groups_down(there, 3, HEAD, None) == names(0)


def test_deleting_groups_take_their_share_of_the_victims() -> None:
    there = grid(0, 1, 2, group(3, Phase.DELETING), desired=3)
    assert predict_groups_down(there, 2, HEAD) == names(2)


def test_what_is_being_deleted_holds_its_ordinal_and_comes_back() -> None:
    there = grid(0, 1, group(2, Phase.DELETING), group(3, Phase.DELETING), desired=2)
    assert predict_groups_up(there, 4, HEAD) == names(2, 3)
    assert predict_groups_up(there, 3, HEAD) == names(2)
    assert predict_groups_up(there, 6, HEAD) == names(4, 5, 2, 3)


def test_what_was_promised_before_is_not_a_step_again() -> None:
    there = grid(0, 1, group(2, Phase.CREATING), group(3, Phase.QUEUED), desired=4)
    assert predict_groups_up(there, 5, HEAD) == names(4)
    assert predict_groups_down(there, 2, HEAD) == names(3, 2)
    assert predict_groups_down(there, 2, DOCUMENTED) == names(2), "G-3 is not there and never will be"


def test_roles_walk_up_at_head_and_down_as_documented() -> None:
    there = grid(0, 1)
    up = predict_roles(there, {"decode": 3, "prefill": 2}, HEAD)
    assert [move.name for move in up] == [
        "qwen-0/prefill-1",
        "qwen-0/decode-2",
        "qwen-1/prefill-1",
        "qwen-1/decode-2",
    ]
    down = predict_roles(there, {"decode": 0}, DOCUMENTED)
    assert [move.name for move in down] == [
        "qwen-1/decode-1",
        "qwen-1/decode-0",
        "qwen-0/decode-1",
        "qwen-0/decode-0",
    ]


@pytest.mark.parametrize(("version", "made"), [("head", "decode-0"), ("v1.0", "decode-3")])
def test_a_gap_in_a_role(version: str, made: str) -> None:
    decode = [replica("decode", at) for at in (1, 2)]
    there = grid(group(0, roles={"decode": decode}))
    assert [move.name for move in predict_roles(there, {"decode": 3}, RULES[version])] == [f"qwen-0/{made}"]


def test_role_victims_by_readiness_cost_and_ordinal() -> None:
    specs = (RoleSpec("decode", 4, 0),)
    decode = [
        replica("decode", 0, cost=-1),
        replica("decode", 1, Phase.CREATING),
        replica("decode", 2),
        replica("decode", 3),
    ]
    there = grid(group(0, specs=specs, roles={"decode": decode}), specs=specs)
    moves = predict_roles(there, {"decode": 1}, HEAD)
    assert [move.name for move in moves] == ["qwen-0/decode-1", "qwen-0/decode-0", "qwen-0/decode-3"]
    spared = predict_roles(there, {"decode": 2}, HEAD, {"decode": "2"})
    assert [move.name for move in spared] == ["qwen-0/decode-3", "qwen-0/decode-2"]
    ignored = predict_roles(there, {"decode": 2}, V1, {"decode": "2"})
    assert [move.name for move in ignored] == ["qwen-0/decode-1", "qwen-0/decode-0"]


def test_role_replicas_on_their_way_out_are_skipped_and_groups_that_go_are_not_visited() -> None:
    specs = (RoleSpec("decode", 3, 0),)
    decode = [replica("decode", 0), replica("decode", 1), replica("decode", 2, Phase.DELETING)]
    there = grid(
        group(0, specs=specs, roles={"decode": decode}), group(1, Phase.DELETING, specs=specs), 2, specs=specs
    )
    moves = predict_roles(there, {"decode": 1}, HEAD, without=names(2))
    assert [move.name for move in moves] == ["qwen-0/decode-1"]


@pytest.mark.parametrize(
    ("text", "of", "positions"),
    [(None, 4, 0), ("", 4, 0), ("2", 4, 2), ("30%", 4, 2), ("0%", 4, 0), ("-1", 4, 0), ("x", 4, 0)],
)
def test_partition(text: str | None, of: int, positions: int) -> None:
    assert resolve_partition(text, of) == positions


def _schema(
    *, partition: bool = False, unavailable: bool = False, by_role: bool = False
) -> dict[str, object]:
    role: dict[str, object] = {"name": {"type": "string"}, "entryTemplate": {"properties": {"partition": {}}}}
    if partition:
        role["partition"] = {"x-kubernetes-int-or-string": True}
    if unavailable:
        role["maxUnavailable"] = {"x-kubernetes-int-or-string": True}
    strategy = {"type": {"enum": ["ServingGroupRollingUpdate", *(["RoleRollingUpdate"] if by_role else [])]}}
    return {
        "properties": {
            "spec": {
                "properties": {
                    "rolloutStrategy": {"properties": strategy},
                    "template": {"properties": {"roles": {"items": {"properties": role}}}},
                }
            },
            "status": {"properties": {"currentRevision": {"type": "string"}}},
        }
    }


def test_the_version_shows_in_the_schema() -> None:
    assert from_schema(schema_fields(_schema(partition=True, unavailable=True, by_role=True))) == "head"
    assert from_schema(schema_fields(_schema(unavailable=True, by_role=True))) == "v1.0"
    assert from_schema(schema_fields(_schema(by_role=True))) == "v0.4"
    assert from_schema(schema_fields(_schema())) == "v0.3"
    assert from_schema({"spec.template.roles"}) == "v0.2"
    assert from_schema({"spec.template.roles", "spec.topologySpreadConstraints"}) == "v0.1"
    assert from_schema({"spec.replicas"}) is None
    assert rule_for(None).known is False
    assert rule_for("v9").known is False


_PHASES = st.sampled_from([Phase.RUNNING, Phase.CREATING, Phase.SCALING, Phase.DELETING])
_GROUPS = st.dictionaries(st.integers(0, 12), st.tuples(_PHASES, st.integers(-2, 2)), max_size=8)


@given(_GROUPS, st.integers(0, 14), st.sampled_from(ALL), st.sampled_from([None, "1", "40%"]))
def test_as_many_stand_afterwards_as_are_wanted(
    there: dict[int, tuple[Phase, int]], target: int, version: str, partition: str | None
) -> None:
    rule = rule_for(version)
    made = [group(at, phase, cost=cost) for at, (phase, cost) in sorted(there.items())]
    alive = {one.name for one in made if one.phase is not Phase.DELETING}
    workload = grid(*made, desired=len(alive))
    moves = predict_groups(workload, target, rule, partition)
    created = {move.name for move in moves if move.create}
    removed = {move.name for move in moves if not move.create}
    assert len(created) + len(removed) == len(moves)
    if version != "v0.1":
        assert removed <= alive | created
        assert len((alive | created) - removed) >= min(target, len(alive))
    if all(phase is not Phase.DELETING for phase, _ in there.values()) and version in ("head", "documented"):
        assert len((alive | created) - removed) == target
        assert not (created and removed)
    assert predict_groups(workload, target, rule, partition) == moves


@given(st.integers(0, 6), st.integers(0, 6), st.sampled_from([v for v in ALL if v != "v0.1"]))
def test_the_way_back_undoes_the_way_there(before: int, target: int, version: str) -> None:
    rule = rule_for(version)
    there = predict_groups(grid(*range(before)), target, rule)
    assert len(there) == abs(target - before)
    back = predict_groups(grid(*range(target)), before, rule)
    assert {move.name for move in there} == {move.name for move in back}
    assert all(a.create is not b.create for a, b in zip(there, back, strict=True))


def test_nothing_wanted_differently_moves_nothing() -> None:
    there = grid(0, 1)
    assert predict_groups(there, 2, HEAD) == ()
    assert predict_roles(there, {"decode": 2}, HEAD) == ()
    assert predict_roles(wanting(there), {}, HEAD) == ()
