"""Which inference engine an image and a command line name."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["engine_in"]

_ENGINES = (
    ("vllm", ("vllm",)),
    ("sglang", ("sglang", "lmsysorg/")),
    ("tgi", ("text-generation-inference", "text-generation-launcher", "text-generation-router")),
    ("triton", ("tritonserver",)),
)
"""An engine, and what in an image or a command names it."""


def engine_in(words: Sequence[str]) -> str | None:
    """The engine of a container by its image, command and arguments; ``None``: none that is known."""
    text = " ".join(word[:256] for word in words[:16]).lower()
    return next((engine for engine, names in _ENGINES if any(name in text for name in names)), None)
