"""Where pods may go, from the words of their template to the node: kube-scheduler's own rules."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from clients.kube.decode_placement import PlacedSpec, placement_of
from clients.kube.node_match import admits
from clients.kube.rows import NodeRow
from clients.serving.placement import Placement

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
LABELS = {
    "zone": "a",
    "pool": "",
    "count": "8",
    "signed": "+8",
    "word": "eight",
    "big": "9223372036854775808",
}
NODE = NodeRow("uid", "gpu-node-07", 8, True, labels=LABELS)


def placement(**spec: Any) -> Placement:
    return placement_of(msgspec.json.decode(msgspec.json.encode(spec), type=PlacedSpec))


def affine(*terms: Any) -> Placement:
    return placement(affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": list(terms)}}})


def label(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


@pytest.mark.parametrize(
    ("key", "operator", "values", "met"),
    [
        ("zone", "In", ("b", "a"), True),
        ("zone", "In", ("b", "c"), False),
        ("zone", "In", ("A",), False),
        ("pool", "In", ("",), True),
        ("none", "In", ("",), False),
        ("zone", "In", (), False),
        ("zone", "NotIn", ("b", "c"), True),
        ("zone", "NotIn", ("b", "a"), False),
        ("none", "NotIn", ("a",), True),
        ("none", "NotIn", (), False),
        ("zone", "Exists", (), True),
        ("pool", "Exists", (), True),
        ("none", "Exists", (), False),
        ("zone", "Exists", ("a",), False),
        ("none", "DoesNotExist", (), True),
        ("zone", "DoesNotExist", (), False),
        ("none", "DoesNotExist", ("a",), False),
        ("count", "Gt", ("7",), True),
        ("count", "Gt", ("8",), False),
        ("count", "Gt", ("-9",), True),
        ("count", "Lt", ("9",), True),
        ("count", "Lt", ("8",), False),
        ("count", "Lt", ("10",), True),
        ("signed", "Gt", ("7",), True),
        ("none", "Gt", ("7",), False),
        ("none", "Lt", ("7",), False),
        ("word", "Gt", ("7",), False),
        ("count", "Gt", ("seven",), False),
        ("count", "Gt", ("1", "2"), False),
        ("count", "Gt", (), False),
        ("count", "Gt", (" 7",), False),
        ("count", "Gt", ("1_0",), False),
        ("count", "Gt", ("\u0667",), False),
        ("big", "Gt", ("7",), False),
        ("count", "Lt", ("9223372036854775808",), False),
        ("count", "Lt", ("9" * 5000,), False),
        ("zone", "Near", ("a",), False),
        ("zone", "", ("a",), False),
    ],
)
def test_an_expression(key: str, operator: str, values: tuple[str, ...], met: bool) -> None:
    assert admits(NODE, affine({"matchExpressions": [label(key, operator, *values)]})) is met


@pytest.mark.parametrize(
    ("key", "operator", "values", "met"),
    [
        ("metadata.name", "In", ("gpu-node-07",), True),
        ("metadata.name", "In", ("gpu-node-08",), False),
        ("metadata.name", "NotIn", ("gpu-node-08",), True),
        ("metadata.name", "NotIn", ("gpu-node-07",), False),
        ("metadata.name", "In", ("gpu-node-07", "gpu-node-08"), False),
        ("metadata.name", "In", (), False),
        ("metadata.name", "Exists", (), False),
        ("zone", "In", ("a",), False),
    ],
)
def test_a_field(key: str, operator: str, values: tuple[str, ...], met: bool) -> None:
    assert admits(NODE, affine({"matchFields": [label(key, operator, *values)]})) is met


YES, NO = label("zone", "In", "a"), label("zone", "In", "b")
MINE, OTHER = label("metadata.name", "In", "gpu-node-07"), label("metadata.name", "In", "gpu-node-08")


@pytest.mark.parametrize(
    ("terms", "met"),
    [
        ([{"matchExpressions": [YES, label("count", "Gt", "4")]}], True),
        ([{"matchExpressions": [YES, NO]}], False),
        ([{"matchExpressions": [NO]}, {"matchExpressions": [YES]}], True),
        ([{"matchExpressions": [NO]}, {"matchExpressions": [NO]}], False),
        ([{"matchExpressions": [YES], "matchFields": [MINE]}], True),
        ([{"matchExpressions": [YES], "matchFields": [OTHER]}], False),
        ([{"matchExpressions": [YES]}, {"matchFields": [OTHER]}], True),
        ([{}], False),
        ([{"matchExpressions": [], "matchFields": None}], False),
        ([{}, {"matchExpressions": [YES]}], True),
        ([{"matchExpressions": [label("zone", "Gt", "a")]}, {"matchExpressions": [YES]}], True),
        ([], False),
    ],
)
def test_one_of_the_terms_with_all_of_its_expressions(terms: list[Any], met: bool) -> None:
    assert admits(NODE, affine(*terms)) is met


def test_the_selector_counts_beside_the_terms() -> None:
    both = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [YES]}]}}}
    assert admits(NODE, placement(nodeSelector={"pool": ""}, affinity=both))
    assert not admits(NODE, placement(nodeSelector={"pool": "x"}, affinity=both))


def test_preferences_forbid_nothing() -> None:
    soft = [{"weight": 1, "preference": {"matchExpressions": [NO]}}]
    wish = "preferredDuringSchedulingIgnoredDuringExecution"
    spread = [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]
    asked = placement(
        affinity={"nodeAffinity": {wish: soft}, "podAntiAffinity": {wish: [{}]}},
        topologySpreadConstraints=spread,
    )
    assert admits(NODE, asked)
    assert asked == Placement()


def test_what_is_required_and_not_weighed_is_named() -> None:
    asked = placement(
        affinity={"podAffinity": {REQUIRED: [{}]}, "podAntiAffinity": {REQUIRED: [{"topologyKey": "zone"}]}},
        topologySpreadConstraints=[{"whenUnsatisfiable": "DoNotSchedule"}],
    )
    assert asked.unlooked == ("pod affinity", "pod anti-affinity", "topology spread")
    assert placement(affinity={"podAntiAffinity": {REQUIRED: []}}).unlooked == ()


CORDON = "node.kubernetes.io/unschedulable"


@pytest.mark.parametrize(
    ("taint", "tolerations", "taken"),
    [
        (("gpu", "h100", "NoSchedule"), [], False),
        (("gpu", "h100", "NoExecute"), [], False),
        (("gpu", "h100", "PreferNoSchedule"), [], True),
        (("gpu", "h100", "NoSchedule"), [{"key": "gpu", "value": "h100"}], True),
        (("gpu", "h100", "NoSchedule"), [{"key": "gpu", "operator": "Equal", "value": "l4"}], False),
        (("gpu", "h100", "NoSchedule"), [{"key": "gpu", "operator": "Exists"}], True),
        (("gpu", "h100", "NoSchedule"), [{"operator": "Exists"}], True),
        (("gpu", "h100", "NoSchedule"), [{"key": "gpu", "operator": "Exists", "effect": "NoExecute"}], False),
        (None, [], False),
        (None, [{"key": CORDON, "operator": "Exists", "effect": "NoSchedule"}], True),
        (None, [{"key": "gpu", "operator": "Exists"}], False),
    ],
)
def test_taints_and_the_cordon(
    taint: tuple[str, str, str] | None, tolerations: list[Any], taken: bool
) -> None:
    taints = () if taint is None else (taint,)
    node = msgspec.structs.replace(NODE, taints=taints, unschedulable=taint is None)
    asked = placement(tolerations=tolerations)
    assert admits(node, asked) is taken
    assert not admits(msgspec.structs.replace(node, ready=False), asked)
