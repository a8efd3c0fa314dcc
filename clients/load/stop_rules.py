"""When a generator stops by itself, for its plan says that it would hurt to go on."""

from __future__ import annotations

from collections import deque
from math import ceil, inf

from clients.load.figures import Figures
from clients.load.histogram import Counts, merge, percentile
from clients.load.plan import StopRules

__all__ = ["RuleWatch"]


class RuleWatch:
    """Looks at every second, and judges the last of them together."""

    def __init__(self, rules: StopRules) -> None:
        self._rules = rules
        self._window: deque[Figures] = deque(maxlen=max(1, ceil(rules.over_s)))

    def look(self, second: Figures) -> str | None:
        """Why to stop now, in one line; ``None`` to go on."""
        self._window.append(second)
        ok = sum(one.ok for one in self._window)
        failed = sum(one.failed for one in self._window)
        answers = ok + failed
        if answers < self._rules.at_least:
            return None
        seconds = f"in the last {len(self._window)} s"
        share = 100 * failed / answers
        if self._rules.errors_percent is not None and share > self._rules.errors_percent:
            bar = f"{self._rules.errors_percent:g} %"
            return f"{share:.0f} % of {answers} answers failed {seconds}, stop at {bar}"
        if self._rules.p99_ms is not None:
            latency: Counts = {}
            for one in self._window:
                merge(latency, one.from_schedule)
            p99 = percentile(latency, 99, beyond=failed) or 0.0
            if p99 > self._rules.p99_ms * 1000:
                told = "infinite, with failures" if p99 == inf else f"{p99 / 1000:.0f} ms"
                return f"p99 of latency {told} {seconds}, stop at {self._rules.p99_ms:g} ms"
        return None
