"""The documents say what the program is: every name that a person may meet is in them."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from benchmarks.__main__ import names as budgets
from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.scenarios.catalogue import SCENARIOS
from clients.kube import cronhpa, hpa, keda, kthena, kthena_policy, shared_watches
from clients.kube.kthena_order import RULES, Fill, Victims
from clients.kube.pod_reasons import _CREATE, _IMAGE
from clients.kube.resources import ResourceSpec
from clients.serving.sources import SourceState
from tests.conformance.deviations import DEVIATIONS
from tui.audit import Ended, Intent, Sent
from tui.cli import parser
from tui.cloud_settings import ExoscaleTable, ModelArtsTable
from tui.exits import Exit
from tui.filter import LABEL
from tui.rows import COLUMNS, Order
from tui.screens import events
from tui.settings import SETTINGS_VERSION, _File
from widgets.fleet_columns import Column
from widgets.glyphs import SETS, GlyphSet

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]

FILLS = {Fill.EVERY_GAP: "every missing ordinal", Fill.GAPS: "lowest gaps", Fill.APPEND: "after the highest"}
VICTIMS = {
    Victims.BEYOND: "every ordinal from the target up",
    Victims.COST: "cost",
    Victims.READY_COST: "not ready, cost",
    Victims.LAST: "highest ordinal",
}
SIGNS = ("bar_full", "bar_half", "bar_empty", "cursor", "picked", "unknown", "ellipsis")


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def in_three(name: str, of: str, key: object = None) -> str:
    """The beginning of a sign's row: its name, and how each set draws it."""
    found = [getattr(SETS[glyphs], of) for glyphs in (GlyphSet.NARROW, GlyphSet.ASCII, GlyphSet.EMOJI)]
    signs = [sign if key is None else sign[key] for sign in found]
    return f"| {name} | " + " | ".join(f"`{sign.strip()}`" for sign in signs) + " |"


def glyph_rows() -> Iterator[str]:
    narrow = SETS[GlyphSet.NARROW]
    for phase in narrow.phases:
        yield in_three(phase, "phases", phase)
    for kind in narrow.troubles:
        yield in_three(kind, "troubles", kind)
    for mark in narrow.marks:
        yield in_three(mark, "marks", mark)
    for stage in narrow.stages:
        yield f"| {stage} | {narrow.stages[stage]} | {narrow.stages_short[stage]} |"
    for field in SIGNS:
        yield in_three(field.replace("_", " "), field)


def order_rows() -> Iterator[str]:
    for rule in RULES.values():
        partition = "kept" if rule.partition else "ignored"
        yield f"| `{rule.version}` | {{}} | {FILLS[rule.fill]} | {VICTIMS[rule.victims]} | {partition} |"


@pytest.mark.parametrize("row", list(glyph_rows()))
def test_every_sign_is_explained(row: str) -> None:
    assert row in page("console.md")


@pytest.mark.parametrize("row", list(order_rows()))
def test_every_order_rule_is_told(row: str) -> None:
    before, after = (re.escape(part) for part in row.split("{}"))
    assert re.search(f"^{before}[^|]*{after}", page("truth.md"), re.MULTILINE)


def options(command_line: argparse.ArgumentParser) -> Iterator[str]:
    for action in command_line._actions:
        yield from (name for name in action.option_strings if name not in ("-h", "--help"))
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from options(inner)


def embedded_options() -> set[str]:
    command = [sys.executable, "-P", "-m", "clients.embedded", "--help"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return set(re.findall(r"--[a-z][a-z-]+", told.stdout)) - {"--help"}


def test_every_option_and_exit_code_is_in_the_contract() -> None:
    text = page("cli.md")
    for option in {*options(parser()), *embedded_options()}:
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", text), option
    for code in Exit:
        assert f"| {code.value} | " in text, code


_CLOUDS: dict[str, type[msgspec.Struct]] = {"exoscale": ExoscaleTable, "modelarts": ModelArtsTable}


def settings_keys() -> set[str]:
    found: set[str] = set()
    for field in msgspec.structs.fields(_File):
        if field.encode_name == "contexts":
            found.add('contexts."GLOB".mode')
        elif field.encode_name == "kthena":
            found |= {"kthena.order", 'kthena.orders."GLOB"'}
        elif field.encode_name in _CLOUDS:
            names = [inner.encode_name for inner in msgspec.structs.fields(_CLOUDS[field.encode_name])]
            found |= {f"{field.encode_name}.{name}" for name in names}
        elif field.encode_name in ("workloads", "gpu", "load"):
            found |= {
                f"{field.encode_name}.{inner.encode_name}" for inner in msgspec.structs.fields(field.type)
            }
        else:
            found.add('prices."NAME"' if field.encode_name == "prices" else field.encode_name)
    return {'modelarts.projects."REGION"' if name == "modelarts.projects" else name for name in found}


def test_exactly_the_settings_there_are_are_told() -> None:
    table = page("settings.md").split("## Files")[0]
    assert set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)) == settings_keys()
    assert f"version = {SETTINGS_VERSION}" in table


