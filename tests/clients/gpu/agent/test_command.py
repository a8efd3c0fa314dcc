"""``servegrid agent`` as a process."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.gpu_agent import parse

ROOT = Path(__file__).parents[4]

_PROGRAM = """
import sys
from tests.support.fake_nvml import FakeGpu, FakeNvml, installed
from tui.cli import main

nvml = FakeNvml(FakeGpu("GPU-a"))
nvml.absent = {absent}
with installed(nvml):
    code = main(["agent", *sys.argv[1:]])
assert nvml.open == 0, "NVML is closed at the end"
assert not {{"textual", "widgets", "kubernetes_asyncio"}} & set(sys.modules)
sys.exit(code)
"""


@contextmanager
def agent(*words: str, absent: bool = False) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The process, and the lines it wrote until it served."""
    child = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM.format(absent=absent), *words],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin", "NODE_NAME": "gpu-node-7"},
    )
    assert child.stderr is not None
    try:
        lines = []
        for line in child.stderr:
            lines.append(line.rstrip("\n"))
            if "serving" in line:
                break
        yield child, lines
    finally:
        child.kill()
        child.wait(60)
        child.stderr.close()


def url(lines: list[str]) -> str:
    found = re.fullmatch(r"servegrid agent: serving (http://\S+/metrics)", lines[-1])
    assert found, lines
    return found[1]


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGINT])
def test_serves_on_loopback_until_it_is_ended(ended_by: signal.Signals) -> None:
    with agent("--port", "0") as (child, lines):
        assert len(lines) == 1
        assert url(lines).startswith("http://127.0.0.1:")
        with httpx.Client(trust_env=False) as client:
            page = parse(client.get(url(lines)).text)
            while not page.of("DCGM_FI_DEV_GPU_TEMP"):
                page = parse(client.get(url(lines)).text)
            assert page.of("DCGM_FI_DEV_GPU_TEMP")[0].labels["Hostname"] == "gpu-node-7"
            child.send_signal(ended_by)
            assert child.wait(60) == 0


def test_without_a_driver_it_says_so_in_one_line_and_stays() -> None:
    with agent("--port", "0", absent=True) as (child, lines):
        assert child.stderr is not None
        trouble = child.stderr.readline()
        assert trouble == (
            "servegrid agent: no NVIDIA driver here: libnvidia-ml.so.1 is not found (NVML 12)\n"
        )
        page = parse(httpx.get(url(lines), trust_env=False).text)
        assert page.value("servegrid_driver_up") == 0
        assert child.poll() is None
        child.terminate()
        assert child.wait(60) == 0
        assert child.stderr.read() == ""


def test_an_address_for_others_without_a_token_is_pointed_out(tmp_path: Path) -> None:
    with agent("--port", "0", "--listen", "0.0.0.0") as (_, lines):
        assert "no --token-file" in lines[0]
        assert url(lines).startswith("http://0.0.0.0:")
    token = tmp_path / "token"
    token.write_text("s3cret")
    with agent("--port", "0", "--listen", "0.0.0.0", "--token-file", str(token)) as (_, lines):
        where = url(lines).replace("0.0.0.0", "127.0.0.1")
        assert len(lines) == 1
        with httpx.Client(trust_env=False) as client:
            assert client.get(where).status_code == 401
            assert client.get(where, headers={"X-Servegrid-Token": "s3cret"}).status_code == 200


def test_what_cannot_be_is_said_in_one_line(tmp_path: Path) -> None:
    def ended(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tui", "agent", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stderr

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, told = ended("--port", port)
    assert (code, told) == (1, f"servegrid: cannot listen on 127.0.0.1:{port}: Address already in use\n")
    code, told = ended("--token-file", str(tmp_path / "none"))
    assert (code, told) == (2, f"servegrid: --token-file {tmp_path}/none: No such file or directory\n")
    for words in (("--port", "70000"), ("--interval", "0.1"), ("--interval", "61"), ("--listen",)):
        code, told = ended(*words)
        assert code == 2
        assert told.count("\n") == 1
    code, told = ended("--listen", "203.0.113.1", "--port", "0")
    assert code == 1
    assert told.startswith("servegrid: cannot listen on 203.0.113.1:0: ")
