"""Kubernetes resource quantities, read exactly (apimachinery ``resource.Quantity``)."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache

__all__ = ["milli", "parse"]

_FORM = re.compile(
    r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?[0-9]{1,3}))?"
)
_FACTORS = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    **{suffix: Fraction(1000) ** power for power, suffix in enumerate(("", "k", "M", "G", "T", "P", "E"))},
    **{
        suffix: Fraction(1024) ** power
        for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)
    },
}
_LONGEST = 64
_LARGEST = 10**30
"""Kubernetes itself keeps no number above 2^63; what is far beyond is no quantity anybody meant."""


def parse(value: object) -> Fraction | None:
    """The exact number of ``97500m``, ``1.5Gi``, ``1e3`` or a JSON number; ``None`` for what is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Fraction(value) if abs(value) <= _LARGEST else None
    if isinstance(value, float):
        return _read(repr(value)) if math.isfinite(value) else None
    return _read(value) if isinstance(value, str) and len(value) <= _LONGEST else None


@lru_cache(maxsize=4096)
def _read(text: str) -> Fraction | None:
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    digits, suffix, exponent = found.groups()
    number = Fraction(digits)
    if exponent is not None:
        number *= Fraction(10) ** int(exponent)
    else:
        number *= _FACTORS[suffix or ""]
    return number if abs(number) <= _LARGEST else None


def milli(value: Fraction) -> int:
    """Thousandths, rounded up as ``Quantity.MilliValue`` does: controllers count in these."""
    return math.ceil(value * 1000)
