"""The zones of the demo: each shows something that an operator meets."""

from __future__ import annotations

from clients.embedded.engine import Engine
from clients.embedded.exoscale.zone import Deployment, Family, Model, Switches, Zone

__all__ = ["demo_zones"]

_DAY = 86_400.0
_MISTRAL = Model("mistralai/Mistral-7B-Instruct-v0.3", 14_500_000_000)
_QWEN = Model("Qwen/Qwen2.5-14B-Instruct", 29_600_000_000)
_LLAMA = Model("meta-llama/Llama-3.3-70B-Instruct", 141_000_000_000)
_MODELS = (_MISTRAL, _QWEN, _LLAMA)


def demo_zones(engine: Engine, switches: Switches | None = None) -> tuple[Zone, ...]:
    """Two zones: one with room and one at zero, the other short of quota, with one in error."""
    vienna = Zone(
        "at-vie-2",
        engine,
        (Family("gpua5000", 8, elsewhere=1), Family("gpu3080ti", 4)),
        _MODELS,
        switches,
    )
    vienna.add(Deployment("demo", _MISTRAL, "gpua5000", 1, 1), age=30 * _DAY)
    vienna.add(Deployment("chat", _QWEN, "gpua5000", 2, 0), age=80 * _DAY)
    vienna.add(Deployment("llama-public", _LLAMA, "gpua5000", 1, 1, public=True), age=200 * _DAY)
    frankfurt = Zone(
        "de-fra-1",
        engine,
        (Family("gpurtx6000pro", 6, authorized=False), Family("gpu3", 2)),
        _MODELS,
        switches,
    )
    frankfurt.add(
        Deployment("reason", _LLAMA, "gpurtx6000pro", 2, 2, parameters=("--max-model-len=8192",)),
        age=9 * _DAY,
    )
    frankfurt.add(
        Deployment(
            "trial", _QWEN, "gpu3", 1, 1, state="error",
            details="engine exited: unrecognized arguments: --max-modle-len",
        ),
        age=0.2 * _DAY,
    )  # fmt: skip
    return vienna, frankfurt
