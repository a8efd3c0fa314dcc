"""The scaling guide's stage tables, drawn from a controller that follows the guide to the letter.

✅ processed and completed, ❎ not processed, ⏳ in scaling, blank: does not exist (or no operation runs).
"""

from __future__ import annotations

import pytest

from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.servings import Role
from tests.support.followed import Followed
from tests.support.simworld import World

IDLE = " | | | "


def start(groups: int) -> Followed:
    world = World(Flavour.DOCUMENTED, nodes=16).grown(groups, (Role("prefill"), Role("decode", 2)))
    return Followed(world, Flavour.DOCUMENTED)


def stages(followed: Followed) -> list[str]:
    return [table for table in followed.tables if table != IDLE]


def test_group_scale_up() -> None:
    followed = start(2)
    followed.scale(4)
    assert stages(followed) == ["✅|✅| | ", "✅|✅|⏳| ", "✅|✅|✅| ", "✅|✅|✅|⏳"]
    assert followed.tables[-1] == IDLE


def test_group_scale_down() -> None:
    followed = start(4)
    followed.scale(2)
    assert stages(followed) == ["✅|✅|❎|❎", "✅|✅|❎|⏳", "✅|✅|❎| ", "✅|✅|⏳| "]
    assert followed.tables[-1] == IDLE


@pytest.mark.parametrize("decode", [1, 4])
def test_role_walk(decode: int) -> None:
    """Between two stages there is a moment in which one group is done and the next has not begun."""
    followed = start(4)
    followed.scale(decode=decode)
    assert stages(followed) == [
        "❎|❎|❎|❎",
        "❎|❎|❎|⏳",
        "❎|❎|❎|✅",
        "❎|❎|⏳|✅",
        "❎|❎|✅|✅",
        "❎|⏳|✅|✅",
        "❎|✅|✅|✅",
        "⏳|✅|✅|✅",
    ]
    assert followed.tables[-1] == IDLE
