"""What a load test is to do: the plan, as JSON, versioned. docs/load.md is its contract.

A plan holds no secret: headers that carry one are named in ``secret_headers`` with the environment variable
or file that holds it, and read by the process that sends.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

__all__ = [
    "PLAN_VERSION",
    "Arrivals",
    "Burst",
    "LoadPlan",
    "Loop",
    "Overflow",
    "Prompts",
    "Protocol",
    "Ramp",
    "Secret",
    "Slo",
    "StopRules",
    "Tls",
    "plan_json",
]

PLAN_VERSION = 1

Protocol = Literal["http", "openai-chat", "openai-completions", "kserve-v1", "kserve-v2"]
Loop = Literal["open", "closed"]
Arrivals = Literal["constant", "poisson", "burst", "ramp"]
Overflow = Literal["queue", "drop"]

_DURATION = 30.0
_USERS = 2


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table within a plan."""


class Burst(_Part, frozen=True):
    """``arrivals = "burst"``: ``size`` requests at once, every ``size / rate`` seconds."""

    size: int


class Ramp(_Part, frozen=True):
    """``arrivals = "ramp"``: from ``rate`` to ``to`` a second within ``over_s`` seconds, then held."""

    to: float
    over_s: float
    steps: int = 0
    """0 climbs evenly; else the rate is held ``steps`` times, equally long, and rises between."""
    spacing: Literal["poisson", "constant"] = "poisson"


class Prompts(_Part, frozen=True):
    """What the OpenAI protocols ask: synthetic words, or the lines of a file in a seeded order."""

    file: str | None = None
    """JSON lines: ``{"messages": […]}``, ``{"prompt": "…"}``, or ShareGPT's ``{"conversations": […]}``."""
    tokens: int = 200
    """About how long a synthetic prompt is, salt and prefix included."""
    shared_prefix_tokens: int = 0
    """Of them, how many at its beginning are shared, as a system prompt is."""
    prefix_groups: int = 1
    """How many different shared prefixes there are."""
    salt: bool = True
    """Each prompt begins (after a shared prefix) with words of its own, so that no prefix cache has it."""


class Slo(_Part, frozen=True):
    """What a good answer is: every limit that is set is met, counted from the schedule."""

    ttft_ms: float | None = None
    tpot_ms: float | None = None
    e2e_ms: float | None = None


class StopRules(_Part, frozen=True):
    """When the generator stops by itself: looked at once a second, over the last ``over_s`` seconds."""

    errors_percent: float | None = None
    """Stops when more than this share of the answers failed."""
    p99_ms: float | None = None
    """Stops when the 99th percentile of latency from schedule, failures counted as infinite, is above."""
    over_s: float = 10.0
    at_least: int = 20
    """With fewer answers than this in the window nothing is judged."""


class Secret(_Part, frozen=True):
    """Where a header's value comes from: exactly one of the two. It never enters a plan, log or result."""

    env: str | None = None
    """Name of an environment variable."""
    file: str | None = None
    """Path of a file whose content, stripped, is the value."""
    scheme: str | None = None
    """Put before it; absent: ``Bearer`` for Authorization with a value of one word, else nothing."""


class Tls(_Part, frozen=True):
    """How the server's certificate is looked at."""

    verify: bool = True
    ca_file: str | None = None
    server_hostname: str | None = None
    """The name asked for (SNI) and expected in the certificate, instead of the URL's host."""


class LoadPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One load test. Times in seconds unless the name says ``_ms``; rates in requests a second."""

    v: int = 1
    """Of the plan's form; absent: 1."""
    url: str
    """Where to. For the inference protocols a bare ``http://host`` gets the protocol's own path."""
    protocol: Protocol = "http"
    loop: Loop | None = None
    """Absent: open where a rate is given, else closed."""
    arrivals: Arrivals | None = None
    """Of an open loop. Absent: ``burst`` or ``ramp`` where its table is given, else ``poisson``."""
    rate: float | None = None
    """Open loop: mean requests a second; for a ramp where it begins."""
    burst: Burst | None = None
    ramp: Ramp | None = None
    concurrency: int | None = None
    """Closed loop: users, each with one request at a time. Absent: 2."""
    duration_s: float | None = None
    """How long requests are begun. Absent, and with no ``requests``: 30."""
    requests: int | None = None
    """How many are begun at most; with ``duration_s`` whichever comes first."""
    warmup_s: float = 0.0
    """Requests due in the first seconds are sent and drawn, but marked, and left out of the result."""
    drain_s: float = 30.0
    """How long what is underway at the end may take before it counts as unfinished."""
    timeout_s: float = 60.0
    """For one request, from sending to the last byte."""
    max_in_flight: int = 1000
    """Open loop: most requests underway at once."""
    overflow: Overflow = "queue"
    """What is due beyond that waits, and its wait counts, or is dropped, and counted."""
    workers: int = 1
    """Generator processes that share the schedule. One does about 15,000 chunks a second."""
    method: str | None = None
    """Absent: GET for plain HTTP, POST for the others and with a body."""
    headers: dict[str, str] = {}
    secret_headers: dict[str, Secret] = {}
    host: str | None = None
    """The Host header, instead of the URL's."""
    body: str | None = None
    body_file: str | None = None
    prompts: Prompts | None = None
    """Of the OpenAI protocols. Absent, and without a body: synthetic ones."""
    model: str | None = None
    max_tokens: int | None = None
    ignore_eos: bool = False
    """Asks vLLM and SGLang to go on to ``max_tokens``."""
    stream: bool = True
    """Of the OpenAI protocols: server-sent events."""
    slo: Slo | None = None
    stop: StopRules | None = None
    seed: int | None = None
    """Absent: a new one each run, kept in its result. The same seed sends the same at the same offsets."""
    tls: Tls = Tls()
    connect_to: str | None = None
    """``host:port`` that is dialled instead of the URL's; Host header and certificate name stay the URL's."""
    keepalive: bool = True

    @property
    def effective_loop(self) -> Loop:
        """Open where a rate is given, unless said."""
        return self.loop or ("closed" if self.rate is None else "open")

    @property
    def effective_arrivals(self) -> Arrivals:
        """How an open loop's requests come."""
        return self.arrivals or ("burst" if self.burst else "ramp" if self.ramp else "poisson")

    @property
    def users(self) -> int:
        """Of a closed loop."""
        return _USERS if self.concurrency is None else self.concurrency

    @property
    def begins_for(self) -> float | None:
        """Seconds during which requests are begun; ``None``: until their number is reached."""
        if self.duration_s is None and self.requests is None:
            return _DURATION
        return self.duration_s

    @property
    def top_rate(self) -> float | None:
        """The most requests a second that an open loop comes to; ``None`` of a closed one."""
        if self.effective_loop == "closed" or self.rate is None:
            return None
        return max(self.rate, self.ramp.to) if self.ramp else self.rate

    @property
    def streams(self) -> bool:
        """Whether answers come as server-sent events."""
        return self.stream and self.protocol in ("openai-chat", "openai-completions")

    @property
    def effective_method(self) -> str:
        """The HTTP method."""
        bodied = self.protocol != "http" or self.body is not None or self.body_file is not None
        return self.method or ("POST" if bodied else "GET")


def plan_json(plan: LoadPlan) -> bytes:
    """The plan as it is written to files: what stands at its default is left out, the version never."""
    fields = msgspec.to_builtins(plan)
    return msgspec.json.format(msgspec.json.encode({"v": plan.v, **fields}), indent=2)
