"""What a new deployment is asked for with."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from clients.exoscale.decode import Deployment

__all__ = ["MOST_GPUS", "Creation", "CreationError", "read_creation"]

MOST_GPUS = 8
"""GPUs of one replica (OpenAPI of ``exoscale`` 0.16.4, in words)."""


class CreationError(ValueError):
    """A new deployment that cannot be asked for: one line of what is wrong."""


class Creation(Struct, frozen=True, rename="kebab", omit_defaults=True, forbid_unknown_fields=True):
    """A new deployment, as the body of ``POST /ai/deployment`` with the model by its name."""

    name: str
    model: str
    """Its exact name at Hugging Face, as it was given to Exoscale."""
    gpu_type: str
    gpu_count: int
    """Of one replica, 1 to 8; never to be changed."""
    replicas: int
    parameters: tuple[str, ...] = ()
    """Words for the engine's command line."""
    engine: str | None = None

    def body(self) -> dict[str, Any]:
        """What is sent."""
        asked: dict[str, Any] = {
            "name": self.name,
            "model": {"name": self.model},
            "gpu-type": self.gpu_type,
            "gpu-count": self.gpu_count,
            "replicas": self.replicas,
        }
        if self.parameters:
            asked["inference-engine-parameters"] = list(self.parameters)
        if self.engine is not None:
            asked["inference-engine-version"] = self.engine
        return asked

    def words(self) -> tuple[str, ...]:
        """The options of ``exo dedicated-inference deployment create``."""
        words = ["--model-name", self.model, "--gpu-type", self.gpu_type,
                 "--gpu-count", str(self.gpu_count), "--replicas", str(self.replicas)]  # fmt: skip
        if self.parameters:
            words += ["--inference-engine-params", " ".join(self.parameters)]
        if self.engine is not None:
            words += ["--inference-engine-version", self.engine]
        return tuple(words)

    def text(self) -> str:
        """As JSON: the ``body`` of an ``ObjectChange``."""
        return msgspec.json.encode(self).decode()


def read_creation(text: str) -> Creation:
    """Of an ``ObjectChange``.

    Raises:
        CreationError: it is incomplete, or no deployment can be like that.
    """
    try:
        found = msgspec.json.decode(text, type=Creation)
    except msgspec.MsgspecError as error:
        raise CreationError(f"a new deployment: {error}") from None
    for name, value in (("name", found.name), ("model", found.model), ("GPU type", found.gpu_type)):
        if not value.strip():
            raise CreationError(f"a new deployment needs a {name}")
    if not 1 <= found.gpu_count <= MOST_GPUS:
        raise CreationError(f"a replica has 1 to {MOST_GPUS} GPUs, not {found.gpu_count}")
    return found


def another_size(deployment: Deployment, gpu_count: int) -> Creation:
    """The same deployment with another GPU count, under a new name: what takes the place of changing it."""
    return Creation(
        name=f"{deployment.name}-{gpu_count}gpu",
        model=deployment.model or "",
        gpu_type=deployment.gpu_type or "",
        gpu_count=gpu_count,
        replicas=max(1, deployment.replicas or 1),
        parameters=deployment.parameters,
        engine=deployment.engine,
    )
