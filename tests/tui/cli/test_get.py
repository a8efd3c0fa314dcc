from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.tui.cli.conftest import Cluster, Shell


def test_the_fleet_as_a_table(shell: Shell) -> None:
    done = shell.run("get")
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["NAMESPACE", "NAME", "KIND"]
    assert any(line.startswith("default    deepseek-r1") for line in lines)
    assert any(line.startswith("GPUs ") for line in lines[-2:])
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_the_fleet_as_json(shell: Shell) -> None:
    told = shell.json("get")
    assert told["schema"] == 1
    assert told["observed_at"].endswith("Z")
    assert {source["name"]: source["state"] for source in told["sources"]}["ms"] == "live"
    coder = next(one for one in told["workloads"] if one["name"] == "deepseek-r1")
    assert (coder["system"], coder["kind"], coder["namespace"]) == ("kthena", "ModelServing", "default")
    pods = [
        pod
        for group in coder["groups"]
        for role in group["roles"]
        for replica in role["replicas"]
        for pod in replica["pods"]
    ]
    assert pods
    assert set(pods[0]) == {"name", "node", "phase", "ready"}


def test_one_workload_by_any_name_in_its_chain(shell: Shell) -> None:
    whole = shell.json("get", "ms/default/qwen-chat")
    (row,) = whole["workloads"]
    assert row["driver"]["kind"] == "HPA"
    pod = row["groups"][0]["roles"][0]["replicas"][0]["pods"][0]["name"]
    for name in (f"pod/{pod}", f"hpa/{row['driver']['name']}", "default/qwen-chat"):
        (found,) = shell.json("get", name)["workloads"]
        assert found["uid"] == row["uid"]
    table = shell.run("get", "qwen-chat").stdout
    assert "GROUP" in table
    assert "qwen-chat-0" in table


def test_scope_is_the_namespaces_that_were_named(shell: Shell) -> None:
    told = shell.json("get", "-n", "llm-prod,research")
    assert {one["namespace"] for one in told["workloads"]} == {"llm-prod", "research"}


def test_several_matches_are_listed(shell: Shell, cluster: Cluster) -> None:
    cluster.copy("llama-guide", "research", 0)
    done = shell.run("get", "llama-guide", code=2)
    assert done.stdout == ""
    assert done.stderr.splitlines()[1:] == [
        "servegrid:   ModelServing/default/llama-guide",
        "servegrid:   ModelServing/research/llama-guide",
    ]
    assert shell.json("get", "research/llama-guide")["workloads"][0]["desired"] == 0


def test_what_is_not_there(shell: Shell) -> None:
    assert shell.run("get", "no-such", code=4).stderr == "servegrid: no-such: not found\n"
    assert "a name is NAME" in shell.run("get", "a//b", code=2).stderr


def test_without_the_right_to_read_everything(shell: Shell) -> None:
    done = shell.run("get", "--context", "ns-only", code=5)
    assert "modelservings" in done.stderr
    assert "ns-only" in done.stderr
    told = shell.json("get", "--context", "ns-only", "-n", "default", code=0)
    assert {one["namespace"] for one in told["workloads"]} == {"default"}


@pytest.mark.parametrize("output", ["table", "json"])
def test_an_unreachable_cluster_is_told_in_time(shell: Shell, tmp_path: Path, output: str) -> None:
    config = tmp_path / "dead"
    server = f"http://127.0.0.1:{_closed_port()}"
    config.write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "contexts": [{"name": "c", "context": {"cluster": "c"}}],
                "current-context": "c",
            }
        )
    )
    done = shell.run("get", "--kubeconfig", str(config), "--timeout", "0.5", "-o", output, code=5)
    assert "ms: stale: " in done.stderr
    if output == "json":
        told = json.loads(done.stdout)
        assert told["workloads"] == []
        assert told["sources"][0]["state"] == "stale"


def test_a_kubeconfig_that_cannot_be_meant(shell: Shell) -> None:
    assert "no context named 'nope'" in shell.run("get", "--context", "nope", code=2).stderr
    assert "/no/file" in shell.run("get", "--kubeconfig", "/no/file", code=2).stderr


def _closed_port() -> int:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
