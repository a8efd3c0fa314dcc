"""Commands run as a user runs them: as processes, against an embedded cluster."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import httpx
import pytest

from tui.cli import main

ROOT = Path(__file__).resolve().parents[3]
MODEL_SERVINGS = "/apis/workload.serving.volcano.sh/v1alpha1/namespaces/{namespace}/modelservings"


def until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """Waits until the condition holds, and gives its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


class Cluster:
    """An embedded cluster in a process of its own."""

    def __init__(self, directory: Path, *words: str) -> None:
        self.kubeconfig = directory / "kubeconfig"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "clients.embedded", "--kubeconfig", str(self.kubeconfig), *words],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        self.server: str = json.loads(self.process.stdout.readline())["server"]

    def model_serving(self, name: str, namespace: str = "default") -> dict[str, Any]:
        path = MODEL_SERVINGS.format(namespace=namespace)
        found: dict[str, Any] = (
            httpx.get(f"{self.server}{path}/{name}", trust_env=False).raise_for_status().json()
        )
        return found

    def replicas(self, name: str, namespace: str = "default") -> int:
        return int(self.model_serving(name, namespace)["spec"]["replicas"])

    def set_replicas(self, name: str, replicas: int) -> None:
        """As somebody else would."""
        path = MODEL_SERVINGS.format(namespace="default")
        httpx.patch(
            f"{self.server}{path}/{name}",
            params={"fieldManager": "somebody"},
            content=json.dumps({"spec": {"replicas": replicas}}),
            headers={"Content-Type": "application/merge-patch+json"},
            trust_env=False,
        ).raise_for_status()

    def copy(self, name: str, namespace: str, replicas: int) -> None:
        """A ModelServing of the same name in another namespace."""
        value = self.model_serving(name)
        value["metadata"] = {"name": name, "namespace": namespace}
        value["spec"]["replicas"] = replicas
        value.pop("status", None)
        path = MODEL_SERVINGS.format(namespace=namespace)
        httpx.post(f"{self.server}{path}", json=value, trust_env=False).raise_for_status()

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Done(NamedTuple):
    """What a command wrote."""

    stdout: str
    stderr: str


class Shell:
    """A user's shell: runs servegrid with a home of its own."""

    def __init__(self, home: Path, kubeconfig: Path) -> None:
        self.home = home
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "KUBECONFIG": str(kubeconfig),
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": str(home / "run"),
        }
        (home / "run").mkdir(parents=True, exist_ok=True)

    @property
    def audit_log(self) -> Path:
        return self.home / ".local/state/servegrid/audit.jsonl"

    def audit(self) -> list[dict[str, Any]]:
        if not self.audit_log.exists():
            return []
        return [json.loads(line) for line in self.audit_log.read_bytes().splitlines()]

    def settings(self, text: str) -> None:
        path = self.home / ".config/servegrid/config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def start(self, *words: str, **how: Any) -> subprocess.Popen[str]:
        options: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "env": self.environ,
            **how,
        }
        return subprocess.Popen([sys.executable, "-m", "tui", *words], **options)

    def run(self, *words: str, code: int = 0) -> Done:
        """The command in this process, which spares half a second of imports; nobody types."""
        out, err = io.StringIO(), io.StringIO()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
        with (
            patch.dict(os.environ, self.environ, clear=True),
            patch.object(sys, "stdin", io.StringIO()),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                found = main(words)
            except SystemExit as end:  # argparse's way to say it.
                found = int(end.code or 0)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        assert found == code, f"{found}, not {code}\n{out.getvalue()}\n{err.getvalue()}"
        return Done(out.getvalue(), err.getvalue())

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.run(*words, "-o", "json", code=code).stdout)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Sixty simulated seconds a second: a group starts in less than one.

    In namespace ``research`` others change workloads every few seconds: what is scaled is in another one.
    """
    running = Cluster(tmp_path_factory.mktemp("cluster"), "--speed", "60")
    yield running
    running.end()


@pytest.fixture
def nowhere(tmp_path: Path) -> Shell:
    """A shell without a cluster, for what must be said before one is asked."""
    return Shell(tmp_path / "home", tmp_path / "no-kubeconfig")


@pytest.fixture
def shell(tmp_path: Path, cluster: Cluster) -> Shell:
    return Shell(tmp_path / "home", cluster.kubeconfig)
