"""OpenAI answers, decoded to what is measured: when a model says something, and how much."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

__all__ = ["Chunk", "Usage", "read_chunk"]


class Usage(Struct):
    """What the server counted."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Said(Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Raw] | None = None


class _Choice(Struct):
    delta: _Said | None = None
    message: _Said | None = None
    text: str | None = None
    finish_reason: str | None = None


class Chunk(Struct):
    """One event of a stream, or a whole answer, of chat or completions."""

    choices: list[_Choice] = []
    usage: Usage | None = None
    error: Raw = Raw(b"null")

    @property
    def failed(self) -> bool:
        """Whether it is an error that the server sends instead."""
        return bytes(self.error) != b"null"

    @property
    def says(self) -> bool:
        """Whether there is content, reasoning or a tool call in it: a role alone is nothing said."""
        return any(
            choice.text
            or (
                (said := choice.delta or choice.message) is not None
                and (said.content or said.reasoning_content or said.reasoning or said.tool_calls)
            )
            for choice in self.choices
        )

    @property
    def ends(self) -> bool:
        """Whether a finish reason is given."""
        return any(choice.finish_reason for choice in self.choices)

    @property
    def text(self) -> str:
        """What is said, reasoning too."""
        parts: list[str] = []
        for choice in self.choices:
            said = choice.delta or choice.message or _Said()
            parts += [choice.text or said.reasoning_content or said.reasoning or "", said.content or ""]
        return "".join(parts)


_DECODER = msgspec.json.Decoder(Chunk)


def read_chunk(data: bytes) -> Chunk:
    """One event or answer.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _DECODER.decode(data)
