from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tui.cli import parser
from tui.version import VERSION

if TYPE_CHECKING:
    from tests.tui.cli.conftest import Shell


def servegrid(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui", *words], capture_output=True, text=True, timeout=60, check=False
    )


def imported_by(*words: str) -> set[str]:
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tui", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return {line.rpartition("|")[2].strip() for line in told.stderr.splitlines() if "|" in line}


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["scale", "--help"]])
def test_help_and_version_load_no_library(words: list[str]) -> None:
    found = imported_by(*words)
    assert "argparse" in found
    tops = {name.partition(".")[0] for name in found}
    assert tops.isdisjoint({"textual", "rich", "kubernetes_asyncio", "aiohttp", "msgspec", "asyncio", "yaml"})
    assert tops.isdisjoint({"clients", "widgets"})


def test_headless_commands_load_no_screen() -> None:
    modules = "tui.commands, tui.headless.get, tui.headless.watch, tui.headless.scale, tui.demo"
    told = subprocess.run(
        [sys.executable, "-c", f"import sys, {modules}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    tops = {name.partition(".")[0] for name in told.stdout.split()}
    assert "clients" in tops
    assert tops.isdisjoint({"textual", "widgets"})
    assert "clients.embedded" not in told.stdout.split()


def test_the_version_is_told_once_for_code_and_package() -> None:
    assert servegrid("--version").stdout == f"servegrid {VERSION}\n"
    project = Path(__file__).parents[3].joinpath("pyproject.toml").read_text()
    assert 'dynamic = ["version"]' in project


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nope"], "invalid choice: 'nope'"),
        (["get", "--time", "3"], "unrecognized arguments: --time"),
        (["get", "-o", "yaml"], "invalid choice: 'yaml'"),
        (["get", "--timeout", "0"], "expected seconds above 0, got '0'"),
        (["get", "--timeout", "nan"], "expected seconds above 0, got 'nan'"),
        (["get", "-n", "a,,b"], "expected NAMESPACE[,NAMESPACE…], got 'a,,b'"),
        (["get", "-n", "a", "-A"], "-n and -A exclude each other"),
        (["-A", "get", "-n", "a"], "-n and -A exclude each other"),
        (["scale", "x"], "scale needs --replicas N, --role R=N, or both"),
        (["scale", "--replicas", "2"], "the following arguments are required: NAME"),
        (["scale", "x", "--replicas", "-1"], "expected a whole number of 0 or more, got '-1'"),
        (["scale", "x", "--replicas", "١"], "expected a whole number of 0 or more, got '١'"),
        (["scale", "x", "--role", "decode"], "expected ROLE=NUMBER, got 'decode'"),
        (["scale", "x", "--role", "decode=2.5"], "expected a whole number of 0 or more, got '2.5'"),
        (["scale", "x", "--role", "d=1", "--role", "d=2"], "a role is given twice"),
        (["scale", "x", "--replicas", "1", "--dry-run", "--wait"], "--dry-run changes nothing"),
        (["--fps", "0"], "expected 1 to 60, got '0'"),
        (["demo", "--speed", "-1"], "expected a factor of 0 (frozen) or more, got '-1'"),
        (["demo", "--kubeconfig", "x"], "demo: --kubeconfig: the demo has a cluster of its own"),
        (["-A", "embedded"], "the options of embedded follow it"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error_of_one_line(
    nowhere: Shell, words: list[str], message: str
) -> None:
    done = nowhere.run(*words, code=2)
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_cluster_options_stand_before_or_after_the_command() -> None:
    for words in (
        ["-n", "a,b", "--context", "c", "get", "x"],
        ["get", "-n", "a", "-n", "b", "--context", "c", "x"],
    ):
        given = parser().parse_args(words)
        assert (given.namespaces, given.context, given.name) == (["a", "b"], "c", "x")
        assert (given.output, given.timeout) == ("table", 10.0)


def test_scale_takes_groups_and_several_roles_at_once() -> None:
    given = parser().parse_args(
        [
            "scale",
            "ms/x",
            "--replicas",
            "4",
            "--role",
            "prefill=2",
            "--role",
            "decode=8",
            "--as",
            "u",
            "--as-group",
            "g",
        ]
    )
    assert (given.replicas, given.roles) == (4, [("prefill", 2), ("decode", 8)])
    assert (given.as_user, given.as_groups) == ("u", ["g"])


def test_as_a_kubectl_plugin_it_calls_itself_by_its_place_there(tmp_path: Path) -> None:
    program = tmp_path / "kubectl-servegrid"
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom tui.cli import main\nsys.exit(main())\n")
    done = subprocess.run(
        [sys.executable, str(program), "scale", "x"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("kubectl servegrid: scale needs")


@pytest.mark.parametrize("command", [["get"], ["watch"], ["scale", "x", "--replicas", "1"], []])
def test_settings_that_cannot_be_used_end_every_command(
    nowhere: Shell, command: list[str], tmp_path: Path
) -> None:
    settings = tmp_path / "config.toml"
    settings.write_text("\nglyhs = 1\n")
    done = nowhere.run("--config", str(settings), *command, code=2)
    assert done.stderr == f"servegrid: {settings}:2: glyhs: unknown key; did you mean `glyphs`?\n"
