"""The command: what it prints, serves and writes, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.embedded_process import COMMAND, environment, running


def fetched(url: str, token: str | None = None) -> Any:
    request = urllib.request.Request(url)
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_it_says_where_it_serves_and_writes_a_private_kubeconfig(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    with running("--kubeconfig", str(path)) as (process, ready):
        assert list(ready) == ["ready", "server", "kubeconfig", "ingress", "router", "clouds"]
        assert (ready["ready"], ready["kubeconfig"]) == (True, str(path))
        assert ready["server"].startswith("http://127.0.0.1:")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        config = json.loads(path.read_text())
        assert [c["name"] for c in config["contexts"]] == ["admin", "viewer", "ns-only"]
        assert all("namespace" not in c["context"] for c in config["contexts"])
        assert config["clusters"][0]["cluster"]["server"] == ready["server"]
        tokens = {u["name"]: u["user"].get("token") for u in config["users"]}
        assert tokens["admin"] is None
        dump = fetched(ready["server"] + "/debug/modelserving/cache")
        group = dump["default/deepseek-r1"]["deepseek-r1-0"]
        assert set(group) == {"name", "runningPods", "revision", "status", "roles"}
        pods = fetched(ready["server"] + "/api/v1/pods", tokens["viewer"])
        assert len(pods["items"]) > 50
        with pytest.raises(urllib.error.HTTPError, match="403"):
            fetched(ready["server"] + "/api/v1/pods", tokens["ns-only"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stdout is not None
        assert process.stdout.read() == ""


def test_logs_are_told_and_followed(tmp_path: Path) -> None:
    with running("--kubeconfig", str(tmp_path / "k"), "--speed", "30") as (_, ready):
        base = ready["server"] + "/api/v1/namespaces/default/pods/deepseek-r1-0-prefill-0-0/log"
        with urllib.request.urlopen(base + "?tailLines=5", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        assert len(lines) == 5
        assert any("POST /v1/" in line or "throughput" in line for line in lines)
        with urllib.request.urlopen(base + "?tailLines=1&follow=true", timeout=60) as answer:
            assert [answer.readline() for _ in range(3)]
        with urllib.request.urlopen(base + "?container=model-downloader", timeout=60) as answer:
            assert b"model is ready" in answer.read()


def test_the_webhook_speaks_on_the_object_and_not_on_scale(tmp_path: Path) -> None:
    with running("--kubeconfig", str(tmp_path / "k")) as (_, ready):
        path = "/apis/workload.serving.volcano.sh/v1alpha1/namespaces/llm-prod/modelservings/mistral-large"

        def patched(tail: str, body: dict[str, Any]) -> int:
            request = urllib.request.Request(
                ready["server"] + path + tail, json.dumps(body).encode(), method="PATCH"
            )
            request.add_header("Content-Type", "application/merge-patch+json")
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                told = json.load(error)
                assert "validation failed:" in told["message"]
                assert "  - spec.rolloutStrategy" in told["message"]
                return int(error.code)

        rolling = {"rolloutStrategy": {"rollingUpdateConfiguration": {"maxUnavailable": "40%"}}}
        assert patched("", {"spec": {**rolling, "replicas": 3}}) == 200
        assert patched("?dryRun=All", {"spec": {"replicas": 2}}) == 400
        assert patched("", {"spec": {"replicas": 2}}) == 400
        assert patched("/scale", {"spec": {"replicas": 2}}) == 200


def test_it_ends_with_its_parent_and_on_an_interrupt(tmp_path: Path) -> None:
    with running("--kubeconfig", str(tmp_path / "a"), "--scenario", "empty", "--with-parent") as (one, _):
        assert one.stdin is not None
        one.stdin.close()
        assert one.wait(60) == 0
        one.stdin = None
    with running("--kubeconfig", str(tmp_path / "b"), "--scenario", "empty") as (two, _):
        two.send_signal(signal.SIGINT)
        assert two.wait(60) == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "--kubeconfig"),
        (["--kubeconfig", "k", "--scenario", "nowhere"], "nowhere"),
        (["--kubeconfig", "k", "--speed", "-1"], "--speed"),
        (["--kubeconfig", "k", "--speed", "fast"], "--speed"),
        (["--kubeconfig", "k", "--kthena", "v9"], "v9"),
        (["--kubeconfig", "k", "--port", "99999"], "--port"),
        (["--kubeconfig", "k", "--pods", "5"], "--scenario mixed-large or synthetic"),
        (["--kubeconfig", "k", "--scenario", "mixed-large", "--groups", "5"], "--scenario synthetic"),
        (["--kubeconfig", "k", "--scenario", "synthetic", "--nodes", "0"], "--nodes"),
    ],
)
def test_options_that_make_no_sense_end_in_one_line(words: list[str], told: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [*COMMAND, *words], capture_output=True, env=environment(), cwd=tmp_path, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    assert told in ended.stderr


def test_a_port_that_is_taken_or_a_place_that_cannot_be_written_end_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for words, told in (
            (
                ["--kubeconfig", str(tmp_path / "k"), "--port", str(port)],
                f"port {port} of 127.0.0.1 is taken",
            ),
            (["--kubeconfig", str(tmp_path / "no" / "k")], "No such file or directory"),
        ):
            ended = subprocess.run(
                [*COMMAND, "--scenario", "empty", *words],
                capture_output=True, env=environment(), text=True, check=False,
            )  # fmt: skip
            assert ended.returncode == 1
            assert len(ended.stderr.splitlines()) == 1
            assert told in ended.stderr
