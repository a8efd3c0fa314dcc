"""The numbers in the scale dialog."""

from __future__ import annotations

import msgspec

from clients.serving.changes import ReplicasChange
from clients.serving.workload import Capabilities
from tests.support import fleets
from tui.dialogs.count_draft import CountDraft
from tui.dialogs.draft import LARGEST


def test_untouched_asks_for_what_there_is() -> None:
    assert CountDraft(fleets.workload("a", 3)).change() == ReplicasChange(groups=3)


def test_groups_and_roles_go_into_one_change() -> None:
    draft = CountDraft(fleets.workload("a", 3))
    draft.step(1)
    draft.put("decode", 5)
    assert draft.change() == ReplicasChange(groups=4, roles=(("decode", 5),))


def test_only_a_role() -> None:
    draft = CountDraft(fleets.workload("a", 3), "prefill")
    draft.step(-1)
    assert draft.change() == ReplicasChange(groups=None, roles=(("prefill", 1),))


def test_without_roles_to_scale_there_is_one_field() -> None:
    value = msgspec.structs.replace(fleets.workload("a", 3), capabilities=Capabilities(roles=False))
    assert [field.name for field in CountDraft(value, "prefill").fields] == ["groups"]


def test_the_first_digit_replaces_and_the_others_follow() -> None:
    draft = CountDraft(fleets.workload("a", 3))
    draft.digit("1")
    draft.digit("2")
    assert draft.change().groups == 12
    draft.backspace()
    draft.backspace()
    assert not draft.complete
    draft.step(1)
    assert draft.change().groups == 4


def test_never_below_zero_nor_beyond_reason() -> None:
    draft = CountDraft(fleets.workload("a", 1))
    for _ in range(5):
        draft.step(-1)
    assert draft.change().groups == 0
    for char in "99999":
        draft.digit(char)
    assert draft.change().groups == LARGEST


def test_untouched_numbers_follow_and_touched_ones_stay() -> None:
    draft = CountDraft(fleets.workload("a", 3))
    draft.put("groups", 5)
    notes = draft.follow(fleets.workload("a", 4, roles=(("prefill", 3), ("decode", 2))))
    assert notes == ("groups was 3 and is now 4", "prefill was 2 and is now 3")
    assert draft.change() == ReplicasChange(groups=5)
    assert [(field.before, field.text) for field in draft.fields] == [(4, "5"), (3, "3"), (2, "2")]


def test_an_inverse_is_taken_whole() -> None:
    draft = CountDraft(fleets.workload("a", 3))
    draft.take(ReplicasChange(groups=2, roles=(("decode", 7), ("gone", 1))))
    assert draft.change() == ReplicasChange(groups=2, roles=(("decode", 7),))
