"""Where a generator writes down what becomes of its requests, second by second."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from clients.load.exchange import Outcome
from clients.load.figures import Figures
from clients.load.histogram import record
from clients.load.plan import LoadPlan

__all__ = ["Book", "Pages"]


class Pages:
    """One stretch of the schedule: the warm-up, or what is measured."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.now = Figures()
        """Of the current second."""
        self.whole = Figures()
        """Of all seconds before."""

    def gap(self, microseconds: int) -> None:
        """Between one chunk and the next."""
        record(self.now.itl, microseconds)

    def turn(self) -> Figures:
        """The second that ends now; a new one begins."""
        second, self.now = self.now, Figures()
        self.whole.add(second)
        return second


class Book:
    """Everything about a run but the times it began and ended."""

    def __init__(self, plan: LoadPlan, *, logged: bool) -> None:
        self._plan = plan
        self._logged = logged
        self._log: list[bytes] = []
        self.warmup = Pages("warm-up")
        self.measured = Pages("load")
        self.samples: dict[str, str] = {}
        self.first_sent: float | None = None
        """Monotonic seconds, like every time here."""
        self.first_ok: float | None = None
        self.failed_before_ok = 0
        self.last_end: float | None = None
        """Of the last request that ended."""

    def pages(self, offset: float) -> Pages:
        """Those for what is due ``offset`` seconds after the start."""
        return self.warmup if offset < self._plan.warmup_s else self.measured

    def turn(self) -> Figures:
        """All of the second that ends now."""
        second = self.warmup.turn()
        second.add(self.measured.turn())
        return second

    def log(self) -> bytes:
        """The lines of what ended since this was last asked."""
        lines, self._log = self._log, []
        return b"".join(lines)

    def unfinished(self, underway: Mapping[int, tuple[float, float]], begun: float) -> bytes:
        """The log's lines of what was sent and has not ended."""
        lines = []
        for number, (due, sent) in underway.items():
            outcome = Outcome(number, sent)
            outcome.fail("unfinished")
            lines.append(_line(outcome, due, begun, self.pages(due - begun).name, ended=False))
        return b"".join(lines)

    def enter(self, outcome: Outcome, due: float, begun: float, pages: Pages) -> None:
        """A request that ended; it was due at ``due``, and the schedule began at ``begun``."""
        self.last_end = outcome.end
        figures = pages.now
        figures.bytes_in += outcome.bytes_in
        if outcome.status is not None:
            figures.status[outcome.status] = figures.status.get(outcome.status, 0) + 1
        if outcome.error is None:
            self._succeeded(outcome, due, figures)
        else:
            figures.failed += 1
            figures.errors[outcome.error] = figures.errors.get(outcome.error, 0) + 1
            self.samples.setdefault(outcome.error, outcome.message)
            self.failed_before_ok += self.first_ok is None
        if self._logged:
            self._log.append(_line(outcome, due, begun, pages.name))

    def _succeeded(self, outcome: Outcome, due: float, figures: Figures) -> None:
        if self.first_ok is None:
            self.first_ok = outcome.end
        figures.ok += 1
        record(figures.from_schedule, int((outcome.end - due) * 1e6))
        record(figures.from_send, int((outcome.end - outcome.sent) * 1e6))
        ttft = tpot = None
        if outcome.first_token is not None and outcome.last_token is not None:
            ttft = outcome.first_token - due
            record(figures.ttft, int(ttft * 1e6))
            record(figures.ttft_from_send, int((outcome.first_token - outcome.sent) * 1e6))
            tokens = outcome.chunks if outcome.output_tokens is None else outcome.output_tokens
            if tokens > 1:
                tpot = (outcome.last_token - outcome.first_token) / (tokens - 1)
                record(figures.tpot, int(tpot * 1e6))
        if self._plan.protocol.startswith("openai"):
            _count_tokens(outcome, figures)
        figures.slo_met += self._good(outcome.end - due, ttft, tpot)

    def _good(self, e2e: float, ttft: float | None, tpot: float | None) -> bool:
        """Whether the answer meets every limit; one token has no time between tokens to fail by."""
        slo = self._plan.slo
        if slo is None or (slo.ttft_ms is not None and ttft is None):
            return False
        measured = ((slo.e2e_ms, e2e), (slo.ttft_ms, ttft), (slo.tpot_ms, tpot))
        return all(limit is None or took is None or took * 1000 <= limit for limit, took in measured)


def _count_tokens(outcome: Outcome, figures: Figures) -> None:
    figures.chunks += outcome.chunks
    figures.prompt_tokens += outcome.prompt_tokens or 0
    if outcome.output_tokens is not None:
        figures.output_tokens += outcome.output_tokens
    elif outcome.chunks:
        figures.output_tokens += outcome.chunks
        figures.output_counted += outcome.chunks
    else:
        figures.untold += 1


class _Logged(msgspec.Struct, gc=False):
    """A request as the log has it: times in seconds since the schedule began."""

    n: int
    phase: str
    due: float
    sent: float
    headers: float | None
    first_byte: float | None
    first_token: float | None
    last_token: float | None
    end: float | None
    status: int | None
    error: str | None
    message: str | None
    prompt_tokens: int | None
    output_tokens: int | None
    chunks: int
    bytes: int


_ENCODER = msgspec.json.Encoder()


def _line(outcome: Outcome, due: float, begun: float, phase: str, *, ended: bool = True) -> bytes:
    logged = _Logged(
        outcome.number,
        phase,
        round(due - begun, 6),
        round(outcome.sent - begun, 6),
        _since(begun, outcome.headers),
        _since(begun, outcome.first_byte),
        _since(begun, outcome.first_token),
        _since(begun, outcome.last_token),
        _since(begun, outcome.end) if ended else None,
        outcome.status,
        outcome.error,
        outcome.message or None,
        outcome.prompt_tokens,
        outcome.output_tokens,
        outcome.chunks,
        outcome.bytes_in,
    )
    return _ENCODER.encode(logged) + b"\n"


def _since(begun: float, time: float | None) -> float | None:
    return None if time is None else round(time - begun, 6)
