"""Which row an object belongs to, and what a typed name means."""

from __future__ import annotations

import msgspec
import pytest

from clients.serving.chain import Link, LinkKind, fold_drivers, resolve
from clients.serving.find import BadName, find
from clients.serving.keys import ObjectRef
from clients.serving.workload import Driver, Workload
from tests.support.planning import grid

MS = "workload.serving.volcano.sh"
QWEN, GLM = ObjectRef(MS, "ModelServing", "llm", "qwen"), ObjectRef(MS, "ModelServing", "lab", "glm")
HPA = ObjectRef("autoscaling", "HorizontalPodAutoscaler", "llm", "scaler")
SO = ObjectRef("keda.sh", "ScaledObject", "llm", "so")
LWS = ObjectRef("leaderworkerset.x-k8s.io", "LeaderWorkerSet", "llm", "boss")
POD = ObjectRef("", "Pod", "llm", "stray-0")
LINKS = [
    Link(HPA, QWEN, LinkKind.SCALES),
    Link(SO, HPA, LinkKind.OWNS),
    Link(LWS, QWEN, LinkKind.OWNS),
    Link(QWEN, POD, LinkKind.OWNS),
    Link(SO, GLM, LinkKind.SCALES),
]


def test_anything_in_a_chain_leads_to_its_row() -> None:
    chains = resolve(LINKS, [QWEN, GLM])
    for ref in (QWEN, POD, HPA, LWS):
        assert chains.rows_of(ref) == (QWEN,)
    assert chains.rows_of(SO) == (GLM, QWEN)
    assert chains.rows_of(ObjectRef("", "Pod", "llm", "other")) == ()


def test_drivers_from_the_nearest_to_the_farthest() -> None:
    chains = resolve(LINKS, [QWEN, GLM])
    assert chains.drivers_of(QWEN) == ((HPA, SO), (LWS,))
    assert chains.drivers_of(GLM) == ((SO,),)


def test_a_row_that_another_row_owns_is_folded_into_it() -> None:
    chains = resolve(LINKS, [QWEN, GLM, LWS])
    assert chains.rows == {LWS, GLM}
    assert chains.rows_of(POD) == chains.rows_of(QWEN) == (LWS,)


def test_circles_end() -> None:
    round_trip = [Link(HPA, QWEN, LinkKind.OWNS), Link(QWEN, HPA, LinkKind.OWNS)]
    chains = resolve(round_trip, [QWEN])
    assert chains.rows_of(HPA) == (QWEN,)
    assert chains.drivers_of(QWEN) == ((HPA,),)


def test_who_wins_comes_first() -> None:
    slow = Driver("policy", ObjectRef(MS, "AutoscalingPolicy", "llm", "p"), interval=30)
    fast = Driver("HPA", HPA, interval=15)
    owner = Driver("owner", LWS, interval=0)
    resting = Driver("KEDA", SO, interval=1, reverts=False)
    assert fold_drivers([slow, resting, fast, owner]) == (owner, fast, slow, resting)


def fleet() -> list[Workload]:
    qwen = msgspec.structs.replace(
        grid(0, 1), drivers=(Driver("HPA", HPA),), owner=ObjectRef(MS, "ModelBooster", "llm", "boost")
    )
    key = msgspec.structs.replace
    return [
        qwen,
        key(grid(), key=key(qwen.key, namespace="lab")),
        key(grid(), key=key(qwen.key, namespace="lab", name="glm")),
        key(grid(), key=key(qwen.key, namespace="ms", name="odd")),
    ]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("glm", ["lab/glm"]),
        ("qwen", ["lab/qwen", "llm/qwen"]),
        ("llm/qwen", ["llm/qwen"]),
        ("ms/glm", ["lab/glm"]),
        ("ModelServings/glm", ["lab/glm"]),
        ("modelservings.workload.serving.volcano.sh/glm", ["lab/glm"]),
        ("ms/lab/qwen", ["lab/qwen"]),
        ("ms/odd", ["ms/odd"]),
        ("modelserving/ms/odd", ["ms/odd"]),
        ("llm/qwen-1", ["llm/qwen"]),
        ("group/qwen-1", ["llm/qwen"]),
        ("qwen-0-prefill-0-0", ["llm/qwen"]),
        ("pod/llm/qwen-0-prefill-0-0", ["llm/qwen"]),
        ("po/lab/qwen-0-prefill-0-0", []),
        ("scaler", ["llm/qwen"]),
        ("hpa/scaler", ["llm/qwen"]),
        ("so/scaler", []),
        ("so/so", ["lab/glm", "llm/qwen"]),
        ("modelbooster/boost", ["llm/qwen"]),
        ("stray-0", ["llm/qwen"]),
        ("nothing", []),
    ],
)
def test_names(typed: str, meant: list[str]) -> None:
    chains = resolve(LINKS, [QWEN, GLM])
    found = find(typed, fleet(), chains)
    assert [f"{key.namespace}/{key.name}" for key in found] == meant


def test_a_rows_own_name_goes_before_that_of_its_driver() -> None:
    there = fleet()
    driver = Driver("HPA", msgspec.structs.replace(HPA, name="glm"))
    there[0] = msgspec.structs.replace(there[0], drivers=(driver,))
    assert [key.name for key in find("glm", there)] == ["glm"]
    assert [key.name for key in find("hpa/glm", there)] == ["qwen"]


@pytest.mark.parametrize("typed", ["", "/", "a/", "/a", "a/b/c/d", "what/llm/qwen"])
def test_no_names(typed: str) -> None:
    with pytest.raises(BadName):
        find(typed, fleet())
