"""The one table of keys, and what is made from it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.support.scripted_door import ScriptedDoor
from tui.app import Console
from tui.dialogs.choice import ChoiceDialog
from tui.dialogs.scale import ScaleDialog
from tui.forms.rows import RowsDialog
from tui.keys import KEYS, Place, commands, find, help_rows, in_place, key_line, markdown, pairs
from tui.screens.autoscaling import AutoscalingScreen
from tui.screens.bindings import action_of, bindings
from tui.screens.events import EventsScreen
from tui.screens.fleet import FleetScreen
from tui.screens.gpu_node import GpuNodeScreen
from tui.screens.gpus import GpusScreen
from tui.screens.help import help_text
from tui.screens.load import LoadScreen
from tui.screens.logs import LogsScreen
from tui.screens.run import RunScreen
from tui.screens.runs import RunsScreen
from tui.screens.sources import SourcesScreen
from tui.screens.text import TextScreen
from tui.screens.workload import WorkloadScreen

SCREENS = {
    Place.FLEET: FleetScreen,
    Place.WORKLOAD: WorkloadScreen,
    Place.EVENTS: EventsScreen,
    Place.LOGS: LogsScreen,
    Place.TEXT: TextScreen,
    Place.SOURCES: SourcesScreen,
    Place.AUTOSCALING: AutoscalingScreen,
    Place.GPUS: GpusScreen,
    Place.GPU_NODE: GpuNodeScreen,
    Place.LOAD: LoadScreen,
    Place.RUNS: RunsScreen,
    Place.RUN: RunScreen,
    Place.SCALE: ScaleDialog,
    Place.FORM: RowsDialog,
    Place.CHOICE: ChoiceDialog,
}


@pytest.mark.parametrize("place", list(Place))
def test_no_key_means_two_things_in_one_place(place: Place) -> None:
    counted = Counter(name for name, _ in pairs(place))
    assert [name for name, times in counted.items() if times > 1] == []


def test_a_key_means_the_same_everywhere() -> None:
    meanings: dict[str, set[str]] = {}
    for key in KEYS:
        for name in key.keys:
            meanings.setdefault(name, set()).add(key.id)
    several = {name: ids for name, ids in meanings.items() if len(ids) > 1}
    assert several == {"enter": {"open", "confirm", "choose"}}


def test_terminal_prefixes_and_keys_of_things_not_built_are_not_bound() -> None:
    names = {name for key in KEYS for name in key.keys}
    assert not names & {"ctrl+a", "ctrl+b", "ctrl+s", "ctrl+q"}
    assert "x" not in names
    assert not any(name.startswith(("f1", "f2", "shift+")) for name in names)


@pytest.mark.parametrize("place", list(Place))
def test_every_action_of_the_table_exists_where_it_is_bound(place: Place) -> None:
    screen = SCREENS[place]
    for key in in_place(place):
        action = action_of(key.id)
        owner: type = Console if action.startswith("app.") else screen
        assert callable(getattr(owner, f"action_{key.id}", None)), (place, key.id)


@pytest.mark.parametrize("place", list(Place))
def test_screens_bind_the_table_and_nothing_else(place: Place) -> None:
    bound = SCREENS[place].__dict__["BINDINGS"]
    assert [(item.key, item.action) for item in bound] == [(b.key, b.action) for b in bindings(place)]  # type: ignore[union-attr]


def test_the_console_itself_adds_no_keys() -> None:
    app = Console(ScriptedDoor())
    assert set(app._bindings.key_to_bindings) <= {"ctrl+c"}


def test_help_is_the_table() -> None:
    text = help_text(Place.FLEET, 200, read_only=None)
    for key in KEYS:
        assert any(key.shown in line and key.help in line for line in text.splitlines()), key.id


@pytest.mark.parametrize("cells", [40, 78, 120])
def test_help_fits_its_width(cells: int) -> None:
    assert max(map(len, help_text(Place.WORKLOAD, cells, read_only="read-only: so").splitlines())) <= cells


def test_help_marks_what_works_on_the_screen_it_was_called_from() -> None:
    starred = [line for line in help_text(Place.LOGS, 200, read_only=None).splitlines() if "* " in line[:5]]
    assert any(":previous" in line for line in starred)
    assert not any("One fewer" in line or "Scales what" in line for line in starred)


def test_sections_hold_every_key_once() -> None:
    listed = [key for _, keys in help_rows() for key in keys]
    assert Counter(listed) == Counter(KEYS)


def test_a_read_only_context_has_no_writing_keys() -> None:
    assert any(key.writes for key in key_line(Place.FLEET))
    assert not any(key.writes for key in key_line(Place.FLEET, writes=False))
    assert not any(key.writes for key in commands(Place.WORKLOAD, writes=False))


def test_the_docs_page_is_the_table() -> None:
    page = (Path(__file__).parents[3] / "docs" / "keys.md").read_text(encoding="utf-8")
    assert page == markdown(), "write tui.keys.markdown() into docs/keys.md"
    for key in KEYS:
        assert f"`{key.shown}`" in page
        assert key.help in page


def test_an_action_that_is_not_in_the_table_is_an_error() -> None:
    with pytest.raises(KeyError):
        find("launch")
