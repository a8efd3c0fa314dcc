"""Kubernetes quantities and Go durations."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.kube.durations import seconds
from clients.kube.quantity import milli, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("97500m", Fraction(975, 10)),
        ("60", 60),
        ("1.5Gi", 3 * 2**29),
        ("-5", -5),
        ("+.5", Fraction(1, 2)),
        ("5.", 5),
        ("1e3", 1000),
        ("1E-2", Fraction(1, 100)),
        ("1E", 10**18),
        ("2Ei", 2 * 2**60),
        ("100n", Fraction(1, 10**7)),
        ("7u", Fraction(7, 10**6)),
        ("3k", 3000),
        (7, 7),
        (0.1, Fraction(1, 10)),
        (1e-7, Fraction(1, 10**7)),
    ],
)
def test_quantities(text: Any, value: Any) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m",
        "1 Gi",
        "1K",
        "1Mi5",
        "nan",
        "inf",
        "1e999",
        "0x10",
        "1_0",
        "١",
        True,
        None,
        [],
        10**40,
        "9" * 70,
    ],
)
def test_what_is_no_quantity(text: Any) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(("text", "thousandths"), [("1n", 1), ("1500u", 2), ("250m", 250), ("2", 2000)])
def test_thousandths_are_rounded_up(text: str, thousandths: int) -> None:
    exact = parse(text)
    assert exact is not None
    assert milli(exact) == thousandths


@given(st.integers(-(10**15), 10**15), st.sampled_from(["", "m", "k", "Mi", "G"]))
def test_whole_numbers_are_exact(number: int, suffix: str) -> None:
    unit = parse(f"1{suffix}")
    assert unit is not None
    assert parse(f"{number}{suffix}") == number * unit


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1h30m", 5400),
        ("30s", 30),
        ("1m0s", 60),
        ("1.5h", 5400),
        ("250ms", 0.25),
        ("-5s", -5),
        ("0", 0),
        ("", None),
        ("5", None),
        ("s", None),
        ("1h x", None),
        (30, None),
        (None, None),
        ("-", None),
    ],
)
def test_durations(text: Any, value: float | None) -> None:
    assert seconds(text) == value
