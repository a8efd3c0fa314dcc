"""When an operation is asked for again, and when a change is over."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from clients.exoscale.decode import Deployment, Operation
from clients.exoscale.following import Following, poll_delay

PENDING = Following(3, 100.0, "op")
THREE = Deployment("demo", state="ready", replicas=3)


@pytest.mark.parametrize(
    ("elapsed", "seconds"),
    [(0, 3.0), (30, 3.0), (60, 4.97), (300, 20.69), (600, 40.34), (900, 60.0), (9000, 60.0)],
)
def test_the_vendors_own_curve(elapsed: float, seconds: float) -> None:
    assert poll_delay(elapsed) == pytest.approx(seconds, abs=0.005)


def test_done_is_both_the_operation_and_the_deployment() -> None:
    done = PENDING.told(Operation("op", "success"))
    assert not PENDING.over(THREE, 101.0), "what is read may be ahead of, or behind, what was begun"
    assert done.over(THREE, 101.0)
    for other in (replace(THREE, replicas=1), replace(THREE, state="scaling"), replace(THREE, state="odd")):
        assert not done.over(other, 101.0)


def test_zero_needs_no_certain_state() -> None:
    done = Following(0, 100.0, "op").told(Operation("op", "success"))
    for state in ("ready", "scaling"):
        assert done.over(Deployment("demo", state=state, replicas=0), 101.0)
    assert not done.over(Deployment("demo", state="updating", replicas=0), 101.0)


def test_a_deletion_is_over_when_it_is_gone() -> None:
    deletion = Following(None, 100.0, "op").told(Operation("op", "success"))
    assert not deletion.over(THREE, 101.0)
    assert deletion.over(None, 101.0)


def test_nothing_is_expected_for_ever() -> None:
    assert not PENDING.over(THREE, 100.0 + 3599)
    assert PENDING.over(THREE, 100.0 + 3601)


@pytest.mark.parametrize("state", ["failure", "timeout"])
def test_what_failed_shows_until_the_deployment_changes(state: str) -> None:
    failed = replace(PENDING.told(Operation("op", state, "busy", "try later")), left=1)
    assert failed.words == "busy: try later"
    assert not failed.over(replace(THREE, replicas=1), 101.0)
    assert failed.over(THREE, 101.0)
    assert failed.over(None, 101.0)


def test_an_operation_without_a_state_is_still_pending() -> None:
    assert PENDING.told(Operation()).asks
