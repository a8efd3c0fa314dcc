"""A controller that does not act is named; one that is slow, or that cannot say so, is not."""

from __future__ import annotations

from typing import Any

import pytest

from clients.serving.phase import TroubleKind
from tests.support import kthena_objects as objects
from tests.support.kthena_field import Field


def behind(**serving: Any) -> Field:
    """Two groups that run, and a third one asked for that the controller has not taken up."""
    field = Field(replicas=2)
    for group in range(2):
        field.put_group(group)
    field.derive()
    field.change(replicas=3, generation=2, status={"observedGeneration": 1, "replicas": 2}, **serving)
    field.derive()
    return field


def said(field: Field) -> str | None:
    assert field.value is not None
    return field.value.trouble.message if field.value.trouble is not None else None


def test_a_generation_that_nobody_takes_up_is_trouble_of_the_row() -> None:
    field = behind()
    began = field.now
    assert said(field) is None
    assert field.index.wake == began + 30, "time alone must bring the next look"
    field.derive(29)
    assert said(field) is None
    value = field.derive(1)
    assert value.trouble is not None
    assert (value.trouble.kind, value.trouble.reason) == (TroubleKind.BLOCKED, "ControllerSilent")
    assert value.trouble.since == began
    assert said(field) == "the controller has not taken up generation 2 for 30 s"
    field.derive(45)
    assert said(field) == "the controller has not taken up generation 2 for 1 min"


def test_it_is_over_when_the_status_tells_the_generation() -> None:
    field = behind()
    field.derive(60)
    assert said(field) is not None
    field.change(status={"observedGeneration": 2, "replicas": 3})
    field.derive()
    assert said(field) is None
    assert field.value is not None
    assert field.value.behind_since is None


def test_a_status_that_comes_nearer_begins_the_wait_anew() -> None:
    field = behind()
    field.derive(20)
    field.change(generation=3, status={"observedGeneration": 1, "replicas": 2})
    field.derive(5)
    field.change(status={"observedGeneration": 2, "replicas": 2})
    field.derive(10)
    assert said(field) is None
    field.derive(30)
    assert said(field) == "the controller has not taken up generation 3 for 30 s"


@pytest.mark.parametrize("sign", ["made", "deleted"])
def test_a_long_sync_that_works_on_pods_is_no_silence(sign: str) -> None:
    field = behind()
    field.derive(25)
    if sign == "made":
        field.put(2, "prefill", 0, state="weights", created=field.now)
    else:
        field.put(1, "prefill", 0, deleted=field.now + 30, grace=30)
    field.derive(20)
    assert said(field) is None
    field.derive(10)
    assert said(field) == "the controller has not taken up generation 2 for 30 s"


def test_work_for_another_model_serving_is_a_sign_of_life_too() -> None:
    field = behind()
    field.derive(25)
    field.index.controller_acted = field.now
    field.derive(20)
    assert said(field) is None
    field.derive(10)
    assert said(field) == "the controller has not taken up generation 2 for 30 s"


def test_one_that_was_never_seen_to_act_is_named_from_the_creation_on() -> None:
    field = Field(replicas=1, status={})
    field.now = objects.EPOCH + 90
    field.derive()
    assert said(field) == "the controller has not taken up generation 1 for 1 min"


@pytest.mark.parametrize(
    "serving",
    [
        {"replicas": 0, "generation": 2, "status": {"observedGeneration": 1}},
        {
            "generation": 2,
            "status": {"observedGeneration": 1},
            "meta": {"deletionTimestamp": objects.rfc3339(1.0)},
        },
        {"generation": 2, "status": {"replicas": 2}},
        {"generation": 1, "status": {"observedGeneration": 1}},
    ],
    ids=["no groups, so no status", "being deleted", "a status without the field", "up to date"],
)
def test_who_cannot_say_so_is_not_called_silent(serving: dict[str, Any]) -> None:
    field = Field(replicas=1)
    field.derive()
    field.change(**serving)
    field.derive()
    trouble = field.derive(3600).trouble
    assert trouble is None or trouble.reason != "ControllerSilent"
