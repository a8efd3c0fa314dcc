"""Where one load test is written down while it runs: a folder of its own under ``runs`` of the state.

``plan.json``, ``records.jsonl``, ``requests.jsonl`` (by the generator) and at the end ``result.json``, as
docs/load.md tells. None of it holds a secret: a plan names where they are, never what they are.
"""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from clients.load.lines import Record, encode
from clients.load.plan import LoadPlan, plan_json
from clients.load.result import Result
from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from tui.loads.history import ClusterSecond
from widgets.load_records import LoadMark

__all__ = ["RUN_VERSION", "About", "ClusterLine", "MarkLine", "RunFolder", "SignalLine", "put_whole"]

RUN_VERSION = 1


class About(msgspec.Struct, frozen=True, tag="about", tag_field="type"):
    """The first line: what was tested, from where."""

    v: int
    context: str
    key: WorkloadKey
    user: str | None


class ClusterLine(msgspec.Struct, frozen=True, tag="cluster", tag_field="type"):
    """What was known of the workload in a second."""

    told: ClusterSecond


class SignalLine(msgspec.Struct, frozen=True, tag="signal", tag_field="type"):
    """What the driver looks at, from here on."""

    name: str


class MarkLine(msgspec.Struct, frozen=True, tag="mark", tag_field="type"):
    """Something that happened."""

    told: LoadMark


def put_whole(path: Path, data: bytes) -> None:
    """Writes a file of a run, readable by its user alone; nobody ever sees half of it. Raises ``OSError``."""
    temporary = path.with_name(f".{path.name}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    os.replace(temporary, path)


def _new(path: Path) -> Path:
    """Makes the folder; where it is there (a clock may stand still) one with a number behind its name."""
    for tried in (path, *(path.with_name(f"{path.name}-{number}") for number in range(2, 1000))):
        try:
            tried.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return tried
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


class RunFolder:
    """Written to by one test. A disk that fails costs the record, never the test: ``failure`` says so."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failure: str | None = None
        self._records: int | None = None

    @classmethod
    def make(cls, runs: Path, key: WorkloadKey, now: float) -> RunFolder:
        """A new folder, named by the time (UTC) and the workload."""
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S")
        readable = "".join(char if char.isalnum() and char.isascii() else "-" for char in key.name)[:60]
        folder = cls(runs / f"{stamp}-{readable}")
        try:
            runs.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.path = _new(folder.path)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            folder._records = os.open(folder.path / "records.jsonl", flags, 0o600)
        except OSError as error:
            folder._fail(error)
        return folder

    @property
    def requests(self) -> str | None:
        """The file that gets a line for each request."""
        return None if self.failure is not None else str(self.path / "requests.jsonl")

    @property
    def plan(self) -> Path:
        """The plan, as ``servegrid load --plan`` takes it."""
        return self.path / "plan.json"

    def begin(self, plan: LoadPlan, context: str, key: WorkloadKey, user: str | None) -> None:
        """What is tested, and how."""
        self._put(self.plan, plan_json(plan))
        self._append(msgspec.json.encode(About(RUN_VERSION, context, key, user)) + b"\n")

    def record(self, record: Record) -> None:
        """What the generator told."""
        self._append(encode(record))

    def cluster(self, told: ClusterSecond) -> None:
        """What the cluster did in a second."""
        self._append(msgspec.json.encode(ClusterLine(told)) + b"\n")

    def signal(self, name: str) -> None:
        """What the driver looks at."""
        self._append(msgspec.json.encode(SignalLine(name)) + b"\n")

    def mark(self, mark: LoadMark) -> None:
        """What happened."""
        self._append(msgspec.json.encode(MarkLine(mark)) + b"\n")

    def finish(self, result: Result | None) -> None:
        """The result, where there is one."""
        if result is not None:
            self._put(self.path / "result.json", result.json() + b"\n")

    def close(self) -> None:
        """Nothing more is written."""
        if self._records is not None:
            os.close(self._records)
            self._records = None

    def _append(self, line: bytes) -> None:
        if self._records is None:
            return
        try:
            os.write(self._records, line)
        except OSError as error:
            self._fail(error)

    def _put(self, path: Path, data: bytes) -> None:
        if self.failure is not None:
            return
        try:
            put_whole(path, data)
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.failure = plain(f"not kept: {self.path}: {error.strerror}", 300)
        self.close()
