"""Places that an audit record can be written to, in the order in which they are tried."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

__all__ = ["FilePlace", "JournalPlace", "Place", "default_places"]

_JOURNAL_SOCKET = Path("/dev/log")
_TAG = "servegrid"
_PRIORITY = 8 * 13 + 5
"""Facility ``log audit``, severity ``notice`` (RFC 5424, 6.2.1)."""
_MOST_BYTES = 4 << 20
"""Of a file, before another is begun: some 2,000 changes. The one before it is kept beside it."""
_HEAD_BYTES = 256
"""By which a file is known again: its first line names a change."""

Keep = Callable[[bytes], bytes]
"""Of all lines, those that must not be lost when the file that holds them is given up."""


class Place(Protocol):
    """Somewhere that keeps a line."""

    @property
    def name(self) -> str:
        """For a person who looks for the log."""
        ...

    def append(self, line: bytes) -> None:
        """Keeps one line, without its line feed. Raises ``OSError`` unless all of it is kept."""
        ...

    def read_new(self) -> bytes:
        """Whole lines written by anybody since the last call; empty where the place cannot be read."""
        ...


class FilePlace:
    """A file to which any number of processes append, and the one before it (``NAME.1``).

    It is opened anew each time: it may be moved away. When it is full, whoever appends next moves it to
    ``NAME.1`` and begins another with the lines that ``keep`` names, so both stay bounded and no unfinished
    change is lost. Writers lock the file; where files cannot be locked (Lustre without ``flock``), it grows.
    """

    def __init__(self, path: Path, keep: Keep, most: int = _MOST_BYTES) -> None:
        self.path = path
        self.before = path.with_name(path.name + ".1")
        self._keep = keep
        self._most = most
        self._read = 0
        self._known: tuple[int, bytes] | None = None

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    def append(self, line: bytes) -> None:
        """Appends and waits until it is on the disk.

        A write that a full disk cut short leaves half a line behind; the next one therefore starts with a
        line feed of its own.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, locked = self._open()
        try:
            if locked and 0 < os.fstat(handle).st_size > self._most - len(line):
                kept = _newest(self._keep(_whole(self.before) + _whole(self.path)), self._most // 2)
                os.rename(self.path, self.before)
                full = handle
                handle, _ = self._open()
                os.close(full)  # Those who wait for it find another file at its path.
                line = kept + line
            self._write(handle, line)
        finally:
            os.close(handle)

    def _open(self) -> tuple[int, bool]:
        """The file that is at the path now, and whether nobody else writes to it."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        while True:
            handle = os.open(self.path, flags, 0o600)
            locked = False
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
                locked = True
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), os.lstat(self.path)):
                    return handle, locked
            os.close(handle)

    @staticmethod
    def _write(handle: int, line: bytes) -> None:
        size = os.fstat(handle).st_size
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        data = (b"\n" if torn else b"") + line + b"\n"
        if os.write(handle, data) != len(data):
            raise OSError("the disk is full")
        os.fsync(handle)

    def read_new(self) -> bytes:
        """Whole lines since the last call; both files from their start if another was begun or put here."""
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                known = (found.st_ino, file.read(_HEAD_BYTES).partition(b"\n")[0])
                same = known == self._known and found.st_size >= self._read
                file.seek(self._read if same else 0)
                data = file.read()
        except OSError:
            return b""
        whole = data[: data.rfind(b"\n") + 1]
        self._read = len(whole) + (self._read if same else 0)
        self._known = known
        return whole if same else _whole(self.before) + whole


class JournalPlace:
    """The system's log: its socket, else ``systemd-cat``. It keeps what it is given; it is not read back."""

    def __init__(self, path: Path = _JOURNAL_SOCKET) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """What to ask for it."""
        return f"system log, tag {_TAG}"

    def append(self, line: bytes) -> None:
        """Hands the line over."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
                log.settimeout(2)
                log.connect(os.fspath(self.path))
                log.send(b"<%d>%s[%d]: %s" % (_PRIORITY, _TAG.encode(), os.getpid(), line))
        except OSError as error:
            program = shutil.which("systemd-cat")
            if program is None:
                raise
            command = [program, "--identifier", _TAG, "--priority", "notice"]
            try:
                done = subprocess.run(
                    command, input=line + b"\n", capture_output=True, timeout=5, check=False
                )
            except subprocess.SubprocessError:
                raise error from None
            if done.returncode:
                raise

    def read_new(self) -> bytes:
        """Nothing: a journal is another program's."""
        return b""


def default_places(state: Path, runtime: Path | None, keep: Keep) -> tuple[Place, ...]:
    """State directory, runtime directory, system log."""
    files = [FilePlace(home / "audit.jsonl", keep) for home in (state, runtime) if home is not None]
    return (*files, JournalPlace())


def _whole(path: Path) -> bytes:
    """All whole lines of a file; none if it is not there."""
    try:
        data = path.read_bytes()
    except OSError:
        return b""
    return data[: data.rfind(b"\n") + 1]


def _newest(lines: bytes, most: int) -> bytes:
    """The last whole lines that fit."""
    return lines if len(lines) <= most else lines[-most:].partition(b"\n")[2]
