"""Colours: a few named styles, drawn from the terminal's own sixteen, and the Textual themes that fit.

Shape says what a thing is; colour only helps. Green is never "normal": what runs is drawn plain. There
is one accent (what moves, what the cursor is on), one warning and one alarm colour. No style sets a
background but the cursor, which is drawn in reverse, so the terminal's own background always stays.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct
from rich.style import Style
from textual.theme import Theme

from clients.serving.phase import Phase, TroubleKind
from widgets.glyphs import SETS, Glyphs, GlyphSet

__all__ = [
    "DARK",
    "DEFAULT_LOOK",
    "LIGHT",
    "Depth",
    "Look",
    "Styles",
    "look",
    "styles_for",
    "textual_theme",
    "under_cursor",
]


class Depth(StrEnum):
    """How many colours the terminal takes."""

    NONE = "none"
    ANSI = "16"
    INDEXED = "256"
    TRUE = "truecolor"


class Styles(Struct, frozen=True):
    """The named styles."""

    normal: Style
    dim: Style
    """Labels, units, what is old."""
    strong: Style
    """What changed a moment ago, headings."""
    accent: Style
    """What moves."""
    warn: Style
    alarm: Style
    cursor: Style
    """The row or cell under the cursor; laid over the others."""
    head: Style


def styles_for(depth: Depth, *, dark: bool = True) -> Styles:
    """The styles for a terminal of that depth, with a dark or a light background."""
    if depth is Depth.NONE:
        return Styles(
            normal=Style(),
            dim=Style(dim=True),
            strong=Style(bold=True),
            accent=Style(),
            warn=Style(underline=True),
            alarm=Style(bold=True, underline=True),
            cursor=Style(reverse=True),
            head=Style(bold=True),
        )
    if depth is Depth.ANSI:
        dim = Style(dim=True)
    else:
        dim = Style(color="color(246)" if dark else "color(241)")
    return Styles(
        normal=Style(),
        dim=dim,
        strong=Style(bold=True),
        accent=Style(color="cyan" if dark else "blue"),
        warn=Style(color="yellow" if dark else "magenta"),
        alarm=Style(color="red", bold=True),
        cursor=Style(reverse=True),
        head=Style(bold=True),
    )


def under_cursor(style: Style, cursor: Style) -> Style:
    """Text under the cursor: colours go, since each would be a patch of its own; shape and weight stay."""
    return Style(bold=style.bold, underline=style.underline) + cursor


class Look(Struct, frozen=True):
    """What a widget draws with: a glyph set and the styles."""

    glyphs: Glyphs
    styles: Styles

    def state(self, phase: Phase, trouble: TroubleKind | None) -> tuple[str, Style]:
        """Sign and style of a group or role replica: a trouble takes the phase's place."""
        if trouble is not None:
            return self.glyphs.troubles[trouble], self.trouble_style(trouble)
        return self.glyphs.phases[phase], self.phase_style(phase)

    def phase_style(self, phase: Phase) -> Style:
        """Plain for what runs, accented for what moves, dim for what is not there."""
        if phase is Phase.RUNNING:
            return self.styles.normal
        if phase in (Phase.QUEUED, Phase.ABSENT):
            return self.styles.dim
        return self.styles.accent

    def trouble_style(self, kind: TroubleKind) -> Style:
        """Alarm for a failure, warning for the others."""
        return self.styles.alarm if kind is TroubleKind.FAILED else self.styles.warn


def look(glyphs: GlyphSet = GlyphSet.NARROW, depth: Depth = Depth.ANSI, *, dark: bool = True) -> Look:
    """A look by its names."""
    return Look(SETS[glyphs], styles_for(depth, dark=dark))


DEFAULT_LOOK = look()

DARK = "servegrid-dark"
LIGHT = "servegrid-light"


def textual_theme(*, dark: bool = True) -> Theme:
    """The app's theme: ``ansi``, so the terminal's palette holds and ``NO_COLOR`` sends no colour.

    Register both and set ``App.theme`` to ``DARK`` or ``LIGHT``.
    """
    accent = "ansi_cyan" if dark else "ansi_blue"
    warning = "ansi_yellow" if dark else "ansi_magenta"
    strong = "ansi_bright_white" if dark else "ansi_black"
    default = "ansi_default"
    return Theme(
        name=DARK if dark else LIGHT,
        ansi=True,
        dark=dark,
        primary=accent,
        secondary=accent,
        accent=accent,
        warning=warning,
        error="ansi_red",
        success=accent,
        foreground=default,
        background=default,
        surface=default,
        panel=default,
        boost=default,
        variables={
            "ansi-background": "ansi_black" if dark else "ansi_white",
            "ansi-foreground": "ansi_white" if dark else "ansi_black",
            "border": accent,
            "border-blurred": "ansi_bright_black" if dark else "ansi_white",
            "block-cursor-foreground": "ansi_black" if dark else "ansi_bright_white",
            "block-cursor-background": accent,
            "input-cursor-foreground": "ansi_black" if dark else "ansi_bright_white",
            "input-cursor-background": strong,
            "input-selection-foreground": "ansi_black" if dark else "ansi_bright_white",
            "input-selection-background": accent,
            "screen-selection-foreground": "ansi_black" if dark else "ansi_bright_white",
            "screen-selection-background": accent,
        },
    )
