"""The report of one load test as one HTML page that stands alone: no script, nothing that is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from clients.load.result import Percentiles, Result
from clients.load.shape import shape
from clients.serving.plain import plain
from tui.loads.history import History
from tui.loads.saved import SavedRun
from tui.loads.svg import Chart, Moment, Series, drawn
from tui.loads.words import reading
from tui.moments import rfc3339
from widgets.load_records import LoadColumn, LoadView

__all__ = ["page"]

_COLUMNS = 240
"""Slices of time in a chart."""
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #6a737d; --rule: #d8dee4; --paper: #fff;
  --blue: #0072b2; --sky: #56b4e9; --orange: #d98e00; --red: #c8400a; --grey: #8a8f98; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #9aa4af; --rule: #30363d;
  --paper: #14171b; --blue: #4aa3df; --sky: #8fd0f5; --orange: #f0b03c; --red: #ff7b4a; --grey: #8a8f98; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 980px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1rem; margin: 2rem 0 .5rem; }
p.about { color: var(--soft); margin: .2rem 0; } p.bad { color: var(--red); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .9rem .15rem 0; text-align: right; }
th:first-child, td:first-child { text-align: left; }
table.facts td { text-align: left; }
thead th { color: var(--soft); font-weight: normal; border-bottom: 1px solid var(--rule); }
svg { width: 100%; height: auto; margin: .6rem 0; } svg text { font-size: 11px; fill: var(--soft); }
svg text.title { font-size: 12px; fill: var(--ink); } svg text.scale { text-anchor: end; }
svg text.time { text-anchor: middle; } svg text.said { fill: var(--ink); }
svg path { fill: none; stroke-width: 1.6; } svg .grid { stroke: var(--rule); }
svg .limit { stroke: var(--red); stroke-dasharray: 2 3; }
svg .moment { stroke: var(--soft); stroke-dasharray: 4 3; } svg .reading { fill: transparent; }
svg .reading:hover { fill: var(--ink); fill-opacity: .07; }
""".strip()


def page(run: SavedRun) -> str:
    """The page. Texts from outside are plain and escaped."""
    history = run.history
    view = history.view(_COLUMNS)
    name = run.key.name if run.key.namespace is None else f"{run.key.namespace}/{run.key.name}"
    title = f"Load test of {plain(name)}"
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
            "style-src 'unsafe-inline'\">",
            '<meta name="viewport" content="width=device-width">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            *_about(run),
            "<h2>In words</h2><ul>",
            *(f"<li>{escape(plain(line, 400))}</li>" for line in reading(history, run.result)),
            "</ul>",
            "<h2>Over time</h2>",
            '<p class="about">Seconds since the first request, on the clock of the machine that sent.</p>',
            *(drawn(chart) for chart in _charts(history, view)),
            *(_result(run.result) if run.result is not None else _no_result()),
            "</body></html>\n",
        ]
    )


def _about(run: SavedRun) -> Iterator[str]:
    plan = run.history.plan
    lines = [f"{plain(run.context)}, {plain(run.key.kind)}", shape(run.history.plan)]
    if run.began_at is not None:
        by = "" if run.user is None else f", by {plain(run.user)}"
        lines.append(f"{rfc3339(run.began_at, whole=True)}{by}")
    lines.append(f"to {plain(plan.url, 400)}, {plan.protocol}")
    if run.result is not None:
        lines.append(f"seed {run.result.plan.seed}")
    yield from (f'<p class="about">{escape(line)}</p>' for line in lines)


def _no_result() -> Iterator[str]:
    yield "<h2>Result</h2>"
    yield '<p class="bad">There is none: the run did not come to its end.</p>'


