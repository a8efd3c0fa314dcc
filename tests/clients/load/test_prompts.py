from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clients.load.plan import LoadPlan, Prompts
from clients.load.prompts import PromptError, open_prompts


def texts(count: int, seed: int = 7, **fields: Any) -> list[str]:
    plan = LoadPlan(url="http://x", prompts=Prompts(**fields))
    source = open_prompts(plan, seed)
    return [source.text(number) for number in range(count)]


def test_a_salt_makes_every_prompt_another_from_its_beginning() -> None:
    found = texts(100)
    assert len({text.split()[0] for text in found}) == 100
    assert found == texts(100)
    assert found != texts(100, seed=8)


def test_about_as_long_as_asked() -> None:
    assert all(190 <= len(text.split()) <= 200 for text in texts(10, tokens=200))


def test_without_salt_all_are_the_same() -> None:
    assert len(set(texts(10, salt=False))) == 1


def test_prefixes_are_shared_within_a_group_and_come_first() -> None:
    found = texts(12, tokens=100, shared_prefix_tokens=60, prefix_groups=3)
    heads = [" ".join(text.split()[:60]) for text in found]
    assert len(set(heads)) == 3
    assert heads[0] == heads[3]
    assert len(set(found)) == 12


def test_lines_of_a_file_in_an_order_by_chance(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    lines = [
        {"messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "one"}]},
        {"prompt": "two"},
        {"conversations": [{"from": "human", "value": "three"}, {"from": "gpt", "value": "no"}]},
    ]
    path.write_text("\n\n".join(json.dumps(line) for line in lines))
    assert set(texts(3, file=str(path))) == {"be kind\none", "two", "three"}
    assert texts(6, file=str(path))[3:] == texts(3, file=str(path))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "holds no prompt"),
        ("{}", ":1: expected messages, prompt or conversations"),
        ('{"prompt": "a"}\nnope', ":2: is not JSON"),
    ],
)
def test_a_file_that_holds_something_else_is_told_with_its_line(
    tmp_path: Path, content: str, problem: str
) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(content)
    with pytest.raises(PromptError, match=problem):
        texts(1, file=str(path))
