"""A cluster that tells hostile text in every field, in a real terminal: no byte of it acts anywhere."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.hostile_cluster import HARMLESS, HOSTILE, Hostile, hostile_cluster
from tests.support.pty import ROOT, Terminal
from tests.support.pty_console import console, dialog_open

_SIZE = (120, 36)
_SEQUENCE = re.compile(
    r"\x1b(?:\[(?P<private>[<=>?]?)(?P<args>[0-9;:]*)(?P<middle>[ -/]*)(?P<final>[@-~])"
    r"|\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|.)",
    re.DOTALL,
)
_FREE = "HmGJK"
"""Sequences of which the numbers are places and colours; of all others the numbers are what they do."""
_UNSEEN = re.compile("[\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")


def kinds(raw: bytes) -> set[str]:
    """Everything in the stream that is no text: sequences by what they do, and single control characters."""
    text = raw.decode("utf-8")
    found = set()
    for match in _SEQUENCE.finditer(text):
        if match["final"] and match["final"] in _FREE and not match["private"]:
            found.add(f"CSI {match['final']}")
        else:
            found.add(match[0])
    for char in _SEQUENCE.sub("", text):
        if char < " " or "\x7f" <= char <= "\x9f" or _UNSEEN.match(char):
            found.add(f"{ord(char):#x}")
    return found


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hostile, Path]]:
    with hostile_cluster(tmp_path_factory.mktemp("hostile"), HOSTILE) as pair:
        yield pair


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hostile, Path]]:
    with hostile_cluster(tmp_path_factory.mktemp("harmless"), HARMLESS) as pair:
        yield pair


def cells(terminal: Terminal, row: int) -> list[str]:
    """What stands in each cell of a row."""
    with terminal._lock:
        return list(terminal.screen.chars[row])


def framed(terminal: Terminal) -> None:
    """Every row of the dialog has its frame where the first row has it."""
    rows = [cells(terminal, y) for y in range(terminal.screen.lines)]
    edges = [
        (y, row.index("+"), len(row) - 1 - row[::-1].index("+"))
        for y, row in enumerate(rows)
        if row.count("+") >= 2 and row[row.index("+") + 1] == "-"
    ]
    (top, left, right), (bottom, *below) = edges[0], edges[-1]
    assert below == [left, right]
    assert bottom > top + 1
    for y in range(top + 1, bottom):
        assert (rows[y][left], rows[y][right]) == ("|", "|"), "".join(rows[y])


def columned(terminal: Terminal) -> None:
    """Every row of the fleet has its ready counts below their head."""
    rows = [cells(terminal, y) for y in range(terminal.screen.lines)]
    (head,) = (y for y, row in enumerate(rows) if "READY" in "".join(row))
    kind, ready = (
        next(x for x in range(_SIZE[0]) if "".join(rows[head][x : x + len(word)]) == word)
        for word in ("KIND", "READY")
    )
    for y in range(head + 1, head + 11):
        assert "".join(rows[y][kind : kind + 3]) == "MS ", "".join(rows[y])
        assert re.match(r"\d+/\d+ ", "".join(rows[y][ready : ready + 7])), "".join(rows[y])


def walk(terminal: Terminal, visited: Callable[[str], None]) -> None:
    """Every screen and every dialog, and every workload's own."""

    def go(keys: str, name: str, wait: str | Callable[[], bool] | None = None) -> None:
        before = terminal.text()
        terminal.send(keys)
        terminal.wait(wait or (lambda: terminal.text() != before))
        terminal.settled(0.05)
        visited(name)

    def back(times: int = 1) -> None:
        for _ in range(times):
            before = terminal.text()
            terminal.send("\x1b")
            terminal.wait(lambda before=before: terminal.text() != before)  # type: ignore[misc]
            terminal.settled(0.05)

    terminal.wait("10 workloads")
    terminal.settled(0.3)
    visited("fleet")
    for down, name in (("", "first"), ("jjj", "fourth"), ("jjjjj", "ninth")):
        if down:
            go(down, f"{name} row")
        go("\r", f"{name} workload", "driver ")
        go("w", f"why of the {name}", "Who decides")
        back()
        go("d", f"description of the {name}", "order rule")
        back()
        go("y", f"object of the {name}", "kind: ModelServing")
        back(2)
    go("L", "choice of a pod", "logs of which pod")
    terminal.wait(lambda: _until_taken(terminal))
    terminal.wait("line 9 ")
    terminal.settled()
    visited("logs")
    back()
    go("e", "events", "events  ")
    back()
    go("n", "next trouble")
    back()
    go("m", "menu", "Enter takes it")
    back()
    for command, sees in ((":sources", "what is shown"), (":ctx", "context"), (":ns", "namespace")):
        go(command, f"palette {command}")
        go("\r", command, sees)
        back()
    go("/", "filter")
    go("lost", "filtered", "hid")
    back(2)
    go("?", "help", "Moving")
    back()
    go("+", "scale dialog", lambda: dialog_open(terminal) and terminal.find("same as"))
    terminal.settled(0.5)
    visited("plan")
    back()
    terminal.settled()


