"""Every scenario with GPUs has exporters whose pages tell of all of them, and follow the load."""

from __future__ import annotations

import pytest

from tests.support.gpu_cluster import scenario, serving, watching
from tests.support.kube import until

LIMIT = 60.0


@pytest.mark.parametrize(("name", "silent"), [("default", 0), ("busy", 0), ("trouble", 2), ("large", 0)])
async def test_every_device_of_every_node_is_told(name: str, silent: int) -> None:
    cluster = scenario(name, 5)
    nodes = [node.name for node in cluster.nodes if node.gpus]
    async with serving(cluster) as url, watching(url) as watch:
        watch.look()
        await until(lambda: len(watch.readings().agents) == len(nodes), LIMIT)
        readings = watch.readings()
    dumb = {agent.node for agent in readings.agents if agent.failing}
    assert len(dumb) == silent
    wanted = {
        (device.node, device.index, device.instance)
        for node in nodes
        if node not in dumb
        for device in cluster.gpus.on(node)
    }
    assert {(s.key.node, s.index, s.key.instance) for s in readings.samples} == wanted
    held = [sample for sample in readings.samples if sample.holders]
    assert held
    assert max(s.busy.percent for s in held if s.busy) > 10
