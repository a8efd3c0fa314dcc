"""Keys of managed clouds: from the vendors' environment variables, or a file that only its owner reads.

The file is TOML with the variables' names as keys. No text of it is ever repeated, not in an error either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from clients.exoscale import credentials as exoscale
from clients.managed.secret import exposed
from clients.modelarts import credentials as modelarts
from clients.serving.backend import BackendError
from tui.cloud_settings import ExoscaleSettings, ModelArtsSettings
from tui.settings import Settings

__all__ = ["CredentialsError", "check", "exoscale_key", "modelarts_key", "modelarts_project"]

T = TypeVar("T")

_EXOSCALE = (exoscale.KEY_NAME, exoscale.SECRET_NAME)
_MODELARTS = (modelarts.ACCESS_NAME, modelarts.SECRET_NAME)
_MODELARTS_MORE = (modelarts.TOKEN_NAME, modelarts.PROJECT_NAME)


class CredentialsError(BackendError):
    """There are none, or not in a way that they may be used: names the variables or the file."""


def check(settings: Settings, environ: Mapping[str, str]) -> None:
    """Whether there are keys for all that the settings name. Raises CredentialsError."""
    if settings.exoscale.zones:
        exoscale_key(settings.exoscale, environ)
    if settings.modelarts.regions:
        modelarts_key(settings.modelarts, environ)
        for region in settings.modelarts.regions:
            modelarts_project(settings.modelarts, environ, region)


def exoscale_key(settings: ExoscaleSettings, environ: Mapping[str, str]) -> exoscale.Credentials:
    """The API key for all zones. Raises CredentialsError."""
    found = exoscale.from_environ(_source("exoscale", settings.credentials_file, environ, _EXOSCALE))
    return _there("exoscale", settings.credentials_file, _EXOSCALE, found)


def modelarts_key(settings: ModelArtsSettings, environ: Mapping[str, str]) -> modelarts.AccessKey:
    """The access key for all regions. Raises CredentialsError."""
    file = settings.credentials_file
    found = modelarts.from_environ(_source("modelarts", file, environ, (*_MODELARTS, *_MODELARTS_MORE)))
    return _there("modelarts", file, _MODELARTS, found)


def modelarts_project(settings: ModelArtsSettings, environ: Mapping[str, str], region: str) -> str:
    """The region's project: of the settings, else as the credentials come with. Raises CredentialsError."""
    file = settings.credentials_file
    names = (*_MODELARTS, *_MODELARTS_MORE)
    project = settings.project_of(region)
    project = project or _source("modelarts", file, environ, names).get(modelarts.PROJECT_NAME)
    if not project:
        where = f'modelarts.projects."{region}" or modelarts.project'
        raise CredentialsError(
            f"modelarts: no project for {region}: set {where}, or {modelarts.PROJECT_NAME}"
        )
    return project


def _there(cloud: str, file: Path | None, names: Sequence[str], found: T | None) -> T:
    if found is not None:
        return found
    listed = " and ".join(names)
    if file is not None:
        raise CredentialsError(f"{cloud}.credentials_file: {file} must hold {listed}")
    raise CredentialsError(f"{cloud}: no credentials: set {listed}, or {cloud}.credentials_file")


def _source(
    cloud: str, file: Path | None, environ: Mapping[str, str], names: Sequence[str]
) -> Mapping[str, str]:
    """What the file says, or the environment where the settings name none."""
    if file is None:
        return environ
    import tomllib  # Not needed for the first frame where there is no file.

    def wrong(what: str) -> CredentialsError:
        return CredentialsError(f"{cloud}.credentials_file: {what}")

    try:
        why = exposed(file)
        text = file.read_text("utf-8") if why is None else ""
    except (OSError, UnicodeDecodeError) as error:
        raise wrong(f"{file} cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})") from None
    if why is not None:
        raise wrong(why)
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise wrong(f'{file} is not TOML: NAME = "VALUE" lines are expected') from None
    if any(name not in names or not isinstance(value, str) for name, value in table.items()):
        raise wrong(f"{file} may hold {', '.join(names)}, each a text, and nothing else")
    return table
