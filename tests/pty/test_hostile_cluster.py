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
from itertools import takewhile
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.hostile_cluster import HOSTILE, Hostile, hostile_cluster
from tests.support.pty import ROOT, Terminal
from tests.support.pty_console import at_fleet, console, dialog_open
from tui.keys import CHANGE, KEYS, LOOK

_WORKLOADS = 10
"""In the cluster in trouble, and some more."""
_LEADS_NOWHERE = {"S", "c", "u", "-", "X"}
"""Keys that open nothing here: they sort, copy, undo and end nothing, or open what another key opens too."""
_SEQUENCE = re.compile(
    r"\x1b(?:\[(?P<private>[<=>?]?)(?P<args>[0-9;:]*)(?P<middle>[ -/]*)(?P<final>[@-~])"
    r"|\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|.)",
    re.DOTALL,
)
_PLACES_AND_COLOURS = "HmGJK"
"""Final letters of the sequences that draw: their numbers are places and colours."""
_OURS = {"\x1b[?2026h", "\x1b[?2026l", "\x1b]22;default\x07"}
"""What else the console sends while it runs: a frame begins, a frame ends; the mouse's shape."""
_ESC = "\x1b[27u"
"""The key Esc as terminals with the keyboard protocol send it, which the console asks for: the lone byte
and the key after it are another key to a program that reads both at once."""
_UNSEEN = re.compile("[\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")


def acting(raw: bytes) -> set[str]:
    """Everything in the stream that is neither text nor drawing, and not ours."""
    text = raw.decode("utf-8")
    found = set()
    for match in _SEQUENCE.finditer(text):
        drawing = match["final"] and match["final"] in _PLACES_AND_COLOURS
        if not drawing or match["private"] or match["middle"]:
            found.add(match[0])
    rest = _SEQUENCE.sub("", text)
    found |= {char for char in rest if char < " " or "\x7f" <= char <= "\x9f" or _UNSEEN.match(char)}
    return found - _OURS


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hostile, Path]]:
    with hostile_cluster(tmp_path_factory.mktemp("hostile"), HOSTILE) as pair:
        yield pair


@pytest.fixture(scope="module")
def running(hostile: tuple[Hostile, Path]) -> Iterator[Terminal]:
    """One console for all screens; what is sent from here on is no longer its start."""
    kubeconfig = hostile[1]
    with console(kubeconfig.parent, "--kubeconfig", str(kubeconfig)) as terminal:
        terminal.wait(lambda: at_fleet(terminal))
        terminal.wait(lambda: columned(terminal))
        yield terminal
        go_home(terminal)
        terminal.send("q")
        assert terminal.ended() == 0


def cells(terminal: Terminal, row: int) -> list[str]:
    """What stands in each cell of a row."""
    with terminal._lock:
        return list(terminal.screen.chars[row])


def framed(terminal: Terminal) -> bool:
    """Whether a dialog is there, and every row of it has its frame where the first row has it."""
    rows = [cells(terminal, y) for y in range(terminal.screen.lines)]
    edges = []
    for y, row in enumerate(rows):
        lefts = [x for x in range(len(row) - 1) if row[x : x + 2] == ["+", "-"]]
        rights = [x for x in range(1, len(row)) if row[x - 1 : x + 1] == ["-", "+"]]
        if lefts and rights:
            edges.append((y, lefts[0], rights[-1]))
    if len(edges) < 2:
        return False
    (top, left, right), (bottom, *below) = edges[0], edges[-1]
    sides = {(rows[y][left], rows[y][right]) for y in range(top + 1, bottom)}
    return below == [left, right] and sides == {("|", "|")}


def columned(terminal: Terminal) -> bool:
    """Whether the fleet is there, and every row has its kind and its ready counts below their heads."""
    rows = [cells(terminal, y) for y in range(terminal.screen.lines)]
    for head, row in enumerate(rows):
        starts = ["".join(row[x:]) for x in range(len(row))]
        kind, ready = (
            next((x for x, rest in enumerate(starts) if rest.startswith(word)), None)
            for word in ("KIND", "READY")
        )
        if kind is not None and ready is not None:
            below = list(takewhile(lambda found: "".join(found).strip(), rows[head + 1 :]))
            return len(below) >= _WORKLOADS and all(
                found[kind - 1] == found[ready - 1] == " "
                and re.match(r"[A-Z][A-Za-z]+ ", "".join(found[kind:]))
                and re.match(r"\d+/\d+ ", "".join(found[ready:]))
                for found in below
            )
    return False


def go_home(terminal: Terminal) -> None:
    """Back to the fleet's first row from wherever it is, and nothing is left of what was there."""
    for _ in range(60):
        terminal.settled(0.2)
        if columned(terminal) and not framed(terminal):
            terminal.send("gg")
            terminal.settled(0.2)
            return
        terminal.send(_ESC)
    raise AssertionError("no way back from:\n" + "\n".join(terminal.text()))


def titled(word: str) -> Callable[[Terminal], bool]:
    """Whether a screen of that name is there."""
    return lambda terminal: any(line.startswith(f" {word} ") for line in terminal.text()[:4])


