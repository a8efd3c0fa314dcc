"""The line that says what needs a person."""

from __future__ import annotations

from clients.serving.phase import TroubleKind
from widgets.cells import shown, width
from widgets.lines import Line, Piece, TextWidget
from widgets.records import Need

__all__ = ["NeedsYou"]


class NeedsYou(TextWidget):
    """``! 2 need you   deepseek-r1 G-0: …``; blank while nothing does."""

    _needs: tuple[Need, ...] = ()
    _count = 0

    def show(self, needs: tuple[Need, ...], count: int, now: float) -> None:
        """The most urgent one first; ``needs`` are as many of all ``count`` as may find room."""
        self._needs, self._count = needs, count
        self.update_rows()

    def lay_out(self, cells: int) -> list[Line]:
        """How many, then as many as find room."""
        needs, look = self._needs, self.look
        if not needs:
            return [()]
        verb = "needs" if self._count == 1 else "need"
        failed = any(need.failed for need in needs)
        style = look.trouble_style(TroubleKind.FAILED if failed else TroubleKind.BLOCKED)
        pieces: list[Piece] = [(f" ! {self._count} {verb} you", style)]
        room = cells - width(pieces[0][0])
        for index, need in enumerate(needs):
            where = f" {shown(need.where, 60)}" if need.where else ""
            name = f"   {shown(need.key.name, 60)}{where}: "
            text = shown(need.text)
            if index and width(name) + width(text) > room:
                break
            room -= width(name) + width(text)
            pieces += [(name, look.styles.strong), (text, look.styles.normal)]
        return [tuple(pieces)]
