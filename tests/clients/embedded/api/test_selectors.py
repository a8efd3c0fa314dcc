"""Selectors: anything is read or refused, and what is read means what it says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clients.embedded.apiserver.errors import ApiError
from clients.embedded.apiserver.selectors import parse_labels

_KEYS = st.sampled_from(["a", "b", "x.io/c"])
_WORDS = st.sampled_from(["", "1", "two", "3.0-x_y"])
_LABELS = st.dictionaries(_KEYS, _WORDS)


@given(st.text(alphabet="ab1 =!<>(),inot/.-", max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    code = 200
    try:
        parse_labels(text)
    except ApiError as error:
        code = error.code
    assert code in (200, 400)


@given(_KEYS, st.lists(_WORDS, min_size=1, max_size=3), _LABELS)
def test_opposites(key: str, values: list[str], labels: dict[str, str]) -> None:
    def holds(text: str) -> bool:
        return all(r.matches(labels) for r in parse_labels(text))

    listed = f"({','.join(values)})"
    assert holds(f"{key} in {listed}") == (labels.get(key) in values)
    assert holds(f"{key} in {listed}") != holds(f"{key} notin {listed}")
    assert holds(key) != holds(f"!{key}")
    assert holds(f"{key}={values[0]}") == holds(f"{key}=={values[0]}")
    assert holds(f"{key}={values[0]}") != holds(f"{key}!={values[0]}")