def _until_taken(terminal: Terminal) -> bool:
    """Enter counts once the list was to be seen for 0.3 s; before that the dialog only says so."""
    if not terminal.find("logs of which pod"):
        return True
    terminal.send("\r")
    return False


def test_what_is_copied_goes_to_the_clipboard_as_data(hostile: tuple[Hostile, Path], tmp_path: Path) -> None:
    """The one OSC 52 is ours: its content is base64, and holds no control characters to be pasted."""
    with console(tmp_path, "--kubeconfig", str(hostile[1])) as terminal:
        terminal.wait("10 workloads")
        for keys in ("", "j", "d"):
            terminal.send(keys)
            terminal.settled()
            terminal.send("c")
            terminal.wait("copied")
            terminal.settled()
        copies = re.findall(rb"\x1b\]52;c;([^\x07\x1b]*)(?:\x07|\x1b\\)", bytes(terminal.raw))
        assert len(copies) == 3
        for copy in copies:
            text = base64.b64decode(copy, validate=True).decode()
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
        assert terminal.screen.strange == []


def test_what_a_server_answers_to_a_write_does_not_act(tmp_path: Path) -> None:
    """Where all names are good: with bad ones nothing would be sent at all."""
    said = "".join(HOSTILE[index] for index in (0, 1, 2, 4, 6, 7, 8, 9))
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Invalid", "code": 422}

    def refused() -> web.Response:
        details = {"causes": [{"field": said, "message": said}]}
        return web.json_response({**status, "message": said, "details": details}, status=422)

    def page() -> web.Response:
        return web.Response(text=f"<html>{said}</html>", status=502, content_type="text/html")

    with (
        hostile_cluster(tmp_path, ("",)) as (front, kubeconfig),
        console(tmp_path, "--kubeconfig", str(kubeconfig)) as terminal,
    ):
        terminal.wait("10 workloads")
        terminal.settled(0.3)
        for refusal, shown in ((refused, "the server refuses"), (page, "502")):
            front.refusal = refusal
            terminal.send("+")
            terminal.wait(shown)
            terminal.settled()
            framed(terminal)
            terminal.send("\x1b")
            terminal.wait(lambda: not dialog_open(terminal))
        front.refusal = None
        assert terminal.screen.strange == []
        assert not terminal.screen.titles or not any("owned" in title for title in terminal.screen.titles)


def _acting(text: str) -> list[str]:
    return re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text) + _UNSEEN.findall(text)


@pytest.mark.parametrize(
    "words",
    [
        ("get",),
        ("get", "-o", "json"),
        ("scale", "healthy-code", "--replicas=4", "--dry-run"),
        ("get", "nope\x1b[2J"),
    ],
    ids=" ".join,
)
def test_commands_write_no_byte_that_acts(
    hostile: tuple[Hostile, Path], tmp_path: Path, words: tuple[str, ...]
) -> None:
    front, kubeconfig = hostile
    words = tuple(front.name(word) for word in words)
    if any("\x00" in word for word in words):
        pytest.skip("no argument can hold this name")
    done = _run(tmp_path, kubeconfig, *words)
    assert done.stdout or done.stderr
    assert _acting(done.stdout) == []
    assert _acting(done.stderr) == []
    if "json" in words:
        names = {workload["name"] for workload in json.loads(done.stdout)["workloads"]}
        assert front.name("lost") in names, "a program gets the name as it is"


@pytest.mark.parametrize("form", ["text", "jsonl"])
def test_watching_writes_no_byte_that_acts(hostile: tuple[Hostile, Path], tmp_path: Path, form: str) -> None:
    watching = subprocess.Popen(
        [sys.executable, "-P", "-m", "tui", "--kubeconfig", str(hostile[1]), "watch", "-o", form],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    lines = []
    for line in watching.stdout:
        lines.append(line)
        if "crash-loop" in line or "running" in line or len(lines) > 40:
            break
    watching.send_signal(signal.SIGINT)
    assert watching.stderr is not None
    lines += watching.stdout
    assert watching.wait(10) == 130
    assert lines
    assert _acting("".join(lines)) == []
    assert _acting(watching.stderr.read()) == []


def _run(home: Path, kubeconfig: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "tui", "--kubeconfig", str(kubeconfig), *words],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
