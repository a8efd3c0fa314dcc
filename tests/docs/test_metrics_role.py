"""The role ``servegrid-metrics`` suffices where it is bound as its file says; without it, it is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.gpu_cluster import scenario, serving
from tests.support.role_files import bind, granted
from tests.support.seat import seat

RIGHT = "right missing: get pods/proxy in namespace gpu-operator"


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_the_missing_right_is_named_and_counts_once_given_and_asked_for_again(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    cluster = scenario("default")
    identity = granted(cluster.store, {"sees": ["servegrid-viewer"]})
    async with serving(cluster, identity) as url:
        kubeconfig = tmp_path / "kubeconfig"
        named = {
            "clusters": [{"name": "here", "cluster": {"server": url}}],
            "users": [{"name": "sees", "user": {"token": "sees"}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "sees"}}],
        }
        kubeconfig.write_text(
            json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "here", **named})
        )
        async with seat(kubeconfig, tmp_path, size=size) as me:
            await me.sees("qwen-chat")
            await me.pilot.press("o")
            await me.comes_to(lambda: RIGHT in " ".join(me.text.split()))
            assert "% TC" not in me.text
            bind(cluster.store, "sees", "servegrid-metrics", "gpu-operator")
            await me.pilot.press("ctrl+r")
            await me.comes_to(lambda: "% TC" in me.text and "right missing" not in me.text)
