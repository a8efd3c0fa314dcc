"""The main screens, compared with how they looked when somebody last looked at them."""

from __future__ import annotations

import pytest

from tests.support.console_scenes import FOLDER, SCENES, SIZES, draw


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SCENES)
async def test_it_looks_as_it_did(name: str, size: tuple[int, int]) -> None:
    kept = (FOLDER / f"{name}-{size[0]}x{size[1]}.txt").read_text(encoding="utf-8")
    assert (await draw(name, size)).splitlines() == kept.splitlines(), (
        "look at it with python -m tests.support.console_scenes, and keep it if it is better"
    )


def test_every_kept_picture_is_of_a_scene() -> None:
    names = {f"{name}-{size[0]}x{size[1]}.txt" for name in SCENES for size in SIZES}
    assert {file.name for file in FOLDER.iterdir()} == names
