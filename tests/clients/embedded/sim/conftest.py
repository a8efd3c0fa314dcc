"""Fixtures of the simulation's tests."""

from __future__ import annotations

import pytest

from tests.support.simworld import World


@pytest.fixture
def world() -> World:
    """A HEAD cluster with 8 nodes, not yet started."""
    return World()


@pytest.fixture
def make_world() -> type[World]:
    """Worlds of other flavours and sizes."""
    return World
