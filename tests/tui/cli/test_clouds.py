"""The clouds of the embedded cluster on the command line, with no other kubeconfig than none at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui.cli.conftest import Cluster, Shell

CHAT = "exoscale/at-vie-2/chat"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of its own: what a cloud has is used up."""
    running = Cluster(tmp_path, "--speed", "60")
    yield running
    running.end()


@pytest.fixture
def clouds(tmp_path: Path, own: Cluster) -> Shell:
    """A shell that knows clouds, and no cluster."""
    shell = Shell(tmp_path / "home", tmp_path / "none")
    del shell.environ["KUBECONFIG"]
    prices = '\n[prices]\ngpua5000 = "1.10 EUR"\n"modelarts.demo.gpu.1" = "20 CNY"\n'
    shell.settings(own.kubeconfig.with_name("kubeconfig.clouds.toml").read_text() + prices)
    return shell


def test_rows_of_clouds_stand_beside_those_of_the_cluster(own: Cluster, clouds: Shell) -> None:
    clouds.environ["KUBECONFIG"] = str(own.kubeconfig)
    table = clouds.run("get", "-A").stdout
    assert "deepseek-r1" in table
    (chat,) = [line for line in table.splitlines() if "chat@at-vie-2" in line]
    assert chat.split()[:3] == ["chat@at-vie-2", "Exoscale", "–/0"]
    assert "2 GPU each" in chat
    assert "0 GPUs, URL and key kept" in chat
    (main,) = [line for line in table.splitlines() if "chat/main@ap-southeast-3" in line]
    assert main.split()[1:3] == ["ModelArts", "3/3"]
    assert "llama-public" not in table, "a public deployment is not ours"
    kept = clouds.run("delete", "deepseek-r1", "-n", "default", code=3).stderr
    assert "-n default delete modelserving deepseek-r1" in kept


def test_a_name_says_whose_it_is(clouds: Shell) -> None:
    found = clouds.json("get", CHAT)
    (chat,) = found["workloads"]
    assert (chat["cluster"], chat["system"], chat["desired"], chat["ready"]) == (
        "at-vie-2",
        "exoscale",
        0,
        None,
    )
    assert {source["cluster"] for source in found["sources"]} == {"at-vie-2"}
    (main,) = clouds.json("get", "modelarts/ap-southeast-3/chat/main")["workloads"]
    assert (main["desired"], main["ready"]) == (3, 3)
    (again,) = clouds.json("get", "demo@at-vie-2")["workloads"]
    assert again["name"] == "demo"
    several = clouds.run("get", "main", code=2).stderr
    assert "modelarts/ap-southeast-3/chat/main" in several
    assert "not found" in clouds.run("get", "nothing@de-fra-1", code=4).stderr
    assert "no such zone or region" in clouds.run("get", "exoscale/nowhere/chat", code=2).stderr
    assert "no such zone or region" in clouds.run("get", "chat@nowhere", code=2).stderr


def test_the_six_steps_of_exoscales_guide(clouds: Shell) -> None:
    """Create, look, 1 to 3, to 1, to 0, and to 1 with the same URL; then the end, which asks for the name."""
    name = "exoscale/at-vie-2/guide"
    size = ("--model", "mistralai/Mistral-7B-Instruct-v0.3", "--gpu-type", "gpua5000", "--gpu-count", "2")
    made = clouds.run("create", name, *size, "--yes", "--wait", "--timeout", "60").stdout
    assert "cost per hour: 0.00 EUR to 2.20 EUR" in made
    assert "says Exoscale" in made
    look = clouds.run("get", name).stdout
    assert "–/1" in look
    (first,) = clouds.json("get", name)["workloads"]
    assert (first["phase"], first["desired"], first["endpoint"][:8]) == ("running", 1, "https://")

    more = clouds.run("scale", name, "--replicas", "3", "--yes", "--wait", "--timeout", "60").stdout
    assert "GPUs +4" in more
    assert "pass: quota: 4 more gpua5000 needed" in more
    assert "cost per hour: 2.20 EUR to 6.60 EUR" in more
    assert "happened replica-2, replica-3" in more
    short = clouds.run("scale", name, "--replicas", "4", "--yes", code=3).stdout
    assert "block: quota" in short

    clouds.run("scale", name, "--replicas", "1", code=3)
    clouds.run("scale", name, "--replicas", "1", "--yes", "--wait", "--timeout", "60")
    zero = clouds.run("scale", name, "--replicas", "0", "--yes", "--wait", "--timeout", "60").stdout
    assert "URL" in zero
    assert "API key" in zero
    assert "billed" in zero
    assert clouds.json("get", name)["workloads"][0]["endpoint"] == first["endpoint"]
    assert clouds.run("scale", name, "--replicas", "0", "--yes").stderr.count("nothing is sent") == 1
    clouds.run("scale", name, "--replicas", "1", "--yes", "--wait", "--timeout", "60")
    (again,) = clouds.json("get", name)["workloads"]
    assert (again["phase"], again["endpoint"]) == ("running", first["endpoint"])

    kept = clouds.run("delete", name, "--yes", code=3)
    assert "not confirmed" in kept.stderr
    sent = [line for line in clouds.audit() if line["type"] == "sent"]
    assert [line["result"] for line in sent] == ["accepted"] * 5
    ended = [line for line in clouds.audit() if line["type"] == "ended"]
    assert [line["outcome"] for line in ended] == ["done"] * 5


