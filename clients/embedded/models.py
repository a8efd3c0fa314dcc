"""What the simulated models and images weigh, by which names they are served, and what they are asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from sys import intern
from typing import Any

from msgspec import Struct

from clients.embedded.curves import chance

__all__ = ["Typical", "image_size", "load_seconds", "model_of", "model_size", "names_of", "typical_of"]

_MODELS = {
    "deepseek-ai/DeepSeek-R1": 671.0,
    "deepseek-ai/DeepSeek-V3": 671.0,
    "moonshotai/Kimi-K2-Instruct": 1000.0,
    "Qwen/Qwen3-235B-A22B": 470.0,
    "Qwen/Qwen3-32B": 65.0,
    "Qwen/Qwen3-Coder-30B": 61.0,
    "Qwen/Qwen2.5-VL-72B": 146.0,
    "meta-llama/Llama-3.3-70B": 141.0,
    "mistralai/Mistral-Large-2": 246.0,
    "zai-org/GLM-4.5": 358.0,
    "google/gemma-3-27b-it": 55.0,
    "microsoft/phi-4-mini": 8.0,
    "BAAI/bge-m3": 2.3,
}
"""Gigabytes of weights."""

_IMAGES = {"vllm": 9.6, "sglang": 11.2, "downloader": 0.4, "pause": 0.001}
"""Gigabytes, compressed, by a word of the image's name."""

_DEFAULT_MODEL = 16.0
_DEFAULT_IMAGE = 1.2


def model_size(name: str) -> float:
    """Gigabytes of weights."""
    return _MODELS.get(name, _DEFAULT_MODEL)


def image_size(image: str) -> float:
    """Gigabytes to pull."""
    return next((size for word, size in _IMAGES.items() if word in image), _DEFAULT_IMAGE)


def model_of(pod_spec: Mapping[str, Any]) -> str:
    """The model that a pod serves: its engine's ``--model`` argument, also within a shell's command line."""
    return names_of(pod_spec)[0]


def names_of(pod_spec: Mapping[str, Any]) -> tuple[str, str]:
    """The model that a pod serves, and the name by which requests ask for it.

    The name is vLLM's ``--served-model-name`` or KServe's ``--model_name``, else the model's own; both are
    empty for pods that serve none.
    """
    model = served = ""
    for word, following in _words(pod_spec):
        name, told, value = word.partition("=")
        value = value if told else following
        if name == "--model" or (word == "serve" and not following.startswith("-")):
            model = model or value
        elif name in ("--served-model-name", "--model_name"):
            served = served or value
    # Thousands of pods have the same few names.
    return intern(model), intern(served or model)


def _words(pod_spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each word of the containers' command lines, and the one that follows it."""
    for container in pod_spec.get("containers") or ():
        words = [
            word
            for text in (*(container.get("command") or ()), *(container.get("args") or ()))
            if isinstance(text, str)
            for word in text.split()
        ]
        yield from pairwise([*words, ""])


class Typical(Struct, frozen=True):
    """The usual request to a model, in tokens."""

    prompt: float
    answer: float

    @property
    def tokens(self) -> float:
        """What it holds in the KV cache at its end."""
        return self.prompt + self.answer


def typical_of(model: str) -> Typical:
    """What users of a model usually ask and get."""
    return Typical(400 + 1600 * chance(model, "prompt"), 100 + 300 * chance(model, "answer"))


def load_seconds(model: str, gpus: int) -> float:
    """Seconds from the engine's start to its first healthy answer: 15 for small models, up to 40."""
    share = model_size(model) / max(1, gpus)
    return 15.0 + 25.0 * min(1.0, share / 200.0)
