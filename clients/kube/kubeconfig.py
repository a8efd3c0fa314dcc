"""kubeconfig files: found, read, merged and checked as kubectl does, each complaint naming file and field."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from clients.kube.errors import ConfigError

__all__ = ["Fields", "Kubeconfig", "read", "search"]


class Fields:
    """One mapping of a kubeconfig that knows its file and where in it it stands."""

    __slots__ = ("_body", "file", "place")

    def __init__(self, body: Mapping[str, Any], file: Path, place: str) -> None:
        self._body = body
        self.file = file
        self.place = place

    def error(self, field: str, complaint: str) -> ConfigError:
        """A complaint about one field of this mapping, to be raised."""
        path = ".".join(part for part in (self.place, field) if part)
        return ConfigError(f"{self.file}: {path}: {complaint}" if path else f"{self.file}: {complaint}")

    def has(self, field: str) -> bool:
        """Whether the field is there with a value (null and empty count as absent, as in client-go)."""
        return self._body.get(field) not in (None, "", [], {})

    def text(self, field: str) -> str | None:
        """A string, None if absent; raises ConfigError on another type."""
        if not self.has(field):
            return None
        value = self._body[field]
        if not isinstance(value, str):
            raise self.error(field, f"must be a string, is {_type(value)}")
        return value

    def flag(self, field: str) -> bool:
        """A boolean, False if absent; raises ConfigError on another type."""
        if not self.has(field):
            return False
        value = self._body[field]
        if not isinstance(value, bool):
            raise self.error(field, f"must be true or false, is {_type(value)}")
        return value

    def texts(self, field: str) -> tuple[str, ...]:
        """A list of strings, empty if absent; raises ConfigError on another type."""
        if not self.has(field):
            return ()
        value = self._body[field]
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(field, "must be a list of strings")
        return tuple(value)

    def child(self, field: str) -> Fields | None:
        """A mapping inside this one, None if absent; raises ConfigError on another type."""
        if not self.has(field):
            return None
        value = self._body[field]
        if not isinstance(value, dict):
            raise self.error(field, f"must be a mapping, is {_type(value)}")
        return Fields(value, self.file, f"{self.place}.{field}")

    def children(self, field: str) -> Iterator[Fields]:
        """The mappings of a list; raises ConfigError if it is something else."""
        value = self._body.get(field) or []
        if not isinstance(value, list):
            raise self.error(field, f"must be a list, is {_type(value)}")
        for index, item in enumerate(value):
            if not isinstance(item, dict):
                raise self.error(f"{field}[{index}]", f"must be a mapping, is {_type(item)}")
            yield Fields(item, self.file, f"{self.place}.{field}[{index}]".lstrip("."))

    def items(self) -> Mapping[str, Any]:
        """The mapping itself, for handing on as it is (an extension's content)."""
        return self._body

    def path(self, field: str) -> Path | None:
        """A file name, taken from the directory of the kubeconfig it stands in; raises if unreadable."""
        name = self.text(field)
        if name is None:
            return None
        path = self.file.parent / Path(name)
        try:
            with path.open("rb"):
                return path
        except OSError as error:
            raise self.error(field, f"{path}: {error.strerror or error}") from None

    def data(self, field: str) -> bytes | None:
        """Base64 content, decoded; raises ConfigError if it is none."""
        text = self.text(field)
        if text is None:
            return None
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            raise self.error(field, "is not valid base64") from None

    def pem(self, field: str) -> bytes | None:
        """``<field>-data``, else the content of the file that ``<field>`` names; raises if it is no PEM."""
        where, content = f"{field}-data", self.data(f"{field}-data")
        if content is None:
            where, path = field, self.path(field)
            if path is None:
                return None
            content = path.read_bytes()
        if b"-----BEGIN " not in content:
            raise self.error(where, "holds no PEM block (-----BEGIN …)")
        return content


class Kubeconfig(Struct, frozen=True):
    """What the files say together. Entries keep the file that they came from."""

    files: tuple[Path, ...]
    current: str | None
    contexts: dict[str, Fields]
    clusters: dict[str, Fields]
    users: dict[str, Fields]


def _type(value: object) -> str:
    names = {dict: "a mapping", list: "a list", str: "a string", bool: "a boolean", type(None): "empty"}
    return names.get(type(value), f"a {type(value).__name__}")


def search(named: str | None, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The kubeconfig files that exist, first one strongest.

    ``named`` (``--kubeconfig``) stands alone and must exist; else ``KUBECONFIG`` (missing files in it are
    skipped, as kubectl does); else ``~/.kube/config``. Raises ConfigError when a named file is missing.
    """
    home = environ.get("HOME") or str(Path.home())
    if named:
        path = Path(named.replace("~", home, 1) if named.startswith("~/") else named)
        if not path.exists():
            raise ConfigError(f"{path}: no such kubeconfig file (--kubeconfig)")
        return (path,)
    listed = [Path(part) for part in environ.get("KUBECONFIG", "").split(":") if part]
    if listed:
        return tuple(path for path in dict.fromkeys(listed) if path.exists())
    default = Path(home) / ".kube" / "config"
    return (default,) if default.exists() else ()


def _document(path: Path) -> Fields:
    import yaml

    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        body = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark is not None else ""
        problem = getattr(error, "problem", None) or "not readable as text"
        raise ConfigError(f"{path}: {line}not valid YAML: {problem}") from None
    if body is None:
        body = {}
    if not isinstance(body, dict):
        raise ConfigError(
            f"{path}: is {_type(body)}, not a kubeconfig (a mapping with clusters, contexts, users)"
        )
    kind = body.get("kind")
    if kind not in (None, "", "Config"):
        raise ConfigError(f"{path}: kind: is {str(kind)!r}, must be 'Config'")
    return Fields(body, path, "")


def _entries(document: Fields, section: str, inner: str) -> dict[str, Fields]:
    found: dict[str, Fields] = {}
    for entry in document.children(section):
        name = entry.text("name")
        if name is None:
            raise entry.error("name", "missing")
        if name in found:
            raise document.error(section, f"two entries are named {name!r}")
        body = entry.child(inner)
        place = f"{section}[{name}].{inner}"
        found[name] = Fields(body.items() if body else {}, document.file, place)
    return found


def read(files: tuple[Path, ...]) -> Kubeconfig:
    """Reads and merges the files: of each name, and of ``current-context``, the first file's wins.

    Raises ConfigError naming file and field (YAML: the line).
    """
    current: str | None = None
    contexts: dict[str, Fields] = {}
    clusters: dict[str, Fields] = {}
    users: dict[str, Fields] = {}
    for file in files:
        document = _document(file)
        current = current or document.text("current-context")
        for section, inner, into in (
            ("contexts", "context", contexts),
            ("clusters", "cluster", clusters),
            ("users", "user", users),
        ):
            for name, entry in _entries(document, section, inner).items():
                into.setdefault(name, entry)
    return Kubeconfig(files=files, current=current, contexts=contexts, clusters=clusters, users=users)
