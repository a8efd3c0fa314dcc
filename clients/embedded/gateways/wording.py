"""What simulated models say: words without meaning, one a token, always the same for a request."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from clients.embedded.curves import chance

__all__ = ["answer_length", "prompt_tokens", "text_of", "word"]

_TEXT = (
    "the model answers with words that it has read before and puts them in an order which sounds right to "
    "most people who ask while nobody is there to check whether any of this is true or was ever meant so"
)
_WORDS = _TEXT.split()
_CHARACTERS = 4
"""Of a prompt's text in one of its tokens."""


def word(seed: int, index: int) -> str:
    """The text of one token; all but the first begin with a space."""
    told = _WORDS[(seed + index * 7) % len(_WORDS)]
    return f" {told}" if index else told


def text_of(seed: int, tokens: Iterable[int]) -> str:
    """The text of several tokens."""
    return "".join(word(seed, index) for index in tokens)


def prompt_tokens(content: Any) -> int:
    """How many tokens a prompt has: text, token numbers, messages, or lists of these."""
    if isinstance(content, str):
        return max(1, -(-len(content) // _CHARACTERS))
    if isinstance(content, int):
        return 1
    if isinstance(content, list):
        return sum(prompt_tokens(part) for part in content)
    if isinstance(content, dict):
        inner = content.get("content", content.get("text"))
        # A template puts some tokens around each message.
        return 3 + prompt_tokens(inner) if inner is not None else 1
    return 1


def answer_length(prompt: Any, usual: float) -> int:
    """How long a model answers of its own accord: around the usual length, the same for the same prompt."""
    return max(1, round(usual * (0.5 + chance(json.dumps(prompt, sort_keys=True, default=str)))))
