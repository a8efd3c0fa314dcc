"""The demo: an embedded cluster in a child process, for as long as this program lives."""

from __future__ import annotations

import fcntl
import json
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from clients import own_process
from clients.clock import Clock
from clients.serving.plain import plain
from tui.exits import Exit, Stop

__all__ = ["DemoCluster", "demo_environment", "running"]

_READY_SECONDS = 60.0
"""Until the child says that it is ready; a cold start on a slow machine compiles everything first."""
_END_SECONDS = 5.0
_TOLD = 2000
"""Characters of the child's last words that an error repeats."""

_HOME_PREFIX = "servegrid-demo-"

_HIDDEN_NAMES = {
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "NETRC",
    "SSLKEYLOGFILE",
}
_HIDDEN_PREFIXES = (
    "EXOSCALE_",
    "HUAWEICLOUD_",
    "HW_",
    "OS_",
    "CLOUD_SDK_",
    "AWS_",
    "NVIDIA_",
    "CUDA_",
    "PROMETHEUS_",
)


def demo_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without the user's clusters, clouds and proxies: the demo must touch none of them."""
    return {
        name: value
        for name, value in environ.items()
        if name not in _HIDDEN_NAMES
        and not name.upper().endswith("_PROXY")
        and not name.startswith(_HIDDEN_PREFIXES)
    }


class DemoCluster:
    """A running embedded cluster."""

    def __init__(
        self, process: subprocess.Popen[bytes], kubeconfig: Path, words: Path, clouds: Path | None
    ) -> None:
        self._process = process
        self._words = words
        self.kubeconfig = kubeconfig
        self.clouds = clouds
        """A settings file that names its clouds, where the scenario has any."""

    def failure(self) -> str | None:
        """One line if it has ended by itself, with its last words; ``None`` while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"the embedded cluster ended ({how}){last_words(self._words)}"


def last_words(file: Path) -> str:
    """The end of what it wrote on standard error, on one line."""
    try:
        told = file.read_bytes()[-_TOLD:].decode("utf-8", "replace").strip()
    except OSError:
        told = ""
    return f": {plain(told.splitlines()[-1], 400)}" if told else ""


@contextmanager
def running(words: Sequence[str], environ: Mapping[str, str], clock: Clock) -> Iterator[DemoCluster]:
    """Starts the cluster, waits until it is ready, and ends it in the end.

    The child's standard input is a pipe that this process holds: should it be killed, the pipe closes and
    the child ends too.

    Raises:
        Stop: it did not start, or not in time.
    """
    with _home() as home:
        kubeconfig, log = home / "kubeconfig", home / "embedded.log"
        command = own_process.command(
            "clients.embedded", ["--kubeconfig", str(kubeconfig), "--with-parent", *words]
        )
        with log.open("wb") as errors:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=own_process.environment(environ),
                start_new_session=True,  # ctrl-c in the console is the console's.
            )
        try:
            ready = _wait_until_ready(process, log, clock)
            clouds = ready.get("clouds")
            settings = None if clouds is None else Path(clouds["settings"])
            yield DemoCluster(process, kubeconfig, log, settings)
        finally:
            _end(process)


@contextmanager
def _home() -> Iterator[Path]:
    """A directory for the child's files, gone in the end. What a killed demo left behind is cleared first.

    Its owner holds a lock on it for as long as it lives; one whose lock can be taken is nobody's any more.
    """
    for left in Path(tempfile.gettempdir()).glob(_HOME_PREFIX + "*"):
        with suppress(OSError), _locked(left):
            shutil.rmtree(left)
    home = Path(tempfile.mkdtemp(prefix=_HOME_PREFIX))
    try:
        with _locked(home):
            yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(handle).st_uid != os.getuid():
            raise PermissionError(f"{directory} belongs to somebody else")
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path, clock: Clock) -> dict[str, Any]:
    assert process.stdout is not None
    end = clock.monotonic() + _READY_SECONDS
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, end - clock.monotonic())):
                raise Stop(
                    Exit.FAILED,
                    f"the embedded cluster was not ready within {_READY_SECONDS:.0f} s{last_words(log)}",
                )
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                code = process.wait(_END_SECONDS)
                exit_code = Exit.USAGE if code == Exit.USAGE else Exit.FAILED
                raise Stop(exit_code, f"the embedded cluster did not start{last_words(log)}")
            line += data
    try:
        told: dict[str, Any] = json.loads(line)
        ready = told["ready"] is True
    except (ValueError, KeyError, TypeError):
        ready = False
    if not ready:
        raise Stop(
            Exit.FAILED, f"the embedded cluster said {plain(line.decode('utf-8', 'replace'))!r}, not ready"
        )
    return told


def _end(process: subprocess.Popen[bytes]) -> None:
    """Closes the pipe, which is the child's sign to end; insists if it does not."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    for insist in (process.terminate, process.kill):
        try:
            process.wait(_END_SECONDS)
            return
        except subprocess.TimeoutExpired:
            insist()
    process.wait()
