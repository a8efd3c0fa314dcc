"""What GPUs cost an hour, by a table that the user has written. No price in it, no number."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

from clients.serving.plans import Money

__all__ = ["Prices", "added", "hourly", "price_of"]

Prices = Mapping[str, Money] | Iterable[tuple[str, Money]]
"""GPU model or type → what one GPU costs an hour; flavor → what one instance does."""


def _words(model: str) -> frozenset[str]:
    return frozenset(word for word in re.split(r"[^a-z0-9.]+", model.lower()) if word)


def price_of(model: str, prices: Prices) -> Money | None:
    """The price of a model such as ``NVIDIA-H100-80GB-HBM3``: the entry all of whose words it has (``H100``).

    Among several the one with the most words holds, so that ``H100 80GB`` goes before ``H100``; of equally
    long ones none, unless they say the same.
    """
    words = _words(model)
    table = prices.items() if isinstance(prices, Mapping) else prices
    found = [(len(_words(name)), price) for name, price in table if _words(name) and _words(name) <= words]
    best = max((length for length, _ in found), default=0)
    chosen = {price for length, price in found if length == best}
    return chosen.pop() if len(chosen) == 1 else None


def hourly(gpus: int, models: Collection[str], prices: Prices) -> Money | None:
    """What so many GPUs cost an hour, where every one of the models they may be has the same known price."""
    table = tuple(prices.items() if isinstance(prices, Mapping) else prices)
    found = {price_of(model, table) for model in models}
    price = found.pop() if len(found) == 1 else None
    return None if price is None else Money(f"{Decimal(price.amount) * gpus:f}", price.currency)


def added(parts: Iterable[Money | None], prices: Prices) -> Money | None:
    """The exact sum. ``None``: a part is not known, or they are in several currencies.

    Of nothing it is 0, in the table's currency if that has but one.
    """
    known = list(parts)
    if None in known:
        return None
    table = prices.values() if isinstance(prices, Mapping) else [price for _, price in prices]
    currencies = {part.currency for part in known if part}
    if not currencies:
        told = {price.currency for price in table}
        return Money("0", told.pop() if len(told) == 1 else "")
    total = sum((Decimal(part.amount) for part in known if part), Decimal(0))
    return Money(f"{total:f}", currencies.pop()) if len(currencies) == 1 else None
