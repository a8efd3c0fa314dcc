"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("clients", "widgets", "tui")
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager"}
LONGEST = 600
CLOCKS = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}


def sources(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def asked_times(tree: ast.AST) -> Iterator[str]:
    """Every place that asks the operating system for the time instead of an injected clock."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            if node.attr in CLOCKS.get(name, ()):
                yield f"line {node.lineno}: {name}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (
                f"line {node.lineno}: from time import {alias.name}"
                for alias in node.names
                if alias.name in CLOCKS["time"]
            )


def test_only_the_clock_asks_the_time() -> None:
    found = [
        f"{path.relative_to(ROOT)} {place}"
        for path in sources(*PACKAGES)
        if path != ROOT / "clients" / "clock.py"
        for place in asked_times(ast.parse(path.read_text()))
    ]
    assert found == []


def test_the_search_for_clocks_finds_them() -> None:
    code = "import time, datetime\nfrom time import monotonic\ntime.time()\ndatetime.datetime.now()\n"
    assert len(list(asked_times(ast.parse(code)))) == 3


@pytest.mark.parametrize(
    "path", sources(*PACKAGES, "tests", "benchmarks"), ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_file_has_one_subject(path: Path) -> None:
    assert path.stem not in FORBIDDEN_NAMES
    assert len(path.read_text().splitlines()) <= LONGEST


def test_comments_promise_nothing() -> None:
    word = re.compile(r"#.*\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources(*PACKAGES, "tests", "benchmarks")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if word.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_answers_without_loading_anything(option: str) -> None:
    code = (
        "import sys\n"
        "from tui.cli import main\n"
        "try:\n"
        f"    main(['{option}'])\n"
        "except SystemExit:\n"
        "    pass\n"
        "libraries = {'textual', 'rich', 'kubernetes_asyncio', 'aiohttp', 'yaml', 'pynvml', 'grpc'}\n"
        "heavy = libraries & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_the_first_frame_does_not_show_is_not_loaded_for_it() -> None:
    code = (
        "import sys, tui.commands, tui.console\n"
        "libraries = {'kubernetes_asyncio', 'aiohttp', 'httpx', 'yaml', 'tomllib', 'zoneinfo', 'uvloop'}\n"
        "others = ('clients.gpu', 'clients.exoscale', 'clients.modelarts', 'clients.load')\n"
        "others += ('tui.forms', 'tui.loads')\n"
        "pages = ('tui.screens.workload', 'tui.screens.gpus', 'tui.screens.text', 'tui.dialogs.scale')\n"
        "heavy = [name for name in sys.modules if name in libraries or name.startswith(others + pages)]\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
