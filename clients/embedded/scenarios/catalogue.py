"""The scenarios by name, and how a cluster is made of one."""

from __future__ import annotations

from clients.clock import Clock, SystemClock
from clients.embedded.cluster import Cluster, Options
from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.scenarios import busy, default, empty, large, mixed_large, synthetic, trouble
from clients.embedded.scenarios.scenario import Scenario, Size

__all__ = ["SCENARIOS", "make_cluster"]

SCENARIOS: dict[str, Scenario] = {
    "default": default.SCENARIO,
    "busy": busy.SCENARIO,
    "trouble": trouble.SCENARIO,
    "empty": empty.SCENARIO,
    "large": large.SCENARIO,
    "mixed-large": mixed_large.SCENARIO,
    "synthetic": synthetic.SCENARIO,
}


def make_cluster(
    name: str,
    *,
    seed: int = 1,
    speed: float = 1.0,
    start: float | None = None,
    flavour: Flavour = Flavour.HEAD,
    size: Size | None = None,
    base: Clock | None = None,
) -> Cluster:
    """A started cluster. ``start`` (UTC seconds; default: now) is the time from which it is served.

    Raises ValueError where ``size`` cannot be had.
    """
    scenario = SCENARIOS[name]
    served_from = (base or SystemClock()).now() if start is None else start
    options = Options(
        seed=seed, speed=0, start=served_from - scenario.history, flavour=flavour, flavours=scenario.flavours
    )
    cluster = Cluster(options, base=base)
    scenario.fill(cluster, size or scenario.size)
    cluster.start()
    cluster.engine.run_until(served_from)
    cluster.clock.set_speed(speed)
    return cluster
