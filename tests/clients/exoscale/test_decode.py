"""What Exoscale may answer one day, read without falling over and without inventing anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.exoscale import decode
from clients.exoscale.decode import Deployment
from clients.exoscale.grid import derive, keys_of
from clients.exoscale.problems import read_problem
from clients.managed.calls import CloudError
from clients.serving.phase import Phase, TroubleKind

SHOWN = {
    "id": "7c0e7b7a-2f0d-4a5e-9a51-0f5f2f6f1a10",
    "name": "chat-eu",
    "state": "ready",
    "state-details": "",
    "gpu-type": "gpua5000",
    "gpu-count": 2,
    "replicas": 1,
    "service-level": "pro",
    "deployment-url": "https://chat-eu.inference.example/v1",
    "visibility": "private",
    "model": {"id": "b4c1f0d2-0d55-4f0b-8a55-5b1c3a7d9e21", "name": "acme/demo-7b"},
    "inference-engine-version": "0.28.0",
    "inference-engine-parameters": ["--max-model-len=8192"],
    "created-at": "2026-10-01T08:00:00Z",
    "updated-at": "2026-11-20T09:30:00Z",
}
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def listed(*entries: Any) -> tuple[Deployment, ...]:
    return decode.deployments(json.dumps({"deployments": entries}).encode())


def one(**changes: Any) -> Deployment:
    entry = {**SHOWN, **changes}
    return listed({name: value for name, value in entry.items() if value is not ...})[0]


def test_the_example_of_the_fact_sheet() -> None:
    found = decode.deployment(json.dumps(SHOWN).encode())
    assert found == Deployment(
        "chat-eu",
        SHOWN["id"],  # type: ignore[arg-type]
        "ready",
        "",
        "gpua5000",
        2,
        1,
        "pro",
        "https://chat-eu.inference.example/v1",
        "acme/demo-7b",
        public=False,
        created=1790841600.0,
        updated=1795167000.0,
        engine="0.28.0",
        parameters=("--max-model-len=8192",),
    )


def test_older_snapshots_call_the_state_status() -> None:
    assert one(state=..., status="deploying").state == "deploying"
    assert one(status="error").state == "ready"


@pytest.mark.parametrize("url", [None, "", ...])
def test_no_url_yet(url: Any) -> None:
    assert one(**{"deployment-url": url}).url is None


@pytest.mark.parametrize("count", [None, "2", 2.5, True, -1, 10**9, [], ...])
def test_a_count_of_another_kind_is_not_known(count: Any) -> None:
    found = one(replicas=count, **{"gpu-count": count})
    assert (found.replicas, found.gpu_count) == (None, None)
    row = derive(next(iter(keys_of("z", [found]))), found, None, None)
    assert (row.desired, row.ready, row.groups) == (None, None, ())


def test_only_what_is_required_is_enough() -> None:
    least = {name: SHOWN[name] for name in ("name", "state", "deployment-url", "model", "visibility")}
    (found,) = listed(least)
    assert (found.id, found.gpu_type, found.replicas) == (None, None, None)
    row = derive(next(iter(keys_of("z", [found]))), found, None, None)
    assert row.phase is Phase.RUNNING


def test_public_ones_are_no_rows() -> None:
    assert (
        keys_of("z", listed(SHOWN, {**SHOWN, "visibility": "public", "name": "theirs"})).keys()
        == keys_of("z", listed(SHOWN)).keys()
    )


def test_two_of_one_name_are_told_apart_by_their_ids() -> None:
    names = [key.name for key in keys_of("z", listed(SHOWN, {**SHOWN, "id": "1234567890"}))]
    assert names == ["chat-eu#7c0e7b7a", "chat-eu#12345678"]


@pytest.mark.parametrize("state", ["hibernating", "READY", ""])
def test_an_unknown_state_is_shown_as_it_is_and_counts_as_busy(state: str) -> None:
    found = one(state=state)
    row = derive(next(iter(keys_of("z", [found]))), found, None, None)
    assert row.phase is Phase.UPDATING
    assert row.trouble is not None
    assert row.trouble.kind is TroubleKind.BLOCKED
    assert row.trouble.reason == (state or "no state")


@given(st.lists(ANYTHING, max_size=3), st.dictionaries(st.sampled_from(sorted(SHOWN)), ANYTHING, max_size=6))
def test_nothing_in_a_list_breaks_reading(entries: list[Any], changes: dict[str, Any]) -> None:
    found = listed(*entries, {**SHOWN, **changes})
    for key, deployment in keys_of("z", found).items():
        derive(key, deployment, None, None)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'{"deployments": {}}', b'{"deployments": [', b"\xff", b"<html>"]
)
def test_what_is_no_list_is_not_an_empty_one(body: bytes) -> None:
    with pytest.raises(CloudError):
        decode.deployments(body)


@pytest.mark.parametrize(
    ("body", "line", "patience"),
    [
        ({"type": "t", "title": "Precondition Failed", "status": 412, "detail": "Not enough left."},
         "Not enough left.", None),
        ({"title": "Unprocessable", "errors": ["a: missing", {"path": "$.b", "detail": "wrong"}]},
         "Unprocessable; a: missing; $.b wrong", None),
        ({"message": "old words"}, "old words", None),
        ({"code": "forbidden_operation", "error": "no right"}, "no right", None),
        ({"error": "slow down", "retry_after": 7}, "slow down", 7.0),
        ({"error": "slow down", "retry_after": 10**6}, "slow down", 300.0),
        ({"error": {"no": "text"}}, "", None),
        (b"upstream connect error", "upstream connect error", None),
        (b"<html>bad gateway</html>", "", None),
        (b"\x1b]0;title\x07", "\u241b]0;title\u2407", None),
        (b"", "", None),
    ],
)  # fmt: skip
def test_reasons_of_every_form(body: Any, line: str, patience: float | None) -> None:
    problem = read_problem(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert (problem.line, problem.retry_after) == (line, patience)
