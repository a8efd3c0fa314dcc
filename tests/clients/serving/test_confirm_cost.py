from __future__ import annotations

import pytest

from clients.serving.confirm import accepts, confirmation, goes_to_zero
from clients.serving.cost import added, hourly, price_of
from clients.serving.guards import Confirmation, Guard, Level
from clients.serving.operation import Count
from clients.serving.plans import Money, Step, StepKind

TWO, FOUR = Count(2, (("decode", 2),)), Count(4, (("decode", 2),))
LOSS = [Step(StepKind.DELETE, "qwen-3", 5, 6, serving=True)]
UNBORN = [Step(StepKind.DELETE, "qwen-3", 5, 6)]


def test_what_is_asked_for() -> None:
    assert confirmation(TWO, TWO, [], protected=True) is Confirmation.NONE
    assert confirmation(TWO, FOUR, [Step(StepKind.CREATE, "qwen-3", 5, 6)]) is Confirmation.OK
    assert confirmation(FOUR, TWO, UNBORN) is Confirmation.OK
    assert confirmation(FOUR, TWO, LOSS) is Confirmation.YES
    assert confirmation(FOUR, TWO, LOSS, confirm_scale_in="ok") is Confirmation.OK
    assert confirmation(FOUR, Count(0, FOUR.roles), [], confirm_scale_in="ok") is Confirmation.YES
    assert confirmation(FOUR, Count(4, (("decode", 0),)), []) is Confirmation.YES
    assert confirmation(TWO, FOUR, [], protected=True) is Confirmation.NAME
    asks = Guard("overshoot", Level.CONFIRM, "")
    assert confirmation(FOUR, TWO, LOSS, confirm_scale_in="ok", guards=[asks]) is Confirmation.YES


def test_zero_that_was_zero_is_no_loss() -> None:
    assert not goes_to_zero(Count(0, (("decode", 0),)), Count(0, (("decode", 0),)))
    assert not goes_to_zero(Count(None), Count(None))


@pytest.mark.parametrize(
    ("asked", "typed", "enough"),
    [
        (Confirmation.NONE, None, True),
        (Confirmation.OK, None, False),
        (Confirmation.OK, "", True),
        (Confirmation.YES, "YES", True),
        (Confirmation.YES, "yes", False),
        (Confirmation.YES, "YES ", False),
        (Confirmation.YES, "qwen", False),
        (Confirmation.NAME, "qwen", True),
        (Confirmation.NAME, "YES", False),
        (Confirmation.NAME, "", False),
        (Confirmation.NAME, None, False),
    ],
)
def test_what_is_typed(asked: Confirmation, typed: str | None, enough: bool) -> None:
    assert accepts(asked, typed, "qwen") is enough


PRICES = {"H100": Money("2.50", "EUR"), "H100 80GB": Money("2.60", "EUR"), "L4": Money("0.7", "EUR")}


def test_prices_by_the_words_of_a_model() -> None:
    assert price_of("NVIDIA-H100-80GB-HBM3", PRICES) == Money("2.60", "EUR")
    assert price_of("NVIDIA-H100-NVL", PRICES) == Money("2.50", "EUR")
    assert price_of("NVIDIA-L40S", PRICES) is None
    assert price_of("", PRICES) is None


def test_no_price_no_number() -> None:
    assert hourly(3, ["NVIDIA-L4"], PRICES) == Money("2.1", "EUR")
    assert hourly(3, ["NVIDIA-L4"], tuple(PRICES.items())) == Money("2.1", "EUR")
    assert hourly(3, ["NVIDIA-L4", "H100"], PRICES) is None
    assert hourly(3, [], PRICES) is None
    assert hourly(3, ["A100"], PRICES) is None
    assert hourly(3, ["H100"], {}) is None
    assert hourly(1_000_000, ["L4"], {"L4": Money("0.1", "EUR")}) == Money("100000.0", "EUR")


def test_a_sum_is_exact_and_knows_what_it_does_not_know() -> None:
    eur, cny = Money("0.10", "EUR"), Money("1", "CNY")
    assert added([eur, Money("0.20", "EUR")], PRICES) == Money("0.30", "EUR")
    assert added([eur, None], PRICES) is None
    assert added([eur, cny], PRICES) is None
    assert added([], PRICES) == Money("0", "EUR")
    assert added([], {"a": eur, "b": cny}) == Money("0", "")