def said(words: str) -> Callable[[Terminal], bool]:
    return lambda terminal: terminal.find(words)


def opened(terminal: Terminal) -> bool:
    """Whether the screen of a workload is there: it has left the fleet, and has no title of another."""
    return terminal.found(r"^ .*\d ready\b") and not any("KIND" in line for line in terminal.text())


def choosing_a_pod(terminal: Terminal) -> bool:
    """Presses Enter until it counts: the list has to have been on the screen for 0.3 s."""
    if framed(terminal):
        terminal.send("\r")
    return terminal.find("line 9 ")


_THERE: dict[str, tuple[tuple[str, Callable[[Terminal], bool]], ...]] = {
    "fleet": (("", columned),),
    "last row": (("G", columned),),
    "filter": (("/lost", said("9 ")),),
    "events": (("e", titled("events")),),
    "GPUs": (("o", titled("GPUs")),),
    "next trouble": (("n", columned),),
    "menu": (("m", framed),),
    "palette": ((":", framed),),
    "palette of namespaces": ((":ns", framed),),
    "sources": ((":sources\r", titled("sources")),),
    "contexts": ((":ctx\r", framed),),
    "namespaces": ((":ns\r", framed),),
    "help": (("?", titled("help")),),
    "choice of a pod": (("L", framed),),
    "logs": (("L", framed), ("", choosing_a_pod)),
    "scale": (("s", framed),),
    "load test": (("t", framed),),
    "kept load tests": ((":runs\r", titled("load tests kept")),),
    "plan": (("+", framed), ("", said("same as"))),
} | {
    f"{name} of row {row}": (("j" * row + "\r", opened), *more)
    for row in (0, 6, 8)
    for name, more in (
        ("workload", ()),
        ("why", (("w", titled("why")),)),
        ("description", (("d", titled("describe")), ("", said("  uid  ")))),
        ("object", (("y", titled("object")), ("", said("kind: ")))),
        ("events", (("e", titled("events")),)),
        ("autoscaling", (("a", titled("autoscaling")),)),
        ("what lasts", (("p", framed),)),
        ("forms", (("E", framed),)),
        ("load test", (("t", framed),)),
        ("menu", (("m", framed),)),
    )
}
"""Keys from the fleet, and how one sees that they have led somewhere, step by step."""

_SHOWN = {
    "fleet": ("␛[31m",),
    "logs": ("␛[31m", "[red]x[/] [@click=app.quit]y[/]", "␛]52;c;b3duZWQ=", "模型服务", "␛P1$r0m"),
}
"""What must be seen as it is, where it has room."""


@pytest.mark.parametrize("place", _THERE)
def test_no_byte_of_it_acts(running: Terminal, place: str) -> None:
    """Only drawing is sent, everything stays in its place, and the way back leads to a whole fleet."""
    go_home(running)
    before = len(running.raw)
    for keys, there in _THERE[place]:
        running.send(keys)
        running.wait(lambda there=there: there(running))  # type: ignore[misc]
    running.settled()
    seen = "\n".join(running.text())
    for shown in _SHOWN.get(place, ()):
        assert shown in seen, f"{shown} is to be seen as it is"
    go_home(running)
    assert acting(bytes(running.raw[before:])) == set()
    assert running.screen.strange == []
    assert running.process.poll() is None
    assert "?1049" in running.screen.modes


def test_every_key_that_leads_somewhere_is_followed() -> None:
    """A screen that is added to the program is added here."""
    pressed = {keys[-1:] for steps in _THERE.values() for keys, _ in steps} | {"/"}
    leads = {key.shown for key in KEYS if key.section in (LOOK, CHANGE) and len(key.shown) == 1}
    assert leads - pressed == _LEADS_NOWHERE


def test_what_is_copied_goes_to_the_clipboard_as_data(hostile: tuple[Hostile, Path], tmp_path: Path) -> None:
    """The one OSC 52 is ours: its content is base64, and holds no control characters to be pasted."""
    with console(tmp_path, "--kubeconfig", str(hostile[1])) as terminal:

        def copies() -> list[bytes]:
            return re.findall(rb"\x1b\]52;c;([^\x07\x1b]*)(?:\x07|\x1b\\)", bytes(terminal.raw))

        terminal.wait(lambda: at_fleet(terminal))
        for times, keys in enumerate(("", "j", "d"), 1):
            terminal.send(keys)
            terminal.settled()
            terminal.send("c")
            terminal.wait(lambda times=times: len(copies()) == times)  # type: ignore[misc]
            terminal.wait("copied")
        for copy in copies():
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
        terminal.wait(lambda: at_fleet(terminal))
        terminal.settled(0.3)
        for refusal, shown in ((refused, "the server refuses"), (page, "502")):
            front.refusal = refusal
            terminal.send("+")
            terminal.wait(shown)
            terminal.settled()
            terminal.wait(lambda: framed(terminal))
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
    assert watching.wait(60) == 130
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
        timeout=60,
        check=False,
    )
