from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.load.sse import EventSplitter, OversizedEventError

STREAM = b': hello\n\ndata: {"a": 1}\n\nevent: x\r\ndata: two\r\ndata: lines\r\n\r\nid: 3\n\ndata:tight\n\n'
EVENTS = [b'{"a": 1}', b"two\nlines", b"tight"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_events_are_the_same_however_the_network_cuts_them(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    splitter = EventSplitter()
    found = [event for start, end in pairwise(places) for event in splitter.feed(STREAM[start:end])]
    assert found == EVENTS
    assert splitter.rest() is None


def test_a_last_event_without_its_end_is_kept() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: [DONE]\n") == []
    assert splitter.rest() == b"[DONE]"


def test_an_event_that_does_not_end_is_refused() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"x" * (1 << 20)) == []
    with pytest.raises(OversizedEventError):
        splitter.feed(b"x")
