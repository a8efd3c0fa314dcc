"""By which name and protocol a container serves a model, as far as its image and its command tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from clients.kube.engine_words import engine_in
from clients.kube.target_shapes import Container

__all__ = ["ServedModel", "served_model"]

_SPLIT = re.compile(r"[\s=]+")
_NAMES = ("--served-model-name", "--model_name", "--model-name")
_PLACES = ("--model", "--model-path", "--model-id", "serve")
"""Where the weights are from: it is the name too, unless another is given."""
_KSERVE_SERVERS = ("sklearnserver", "xgbserver", "lgbserver", "pmmlserver", "paddleserver", "kserve-")
_LONGEST = 4096
"""Characters of a command line that are looked at."""


class ServedModel(Struct, frozen=True):
    """What the first container that serves a model says of itself."""

    engine: str | None
    """``vllm``, ``sglang``, ``tgi``, ``triton``, ``kserve`` (a server of KServe's own), or not known."""
    name: str | None
    """What requests call the model."""

    @property
    def told(self) -> str:
        """By what the protocol is known, in words."""
        return "it is a server of KServe's own" if self.engine == "kserve" else f"it runs {self.engine}"

    @property
    def protocol(self) -> str:
        """The protocol that this engine speaks, by its name in a plan."""
        if self.engine in ("vllm", "sglang", "tgi"):
            return "openai-chat"
        return {"triton": "kserve-v2", "kserve": "kserve-v1"}.get(self.engine or "", "http")


def served_model(containers: Iterable[Container]) -> ServedModel:
    """What is served; of several containers the first that an engine is recognised in, else the first."""
    found = [_of(container) for container in containers]
    known = (one for one in found if one.engine is not None)
    return next(known, found[0] if found else ServedModel(None, None))


def _of(container: Container) -> ServedModel:
    texts = [container.image or "", *(container.command or ()), *(container.args or ())]
    words = list(_words(texts[1:]))
    engine = engine_in(texts)
    if engine is None and any(name in text.lower() for text in texts for name in _KSERVE_SERVERS):
        engine = "kserve"
    return ServedModel(engine, _after(words, _NAMES) or _after(words, _PLACES))


def _words(texts: Iterable[str]) -> Iterator[str]:
    """Single words, also of a shell's whole command line in one argument."""
    left = _LONGEST
    for text in texts:
        yield from (word.strip("'\"") for word in _SPLIT.split(text[:left]) if word)
        left = max(0, left - len(text))


def _after(words: list[str], names: tuple[str, ...]) -> str | None:
    for name in names:
        if name in words[:-1]:
            value = words[words.index(name) + 1]
            if value and not value.startswith("-"):
                return value
    return None
