"""Every sign that the screen is drawn with, in three sets, in one table.

``narrow`` (the default) holds characters whose East Asian width is Neutral, one cell everywhere; only
``unknown`` and ``ellipsis`` are Ambiguous, and the probe at start looks whether they are one cell here.
``ascii`` is for terminals and fonts that have nothing else. ``emoji`` shows marks as Kthena's scaling
guide does, in a column of two cells.

A mark that is pending looks like "not yet", never like a failure: in ``emoji`` it is the guide's own ❎,
so a failure there is a stop sign and not a cross.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from clients.serving.phase import Mark, Phase, Stage, TroubleKind

__all__ = ["SETS", "GlyphSet", "Glyphs"]


class GlyphSet(StrEnum):
    """The sets' names, as the option ``--glyphs`` takes them."""

    NARROW = "narrow"
    ASCII = "ascii"
    EMOJI = "emoji"


class Glyphs(Struct, frozen=True):
    """One set. Signs of phases, troubles and marks are all exactly ``column`` cells wide."""

    name: GlyphSet
    column: int
    phases: dict[Phase, str]
    troubles: dict[TroubleKind, str]
    marks: dict[Mark, str]
    stages: dict[Stage, str]
    """Short words, at most 7 cells."""
    stages_short: dict[Stage, str]
    """Three letters, for narrow cells."""
    bar_full: str
    bar_half: str
    bar_empty: str
    rule: str
    cursor: str
    picked: str
    lane_ready: str
    """Rising parts of a row, the last one whole."""
    lane_wanted: str
    unknown: str
    ellipsis: str
    levels: str
    """Eight rising levels and a blank in front, for sparklines."""
    up: str
    down: str

    def phase(self, phase: Phase) -> str:
        """The sign of a phase."""
        return self.phases[phase]

    def trouble(self, kind: TroubleKind) -> str:
        """The sign of a trouble; it takes the place of the phase's."""
        return self.troubles[kind]

    def mark(self, mark: Mark | None) -> str:
        """The sign of a mark; blank for none."""
        return " " * self.column if mark is None else self.marks[mark]


_STAGES = {
    Stage.UNSCHEDULED: "no node",
    Stage.IMAGE: "image",
    Stage.INIT: "init",
    Stage.WEIGHTS: "weights",
    Stage.PROBING: "probing",
    Stage.READY: "ready",
    Stage.TERMINATING: "ending",
}

_STAGES_SHORT = {
    Stage.UNSCHEDULED: "nod",
    Stage.IMAGE: "img",
    Stage.INIT: "ini",
    Stage.WEIGHTS: "wts",
    Stage.PROBING: "prb",
    Stage.READY: "rdy",
    Stage.TERMINATING: "end",
}

_NARROW = Glyphs(
    name=GlyphSet.NARROW,
    column=1,
    phases={
        Phase.QUEUED: "◌",
        Phase.CREATING: "▸",
        Phase.SCALING: "⇅",
        Phase.UPDATING: "↻",
        Phase.RUNNING: "✓",
        Phase.DELETING: "◂",
        Phase.ABSENT: ".",
    },
    troubles={TroubleKind.BLOCKED: "!", TroubleKind.FAILED: "✗", TroubleKind.DEGRADED: "▾"},
    marks={Mark.DONE: "✓", Mark.PENDING: "◌", Mark.ACTIVE: "▸"},
    stages=_STAGES,
    stages_short=_STAGES_SHORT,
    bar_full="⣿",
    bar_half="⡇",
    bar_empty="⣀",
    rule="╌",
    cursor="▸",
    picked="▪",
    lane_ready="⣀⣤⣶⣿",
    lane_wanted="⠒",
    unknown="–",
    ellipsis="…",
    levels=" ⡀⡄⡆⡇⣇⣧⣷⣿",
    up="▴",
    down="▾",
)

_ASCII = Glyphs(
    name=GlyphSet.ASCII,
    column=1,
    phases={
        Phase.QUEUED: "w",
        Phase.CREATING: ">",
        Phase.SCALING: "%",
        Phase.UPDATING: "o",
        Phase.RUNNING: "#",
        Phase.DELETING: "<",
        Phase.ABSENT: ".",
    },
    troubles={TroubleKind.BLOCKED: "!", TroubleKind.FAILED: "x", TroubleKind.DEGRADED: "v"},
    marks={Mark.DONE: "#", Mark.PENDING: "w", Mark.ACTIVE: ">"},
    stages=_STAGES,
    stages_short=_STAGES_SHORT,
    bar_full="=",
    bar_half="-",
    bar_empty=".",
    rule="-",
    cursor=">",
    picked="*",
    lane_ready="_+*#",
    lane_wanted="-",
    unknown="-",
    ellipsis="~",
    levels=" .:-=+*%#",
    up="^",
    down="v",
)

_EMOJI = Glyphs(
    name=GlyphSet.EMOJI,
    column=2,
    phases={phase: sign + " " for phase, sign in _NARROW.phases.items()},
    troubles={TroubleKind.BLOCKED: "🚧", TroubleKind.FAILED: "🛑", TroubleKind.DEGRADED: "🔻"},
    marks={Mark.DONE: "✅", Mark.PENDING: "❎", Mark.ACTIVE: "⏳"},
    stages=_STAGES,
    stages_short=_STAGES_SHORT,
    bar_full=_NARROW.bar_full,
    bar_half=_NARROW.bar_half,
    bar_empty=_NARROW.bar_empty,
    rule=_NARROW.rule,
    cursor=_NARROW.cursor,
    picked=_NARROW.picked,
    lane_ready=_NARROW.lane_ready,
    lane_wanted=_NARROW.lane_wanted,
    unknown=_NARROW.unknown,
    ellipsis=_NARROW.ellipsis,
    levels=_NARROW.levels,
    up=_NARROW.up,
    down=_NARROW.down,
)

SETS: dict[GlyphSet, Glyphs] = {glyphs.name: glyphs for glyphs in (_NARROW, _ASCII, _EMOJI)}
