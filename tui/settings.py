"""The user's settings: ``$XDG_CONFIG_HOME/servegrid/config.toml``, or the file named by ``--config``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from clients.serving.plain import plain
from clients.serving.plans import Money
from tui.cloud_settings import (
    ExoscaleSettings,
    ExoscaleTable,
    ModelArtsSettings,
    ModelArtsTable,
    exoscale_of,
    modelarts_of,
)
from tui.load_settings import LoadSettings, LoadTable, load_settings_of
from tui.toml_check import Problem, check, lines_of_keys, nearest_line

if TYPE_CHECKING:
    from clients.gpu.prometheus import PrometheusPlace

__all__ = [
    "SETTINGS_VERSION",
    "ConfirmScaleIn",
    "ContextMode",
    "ContextRule",
    "Glyphs",
    "GpuSettings",
    "KthenaSettings",
    "Settings",
    "SettingsError",
    "Shown",
    "default_path",
    "load",
    "parse",
]

SETTINGS_VERSION = 1

Glyphs = Literal["narrow", "ascii", "emoji"]
ConfirmScaleIn = Literal["yes", "ok"]
Shown = Literal["serving", "all"]

_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>s|m|h)?")
_UNIT_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_PRICE = re.compile(r"(?P<amount>\S+) (?P<currency>[A-Z]{3})")


class SettingsError(Exception):
    """A settings file that cannot be used. The text is one line per problem: ``file:line: key: what``."""

    def __init__(self, path: Path, problems: tuple[Problem, ...]) -> None:
        self.path = path
        self.problems = problems
        super().__init__("\n".join(self._line(problem) for problem in problems))

    def _line(self, problem: Problem) -> str:
        at = f"{self.path}:{problem.line}" if problem.line else str(self.path)
        return plain(f"{at}: {problem.message}", 400)


class ContextMode(StrEnum):
    """What may be done in a context."""

    LIVE = "live"
    READ_ONLY = "read-only"
    PROTECTED = "protected"
    """Every write asks for the workload's typed name."""


class ContextRule(Struct, frozen=True):
    """``[contexts."prod-*"]``: a glob over context names, and what holds there."""

    pattern: str
    mode: ContextMode


class KthenaSettings(Struct, frozen=True):
    """``[kthena]``: the version whose scaling order is predicted, where the server does not tell."""

    order: str | None = None
    orders: tuple[tuple[str, str], ...] = ()
    """(glob over ``namespace/name``, version); the first that matches wins over ``order``."""


class GpuSettings(Struct, frozen=True):
    """``[gpu]``: how GPUs are read."""

    prometheus: PrometheusPlace | None = None
    token_file: Path | None = None
    always: bool = False

    def token(self) -> str | None:
        """What is in the token file now; ``None`` without one, or if it can no longer be read."""
        try:
            return None if self.token_file is None else self.token_file.read_text("utf-8").strip() or None
        except (OSError, UnicodeDecodeError):
            return None


class Settings(Struct, frozen=True):
    """All settings, with their defaults."""

    fps: int | None = None
    """Data ticks a second; ``None``: 20 on a local terminal, 10 over SSH."""
    glyphs: Glyphs = "narrow"
    confirm_scale_in: ConfirmScaleIn | None = None
    """``None``: what each system asks for by itself, which is YES but for Exoscale."""
    operation_timeout: float = 1800.0
    """Seconds after which a scale operation that is not done is called timed out."""
    contexts: tuple[ContextRule, ...] = ()
    kthena: KthenaSettings = KthenaSettings()
    show: Shown = "serving"
    """Which Deployments and StatefulSets are workloads: those that serve, as far as can be told, or all."""
    prices: tuple[tuple[str, Money], ...] = ()
    """(GPU model or type: price per GPU and hour; flavor: price per instance and hour)."""
    gpu: GpuSettings = GpuSettings()
    exoscale: ExoscaleSettings = ExoscaleSettings()
    modelarts: ModelArtsSettings = ModelArtsSettings()
    load: LoadSettings = LoadSettings()

    @property
    def clouds(self) -> bool:
        """Whether there is anything to see but a cluster."""
        return bool(self.exoscale.zones or self.modelarts.regions)

    def mode(self, context: str | None) -> ContextMode:
        """What may be done in the context: the strictest of all rules that match its name."""
        modes = {rule.mode for rule in self.contexts if fnmatchcase(context or "", rule.pattern)}
        for mode in (ContextMode.READ_ONLY, ContextMode.PROTECTED):
            if mode in modes:
                return mode
        return ContextMode.LIVE

    def kthena_order(self, namespace: str, name: str) -> str | None:
        """The version configured for a ModelServing's scaling order, or ``None``."""
        for pattern, version in self.kthena.orders:
            if fnmatchcase(f"{namespace}/{name}", pattern):
                return version
        return self.kthena.order


class _ContextTable(Struct, forbid_unknown_fields=True):
    mode: Literal["read-only", "protected"]


class _KthenaTable(Struct, forbid_unknown_fields=True):
    order: str | None = None
    orders: dict[str, str] = {}


class _WorkloadsTable(Struct, forbid_unknown_fields=True):
    show: Shown = "serving"


class _GpuTable(Struct, forbid_unknown_fields=True):
    prometheus: str | None = None
    token_file: str | None = None
    always: bool = False


