"""No text from outside acts on the screen or pushes anything out of its place, whatever the width."""

from __future__ import annotations

import pytest

from tests.support.demo_app import Demo
from tests.support.stage import lines
from widgets.glyphs import GlyphSet
from widgets.lines import LineWidget
from widgets.theme import look


@pytest.mark.parametrize("columns", [80, 120, 250])
async def test_hostile_text_stays_in_its_line(columns: int) -> None:
    app = Demo("hostile", None)
    async with app.run_test(size=(columns, 60)):
        widgets = list(app.query(LineWidget))
        assert len(widgets) == 9
        for glyphs in GlyphSet:
            for widget in widgets:
                widget.set_look(look(glyphs))
            whole = "\n".join(line for widget in widgets for line in lines(widget))
            assert not any(char in whole for char in "\u202e\u2066\u200b\u200d\ufeff\ufe0f\u2028")
            assert "␛[2J" in whole
            assert "[bold red]markup[/]" in whole
            assert "M" * 60 in whole