def _charts(history: History, view: LoadView) -> Iterator[Chart]:
    seconds = max(len(view.columns) * view.step, 1.0)
    moments = [Moment(mark.at, plain(mark.text, 60)) for mark in view.marks if mark.guide or mark.sign == "!"]

    def column(field: str) -> list[float | None]:
        return [getattr(one, field) for one in view.columns]

    def chart(title: str, unit: str, *series: Series, top: float | None = None) -> Chart:
        return Chart(title, unit, series, view.step, seconds, moments, top=top)

    yield chart(
        "answers a second",
        "",
        Series("ok", column("ok"), "blue"),
        Series("failed", column("failed"), "red"),
    )
    what = "first token" if history.by_first_token else "latency"
    yield Chart(
        f"{what}, from when a request was due",
        "ms",
        (
            Series("p50", column("p50"), "sky"),
            Series("p95", column("p95"), "blue"),
            Series("p99", column("p99"), "orange"),
        ),
        view.step,
        seconds,
        moments,
        limit=view.slo,
    )
    yield chart(
        "requests",
        "",
        Series("in flight", column("in_flight"), "blue"),
        Series("waiting in the engines", column("waiting"), "orange"),
    )
    if _any(view.columns, "wanted", "ready"):
        yield chart(
            "replicas",
            "",
            Series("wanted", column("wanted"), "orange", steps=True),
            Series("ready", column("ready"), "blue", steps=True),
        )
    if _any(view.columns, "busy"):
        yield chart("GPUs busy", "%", Series("busy", column("busy"), "blue"), top=100.0)
    if _any(view.columns, "signal"):
        named = f" ({plain(view.signal_name, 60)})" if view.signal_name else ""
        yield chart(
            f"what the driver looks at{named}, of its target", "%", Series("signal", column("signal"), "blue")
        )


def _any(columns: Sequence[LoadColumn], *fields: str) -> bool:
    return any(getattr(one, field) is not None for one in columns for field in fields)


_LATENCIES = (
    ("latency from schedule", "latency_from_schedule_ms"),
    ("latency from send", "latency_from_send_ms"),
    ("with failures as infinite", "latency_with_failures_ms"),
    ("first token from schedule", "ttft_ms"),
    ("between chunks", "itl_ms"),
    ("a token", "tpot_ms"),
)


def _result(result: Result) -> Iterator[str]:
    yield "<h2>Percentiles, milliseconds</h2>"
    yield "<table><thead><tr><th></th>"
    yield "".join(f"<th>{name}</th>" for name in ("p50", "p90", "p95", "p99", "p99.9"))
    yield "</tr></thead><tbody>"
    for name, field in _LATENCIES:
        values: Percentiles = getattr(result, field)
        told = (values.p50, values.p90, values.p95, values.p99, values.p99_9)
        if any(value is not None for value in told):
            cells = "".join(f"<td>{_ms(value)}</td>" for value in told)
            yield f"<tr><td>{name}</td>{cells}</tr>"
    yield "</tbody></table>"
    yield '<h2>Requests</h2><table class="facts"><tbody>'
    for name, text in _facts(result):
        yield f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>"
    yield "</tbody></table>"


def _ms(value: float | str | None) -> str:
    if isinstance(value, str):
        return value
    return "–" if value is None else f"{value:,.1f}"


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    requests, tokens, generator = result.requests, result.tokens, result.generator
    yield "scheduled", str(requests.scheduled)
    yield "succeeded", f"{requests.ok}, {result.throughput.ok_per_s:g} a second"
    yield "failed", str(requests.failed)
    if requests.dropped:
        yield "dropped", str(requests.dropped)
    if requests.unfinished:
        yield "unfinished", f"{requests.unfinished}, the oldest after {requests.oldest_unfinished_s} s"
    if requests.warmup:
        yield "warm-up, not counted", str(requests.warmup)
    yield from ((f"status {status}", str(count)) for status, count in result.status.items())
    for kind, count in result.errors.items():
        sample = plain(result.error_samples.get(kind, ""), 200)
        yield plain(kind), f"{count}{f' ({sample})' if sample else ''}"
    if tokens is not None and tokens.output is not None:
        about = "~" if tokens.counted else ""
        yield "output tokens", f"{about}{tokens.output}, {about}{tokens.per_s:g} a second"
        if tokens.per_s_per_user is not None:
            yield "tokens a second for each user", f"{about}{tokens.per_s_per_user:g}"
    if result.goodput is not None:
        yield "within the SLO", f"{result.goodput.met}, {result.goodput.percent:g} %"
    if result.cold_start.first_ok_s is not None and result.cold_start.failed_before:
        yield "first success after", f"{result.cold_start.first_ok_s:g} s"
    yield "generator", ", ".join((generator.verdict, *generator.why))
