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
        text = f"{self.budget}: {self.ours} | beside {self.reference} | {self.ratio} | bar {self.bar} | {verdict}"
        return f"{text} ({self.note})" if self.note else text
