"""The keys that move a cursor over a grid of lines and columns: groups with their role replicas, GPUs."""

from __future__ import annotations

from typing import Protocol

__all__ = ["OverGrid"]


class _Grid(Protocol):
    def move(self, right: int, down: int) -> None: ...

    def move_page(self, pages: int) -> None: ...

    def move_first(self) -> None: ...

    def move_last(self) -> None: ...


class OverGrid:
    """For a screen whose cursor is in its grid; stands before the screen it is mixed into."""

    @property
    def grid(self) -> _Grid:
        """What the cursor is in."""
        raise NotImplementedError

    def move(self, right: int, down: int) -> None:
        """Over its cells."""
        self.grid.move(right, down)

    def turn(self, pages: int) -> None:
        """By whole screens."""
        self.grid.move_page(pages)

    def to_top(self) -> None:
        """The first cell."""
        self.grid.move_first()

    def to_bottom(self) -> None:
        """The last cell."""
        self.grid.move_last()
