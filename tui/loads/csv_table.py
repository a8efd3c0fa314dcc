"""A load test second by second as a table for a spreadsheet."""

from __future__ import annotations

import csv
import io

from clients.load.histogram import Counts, percentiles
from tui.loads.history import ClusterSecond, History

__all__ = ["FIELDS", "csv_table"]

FIELDS = (
    *("second", "phase", "scheduled", "sent", "ok", "failed", "dropped", "in_flight", "waiting_for_room"),
    *("latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "ttft_p50_ms", "ttft_p99_ms", "output_tokens"),
    *("wanted", "ready", "gpu_busy_percent", "engine_running", "engine_waiting", "signal_percent"),
)
"""Columns. Latencies are from schedule; an empty cell is not known."""


def csv_table(history: History) -> str:
    """RFC 4180, with a head; a row for each second since the first request."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(FIELDS)
    for index in range(int(history.reach)):
        writer.writerow((index + 1, *_load(history, index), *_cluster(history.cluster.get(index))))
    return out.getvalue()


def _load(history: History, index: int) -> tuple[object, ...]:
    if index >= len(history.seconds):
        return ("",) * 14
    second = history.seconds[index]
    figures = second.figures
    return (
        *(second.phase, figures.scheduled, figures.sent, figures.ok, figures.failed, figures.dropped),
        *(second.in_flight, second.waiting),
        *_milliseconds(figures.from_schedule, 50, 95, 99),
        *_milliseconds(figures.ttft, 50, 99),
        figures.output_tokens,
    )


def _milliseconds(counts: Counts, *which: float) -> tuple[object, ...]:
    return tuple("" if us is None else round(us / 1000, 3) for us in percentiles(counts, which))


def _cluster(told: ClusterSecond | None) -> tuple[object, ...]:
    if told is None:
        return ("",) * 6
    values = (told.wanted, told.ready, told.busy, told.running, told.waiting, told.signal)
    return tuple("" if value is None else value for value in values)
