"""Pages in Prometheus' text format, beside Prometheus' own Python reader; and pages that are broken."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from clients.gpu.exposition import Exposition, Labels, PageError, read_page

NAMES = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,12}", fullmatch=True)
LABELS = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True).filter(lambda name: name != "__name__")
TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), include_characters="\n"), max_size=12
)
BLANK = st.sampled_from(("", " ", "  ", "\t"))
FLAGS = st.booleans()
VALUES = st.floats(width=64) | st.integers(-(10**12), 10**12).map(float)

Point = tuple[str, frozenset[tuple[str, str]], str, float | None]


def written(value: float) -> str:
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN" if math.isnan(value) else repr(value))


@st.composite
def pages(draw: st.DrawFn) -> str:
    """Pages as careless exporters write them: odd blanks, escapes, comments, times, braces in values."""
    comments = st.sampled_from(("", "# a note", "#", "# HELP x_y {not} a metric", "   ", "  # a } note"))
    lines = draw(st.lists(comments, max_size=2))
    series = draw(
        st.lists(
            st.tuples(NAMES, st.dictionaries(LABELS, TEXTS, max_size=3)),
            max_size=8,
            unique_by=lambda one: (one[0], frozenset(one[1].items())),
        )
    )
    for name, labels in series:
        pairs = ",".join(
            f'{key}="' + text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") + '"'
            for key, text in labels.items()
        )
        comma, braces, stamped = draw(FLAGS), draw(FLAGS), draw(FLAGS)
        if labels and comma:
            pairs += ","
        block = f"{draw(BLANK)}{{{pairs}}}" if labels or braces else ""
        time = f" {draw(st.integers(0, 2**41))}" if stamped else ""
        lines.append(f"{name}{block} {draw(BLANK)}{written(draw(VALUES))}{time}")
    return "".join(line + draw(st.sampled_from(("\n", "\n\n"))) for line in lines)


def ours(page: Exposition) -> set[Point]:
    return {
        (name, frozenset(row.labels.items()), repr(value), None)
        for row in page.rows
        for name, value in row.values.items()
    }


def theirs(text: str) -> Iterator[Point]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, frozenset(sample.labels.items()), repr(float(sample.value)), None


@given(pages())
def test_reads_what_prometheus_client_reads(text: str) -> None:
    assert ours(read_page(text.encode(), Labels())) == set(theirs(text))


@given(pages(), st.sets(NAMES))
def test_what_is_not_wanted_is_left_out_and_nothing_else(text: str, wanted: set[str]) -> None:
    everything = ours(read_page(text.encode(), Labels()))
    wanted |= {name for index, (name, *_) in enumerate(sorted(everything)) if index % 2}
    assert ours(read_page(text.encode(), Labels(), wanted=wanted)) == {
        p for p in everything if p[0] in wanted
    }


@given(pages(), pages())
def test_what_is_kept_between_pages_changes_nothing(first: str, second: str) -> None:
    labels = Labels()
    read_page(first.encode(), labels)
    assert ours(read_page(second.encode(), labels)) == ours(read_page(second.encode(), Labels()))


@given(pages(), st.data())
def test_a_page_cut_anywhere_is_never_read_as_something_else(text: str, data: st.DataObject) -> None:
    body = text.encode()
    cut = body[: data.draw(st.integers(0, len(body)))]
    try:
        page = read_page(cut, Labels())
    except PageError:
        return
    assert ours(page) <= ours(read_page(body, Labels()))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_anything_is_a_page_or_a_clear_error(body: bytes) -> None:
    told = ""
    try:
        read_page(body, Labels())
    except PageError as error:
        told = str(error)
    assert told.isprintable()
    assert len(told) < 80


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'gpu_temp{gpu="0"} 7', "the page breaks off in the middle of a line"),
        (b'ok 1\ngpu_temp{gpu="0" 71\n', "line 2: labels are not closed"),
        (b"gpu_temp\n", "line 1: has no value"),
        (b"gpu_temp warm\n", "line 1: has a value or a time that is no number"),
        (b"gpu_temp 71 now\n", "line 1: has a value or a time that is no number"),
        (b"gpu_temp 71 1 2\n", "line 1: has more than a value and a time"),
        (b"gpu_temp{gpu=0} 71\n", "line 1: has labels that cannot be read"),
        (b'gpu_temp{gpu="0",gpu="1"} 71\n', "line 1: has a label twice"),
        (b'a{gpu="0"} 1\na{gpu="0"} 2\n', "line 2: a series is given twice"),
        (b"7eleven 1\n", "line 1: does not begin with a metric's name"),
        (b"# TYPE a banana\n", "line 1: a metric of an unknown type"),
        (b"\n <html><body>503</body></html>\n", "a web page, not metrics"),
        (b"temp\xff 1\n", "the page is not UTF-8 text"),
        (b'{"kind":"Status"}\n', "line 1: does not begin with a metric's name"),
        (b"\0" * 64 + b"\n", "line 1: does not begin with a metric's name"),
    ],
)
def test_a_broken_page_says_where_and_why(body: bytes, told: str) -> None:
    with pytest.raises(PageError) as caught:
        read_page(body, Labels())
    assert str(caught.value) == told


def test_a_huge_page_is_refused_unread() -> None:
    line = b'gpu_temp{gpu="0"} 71\n'
    with pytest.raises(PageError, match="longer than 8 MiB"):
        read_page(line * ((50 << 20) // len(line)), Labels())


def test_times_types_and_notes_are_told() -> None:
    page = read_page(
        b"# servegrid: NVML has not answered yet\n# HELP a b\n# TYPE npu_temp gauge\n"
        b'npu_temp{id="0"} 40 1700000000500\nnpu_power{id="0"} 300 1700000001500\nup 1\n',
        Labels(),
    )
    stamped, plain = page.rows
    assert (stamped.at, plain.at) == (1_700_000_001.5, None)
    assert stamped.values == {"npu_temp": 40, "npu_power": 300}
    assert page.types == {"npu_temp": "gauge"}
    assert page.notes == ("servegrid: NVML has not answered yet",)


def test_labels_that_are_kept_do_not_grow_without_end() -> None:
    labels = Labels()
    for pod in range(70_000):
        labels.read(f'pod="chat-{pod}"')
    assert len(labels.known) <= 65_536
