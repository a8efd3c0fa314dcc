"""Starts the console: the terminal is looked at, the data side prepared, the screen opened."""

from __future__ import annotations

import os
import sys
import time

from clients.clock import SystemClock
from clients.kube.errors import ErrorKind, KubeError
from tui.app import ConsoleOptions, run_console
from tui.data import Data
from tui.exits import Exit, Stop
from tui.start import Start
from tui.terminal.kind import colour_depth, dark_background, over_slow_line
from tui.terminal.probe import choose_glyphs, probe
from widgets.glyphs import GlyphSet

__all__ = ["run"]

_LOCAL_FPS = 20
_SLOW_FPS = 10


def run(start: Start) -> int:
    """Opens the console and gives its exit code when it is left.

    A login plugin that needs the terminal is run first, while the terminal is still the shell's.

    Raises:
        Stop: the kubeconfig cannot be used, the login failed, or a cloud's keys are missing.
    """
    _check_clouds(start)
    try:
        config = start.cluster(interactive=True)
    except KubeError as error:
        code = Exit.USAGE if error.kind is ErrorKind.CONFIG else Exit.UNREACHABLE
        raise Stop(code, error.message) from None
    probed = probe(sys.stdin.fileno(), sys.stdout.fileno())
    glyphs = GlyphSet(start.settings.glyphs)
    notes = []
    if glyphs is GlyphSet.NARROW:
        glyphs = choose_glyphs(probed)
        if glyphs is not GlyphSet.NARROW:
            notes.append("ascii: this terminal draws other characters wide")
    elif glyphs is GlyphSet.EMOJI and probed.emoji is False:
        notes.append("this terminal draws emoji one cell wide; --glyphs narrow fits")
    slow = over_slow_line()
    told = dark_background(os.environ)
    dark = probed.dark if probed.dark is not None else told
    clock = SystemClock()
    options = ConsoleOptions(
        fps=start.settings.fps or (_SLOW_FPS if slow else _LOCAL_FPS),
        glyphs=glyphs,
        depth=colour_depth(os.environ),
        dark=dark is not False,
        read_only=start.read_only,
        mouse=not slow,
        utc_offset=float(time.localtime(clock.now()).tm_gmtoff),
        notes=tuple(notes),
    )
    return run_console(Data(start, config, clock), options, typed_ahead=probed.typed)


def _check_clouds(start: Start) -> None:
    """Before the screen is there: what is missing is a matter of settings, not of a cloud."""
    if not start.settings.clouds:
        return
    from tui.cloud_credentials import CredentialsError, check  # Only where a cloud is named.

    try:
        check(start.settings, start.environ)
    except CredentialsError as error:
        raise Stop(Exit.USAGE, error.message) from None
