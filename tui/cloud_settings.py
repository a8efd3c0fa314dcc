"""The settings' sections of managed clouds: which zones and regions, where they answer, where keys are."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

__all__ = [
    "ExoscaleSettings",
    "ExoscaleTable",
    "ModelArtsSettings",
    "ModelArtsTable",
    "exoscale_of",
    "modelarts_of",
]

_PLACE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_PROJECT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

Wrong = Callable[[tuple[str, ...], str], None]
"""Takes a key's path and what is wrong with it."""


class ExoscaleSettings(Struct, frozen=True):
    """``[exoscale]``: Dedicated Inference."""

    zones: tuple[str, ...] = ()
    endpoint: str | None = None
    """Instead of the vendor's; ``{zone}`` in it stands for the zone."""
    credentials_file: Path | None = None
    """Instead of the environment."""


class ModelArtsSettings(Struct, frozen=True):
    """``[modelarts]``: Huawei Cloud ModelArts, real-time services of API v2."""

    regions: tuple[str, ...] = ()
    project: str | None = None
    """Id of the project; ``None``: as the environment or the credentials file says."""
    projects: tuple[tuple[str, str], ...] = ()
    """(region, its own project's id): a project belongs to one region."""
    endpoint: str | None = None
    """Instead of the vendor's; ``{region}`` in it stands for the region."""
    credentials_file: Path | None = None

    def project_of(self, region: str) -> str | None:
        """The region's project, as far as the settings say."""
        return dict(self.projects).get(region, self.project)


class ExoscaleTable(Struct, forbid_unknown_fields=True):
    """As it is written."""

    zones: list[str]
    endpoint: str | None = None
    credentials_file: str | None = None


class ModelArtsTable(Struct, forbid_unknown_fields=True):
    """As it is written."""

    regions: list[str]
    project: str | None = None
    projects: dict[str, str] = {}
    endpoint: str | None = None
    credentials_file: str | None = None


def exoscale_of(table: ExoscaleTable | None, wrong: Wrong) -> ExoscaleSettings:
    """The section's meaning; ``wrong`` hears of every value that cannot be."""
    if table is None:
        return ExoscaleSettings()
    _check_places(("exoscale", "zones"), table.zones, wrong)
    _check_endpoint(("exoscale", "endpoint"), table.endpoint, "{zone}", len(table.zones), wrong)
    return ExoscaleSettings(tuple(table.zones), table.endpoint, _path(table.credentials_file))


def modelarts_of(table: ModelArtsTable | None, wrong: Wrong) -> ModelArtsSettings:
    """The section's meaning; ``wrong`` hears of every value that cannot be."""
    if table is None:
        return ModelArtsSettings()
    _check_places(("modelarts", "regions"), table.regions, wrong)
    _check_endpoint(("modelarts", "endpoint"), table.endpoint, "{region}", len(table.regions), wrong)
    named: dict[tuple[str, ...], str] = {
        ("modelarts", "projects", region): project for region, project in table.projects.items()
    }
    if table.project is not None:
        named[("modelarts", "project")] = table.project
    for where, project in named.items():
        if not _PROJECT.fullmatch(project):
            wrong(where, "expected the id of a project")
        elif where[1] == "projects" and where[2] not in table.regions:
            wrong(where, "is not among the regions")
    return ModelArtsSettings(
        tuple(table.regions),
        table.project,
        tuple(table.projects.items()),
        table.endpoint,
        _path(table.credentials_file),
    )


def _check_places(where: tuple[str, ...], names: Sequence[str], wrong: Wrong) -> None:
    if not names:
        wrong(where, "expected at least one name")
    for name in names:
        if not _PLACE.fullmatch(name):
            wrong(where, f'expected names such as "at-vie-2", got "{name}"')
    if len(set(names)) < len(names):
        wrong(where, "a name is given twice")


def _check_endpoint(
    where: tuple[str, ...], endpoint: str | None, place: str, count: int, wrong: Wrong
) -> None:
    if endpoint is None:
        return
    try:
        parts = urlsplit(endpoint)
        host, good = parts.hostname, not (parts.query or parts.fragment or parts.username)
    except ValueError:
        host, good = None, False
    if not good or not host or parts.scheme not in ("http", "https"):
        wrong(where, "expected a URL without user, query and fragment")
    elif parts.scheme == "http" and host not in _LOOPBACK:
        wrong(where, "expected https: only this machine is spoken to without")
    elif count > 1 and place not in endpoint:
        wrong(where, f"expected {place} in it: there are {count} of them")


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text).expanduser()
