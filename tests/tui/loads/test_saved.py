"""Load tests that were written down: read back, compared, and made into pages and tables that stand alone."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace

from clients.load.shape import shape
from clients.serving.keys import WorkloadKey
from tests.support.kept_runs import KEY, SIGNAL, answering, kept
from tui.loads.compared import compared
from tui.loads.csv_table import FIELDS, csv_table
from tui.loads.history import ClusterSecond
from tui.loads.html import page
from tui.loads.saved import RunError, read_run, summaries

HOSTILE = '<script>alert(1)</script>\x1b]0;x\x07"&'


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with answering() as url:
        yield url


async def test_what_was_written_is_read_back(tmp_path: Path, url: str) -> None:
    path = await kept(tmp_path, url, at=1_790_000_000.0)
    run = read_run(path)
    assert (run.key, run.context) == (KEY, "prod")
    assert run.result is not None
    assert run.began_at == run.result.started_at
    assert run.history.total.ok == run.result.requests.ok == run.result.requests.scheduled > 0
    assert run.history.cluster[1] == ClusterSecond(1, wanted=3, ready=2)
    assert [mark.text for mark in run.history.marks] == ["HPA 2>3"]
    assert run.history.signal_name == SIGNAL
    assert shape(run.history.plan) == "40 a second, poisson for 1s"


async def test_the_list_has_the_newest_first_and_leaves_out_what_is_no_run(tmp_path: Path, url: str) -> None:
    old = await kept(tmp_path, url, at=1_790_000_000.0)
    new = await kept(tmp_path, url, at=1_790_009_000.0)
    (tmp_path / "something").mkdir()
    newer = await kept(tmp_path, url, at=1_790_019_000.0)
    records = newer / "records.jsonl"
    records.write_bytes(records.read_bytes().replace(b'"v":1', b'"v":99', 1))
    assert [found.path for found in summaries(tmp_path)] == [new, old]
    with pytest.raises(RunError, match="newer servegrid"):
        read_run(newer)
    assert summaries(tmp_path / "nowhere") == []


async def test_a_run_cut_short_is_read_as_far_as_it_goes(tmp_path: Path, url: str) -> None:
    path = await kept(tmp_path, url, at=1_790_000_000.0)
    records = path / "records.jsonl"
    text = records.read_bytes()
    records.write_bytes(text[: text.rindex(b'"mark"')])
    (path / "result.json").unlink()
    run = read_run(path)
    assert run.result is None
    assert run.history.seconds
    assert run.history.marks == []
    assert "did not come to its end" in page(run)


class Page(HTMLParser):
    """Tags, what they fetch, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        self.fetched += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_the_page_stands_alone_and_nothing_in_it_acts(tmp_path: Path, url: str) -> None:
    key = WorkloadKey("uid", "kthena", "llm", "ModelServing", HOSTILE)
    path = await kept(tmp_path, url, at=1_790_000_000.0, key=key, said=HOSTILE)
    text = page(read_run(path))
    found = Page(text)
    assert "script" not in found.tags
    assert found.fetched == []
    assert "\x1b" not in text
    assert "alert(1)" in found.text  # It is shown, as text.
    assert "within the SLO" in found.text
    charts = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert [ET.fromstring(chart).get("aria-label") for chart in charts] == [
        "answers a second",
        "latency, from when a request was due",
        "requests",
        "replicas",
        "GPUs busy",
        f"what the driver looks at ({SIGNAL}), of its target",
    ]


async def test_the_table_has_a_row_for_every_second_and_empty_cells_for_what_is_not_known(
    tmp_path: Path, url: str
) -> None:
    run = read_run(await kept(tmp_path, url, at=1_790_000_000.0))
    head, *rows = csv.reader(io.StringIO(csv_table(run.history)))
    assert tuple(head) == FIELDS
    assert len(rows) == run.history.reach
    assert {len(row) for row in rows} == {len(FIELDS)}
    first, second = (dict(zip(FIELDS, row, strict=True)) for row in rows[:2])
    assert sum(int(row[FIELDS.index("ok")] or 0) for row in rows) == run.history.total.ok
    assert (first["wanted"], first["gpu_busy_percent"]) == ("2", "61.5")
    assert (second["wanted"], second["gpu_busy_percent"]) == ("3", "")


async def test_two_runs_stand_side_by_side_with_what_changed(tmp_path: Path, url: str) -> None:
    one = await kept(tmp_path, url, at=1_790_000_000.0)
    await kept(tmp_path, url, at=1_790_009_000.0)
    (one / "result.json").write_bytes(
        re.sub(rb'"ok_per_s":[\d.]+', b'"ok_per_s":10.0', (one / "result.json").read_bytes())
    )
    new, old = summaries(tmp_path)
    assert new.result is not None
    rows = {row.name: row for row in compared((old, new))}
    assert rows["workload"].values == ("qwen-chat", "qwen-chat")
    assert rows["ok a second"].values[0] == "10"
    assert rows["ok a second"].change == f"{100 * (new.result.throughput.ok_per_s - 10) / 10:+.0f} %"
    assert "first token p50" not in rows  # Neither of them has it.
    unended = {row.name: row for row in compared((old, replace(new, result=None)))}
    assert unended["latency p50"].values[1] == "–"
    assert unended["latency p50"].change == ""
