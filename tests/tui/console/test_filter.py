"""The filter's grammar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.filter import Hidden, parse

COLUMNS = ("name", "ns", "driver", "trouble")
ROW = {"name": "qwen-chat", "ns": "llm", "driver": "HPA scaler", "trouble": "failed: out of memory"}
LABELS = (("team", "chat"), ("tier", "gold"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", True),
        ("qwen", True),
        ("QWEN", True),
        ("^qwen-.*t$", True),
        ("llama", False),
        ("qwen llama", False),
        ("qwen hpa", True),
        ("!qwen", False),
        ("!llama", True),
        ("name:qwen", True),
        ("ns:qwen", False),
        ("!ns:llm", False),
        ("name:llama name:qwen", True),
        ("name:qwen ns:batch", False),
        ("label:team=chat", True),
        ("label:gold", True),
        ("label:team=code", False),
        ("!label:gold", False),
        ('"out of memory"', True),
        ('"of out"', False),
        ('trouble:"of memory"', True),
    ],
)
def test_grammar(text: str, shown: bool) -> None:
    assert parse(text, COLUMNS).matches(ROW, LABELS) is shown


def test_a_space_alone_is_no_filter() -> None:
    assert parse("   ", COLUMNS).terms == ()


def test_what_is_no_regular_expression_is_text_and_said() -> None:
    found = parse("[x", COLUMNS)
    assert found.matches({"name": "a[xb"})
    assert not found.matches({"name": "x"})
    assert "no regular expression" in found.notes[0]


def test_an_unknown_column_is_said_and_taken_as_text() -> None:
    found = parse("node:a", COLUMNS)
    assert found.matches({"name": "node:a1"})
    assert not found.matches(ROW)
    assert "no column node" in found.notes[0]
    assert "driver" in found.notes[0]


@pytest.mark.parametrize(
    ("hidden", "words"),
    [
        (Hidden(0, 0), "nothing hidden"),
        (Hidden(9, 0), "9 hidden"),
        (Hidden(9, 2), "9 hidden, 2 of them failing"),
    ],
)
def test_it_says_what_it_hides(hidden: Hidden, words: str) -> None:
    assert hidden.words == words


@given(st.text(max_size=60), st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=20)))
def test_any_text_is_a_filter(text: str, row: dict[str, str]) -> None:
    assert parse(text, COLUMNS).matches(row, LABELS) in (True, False)
