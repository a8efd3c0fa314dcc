"""hey's command line as a plan, and a plan as the nearest line of hey, each with what becomes different.

hey 0.1.4: a closed loop whose latencies begin when a request is sent; a rate is each worker's own.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from clients.load.outgoing import bodies, target_url
from clients.load.plan import LoadPlan, Secret, Tls
from clients.load.plan_check import PlanError, address, problems

__all__ = ["HeyLine", "as_hey", "plan_of", "read_hey"]


class HeyLine(Struct, kw_only=True):
    """What stands in a line, as it stands there."""

    url: str = ""
    z: str | None = None
    c: str | None = None
    n: str | None = None
    q: str | None = None
    m: str | None = None
    H: list[str] = []
    host: str | None = None
    d: str | None = None
    D: str | None = None
    T: str | None = None
    t: str | None = None
    disable_keepalive: bool = False


_TAKES_VALUE = {"z", "c", "n", "q", "m", "H", "host", "d", "D", "T", "t"}
_ANYWAY = {"disable-compression", "disable-redirects"}
"""What is never done here either."""
_REFUSED = {
    "h2": "HTTP/2 is not spoken",
    "a": "a password in a line is no secret; name its source in secret_headers of a plan",
    "x": "proxies are not used",
    "A": "write -H 'Accept: …'",
    "U": "write -H 'User-Agent: …'",
    "o": "results are text or JSON",
    "cpus": "a plan says workers",
}
_GO_DURATION = re.compile(r"(?:\d+(?:\.\d*)?(?:h|m|s|ms|us|µs|ns))+")
_GO_PART = re.compile(r"(\d+(?:\.\d*)?)(h|ms|m|s|us|µs|ns)")
_GO_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}

_WORKERS, _REQUESTS, _TIMEOUT = 50, 200, 20.0
"""hey's own defaults."""
_NO_LIMIT = 3600.0
"""Seconds for ``-t 0``."""


