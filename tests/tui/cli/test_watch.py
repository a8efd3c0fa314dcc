from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.held_port import held_port
from tests.tui.cli.conftest import Cluster, Shell, until


class Lines:
    """What a running command writes, as it comes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        assert process.stderr is not None
        self._pipes = {process.stdout.fileno(): "", process.stderr.fileno(): ""}
        for pipe in self._pipes:
            os.set_blocking(pipe, False)

    def _lines(self, place: int) -> list[str]:
        pipe = list(self._pipes)[place]
        try:
            while data := os.read(pipe, 65536):
                self._pipes[pipe] += data.decode()
        except BlockingIOError:
            pass
        return self._pipes[pipe].split("\n")[:-1]

    @property
    def all(self) -> list[str]:
        return self._lines(0)

    @property
    def notes(self) -> list[str]:
        return self._lines(1)

    def wait(self, fits: Callable[[str], bool], what: str) -> str:
        return str(until(lambda: next((line for line in self.all if fits(line)), None), what))

    def is_watching(self, what: str) -> None:
        until(lambda: self.notes[-1:] == [f"servegrid: watching {what} in admin"], f"it to watch {what}")


@pytest.fixture
def watching_in() -> Iterator[Callable[..., Lines]]:
    started: list[subprocess.Popen[str]] = []

    def start(shell: Shell, *words: str) -> Lines:
        started.append(shell.start(*words))
        return Lines(started[-1])

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def watching(shell: Shell, watching_in: Callable[..., Lines]) -> Callable[..., Lines]:
    return partial(watching_in, shell)


@pytest.fixture
def clusters(tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    started: list[Cluster] = []

    def start(*words: str) -> Cluster:
        started.append(Cluster(tmp_path, *words))
        return started[-1]

    yield start
    for one in started:
        one.end()


def test_a_line_for_everything_that_happens(
    watching: Callable[..., Lines], cluster: Cluster, shell: Shell
) -> None:
    lines = watching("watch", "-o", "jsonl", "qwen-coder")
    lines.is_watching("ModelServing/default/qwen-coder")
    before = cluster.replicas("qwen-coder")
    shell.run("scale", "qwen-coder", "--replicas", str(before + 1), "--yes")
    lines.wait(lambda line: '"kind":"operation"' in line and '"reason":"done"' in line, "the operation's end")
    events: list[dict[str, Any]] = [json.loads(line) for line in lines.all]
    assert all(event["v"] == 1 and event["at"].endswith("Z") for event in events)
    assert {event["key"]["name"] for event in events if event["key"]} == {"qwen-coder"}
    (desired,) = (event for event in events if event["kind"] == "desired")
    assert (desired["from"], desired["to"]) == (str(before), str(before + 1))
    phases = [
        event["to"]
        for event in events
        if event["kind"] == "phase" and event["group"] == f"qwen-coder-{before}" and not event["replica"]
    ]
    assert phases[0] in ("queued", "creating")
    assert phases[-1] == "running"
    cluster.set_replicas("qwen-coder", before)


def test_every_wish_is_told_however_soon_it_is_taken_back(
    watching: Callable[..., Lines], cluster: Cluster
) -> None:
    lines = watching("watch", "-o", "jsonl", "deepseek-r1")
    lines.is_watching("ModelServing/default/deepseek-r1")
    before = cluster.replicas("deepseek-r1")
    wishes = [before + 1, before] * 4
    for wish in wishes:
        cluster.set_replicas("deepseek-r1", wish)

    def desired() -> list[str]:
        events = [json.loads(line) for line in lines.all]
        return [event["to"] for event in events if event["kind"] == "desired"]

    until(lambda: len(desired()) >= len(wishes), "every wish to be told")
    assert desired() == [str(wish) for wish in wishes]
    lines.wait(lambda line: '"reason":"reverted"' in line, "an operation that was taken back")


def test_a_move_of_an_hpa_is_told_once_with_its_actor_and_then_what_the_hpa_says_of_it(
    tmp_path: Path, watching_in: Callable[..., Lines], clusters: Callable[..., Cluster]
) -> None:
    of_its_own = clusters("--speed", "10")
    lines = watching_in(Shell(tmp_path / "home", of_its_own.kubeconfig), "watch", "-o", "jsonl", "iris")
    lines.wait(lambda line: '"decided"' in line, "a word of the HPA")
    events = [json.loads(line) for line in lines.all]
    moves = [(event["to"], event["actor"]) for event in events if event["kind"] == "desired"]
    (said,) = (event for event in events if "decided" in event["detail"])
    assert moves[0] == (said["detail"]["decided"], "HPA iris-predictor")
    assert len(moves) == 1
    assert (said["kind"], said["actor"]) == ("driver", "HPA/iris-predictor")
    assert "target" in said["reason"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_cleanly(watching: Callable[..., Lines], number: signal.Signals) -> None:
    lines = watching("watch", "glm-4")
    lines.is_watching("ModelServing/llm-prod/glm-4")
    lines.process.send_signal(number)
    assert lines.process.wait(60) == 130
    assert len(lines.notes) == 1


def test_a_reader_that_has_enough_ends_it_quietly(shell: Shell) -> None:
    process = shell.start("--plain")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 0
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


def test_plain_is_the_fleet_once_and_then_its_events(watching: Callable[..., Lines]) -> None:
    lines = watching("--plain", "-n", "research")
    lines.wait(lambda line: line.startswith("phi-mini "), "the table")
    assert lines.all[0].split()[:3] == ["NAME", "KIND", "READY"]


def test_what_is_there_already_is_no_news(
    tmp_path: Path, watching_in: Callable[..., Lines], clusters: Callable[..., Cluster]
) -> None:
    """In a cluster that stands still: what comes in another while it is read is news."""
    frozen = clusters("--speed", "0")
    lines = watching_in(Shell(tmp_path / "home", frozen.kubeconfig), "watch", "-o", "jsonl", "-A")
    until(lambda: lines.notes[-1:] and " workloads in admin" in lines.notes[-1], "it to watch everything")
    told = [json.loads(line) for line in lines.all]
    assert [event["key"]["name"] for event in told if event["from"] == "absent"] == []
    assert {event["kind"] for event in told} <= {"source", "operation", "trouble"}


def test_a_name_that_is_not_there_ends_it(shell: Shell) -> None:
    assert shell.run("watch", "no-such", code=4).stderr == "servegrid: no-such: not found\n"


def test_a_server_that_goes_and_comes_does_not_end_it(
    tmp_path: Path, watching_in: Callable[..., Lines], clusters: Callable[..., Cluster]
) -> None:
    holder, port = held_port()
    words = ("--scenario", "empty", "--port", str(port))
    first = clusters(*words)
    lines = watching_in(Shell(tmp_path / "home", first.kubeconfig), "watch")
    lines.is_watching("0 workloads")
    first.end()
    lines.wait(lambda line: "pods live > stale" in line, "the cut")
    clusters(*words)
    lines.wait(lambda line: "pods stale > live" in line, "it to be live again")
    assert lines.process.poll() is None
    lines.process.send_signal(signal.SIGTERM)
    assert lines.process.wait(60) == 130
    holder.close()