def test_another_gpu_count_tells_the_command_for_the_old_one(clouds: Shell) -> None:
    name = "exoscale/at-vie-2/demo-2gpu"
    model = "mistralai/Mistral-7B-Instruct-v0.3"
    words = ("--model", model, "--gpu-type", "gpua5000", "--gpu-count", "2", "--yes")
    elsewhere = clouds.run("create", name, *words, "--instead-of", "exoscale/de-fra-1/reason", code=2)
    assert "expected a deployment in exoscale/at-vie-2" in elsewhere.stderr
    made = clouds.run(
        "create", name, *words, "--instead-of", "exoscale/at-vie-2/demo", "--wait", "--timeout", "60"
    )
    assert "then scale demo to 0" in made.stdout
    line = "servegrid scale exoscale/at-vie-2/demo --replicas 0"
    assert f"it is ready: move callers to its URL, then {line}" in made.stderr
    clouds.run(*line.split()[1:], "--yes", "--wait", "--timeout", "60")
    assert clouds.json("get", "demo@at-vie-2")["workloads"][0]["desired"] == 0


def test_modelarts_scales_what_runs_or_warns_and_asks_for_yes_on_the_way_in(clouds: Shell) -> None:
    busy = clouds.run(
        "scale", "modelarts/ap-southeast-3/embed/main", "--replicas", "5", "--yes", code=3
    ).stdout
    assert "DEPLOYING" in busy
    asked = clouds.run("scale", "modelarts/ap-southeast-3/chat/main", "--replicas", "2", code=3)
    assert "not confirmed" in asked.stderr
    plan = clouds.json("scale", "modelarts/ap-southeast-3/chat/main", "--replicas", "2", "--dry-run")["plan"]
    assert plan["confirmation"] == "yes"
    assert (plan["cost_before"]["amount"], plan["cost_after"]["currency"]) == ("60", "CNY")
    zero = clouds.run(
        "scale", "modelarts/ap-southeast-3/chat/main", "--replicas", "0", "--yes", code=3
    ).stdout
    assert "Stop" in zero
    warned = ("scale", "modelarts/ap-southeast-3/translate/main", "--replicas", "3")
    out = clouds.run(*warned, "--yes", "--wait", "--timeout", "60").stdout
    assert "accepted" in out
    assert "cost per hour: prepaid, no extra" in out
    frozen = clouds.run(
        "scale", "modelarts/ap-southeast-3/vision/main", "--replicas", "2", "--yes", code=3
    ).stdout
    assert "ARREAR" in frozen


def test_watch_tells_what_happens_in_a_zone(clouds: Shell) -> None:
    watching = clouds.start("watch", "exoscale/at-vie-2/demo", "-o", "jsonl")
    try:
        assert watching.stderr is not None
        assert "exoscale/at-vie-2" in watching.stderr.readline()
        clouds.run("scale", "demo@at-vie-2", "--replicas", "2", "--yes")
        assert watching.stdout is not None
        event = next(event for line in watching.stdout if (event := json.loads(line))["kind"] == "desired")
        assert (event["from"], event["to"]) == ("1", "2")
        assert (event["cluster"], event["key"]["name"]) == ("at-vie-2", "demo")
    finally:
        watching.terminate()
        watching.communicate(timeout=60)


def test_one_zone_that_is_dead_hides_nothing_and_is_told(clouds: Shell, own: Cluster) -> None:
    text = own.kubeconfig.with_name("kubeconfig.clouds.toml").read_text()
    clouds.settings(text.replace('["at-vie-2"', '["ch-gva-2","at-vie-2"'))
    done = clouds.run("get", code=5)
    assert "chat@at-vie-2" in done.stdout
    assert "chat/main@ap-southeast-3" in done.stdout
    assert "ch-gva-2 deployments: " in done.stderr
    clouds.run("scale", CHAT, "--replicas", "1", "--yes")


def test_without_credentials_and_without_anything_it_is_said_what_to_set(clouds: Shell) -> None:
    clouds.settings('[exoscale]\nzones = ["at-vie-2"]\n')
    assert "EXOSCALE_API_KEY and EXOSCALE_API_SECRET" in clouds.run("get", code=2).stderr
    clouds.settings("")
    assert "no kubeconfig" in clouds.run("get", code=2).stderr
