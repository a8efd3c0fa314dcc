"""Deployments that serve nothing are counted and not shown, unless a setting or a label says otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.tui.cli.conftest import Cluster, Shell

NAMESPACE = "shop"


def _deployment(name: str, image: str, label: str | None = None) -> dict[str, Any]:
    marks = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {} if label is None else {"servegrid.io/show": label}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": marks},
            "template": {
                "metadata": {"labels": marks},
                "spec": {"containers": [{"name": "main", "image": image}]},
            },
        },
    }


@pytest.fixture(scope="module")
def shop(cluster: Cluster) -> Iterator[None]:
    def send(method: str, path: str, body: dict[str, Any] | None = None) -> None:
        httpx.request(method, f"{cluster.server}{path}", json=body, trust_env=False).raise_for_status()

    send("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    for made in (
        _deployment("cart", "shop/cart:2"),
        _deployment("search", "shop/search:7"),
        _deployment("recommend", "shop/recommend:1", "true"),
        _deployment("chat", "vllm/vllm-openai:v0.11.0"),
        _deployment("bench", "vllm/vllm-openai:v0.11.0", "false"),
    ):
        send("POST", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments", made)
    yield
    send("DELETE", f"/api/v1/namespaces/{NAMESPACE}")


def _names(told: dict[str, Any]) -> set[str]:
    return {one["name"] for one in told["workloads"]}


@pytest.mark.usefixtures("shop")
def test_what_serves_nothing_is_counted(shell: Shell) -> None:
    told = shell.json("get", "-n", NAMESPACE)
    assert _names(told) == {"chat", "recommend"}
    assert told["not_shown"] == {"Deployment": 3}
    assert shell.run("get", "-n", NAMESPACE).stdout.splitlines()[-1] == "3 Deployments not shown"


@pytest.mark.usefixtures("shop")
def test_a_setting_shows_all_but_what_a_label_hides(shell: Shell) -> None:
    shell.settings('[workloads]\nshow = "all"\n')
    told = shell.json("get", "-n", NAMESPACE)
    assert _names(told) == {"cart", "chat", "recommend", "search"}
    assert told["not_shown"] == {"Deployment": 1}
