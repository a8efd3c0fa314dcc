"""The command line of ``servegrid load``: hey's options by hey's names, and a few of its own."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

__all__ = ["add_load", "check_load"]

_EPILOG = """\
A rate (-q) opens the loop: requests are begun on schedule, whatever is underway.
Without one, -c users each wait for their answers. Anything else is said by a plan.
Press ctrl-c once to end it and see the result, twice to cut everything off;
of a load in the cluster the first one deletes its Job.

exit codes: 0 done; 1 nothing succeeded, a stop rule ended it, or it could not
be run; 2 usage; 3 more than the settings allow,
or unconfirmed; 5 the cluster is unreachable or does not allow it; 130 interrupted"""

_MOST_PODS = 1000
"""A slip of the finger should not fill a cluster."""

_OPTIONS = (
    ("z", "DURATION", "how long, such as 30s or 2m (30s)"),
    ("c", "N", "users, each with one request at a time (2)"),
    ("n", "N", "requests, instead of a duration"),
    ("q", "RATE", "requests a second for each of -c: an open loop of their product"),
    ("m", "METHOD", "HTTP method"),
    ("host", "NAME", "Host header"),
    ("d", "BODY", "body"),
    ("D", "FILE", "body from a file"),
    ("T", "TYPE", "content type (application/json)"),
    ("t", "S", "seconds a request may take (60)"),
)


def _pods(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= _MOST_PODS:
        raise argparse.ArgumentTypeError(f"expected 1 to {_MOST_PODS}, got '{text}'")
    return int(text)


class _Refused(argparse.Action):
    """An option of hey that is not taken."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        parser.error("-h2: HTTP/2 is not spoken")


def add_load(commands: Any) -> None:
    """Adds the command to a parser's."""
    command = commands.add_parser(
        "load",
        help="load test a URL, with hey's options or a plan",
        description="Sends requests and tells how they were answered (docs/load.md).",
        epilog=_EPILOG,
    )
    command.add_argument("url", nargs="?", default="", metavar="URL")
    command.add_argument("--plan", metavar="FILE", help="a plan as JSON, instead of URL and hey's options")
    command.add_argument("--once", action="store_true", help="one request: status, time and reply")
    command.add_argument("--log", metavar="FILE", help="append a JSON line for every request that ended")
    command.add_argument("-o", dest="output", choices=("text", "json"), default="text")
    command.add_argument("--config", metavar="FILE", help="settings instead of the user's config.toml")
    job = command.add_argument_group("in the cluster")
    job.add_argument(
        "--in-cluster",
        dest="pods",
        type=_pods,
        metavar="N",
        help="from N pods of a Job, shown and asked first",
    )
    job.add_argument("--yes", action="store_true", help="stands for OK; never for a name")
    for option, metavar, meaning in (
        ("kubeconfig", "FILE", "instead of $KUBECONFIG or ~/.kube/config"),
        ("context", "NAME", "context of the kubeconfig"),
    ):
        job.add_argument(f"--{option}", metavar=metavar, default=argparse.SUPPRESS, help=meaning)
    job.add_argument(
        "--namespace", dest="namespaces", metavar="NS", type=lambda name: [name], default=argparse.SUPPRESS,
        help="where the Job runs; -n is hey's",
    )  # fmt: skip
    hey = command.add_argument_group("as in hey")
    for name, metavar, meaning in _OPTIONS:
        hey.add_argument(f"-{name}", dest=name, metavar=metavar, help=meaning)
    hey.add_argument("-H", dest="H", metavar="'N: V'", action="append", default=[], help="header; repeatable")
    hey.add_argument(
        "-disable-keepalive", dest="disable_keepalive", action="store_true", help="a connection each request"
    )
    hey.add_argument("-h2", nargs=0, action=_Refused, help=argparse.SUPPRESS)


def check_load(arguments: argparse.Namespace, fail: Callable[[str], NoReturn]) -> None:
    """What argparse cannot say of options that depend on each other."""
    names = [name for name, *_ in _OPTIONS] + ["H", "disable_keepalive", "url"]
    given = [name for name in names if getattr(arguments, name)]
    if arguments.plan is None and not arguments.url:
        fail("load needs a URL, or --plan FILE")
    for option in ("once", "log"):
        if arguments.pods is not None and getattr(arguments, option):
            fail(f"--in-cluster and --{option} exclude each other")
    if arguments.plan is not None and given:
        name = given[0]
        word = "a URL" if name == "url" else "-" + name.replace("_", "-")
        fail(f"--plan and {word} exclude each other: the plan says it")
