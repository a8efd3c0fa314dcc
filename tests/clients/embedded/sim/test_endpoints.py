"""The EndpointSlices that show what is in rotation."""

from __future__ import annotations

from clients.embedded.servings import Role
from tests.support.simworld import World


def rotation(world: World) -> tuple[int, int]:
    (found,) = world.store.list("endpointslices.discovery.k8s.io", "llm")
    ready = [e for e in found["endpoints"] if e["conditions"]["ready"]]
    return len(ready), len(found["endpoints"])


def test_endpoints_follow_readiness_and_termination(world: World) -> None:
    world.grown(2, [Role("prefill", 2), Role("decode", 1, 1)])
    assert rotation(world) == (4, 4)
    world.cluster.kubelets.flap("llm", "chat-0-prefill-1-0", 20)
    world.live(2)
    assert rotation(world) == (3, 4)
    world.live(30)
    assert rotation(world) == (4, 4)
    world.scale(1)
    world.live(2)
    assert rotation(world) == (2, 4)
    world.live(30)
    assert rotation(world) == (2, 2)
    world.scale(2)
    world.until(lambda: rotation(world) == (4, 4), limit=120)
