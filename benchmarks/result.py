"""One line of a budget's report."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Result"]


class Result(Struct, frozen=True):
    """What was measured, beside what, and whether the bar holds."""

    budget: str
    ours: str
    reference: str
    ratio: str
    bar: str
    holds: bool
    note: str = ""

    def line(self) -> str:
        """The report's line."""
        verdict = "holds" if self.holds else "MISSED"
        beside = f"beside {self.reference} | {self.ratio}" if self.reference != "-" else "no reference"
        text = f"{self.budget}: {self.ours} | {beside} | bar {self.bar} | {verdict}"
        return f"{text} ({self.note})" if self.note else text
