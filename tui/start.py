"""What one run of servegrid was asked for: the command line and the settings, put together once."""

from __future__ import annotations

import os
import pwd
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from clients.kube.config import ClusterConfig, ConnectOptions, NoClusterError, load
from tui import settings as settings_file
from tui.exits import Exit, Stop
from tui.settings import ContextMode, Settings, SettingsError
from tui.state import runtime_home, state_home

__all__ = ["Start", "login_name", "start_from"]

_DEMO_SETTINGS = """
version = 1

[kthena.orders]
"default/llama-guide" = "documented"

[prices]
"H100" = "3.00 EUR"
"gpua5000" = "1.10 EUR"
"gpurtx6000pro" = "2.20 EUR"
"modelarts.demo.gpu.1" = "21.50 CNY"

[load]
users = 20
duration = "3m"
"""
"""What its user would have written: one ModelServing follows the guide's order, which no schema tells."""


class Start(Struct, frozen=True):
    """Fixed for the whole run: another program's change to kubeconfig or settings changes nothing."""

    settings: Settings
    """With ``--fps`` and ``--glyphs`` in place of the file's."""
    connect: ConnectOptions
    environ: Mapping[str, str]
    """What the clients may read of the environment; the demo's holds nothing of the user's clusters."""
    state: Path
    """The state directory."""
    runtime: Path | None
    """The directory where the audit log falls back to."""
    namespaces: tuple[str, ...] = ()
    """``-n``; empty: the context's own, else all."""
    all_namespaces: bool = False
    read_only: bool = False
    demo: bool = False
    clock_rate: float = 1.0
    """Seconds of the demo's clouds in a second here."""

    def cluster(self, *, interactive: bool) -> ClusterConfig | None:
        """The cluster of the context; ``None`` where there is none, but clouds that the settings name.

        Raises KubeError: the kubeconfig cannot be used, or the login that ``interactive`` allows failed.
        """
        try:
            return load(self.connect, environ=self.environ, interactive=interactive)
        except NoClusterError:
            if not self.settings.clouds:
                raise
            return None

    def scope(self, config: ClusterConfig) -> tuple[str, ...] | None:
        """The namespaces to read; ``None`` for all."""
        if self.all_namespaces:
            return None
        return self.namespaces or ((config.namespace,) if config.namespace else None)

    def mode(self, context: str | None) -> ContextMode:
        """What may be done in the context."""
        return ContextMode.READ_ONLY if self.read_only else self.settings.mode(context)


def start_from(
    arguments: Namespace,
    environ: Mapping[str, str],
    *,
    demo_kubeconfig: Path | None = None,
    demo_clouds: Path | None = None,
) -> Start:
    """Reads the settings and puts the command line over them.

    The demo knows no clouds but its own: ``demo_clouds`` is the settings file that names them.

    Raises:
        Stop: the settings cannot be used.
    """
    demo = demo_kubeconfig is not None
    given = vars(arguments)
    named = given.get("config")
    path = Path(named) if named else settings_file.default_path(environ, demo=demo)
    try:
        if demo and named is None and not path.exists():
            settings = settings_file.parse(_DEMO_SETTINGS, path)
        else:
            settings = settings_file.load(path, must_exist=named is not None)
    except SettingsError as error:
        raise Stop(Exit.USAGE, str(error)) from None
    over: dict[str, Any] = {name: given[name] for name in ("fps", "glyphs") if name in given}
    if demo:
        clouds = Settings() if demo_clouds is None else settings_file.load(demo_clouds, must_exist=True)
        over |= {"exoscale": clouds.exoscale, "modelarts": clouds.modelarts}
    return Start(
        settings=msgspec.structs.replace(settings, **over),
        connect=ConnectOptions(
            kubeconfig=str(demo_kubeconfig) if demo else given.get("kubeconfig"),
            context=given.get("context"),
            as_user=given.get("as_user"),
            as_groups=tuple(given.get("as_groups", ())),
        ),
        environ=environ,
        # Each demo is another cluster, though its objects have the names and uids of the last one's.
        state=demo_kubeconfig.parent / "state" if demo_kubeconfig else state_home(environ),
        runtime=None if demo else runtime_home(environ),
        namespaces=tuple(dict.fromkeys(given.get("namespaces", ()))),
        all_namespaces=given.get("all_namespaces", False),
        read_only=given.get("read_only", False),
        demo=demo,
        clock_rate=given.get("speed", 1.0),
    )


def login_name() -> str:
    """Who asks: the account's name on this machine, whatever the environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
