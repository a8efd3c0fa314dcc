"""The sets hold what they promise: complete, of one width, and a pending mark never looks like a failure."""

from __future__ import annotations

import unicodedata

import pytest
from rich.cells import cell_len

from clients.serving.phase import Mark, Phase, Stage, TroubleKind
from widgets.glyphs import SETS, Glyphs, GlyphSet


def _texts(glyphs: Glyphs) -> list[str]:
    texts: list[str] = []
    for name in glyphs.__struct_fields__:
        value = getattr(glyphs, name)
        if name != "name" and not isinstance(value, int):
            texts += value.values() if isinstance(value, dict) else [value]
    return texts


@pytest.mark.parametrize("name", GlyphSet)
def test_every_state_has_a_sign_of_the_columns_width(name: GlyphSet) -> None:
    glyphs = SETS[name]
    assert set(glyphs.phases) == set(Phase)
    assert set(glyphs.troubles) == set(TroubleKind)
    assert set(glyphs.marks) == set(Mark)
    assert set(glyphs.stages) == set(glyphs.stages_short) == set(Stage)
    signs = [*glyphs.phases.values(), *glyphs.troubles.values(), *glyphs.marks.values(), glyphs.mark(None)]
    assert {cell_len(sign) for sign in signs} == {glyphs.column}
    assert all(len(word) <= 7 for word in glyphs.stages.values())
    assert all(len(word) == 3 for word in glyphs.stages_short.values())


@pytest.mark.parametrize("name", GlyphSet)
def test_a_shape_tells_states_apart_without_colour(name: GlyphSet) -> None:
    glyphs = SETS[name]
    shapes = [*glyphs.phases.values(), *glyphs.troubles.values()]
    assert len(set(shapes)) == len(shapes)
    assert glyphs.marks[Mark.PENDING] not in glyphs.troubles.values()
    assert len(set(glyphs.marks.values())) == len(Mark)


def test_emoji_marks_are_those_of_the_scaling_guide() -> None:
    assert SETS[GlyphSet.EMOJI].marks == {Mark.DONE: "✅", Mark.PENDING: "❎", Mark.ACTIVE: "⏳"}


def test_narrow_has_no_character_whose_width_is_disputed() -> None:
    glyphs = SETS[GlyphSet.NARROW]
    disputed = {
        char
        for text in _texts(glyphs)
        for char in text
        if unicodedata.east_asian_width(char) not in ("N", "Na") or cell_len(char) != 1
    }
    assert disputed == {glyphs.unknown, glyphs.ellipsis}


def test_ascii_is_ascii() -> None:
    assert all(text.isascii() for text in _texts(SETS[GlyphSet.ASCII]))


def test_no_set_asks_for_an_emoji_presentation() -> None:
    assert not any("\ufe0f" in text for glyphs in SETS.values() for text in _texts(glyphs))