class _File(Struct, forbid_unknown_fields=True):
    """The file as it is written."""

    version: Annotated[int, Meta(ge=1)] = SETTINGS_VERSION
    fps: Annotated[int, Meta(ge=1, le=60)] | None = None
    glyphs: Glyphs = "narrow"
    confirm_scale_in: ConfirmScaleIn | None = None
    operation_timeout: int | float | str = 1800.0
    contexts: dict[str, _ContextTable] = {}
    kthena: _KthenaTable = msgspec.field(default_factory=_KthenaTable)
    workloads: _WorkloadsTable = msgspec.field(default_factory=_WorkloadsTable)
    prices: dict[str, str] = {}
    gpu: _GpuTable = msgspec.field(default_factory=_GpuTable)
    exoscale: ExoscaleTable | None = None
    modelarts: ModelArtsTable | None = None
    load: LoadTable = msgspec.field(default_factory=LoadTable)


def default_path(environ: Mapping[str, str], *, demo: bool = False) -> Path:
    """Where the settings are; the demo has its own."""
    home = environ.get("XDG_CONFIG_HOME") or ""
    base = Path(home) if Path(home).is_absolute() else Path(environ.get("HOME", "~")).expanduser() / ".config"
    return base / "servegrid" / ("demo" if demo else ".") / "config.toml"


def load(path: Path, *, must_exist: bool) -> Settings:
    """Reads the file. A missing one means defaults, unless it was asked for by name.

    Raises:
        SettingsError: it cannot be read, or something in it is wrong.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        if must_exist:
            raise SettingsError(path, (Problem("there is no such file"),)) from None
        return Settings()
    except UnicodeDecodeError:
        raise SettingsError(path, (Problem("is not UTF-8 text"),)) from None
    except OSError as error:
        raise SettingsError(path, (Problem(f"cannot be read: {error.strerror}"),)) from None
    return parse(text, path)


def parse(text: str, path: Path) -> Settings:
    """Settings from the text of a file.

    Raises:
        SettingsError: with every problem found, each with its line.
    """
    import tomllib  # Not needed for the first frame where there is no file.

    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found.group(1)) if found else None
        raise SettingsError(path, (Problem(f"is not TOML: {error}", line),)) from None
    lines = lines_of_keys(text)
    version = table.get("version", SETTINGS_VERSION)
    if type(version) is int and version > SETTINGS_VERSION:
        message = f"version {version} was written for a newer servegrid; this one reads {SETTINGS_VERSION}"
        raise SettingsError(path, (Problem(message, nearest_line(lines, ("version",))),))
    problems = check(table, _File, lines)
    if problems:
        raise SettingsError(path, problems)
    return _settings(msgspec.convert(table, _File), path, lines)


def _settings(file: _File, path: Path, lines: dict[tuple[str, ...], int]) -> Settings:
    from clients.gpu.prometheus import read_place  # Not needed for the first frame where there is no file.
    from clients.kube.kthena_order import RULES

    problems: list[Problem] = []

    def wrong(where: tuple[str, ...], message: str) -> None:
        problems.append(Problem(f"{'.'.join(where)}: {message}", nearest_line(lines, where)))

    timeout = _seconds(file.operation_timeout)
    if timeout is None:
        wrong(("operation_timeout",), 'expected seconds or a text such as "90s", "30m", "2h"')
    versions: dict[tuple[str, ...], str] = {
        ("kthena", "orders", glob): version for glob, version in file.kthena.orders.items()
    }
    if file.kthena.order is not None:
        versions[("kthena", "order")] = file.kthena.order
    for where, version in versions.items():
        if version not in RULES:
            known = ", ".join(f'"{name}"' for name in RULES)
            wrong(where, f'expected one of {known}, got "{version}"')
    prices: list[tuple[str, Money]] = []
    for model, text in file.prices.items():
        price = _money(text)
        if price is None:
            wrong(("prices", model), f'expected "AMOUNT CURRENCY" such as "2.50 EUR", got "{text}"')
        else:
            prices.append((model, price))
    place: PrometheusPlace | None = None
    if file.gpu.prometheus is not None:
        try:
            place = read_place(file.gpu.prometheus)
        except ValueError as error:
            wrong(("gpu", "prometheus"), str(error))
    token_file = None if file.gpu.token_file is None else Path(file.gpu.token_file).expanduser()
    gpu = GpuSettings(place, token_file, file.gpu.always)
    if token_file is not None and gpu.token() is None:
        wrong(("gpu", "token_file"), "cannot be read, or is empty")
    exoscale = exoscale_of(file.exoscale, wrong)
    modelarts = modelarts_of(file.modelarts, wrong)
    load_tests = load_settings_of(file.load, _seconds, wrong)
    if problems:
        raise SettingsError(path, tuple(problems))
    assert timeout is not None
    return Settings(
        fps=file.fps,
        glyphs=file.glyphs,
        confirm_scale_in=file.confirm_scale_in,
        operation_timeout=timeout,
        contexts=tuple(ContextRule(name, ContextMode(rule.mode)) for name, rule in file.contexts.items()),
        kthena=KthenaSettings(file.kthena.order, tuple(file.kthena.orders.items())),
        show=file.workloads.show,
        prices=tuple(prices),
        gpu=gpu,
        exoscale=exoscale,
        modelarts=modelarts,
        load=load_tests,
    )


def _seconds(value: Any) -> float | None:
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            return None
        value = float(match["number"]) * _UNIT_SECONDS[match["unit"]]
    return float(value) if value > 0 else None


def _money(text: str) -> Money | None:
    match = _PRICE.fullmatch(text.strip())
    if match is None:
        return None
    try:
        amount = Decimal(match["amount"])
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount < 0:
        return None
    return Money(amount=str(amount), currency=match["currency"])
