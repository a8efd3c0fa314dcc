"""The state directory, ``$XDG_STATE_HOME/servegrid``: what is kept from one run to the next.

Files are written whole and renamed into place, so a reader never sees half a file, and changed only under
a lock, so that of two consoles neither loses what the other learned. Nothing here is needed to run: a
directory that cannot be written costs memory of the past, never the present.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

__all__ = ["StateDir", "StateError", "runtime_home", "state_home"]

T = TypeVar("T")


class StateError(Exception):
    """The state could not be read or kept. Its text is one line that names the file."""


class _Header(msgspec.Struct):
    version: int


def state_home(environ: Mapping[str, str]) -> Path:
    """Where state is kept."""
    named = environ.get("XDG_STATE_HOME") or ""
    home = Path(environ.get("HOME") or "~").expanduser()
    base = Path(named) if Path(named).is_absolute() else home / ".local" / "state"
    return base / "servegrid"


def runtime_home(environ: Mapping[str, str]) -> Path | None:
    """A place of this user on another disk (usually memory), or ``None`` where the system gives none."""
    named = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    if not Path(named).is_absolute() or not Path(named).is_dir():
        return None
    return Path(named) / "servegrid"


class StateDir:
    """Versioned files in one directory that belongs to this user alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str, version: int, parse: Callable[[bytes], T]) -> T | None:
        """The file's value; ``None`` if there is none, or one that ``parse`` refuses and that was put aside.

        A file is a JSON object with a ``version``. ``parse`` refuses by ``ValueError`` or msgspec's errors.

        Raises:
            StateError: it cannot be read, or a newer servegrid wrote it.
        """
        path = self.path / name
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{path}: {error.strerror}") from None
        try:
            found = msgspec.json.decode(data, type=_Header).version
            if found == version:
                return parse(data)
        except (msgspec.MsgspecError, ValueError):
            found = 0
        if found > version:
            raise StateError(f"{path}: version {found} was written by a newer servegrid; left as it is")
        self._put_aside(path)
        return None

    def update(
        self, name: str, version: int, parse: Callable[[bytes], T], change: Callable[[T | None], bytes]
    ) -> None:
        """Replaces the file by what ``change`` makes of its newest value; nobody else changes it meanwhile.

        Raises:
            StateError: it cannot be read or written, or a newer servegrid wrote it.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._lock():
                self._replace(self.path / name, change(self.read(name, version, parse)))
        except OSError as error:
            raise StateError(f"{self.path / name}: {error.strerror}") from None

    @contextmanager
    def _lock(self) -> Iterator[None]:
        lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _replace(self, path: Path, data: bytes) -> None:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=self.path)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise

    def _put_aside(self, path: Path) -> None:
        try:
            os.replace(path, path.with_name(path.name + ".damaged"))
        except OSError as error:
            raise StateError(f"{path}: damaged, and cannot be put aside: {error.strerror}") from None
