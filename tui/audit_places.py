"""Places that an audit record can be written to, in the order in which they are tried."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Protocol

__all__ = ["FilePlace", "JournalPlace", "Place", "default_places"]

_JOURNAL_SOCKET = Path("/dev/log")
_TAG = "servegrid"
_PRIORITY = 8 * 13 + 5
"""Facility ``log audit``, severity ``notice`` (RFC 5424, 6.2.1)."""


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
    """A file to which any number of processes append. It is opened anew each time: it may be moved away."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0
        self._inode: int | None = None

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    def append(self, line: bytes) -> None:
        """Appends and waits until it is on the disk.

        A line is one write, and with O_APPEND those of two processes do not mix. A write that a full disk
        cut short leaves half a line behind; the next one therefore starts with a line feed of its own
        (and now and then without need, when the other process is just writing: readers skip empty lines).
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        handle = os.open(self.path, flags, 0o600)
        try:
            size = os.fstat(handle).st_size
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            data = (b"\n" if torn else b"") + line + b"\n"
            if os.write(handle, data) != len(data):
                raise OSError("the disk is full")
            os.fsync(handle)
        finally:
            os.close(handle)

    def read_new(self) -> bytes:
        """Whole lines since the last call; from the start again if the file was replaced or cut."""
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            found = os.fstat(handle)
            if found.st_ino != self._inode or found.st_size < self._read:
                self._inode, self._read = found.st_ino, 0
            with os.fdopen(os.dup(handle), "rb") as file:
                file.seek(self._read)
                data = file.read()
        except OSError:
            return b""
        finally:
            os.close(handle)
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole


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


def default_places(state: Path, runtime: Path | None) -> tuple[Place, ...]:
    """State directory, runtime directory, system log."""
    files = [FilePlace(home / "audit.jsonl") for home in (state, runtime) if home is not None]
    return (*files, JournalPlace())
