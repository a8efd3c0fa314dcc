"""The suite about itself: what it covers, and that its table of deviations holds no stale line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conformance.deviations import DEVIATIONS
from tests.conformance.real import assets_directory

_TESTS = [p for p in Path(__file__).parent.glob("test_*.py") if p.name != Path(__file__).name]


def test_all_behaviours_are_covered() -> None:
    text = "".join(path.read_text() for path in _TESTS)
    covered = {int(n) for n in re.findall(r"^def test_(\d\d)_", text, re.MULTILINE)}
    assert covered == set(range(1, 38))


def test_deviations_are_used_and_explained() -> None:
    text = "".join(path.read_text() for path in _TESTS)
    used = set(re.findall(r'conform\(\s*"([^"]+)"', text))
    assert used == DEVIATIONS.keys()
    assert all(len(d.reason) > 20 for d in DEVIATIONS.values())


def test_a_real_apiserver_is_a_target_too() -> None:
    """The one visible skip that stands for the real half of this suite."""
    if assets_directory() is None:
        pytest.skip("KUBEBUILDER_ASSETS is not set: the suite ran against the embedded server only")
    assert (assets_directory() / "kube-apiserver").exists()  # type: ignore[operator]