def read_hey(text: str) -> HeyLine:
    """A line as it was pasted, with or without ``hey`` before it.

    Raises:
        PlanError: it cannot be taken apart, or has an option that is not taken.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise PlanError(f"hey: {error}") from None
    words = words[1:] if words[:1] == ["hey"] else words
    line = HeyLine()
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            if words:
                raise PlanError(f"hey: nothing may follow the URL, found {words[0]}")
            line.url = word
            break
        name, equals, value = word.removeprefix("-").removeprefix("-").partition("=")
        if name in _TAKES_VALUE and not equals:
            if not words:
                raise PlanError(f"-{name}: needs a value")
            value = words.pop(0)
        _set(line, name, value)
    return line


def _set(line: HeyLine, name: str, value: str) -> None:
    if name in _REFUSED:
        raise PlanError(f"-{name}: {_REFUSED[name]}")
    if name == "disable-keepalive":
        line.disable_keepalive = value != "false"
    elif name == "H":
        line.H.append(value)
    elif name in _TAKES_VALUE:
        setattr(line, name, value)
    elif name not in _ANYWAY:
        raise PlanError(f"-{name}: hey has no such option")


def plan_of(line: HeyLine) -> tuple[LoadPlan, tuple[str, ...]]:
    """The plan, and what it does otherwise than hey, a line each.

    Raises:
        PlanError: a value is none, or the plan cannot be run.
    """
    users = _number(line.c, "-c")
    per_worker = _rate(line.q)
    rate = None if per_worker is None else per_worker * (_WORKERS if users is None else users)
    duration = _duration(line.z)
    headers = dict(_header(text) for text in line.H)
    if line.T is not None:
        headers["Content-Type"] = line.T
    timeout = _timeout(line.t)
    parts = address(line.url)
    named = line.host.partition(":")[0] if line.host and parts and parts.scheme == "https" else None
    plan = LoadPlan(
        url=line.url,
        rate=rate,
        arrivals=None if rate is None else "constant",
        concurrency=None if rate is not None else users,
        duration_s=duration,
        requests=None if duration is not None else _number(line.n, "-n"),
        method=None if line.m is None else line.m.upper(),
        headers=headers,
        host=line.host,
        body=line.d,
        body_file=line.D,
        tls=Tls(server_hostname=named),
        keepalive=not line.disable_keepalive,
    )
    if timeout is not None:
        plan = replace(plan, timeout_s=timeout)
    found = problems(plan)
    if found:
        raise PlanError(*found)
    return plan, tuple(_differences(line, plan))


def _differences(line: HeyLine, plan: LoadPlan) -> Iterator[str]:
    if plan.rate is None:
        yield "closed loop, as hey: who stalls is asked less; -q makes a schedule that waits for nobody"
    else:
        workers = _WORKERS if line.c is None else line.c
        yield (
            f"-q {line.q} for {workers} workers is {plan.rate:g} requests a second, begun on time whatever "
            "is underway, and timed from then; hey waits for a free worker and times from sending"
        )
    if line.c is None and plan.rate is None:
        yield f"{plan.users} users, where hey has {_WORKERS}"
    if line.z is None and line.n is None:
        yield f"{plan.begins_for:g} s, where hey sends {_REQUESTS} requests"
    if line.z is not None and line.n is not None:
        yield "-n does not count beside -z, as in hey"
    if line.t is None:
        yield f"a request may take {plan.timeout_s:g} s, where hey gives it {_TIMEOUT:g}"
    elif plan.timeout_s == _NO_LIMIT and float(line.t) == 0:
        yield f"-t 0: a request may take {_NO_LIMIT:g} s"
    yield "failures count beside the percentiles, where hey leaves them out"
    if line.T is None and (line.d is not None or line.D is not None):
        yield "Content-Type is application/json, where hey sends text/html"
    if plan.url.startswith("https:"):
        yield "certificates are verified, where hey takes any"
    yield "redirects are not followed"


def as_hey(plan: LoadPlan) -> tuple[str, tuple[str, ...]]:
    """The nearest line for a shell, and what of the plan it does not do, a line each.

    Raises:
        OutgoingError: a file of the plan cannot be read.
    """
    words = ["hey"]
    if plan.requests is not None:
        words += ["-n", str(plan.requests)]
    else:
        words += ["-z", f"{plan.begins_for:g}s"]
    workers = plan.users
    if plan.rate is not None:
        workers = min(plan.max_in_flight, _WORKERS)
        words += ["-q", f"{plan.rate / workers:g}"]
    words += ["-c", str(workers), "-m", plan.effective_method, "-t", f"{max(1, round(plan.timeout_s))}"]
    if plan.host is not None:
        words += ["-host", shlex.quote(plan.host)]
    if not plan.keepalive:
        words.append("-disable-keepalive")
    typed = {name.lower(): value for name, value in plan.headers.items()}.get("content-type")
    words += (
        ["-T", shlex.quote(typed or "application/json")] if plan.effective_method != "GET" or typed else []
    )
    for name, value in plan.headers.items():
        if name.lower() != "content-type":
            words += ["-H", shlex.quote(f"{name}: {value}")]
    for name, secret in plan.secret_headers.items():
        words += ["-H", f'"{name}: {_shell_source(name, secret)}"']
    if plan.body_file is not None:
        words += ["-D", shlex.quote(plan.body_file)]
    elif (body := bodies(plan)(0)) is not None:
        words += ["-d", shlex.quote(body.decode("utf-8", "replace"))]
    words.append(shlex.quote(target_url(plan)))
    return " ".join(words), tuple(_lost(plan))


def _lost(plan: LoadPlan) -> Iterator[str]:
    if plan.rate is not None:
        yield "hey begins nothing while its workers wait, and times from sending: stalls do not show"
        if plan.effective_arrivals != "constant":
            yield f"arrivals are even in hey, not {plan.effective_arrivals}"
    if plan.requests is not None and plan.duration_s is not None:
        yield "hey knows no end by number beside one by time"
    if plan.body is None and plan.body_file is None and plan.protocol.startswith("openai"):
        yield "hey sends one and the same prompt, which prefix caches know, and sees no tokens"
    for name, used in (
        ("warmup_s", plan.warmup_s > 0),
        ("connect_to", plan.connect_to is not None),
        ("stop", plan.stop is not None),
        ("slo", plan.slo is not None),
        ("tls", plan.tls != Tls()),
    ):
        if used:
            yield f"{name}: hey has none"
    if plan.url.startswith("https:"):
        yield "hey verifies no certificate"


def _shell_source(name: str, secret: Secret) -> str:
    """The value's source, for the shell to read; never the value."""
    scheme = secret.scheme
    if scheme is None and name.lower() == "authorization":
        scheme = "Bearer"
    source = f"${{{secret.env}}}" if secret.env is not None else f"$(cat {shlex.quote(secret.file or '')})"
    return f"{scheme} {source}" if scheme else source


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise PlanError(f"-H: expected 'Name: value', got '{text}'")
    return name.strip(), value.strip()


def _number(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) == 0:
        raise PlanError(f"{name}: expected a whole number above 0, got '{text}'")
    return int(text)


def _rate(text: str | None) -> float | None:
    """``-q 0`` is none, as in hey."""
    value = _float(text, "-q")
    return value or None


def _timeout(text: str | None) -> float | None:
    value = _float(text, "-t")
    return _NO_LIMIT if value == 0 else value


def _float(text: str | None, name: str) -> float | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
        raise PlanError(f"{name}: expected a number of 0 or more, got '{text}'")
    return float(text)


def _duration(text: str | None) -> float | None:
    if text is None:
        return None
    if not _GO_DURATION.fullmatch(text):
        raise PlanError(f"-z: expected a duration such as 30s or 2m, got '{text}'")
    return sum(float(number) * _GO_SECONDS[unit] for number, unit in _GO_PART.findall(text))
