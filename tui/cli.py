"""The command line: what ``servegrid`` and ``kubectl servegrid`` understand. docs/cli.md is its contract.

Nothing is imported here that costs time: ``--help`` and ``--version`` answer before any library is loaded.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from tui.cli_load import add_load, check_load
from tui.exits import Exit, Stop
from tui.version import VERSION

__all__ = ["main", "parser"]

_EMBEDDED = "embedded"

_CODES = """\
exit codes: 0 done; 1 failed, conflict, reverted or timed out; 2 usage;
3 stopped by a guard or unconfirmed; 4 not found; 5 unreachable or not allowed;
130 interrupted"""

_NAMES = """\

NAME is name, kind/name, namespace/name or kind/namespace/name; any object in a
workload's chain (an autoscaler, a pod) stands for its workload. At clouds it is
exoscale/ZONE/NAME, modelarts/REGION/SERVICE/DEPLOYMENT, or NAME@ZONE."""


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"expected a whole number of 0 or more, got '{text}'")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, got '{text}'")
    return value


def _speed(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:
        raise argparse.ArgumentTypeError(f"expected a factor of 0 (frozen) or more, got '{text}'")
    return value


def _port(text: str) -> int:
    value = _count(text)
    if value > 65535:
        raise argparse.ArgumentTypeError(f"expected 0 to 65535, got '{text}'")
    return value


def _sampling_interval(text: str) -> float:
    value = _seconds(text)
    if not 0.5 <= value <= 60:
        raise argparse.ArgumentTypeError(f"expected 0.5 to 60 seconds, got '{text}'")
    return value


def _fps(text: str) -> int:
    value = _count(text)
    if not 1 <= value <= 60:
        raise argparse.ArgumentTypeError(f"expected 1 to 60, got '{text}'")
    return value


def _role(text: str) -> tuple[str, int]:
    name, equals, number = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"expected ROLE=NUMBER, got '{text}'")
    return name, _count(number)


def _namespaces(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"expected NAMESPACE[,NAMESPACE…], got '{text}'")
    return names


class _Parser(argparse.ArgumentParser):
    """Options are never guessed from abbreviations, so that new ones break no script."""

    def __init__(self, **options: object) -> None:
        options.setdefault("allow_abbrev", False)
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        self.exit(Exit.USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _cluster_options() -> _Parser:
    """Options that every command takes, before or after its name."""
    options = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    group = options.add_argument_group("cluster and settings")
    group.add_argument("--config", metavar="FILE", help="settings instead of the user's config.toml")
    group.add_argument("--kubeconfig", metavar="FILE", help="instead of $KUBECONFIG or ~/.kube/config")
    group.add_argument("--context", metavar="NAME", help="context of the kubeconfig")
    group.add_argument("--as", dest="as_user", metavar="USER", help="impersonate a user")
    group.add_argument(
        "--as-group",
        dest="as_groups",
        metavar="GROUP",
        action="append",
        help="impersonate a group; repeatable",
    )
    group.add_argument(
        "-n",
        "--namespace",
        dest="namespaces",
        metavar="NS[,NS]",
        type=_namespaces,
        action="extend",
        help="only these namespaces; else the context's own, else all",
    )
    group.add_argument(
        "-A", "--all-namespaces", dest="all_namespaces", action="store_true", help="all namespaces"
    )
    return options


def _console_options() -> _Parser:
    """Options of the console: of ``servegrid`` alone, and of the demo."""
    options = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    group = options.add_argument_group("console")
    group.add_argument("--read-only", dest="read_only", action="store_true", help="nothing can be changed")
    group.add_argument("--glyphs", choices=("narrow", "ascii", "emoji"), help="characters to draw with")
    group.add_argument("--fps", type=_fps, metavar="N", help="screen updates a second: 20, over SSH 10")
    group.add_argument("--plain", action="store_true", help="lines of text instead of a screen")
    return options


def parser(prog: str = "servegrid") -> _Parser:
    """The whole command line."""
    cluster, console = _cluster_options(), _console_options()
    top = _Parser(
        prog=prog,
        description="Watch and scale LLM inference workloads: ordered grids of ServingGroups, live.",
        epilog=_CODES,
        parents=[console, cluster],
        argument_default=argparse.SUPPRESS,
    )
    top.add_argument("--version", action="version", version=f"servegrid {VERSION}")
    commands = top.add_subparsers(
        dest="command", metavar="COMMAND", title="commands", description="without one: the console"
    )

    demo = commands.add_parser(
        "demo",
        help="the console on a cluster that exists only here",
        description="Starts an embedded cluster on loopback, opens the console on it, and ends it on exit.",
        parents=[console, cluster],
        argument_default=argparse.SUPPRESS,
    )
    demo.add_argument("--scenario", metavar="NAME", help="default, busy, trouble, empty, large, synthetic")
    demo.add_argument("--speed", type=_speed, metavar="F", help="simulated seconds per second; 0 is frozen")
    demo.add_argument("--seed", type=_count, metavar="N", help="same seed, same happenings")

    commands.add_parser(
        _EMBEDDED,
        help="serve the embedded cluster only (its own options: servegrid embedded --help)",
        add_help=False,
    )

    get = commands.add_parser(
        "get",
        help="one snapshot of the workloads",
        description=f"Prints the workloads as they are. {_NAMES}",
        epilog="exits 5, printing what it has, when a required source did not answer in time",
        parents=[cluster],
        argument_default=argparse.SUPPRESS,
    )
    get.add_argument("name", nargs="?", metavar="NAME")
    get.add_argument("-o", dest="output", choices=("table", "json"), default="table")
    get.add_argument("--timeout", type=_seconds, default=10.0, metavar="S", help="seconds to wait (10)")

    autoscale = commands.add_parser(
        "autoscale",
        help="what drives a workload, and why it holds or moves",
        description=f"Prints the chain of its autoscalers and recomputes what they decide. {_NAMES}",
        epilog="exits 5, printing what it has, when a required source did not answer in time",
        parents=[cluster],
        argument_default=argparse.SUPPRESS,
    )
    autoscale.add_argument("name", metavar="NAME")
    autoscale.add_argument("-o", dest="output", choices=("text", "json"), default="text")
    autoscale.add_argument("--timeout", type=_seconds, default=10.0, metavar="S", help="seconds to wait (10)")

    watch = commands.add_parser(
        "watch",
        help="a line for everything that happens",
        description=f"Prints a line per event until it is ended; faults never end it. {_NAMES}",
        parents=[cluster],
        argument_default=argparse.SUPPRESS,
    )
    watch.add_argument("name", nargs="?", metavar="NAME")
    watch.add_argument("-o", dest="output", choices=("text", "jsonl"), default="text")

    scale = commands.add_parser(
        "scale",
        help="change the number of groups, of role replicas within every group, or an autoscaler's bounds",
        description=f"Shows the plan and its guards, asks, writes to the audit log, and sends it. {_NAMES}",
        epilog=_CODES,
        parents=[cluster],
        argument_default=argparse.SUPPRESS,
    )
    scale.add_argument("name", metavar="NAME")
    scale.add_argument("--replicas", type=_count, metavar="N", help="groups wanted")
    scale.add_argument(
        "--role",
        dest="roles",
        type=_role,
        action="append",
        metavar="R=N",
        help="replicas of a role within every group; repeatable, all in one write",
    )
    scale.add_argument("--min", dest="minimum", type=_count, metavar="N", help="fewest of its autoscaler")
    scale.add_argument("--max", dest="maximum", type=_count, metavar="N", help="most of its autoscaler")
    scale.add_argument(
        "--pin",
        type=_count,
        nargs="?",
        const=None,
        metavar="N",
        help="both bounds N, or what there is now; what they were is kept for --unpin",
    )
    scale.add_argument("--unpin", action="store_true", help="the bounds as they were before --pin")
    scale.add_argument("--stop", action="store_true", help="stop a service; its URL is kept")
    scale.add_argument("--resume", action="store_true", help="resume a stopped service")
    scale.add_argument("--current", type=_count, metavar="N", help="refuse unless N groups are wanted now")
    _add_sending(scale)
    _add_clouds(commands, cluster)
    add_load(commands)
    _add_agent(commands)
    return top


def _add_sending(command: _Parser) -> None:
    """What every command takes that changes something."""
    command.add_argument(
        "--yes", action="store_true", help="stands for OK or YES; never for a block or a name"
    )
    command.add_argument("--dry-run", dest="dry_run", action="store_true", help="the server's dry run only")
    command.add_argument("--wait", action="store_true", help="show progress until it is done")
    command.add_argument("--timeout", type=_seconds, metavar="S", help="seconds to wait for the end")
    command.add_argument("-o", dest="output", choices=("text", "json"), default="text")


def _add_clouds(commands: argparse._SubParsersAction[_Parser], cluster: _Parser) -> None:
    create = commands.add_parser(
        "create",
        help="make a deployment at Exoscale",
        description="Shows the plan and its guards, asks, writes to the audit log, and sends it.",
        epilog=_CODES,
        parents=[cluster],
        argument_default=argparse.SUPPRESS,
    )
    create.add_argument("name", metavar="exoscale/ZONE/NAME")
    create.add_argument("--model", required=True, metavar="M", help="one that Exoscale was given, by name")
    create.add_argument("--gpu-type", dest="gpu_type", required=True, metavar="T", help="such as gpua5000")
    create.add_argument(
        "--gpu-count", dest="gpu_count", type=_count, required=True, metavar="N", help="of a replica: 1 to 8"
    )
    create.add_argument("--replicas", type=_count, default=1, metavar="N", help="1")
    create.add_argument(
        "--instead-of",
        dest="instead_of",
        metavar="NAME",
        help="the deployment that is to go to zero once this one is ready",
    )
    create.add_argument("--engine", metavar="VERSION", help="of vLLM; else Exoscale's own choice")
    create.add_argument(
        "--engine-parameters", dest="parameters", metavar="WORDS", help="for vLLM's command line, in one text"
    )
    _add_sending(create)
    delete = commands.add_parser(
        "delete",
        help="delete a deployment at Exoscale, its URL and API key with it",
        description=f"Shows the plan, asks for the name, writes to the audit log, and sends it. {_NAMES}",
        epilog=_CODES,
        parents=[cluster],
        argument_default=argparse.SUPPRESS,
    )
    delete.add_argument("name", metavar="NAME")
    _add_sending(delete)


def _add_agent(commands: argparse._SubParsersAction[_Parser]) -> None:
    agent = commands.add_parser(
        "agent",
        help="serve the GPUs of this node",
        description="Samples this node's NVIDIA GPUs and serves them at /metrics, as dcgm-exporter would.",
        epilog="ends with 0 on SIGTERM and SIGINT; NODE_NAME in the environment names the node",
        argument_default=argparse.SUPPRESS,
    )
    agent.add_argument("--listen", default="127.0.0.1", metavar="ADDR", help="address (127.0.0.1)")
    agent.add_argument(
        "--port", type=_port, default=9400, metavar="P", help="port (9400); 0 takes a free one"
    )
    agent.add_argument(
        "--interval", type=_sampling_interval, default=1.0, metavar="S", help="seconds between samples (1)"
    )
    agent.add_argument(
        "--token-file", dest="token_file", default=None, metavar="F", help="readers must show what is in it"
    )


_WAYS = {
    "--replicas or --role": ("replicas", "roles"),
    "--min or --max": ("minimum", "maximum"),
    "--pin": ("pin",),
    "--unpin": ("unpin",),
    "--stop": ("stop",),
    "--resume": ("resume",),
}
"""What ``scale`` can change, by the options that ask for it."""


def _check(arguments: argparse.Namespace, fail: Callable[[str], NoReturn]) -> None:
    """What argparse cannot say of options that depend on each other."""
    if getattr(arguments, "all_namespaces", False) and getattr(arguments, "namespaces", None):
        fail("-n and -A exclude each other")
    if arguments.command == _EMBEDDED:
        fail("the options of embedded follow it: servegrid embedded --kubeconfig FILE …")
    if hasattr(arguments, "dry_run") and hasattr(arguments, "wait"):
        fail("--dry-run changes nothing that --wait could wait for")
    if arguments.command == "load":
        check_load(arguments, fail)
    if arguments.command == "scale":
        roles = [name for name, _ in getattr(arguments, "roles", [])]
        ways = [way for way, names in _WAYS.items() if any(hasattr(arguments, name) for name in names)]
        if not ways:
            fail("scale needs --replicas N, --role R=N, or both; or " + ", ".join(list(_WAYS)[1:]))
        if len(ways) > 1:
            fail(f"{ways[0]} and {ways[1]} exclude each other")
        least, most = getattr(arguments, "minimum", None), getattr(arguments, "maximum", None)
        if least is not None and most is not None and least > most:
            fail(f"the minimum {least} is above the maximum {most}")
        if len(set(roles)) < len(roles):
            fail("a role is given twice")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == [_EMBEDDED]:
        return _hand_over(words[1:])
    called = os.path.basename(sys.argv[0] if sys.argv else "")
    command_line = parser("kubectl servegrid" if called == "kubectl-servegrid" else "servegrid")
    arguments = command_line.parse_args(words)
    _check(arguments, command_line.error)
    # By name: neither an import checker nor a reader of --help should load the screen for a `get`.
    commands = importlib.import_module("tui.commands")
    try:
        return int(commands.run(arguments))
    except Stop as stop:
        if stop.message:
            sys.stderr.write("".join(f"servegrid: {line}\n" for line in stop.message.splitlines()))
        return int(stop.code)
    except KeyboardInterrupt:
        return int(Exit.INTERRUPTED)
    except Exception as error:
        crash = importlib.import_module("tui.crash")
        sys.stderr.write(crash.report(error))
        return int(Exit.FAILED)


def _hand_over(words: list[str]) -> int:
    """Becomes the embedded cluster's own process."""
    child = importlib.import_module("clients.own_process")
    os.execve(sys.executable, child.command("clients.embedded", words), child.environment(os.environ))
