"""A chart over time as SVG, for a page that stands alone: no script, no font, nothing that is fetched."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from msgspec import Struct

__all__ = ["Chart", "Moment", "Series", "drawn"]

_WIDTH, _HEIGHT = 960, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 30, 22
_LABEL = 7.0
"""Width of a letter of a moment's label, about."""
_ROWS_OF_LABELS = 2
_PARTS = 4
"""Of the axis of values."""
_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
_TIME_STEPS = (1, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)


class Series(Struct, frozen=True):
    """Values at even distances; ``None`` is not known and leaves a gap."""

    name: str
    values: Sequence[float | None]
    colour: str
    """The name of a CSS variable."""
    steps: bool = False
    """Held until the next value, as counts are; else joined by straight lines."""


class Moment(Struct, frozen=True):
    """A line through the chart."""

    at: float
    """Seconds."""
    text: str


class Chart(Struct, frozen=True):
    """Series on one time axis that begins at 0."""

    title: str
    unit: str
    series: Sequence[Series]
    step: float
    """Seconds between two values."""
    seconds: float
    """Length of the axis."""
    moments: Sequence[Moment] = ()
    limit: float | None = None
    """A value that ought not to be exceeded."""
    top: float | None = None
    """The highest value of the axis; ``None``: what the values need."""


def drawn(chart: Chart) -> str:
    """The chart. Every text in it is escaped."""
    top = chart.top or _end(chart)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(chart.title)}">',
        f'<text class="title" x="{_LEFT}" y="12">{escape(chart.title)}</text>',
        *_legend(chart),
        *_grid(chart, top),
        *_moments(chart),
        *(_line(chart, series, top) for series in chart.series),
        *_readings(chart),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def _known(chart: Chart) -> Iterator[float]:
    for series in chart.series:
        yield from (value for value in series.values if value is not None and math.isfinite(value))


def _end(chart: Chart) -> float:
    """Of an axis that holds the values, and the limit where that is not far above them."""
    highest, limit = max(_known(chart), default=0.0), chart.limit
    if any(series.steps for series in chart.series):
        return _PARTS * max(1.0, math.ceil(highest / _PARTS))  # Counts: every line of the grid is one.
    if limit is not None and limit <= 3 * highest:
        highest = max(highest, limit)
    if highest <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(highest))
    return next(nice * size for nice in _NICE if nice * size >= highest * 0.999)


def _x(chart: Chart, second: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(second, chart.seconds) / max(chart.seconds, 1.0)


def _y(value: float, top: float) -> float:
    room = _HEIGHT - _TOP - _BOTTOM
    return _TOP + room * (1 - min(value, top) / top)


def _legend(chart: Chart) -> Iterator[str]:
    at = float(_WIDTH - _RIGHT)
    for series in reversed(chart.series):
        at -= _LABEL * len(series.name) + 22
        yield f'<rect x="{at:.0f}" y="5" width="10" height="4" fill="var(--{series.colour})"/>'
        yield f'<text x="{at + 14:.0f}" y="12">{escape(series.name)}</text>'


def _grid(chart: Chart, top: float) -> Iterator[str]:
    for part in range(_PARTS + 1):
        value = top * part / _PARTS
        y = _y(value, top)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        unit = f" {chart.unit}" if chart.unit else ""
        yield f'<text class="scale" x="{_LEFT - 6}" y="{y + 4:.1f}">{value:g}{escape(unit)}</text>'
    if chart.limit is not None and chart.limit <= top:
        y = _y(chart.limit, top)
        yield f'<line class="limit" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    step = next((step for step in _TIME_STEPS if chart.seconds / step <= 10), _TIME_STEPS[-1])
    for number in range(int(chart.seconds // step) + 1):
        x = _x(chart, number * step)
        yield f'<text class="time" x="{x:.1f}" y="{_HEIGHT - 6}">{_clock(number * step)}</text>'


def _clock(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}:{rest:02d}"


def _moments(chart: Chart) -> Iterator[str]:
    """Lines; their words stand on top, in the first row that has room, or are left to the pointer."""
    taken = [-math.inf] * _ROWS_OF_LABELS
    for moment in sorted(chart.moments, key=lambda one: one.at):
        x, text = _x(chart, moment.at), escape(moment.text)
        yield (
            f"<g><title>{_clock(round(moment.at))} {text}</title>"
            f'<line class="moment" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/></g>'
        )
        row = next((row for row, end in enumerate(taken) if x > end), None)
        if row is not None:
            taken[row] = x + _LABEL * len(moment.text) + 8
            yield f'<text class="said" x="{x + 3:.1f}" y="{_TOP + 10 + 12 * row}">{text}</text>'


def _line(chart: Chart, series: Series, top: float) -> str:
    path: list[str] = []
    before: float | None = None
    for index, value in enumerate(series.values):
        if value is None:
            before = None
            continue
        x, y = _x(chart, index * chart.step), _y(value, top)
        if before is None:
            path.append(f"M{x:.1f} {y:.1f}")
        elif series.steps:
            path.append(f"H{x:.1f}V{y:.1f}")
        else:
            path.append(f"L{x:.1f} {y:.1f}")
        before = value
        if series.steps:
            path.append(f"H{_x(chart, (index + 1) * chart.step):.1f}")
    return f'<path d="{"".join(path)}" stroke="var(--{series.colour})"/>' if path else ""


def _readings(chart: Chart) -> Iterator[str]:
    """An invisible bar over each slice of time that tells its values under the pointer."""
    count = max((len(series.values) for series in chart.series), default=0)
    for index in range(count):
        told = [
            f"{series.name} {series.values[index]:.4g} {chart.unit}".rstrip()
            for series in chart.series
            if index < len(series.values) and series.values[index] is not None
        ]
        if not told:
            continue
        x, end = _x(chart, index * chart.step), _x(chart, (index + 1) * chart.step)
        words = escape(f"{_clock(round(index * chart.step))}  {', '.join(told)}")
        yield (
            f'<rect class="reading" x="{x:.1f}" width="{max(end - x, 0.5):.1f}" y="{_TOP}" '
            f'height="{_HEIGHT - _TOP - _BOTTOM}"><title>{words}</title></rect>'
        )
