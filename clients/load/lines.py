"""What goes between a generator and who started it: JSON, a line each.

To the generator: one ``Order``, then ``Control`` lines; the end of its input is the end of its parent. From
it: ``Ready`` as soon as it is loaded, ``Started`` when the first request is due, a ``Second`` every second,
one ``Finished``; for an order of one request a single ``Reply``; ``Refused`` where nothing could be begun.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct, field

from clients.load.figures import Figures
from clients.load.plan import LoadPlan

__all__ = [
    "Control",
    "Ending",
    "Finished",
    "Order",
    "Ready",
    "Record",
    "Refused",
    "Reply",
    "Second",
    "Share",
    "Started",
    "encode",
    "read_record",
]

Ending = Literal["duration", "requests", "stopped", "rule", "aborted"]
"""Why no more were begun: the plan's end, somebody's wish, a stop rule; or all was cut off."""


class Share(Struct, frozen=True):
    """Which part of the schedule a generator takes: every ``of``-th request from ``index`` on."""

    index: int = 0
    of: int = 1


class Order(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a generator is to do. ``plan.seed`` is set."""

    plan: LoadPlan
    share: Share = Share()
    log: str | None = None
    """File that gets a JSON line for every request that ended."""
    once: bool = False
    """One request, and what came back."""


class Control(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a running generator is told.

    ``rate``: from now on ``value`` requests a second, evenly or by chance as before. ``stop``: nothing more
    is begun, what is underway is waited for. ``abort``: everything is cut off.
    """

    op: Literal["rate", "stop", "abort"]
    value: float | None = None
    reason: str = ""
    """Of a stop: one line, kept in the result (``G-1 failed``)."""


class _Line(Struct, frozen=True, tag_field="type", tag=str.lower):
    """A line from a generator."""


class Ready(_Line, frozen=True, kw_only=True):
    """Loaded, and waits for its order."""

    pid: int
    event_loop: str
    """``uvloop`` or ``asyncio``."""


class Started(_Line, frozen=True, kw_only=True):
    """The schedule begins now."""

    at: float
    """UTC seconds since the epoch."""
    plan: LoadPlan
    """With its seed."""


class Second(_Line, frozen=True, kw_only=True):
    """What happened in one second. ``figures`` hold all requests, those of the warm-up too."""

    at: float
    """UTC seconds since the epoch at its end."""
    number: int
    """1 is the first."""
    phase: Literal["warm-up", "load", "draining"]
    figures: Figures
    in_flight: int
    waiting: int
    """Due, with no room."""
    oldest_s: float | None
    """Age since sending of the oldest request in flight."""
    cpu_percent: float
    """Of one core, by the busiest generator."""
    rate: float | None = None
    """Requests a second that the schedule asks for at its end; ``None`` of a closed loop."""


class Finished(_Line, frozen=True, kw_only=True):
    """The end. ``figures`` hold what was due after the warm-up."""

    at: float
    ended: Ending
    why: str = ""
    """Of a stop or a rule: in words."""
    figures: Figures
    measured_s: float
    """From the end of the warm-up to the end of the schedule; of a number of requests, to the last answer."""
    warmup_requests: int
    unfinished: int
    """In flight when the drain was over, or when all was cut off; with those that still waited."""
    oldest_unfinished_s: float | None
    """Age of the oldest of them since it was due."""
    first_sent_at: float | None
    """UTC seconds; the warm-up counts here."""
    first_ok_at: float | None
    failed_before_ok: int
    """Requests that failed before the first that succeeded."""
    cpu_mean_percent: float
    cpu_max_percent: float
    event_loop: str
    samples: dict[str, str] = field(default_factory=dict)
    """One message for each kind of error: plain text, without secrets."""


class Reply(_Line, frozen=True, kw_only=True):
    """What one test request came to. Times in milliseconds since sending."""

    status: int | None
    error: str | None
    """Its kind; ``None`` of success."""
    message: str
    """Of an error."""
    took_ms: float
    ttft_ms: float | None
    prompt_tokens: int | None
    output_tokens: int | None
    text: str
    """The beginning of the answer: what a model said, else the body. Not yet made plain."""


class Refused(_Line, frozen=True, kw_only=True):
    """Nothing was begun: a file or a secret that the plan names is not there."""

    message: str


Record = Ready | Started | Second | Finished | Reply | Refused

_DECODER: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def encode(line: Order | Control | Record) -> bytes:
    """The line, with its line feed."""
    return msgspec.json.encode(line) + b"\n"


def read_record(line: bytes) -> Record:
    """A generator's line.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _DECODER.decode(line)