@pytest.mark.parametrize("record", [Intent, Sent, Ended])
def test_the_audit_log_is_told_field_by_field(record: type[msgspec.Struct]) -> None:
    tag = record.__struct_config__.tag
    row = next(line for line in page("settings.md").splitlines() if f'`"type":"{tag}"`' in line)
    told = row.split("|")[3].split("`")[1].split()
    assert set(told) == {field.encode_name for field in msgspec.structs.fields(record)}


def specs() -> list[ResourceSpec]:
    shared = [getattr(shared_watches, name) for name in shared_watches.__all__]
    return [
        kthena.MODEL_SERVINGS,
        kthena.POD_GROUPS,
        *hpa.WATCHES,
        *cronhpa.WATCHES,
        *keda.WATCHES,
        *kthena_policy.WATCHES,
        *shared,
    ]


def test_every_source_and_its_states_are_told() -> None:
    text = page("console.md")
    for spec in specs():
        assert f"`{spec.source}`" in text, spec.source
    for state in SourceState:
        assert f"| `{state}` | " in text, state


def guards_of(sources: list[str]) -> set[str]:
    """The ids of all guards that these modules make, written out or by the name of a constant."""
    shared = (ROOT / "clients" / "serving" / "guards.py").read_text()
    ids = set()
    for source in sources:
        constants = dict(re.findall(r'^([A-Z_]+) = "([a-z-]+)"', f"{shared}\n{source}", re.MULTILINE))
        for literal, constant in re.findall(r'Guard\(\s*(?:"([a-z-]+)"|([A-Z_]{2,})\b)', source):
            ids.add(literal or constants[constant])
    return ids


def test_every_guard_column_order_and_filter_word_is_told() -> None:
    text = page("console.md")
    places = (ROOT / "clients" / "kube", ROOT / "clients" / "serving")
    sources = [path.read_text() for place in places for path in place.glob("*.py")]
    guards = guards_of(sources)
    assert len(guards) >= 10
    assert set(re.findall(r"^\| `([a-z-]+)` \| (?:ok|WARN|CONFIRM|STOP)", text, re.MULTILINE)) == guards
    for column in Column:
        assert f"| {column} | " in text, column
    for order in Order:
        assert str(order) in text, order
    assert f"`{' '.join(COLUMNS)}`" in text
    assert f"`{' '.join(events._COLUMNS)}`" in text
    assert f"`{LABEL}:" in text


def test_every_guard_source_and_rule_of_exoscale_is_told() -> None:
    text = page("exoscale.md")
    sources = [path.read_text() for path in (ROOT / "clients" / "exoscale").glob("*.py")]
    guards = guards_of(sources)
    told = re.findall(r"^\| (?:EX\d+)? ?\| `([a-z-]+)` \|", text, re.MULTILINE)
    assert sorted(told) == sorted(guards)
    assert re.findall(r"^\| (EX\d+) \|", text, re.MULTILINE) == [f"EX{number}" for number in range(1, 11)]
    polled = {name for source in sources for name in re.findall(r'\bpoller\(\s*"([^"]+)"', source)}
    assert set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)) == polled


def test_every_reason_of_trouble_is_told() -> None:
    text = page("truth.md")
    parts = ("pod_reasons.py", "kthena_replicas.py", "world.py")
    said: set[str] = set()
    for part in parts:
        source = (ROOT / "clients" / "kube" / part).read_text()
        said |= set(re.findall(r'TroubleKind\.\w+,\s*"([A-Z]\w+)"', source))
    assert len(said) >= 7
    for reason in said:
        assert f"`{reason}`" in text, reason
    assert "`ImagePullBackOff`" in text
    assert "ImagePullBackOff" in _IMAGE
    assert "CreateContainerConfigError" in _CREATE


def test_scenarios_orders_and_deviations_of_the_embedded_cluster() -> None:
    text = page("embedded.md")
    for name in SCENARIOS:
        assert f"| `{name}` | " in text, name
    for flavour in Flavour:
        assert f"`{flavour.value}`" in text or f"--kthena {flavour.value}" in text, flavour
    assert DEVIATIONS
    assert "../tests/conformance/deviations.py" in text


def test_exactly_the_budgets_there_are_are_told() -> None:
    told = re.findall(r"^\| `(\w+)` \|", page("benchmarks.md").split("## Figures")[0], re.MULTILINE)
    assert sorted(told) == budgets()


def anchors(path: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("path", sorted((DOCS / "images").glob("*.svg")), ids=lambda path: path.name)
def test_pictures_load_nothing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<svg ")
    assert not re.search(r"url\(|href|@font-face|<script", text)
