"""What every screen of one console shares: the door, the newest data, how to draw, what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from clients.serving.keys import WorkloadKey
from clients.serving.workload import Workload
from tui.door import Door, Mode, Right
from tui.live import Live
from tui.needs import Need
from widgets.glyphs import GlyphSet
from widgets.theme import Depth, Look, look

if TYPE_CHECKING:
    from tui.loads.running import Loads
    from tui.loads.test import LoadTest

__all__ = ["ConsoleOptions", "Session"]


class ConsoleOptions(Struct, frozen=True):
    """How the console runs."""

    fps: int = 20
    """Data ticks a second."""
    glyphs: GlyphSet = GlyphSet.NARROW
    depth: Depth = Depth.ANSI
    dark: bool = True
    read_only: bool = False
    """From the command line; a context's own mode may say so too."""
    mouse: bool = False
    utc_offset: float = 0.0
    """Seconds east of UTC in which times of the day are shown."""
    notes: tuple[str, ...] = ()
    """What must be said in the status line from the start."""


class Session:
    """One console's state beyond its screens."""

    def __init__(self, door: Door, options: ConsoleOptions, backlog: Callable[[], int]) -> None:
        self.door = door
        self.options = options
        self.live = Live(door)
        self.live.notes = options.notes
        self.look: Look = look(options.glyphs, options.depth, dark=options.dark)
        self.backlog = backlog
        self.need: Need | None = None
        """Where ``n`` was last."""
        self.tell: Callable[[str], None] = lambda text: None
        """Says a sentence on whatever screen is on top; the application puts it in."""
        self.visit: Callable[[Need], None] = lambda need: None
        """Goes to what needs a person, from any screen; the application puts it in."""
        self.loads: Loads | None = None
        """Load tests, once one was asked for."""
        self._rights: dict[tuple[str, WorkloadKey], Right] = {}

    def read_only_at(self, key: WorkloadKey) -> str | None:
        """Why a workload may not be changed, or ``None``."""
        cloud = self.live.context.cloud(key.cluster)
        if cloud is None or self.options.read_only:
            return self.read_only
        if cloud.mode == Mode.READ_ONLY:
            return f"read-only: the settings say so for {cloud.name}"
        return None

    @property
    def read_only(self) -> str | None:
        """Why nothing may be written in the context, or ``None``."""
        if self.options.read_only:
            return "read-only: the console was started with --read-only"
        context = self.live.context
        if context.mode == Mode.READ_ONLY:
            return f"read-only: the settings say so for context {context.name}"
        return None

    @property
    def mine_running(self) -> tuple[Workload, ...]:
        """Workloads with a running operation that I asked for."""
        return tuple(
            workload
            for workload in self.live.view.workloads.values()
            if workload.operation and workload.operation.mine and workload.operation.ended_at is None
        )

    @property
    def load_running(self) -> LoadTest | None:
        """The load test that sends requests now."""
        return self.loads.running if self.loads is not None else None

    def title(self, key: WorkloadKey) -> str:
        """Context or zone, namespace and name: the head of every dialog that changes something."""
        cloud = self.live.context.cloud(key.cluster)
        where = self.live.context.name if cloud is None else cloud.name
        return " / ".join(part for part in (where, key.namespace, key.name) if part)

    def known_right(self, verb: str, key: WorkloadKey) -> Right | None:
        """What the last review said, ``None`` before there was one."""
        return self._rights.get((verb, key))

    async def ask_right(self, verb: str, key: WorkloadKey) -> Right:
        """Whether I may; remembered until the rights are checked again."""
        right = await self.door.right(verb, key)
        self._rights[(verb, key)] = right
        return right

    def start_anew(self) -> None:
        """Another context or other namespaces: nothing of the old ones is kept."""
        self.live = Live(self.door)
        self.live.notes = self.options.notes
        self.need = None
        self._rights.clear()

    def recheck_rights(self) -> None:
        """Forgets what the reviews said."""
        self._rights.clear()
        self.door.recheck_rights()
