"""Plans read and checked: every problem in one line that begins with the field's name."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from clients.load.plan import PLAN_VERSION, LoadPlan, Secret
from clients.serving.plain import plain

__all__ = ["SECRET_NAMES", "PlanError", "address", "plan_of_fields", "problems", "read_plan"]

SECRET_NAMES = frozenset(
    {"authorization", "proxy-authorization", "cookie", "api-key", "x-api-key", "x-auth-token"}
)
"""Headers whose values are secrets, in lower case: never in ``headers``."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OPENAI = ("openai-chat", "openai-completions")
_KSERVE = ("kserve-v1", "kserve-v2")


class PlanError(Exception):
    """A plan that cannot be run. The text is a plain line a problem, each beginning with the field's name."""

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(plain(problem, 300) for problem in problems)
        super().__init__("\n".join(self.problems))


def read_plan(text: bytes | str) -> LoadPlan:
    """A plan from JSON.

    Raises:
        PlanError: it is no JSON, has a field that is not known or of a wrong type, or cannot be run.
    """
    try:
        plan = msgspec.json.decode(text, type=LoadPlan)
    except msgspec.ValidationError as error:
        raise PlanError(_said(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PlanError(f"plan: is not JSON: {error}") from None
    found = problems(plan)
    if found:
        raise PlanError(*found)
    return plan


def plan_of_fields(fields: dict[str, Any]) -> LoadPlan:
    """A plan from its fields, as a person types them: numbers and truth may be texts. Not yet checked.

    Raises:
        PlanError: a field is not known, or cannot be of its type.
    """
    try:
        return msgspec.convert(fields, LoadPlan, strict=False)
    except msgspec.ValidationError as error:
        raise PlanError(_said(str(error))) from None


def problems(plan: LoadPlan) -> tuple[str, ...]:
    """Everything that keeps the plan from being run; empty if it can be."""
    return (*_version(plan), *_target(plan), *_shape(plan), *_numbers(plan), *_request(plan), *_secrets(plan))


def address(url: str) -> SplitResult | None:
    """The parts of an ``http`` or ``https`` URL with a host; ``None`` if it is none."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return None
    return parts if usable and not re.search(r"[\s\x00-\x1f\x7f]", url) else None


def _version(plan: LoadPlan) -> Iterator[str]:
    if plan.v != PLAN_VERSION:
        yield f"v: this servegrid reads version {PLAN_VERSION}, not {plan.v}"


def _target(plan: LoadPlan) -> Iterator[str]:
    parts = address(plan.url)
    if parts is None:
        yield "url: expected http://HOST… or https://HOST…"
    elif parts.username is not None or parts.password is not None:
        yield "url: holds a user name or password; name its source in secret_headers instead"
    elif parts.scheme == "http" and plan.tls.server_hostname is not None:
        yield "tls.server_hostname: the url is not https"
    if plan.connect_to is not None:
        dialled = address(f"http://{plan.connect_to}")
        if dialled is None or dialled.port is None or dialled.path or dialled.query:
            yield "connect_to: expected HOST:PORT"
    if plan.host is not None and not re.fullmatch(r"[!-~]+", plan.host):
        yield "host: expected a host name"


def _shape(plan: LoadPlan) -> Iterator[str]:
    if plan.effective_loop == "closed":
        for name, given in (
            ("rate", plan.rate),
            ("arrivals", plan.arrivals),
            ("burst", plan.burst),
            ("ramp", plan.ramp),
        ):
            if given is not None:
                yield f"{name}: a closed loop has none; its users decide"
        return
    if plan.rate is None:
        yield "rate: an open loop needs one"
    if plan.concurrency is not None:
        yield "concurrency: an open loop has none; max_in_flight caps what is underway"
    arrivals = plan.effective_arrivals
    for name, table in (("burst", plan.burst), ("ramp", plan.ramp)):
        if table is None and arrivals == name:
            yield f"{name}: arrivals of this name need it"
        if table is not None and arrivals != name:
            yield f"{name}: arrivals are {arrivals}"


def _numbers(plan: LoadPlan) -> Iterator[str]:
    above_zero: list[tuple[str, float | None]] = [
        ("rate", plan.rate),
        ("concurrency", plan.concurrency),
        ("duration_s", plan.duration_s),
        ("requests", plan.requests),
        ("timeout_s", plan.timeout_s),
        ("max_in_flight", plan.max_in_flight),
        ("workers", plan.workers),
        ("max_tokens", plan.max_tokens),
    ]
    not_below: list[tuple[str, float | None]] = [("warmup_s", plan.warmup_s), ("drain_s", plan.drain_s)]
    not_below.append(("seed", plan.seed))
    if plan.burst is not None:
        above_zero.append(("burst.size", plan.burst.size))
    if plan.ramp is not None:
        above_zero += [("ramp.to", plan.ramp.to), ("ramp.over_s", plan.ramp.over_s)]
        not_below.append(("ramp.steps", plan.ramp.steps))
    if plan.prompts is not None:
        above_zero += [("prompts.tokens", plan.prompts.tokens)]
        above_zero += [("prompts.prefix_groups", plan.prompts.prefix_groups)]
        not_below.append(("prompts.shared_prefix_tokens", plan.prompts.shared_prefix_tokens))
    if plan.slo is not None:
        above_zero += [(f"slo.{name}", getattr(plan.slo, name)) for name in plan.slo.__struct_fields__]
    if plan.stop is not None:
        above_zero += [
            (f"stop.{name}", getattr(plan.stop, name)) for name in ("p99_ms", "over_s", "at_least")
        ]
        share = plan.stop.errors_percent
        if share is not None and not 0 <= share < 100:
            yield "stop.errors_percent: expected 0 to below 100"
        if share is None and plan.stop.p99_ms is None:
            yield "stop: needs errors_percent or p99_ms"
    for name, number in above_zero:
        if number is not None and not (number > 0 and math.isfinite(number)):
            yield f"{name}: expected a number above 0"
    for name, number in not_below:
        if number is not None and not (number >= 0 and math.isfinite(number)):
            yield f"{name}: expected 0 or more"
    underway = plan.users if plan.effective_loop == "closed" else plan.max_in_flight
    if plan.workers > max(1, underway):
        yield "workers: more than there are requests underway"
    if plan.duration_s is not None and plan.duration_s > 0 and plan.warmup_s >= plan.duration_s:
        yield "warmup_s: leaves nothing of duration_s"


def _request(plan: LoadPlan) -> Iterator[str]:
    if plan.method is not None and not re.fullmatch(r"[A-Z]{1,20}", plan.method):
        yield "method: expected an HTTP method in capitals"
    if plan.body is not None and plan.body_file is not None:
        yield "body_file: there is a body already"
    bodied = plan.body is not None or plan.body_file is not None
    if plan.protocol in _KSERVE and not bodied:
        yield f"body: {plan.protocol} needs one, or body_file"
    parts = address(plan.url)
    if plan.protocol in _KSERVE and plan.model is None and parts is not None and parts.path in ("", "/"):
        yield f"model: {plan.protocol} needs one where the url has no path"
    if plan.protocol in _OPENAI:
        if bodied and plan.prompts is not None:
            yield "prompts: there is a body already"
        if not bodied and plan.model is None:
            yield f"model: {plan.protocol} needs one"
        if bodied and (plan.max_tokens is not None or plan.ignore_eos):
            yield "max_tokens: with a body it stands in the body"
        if plan.ignore_eos and plan.max_tokens is None:
            yield "ignore_eos: needs max_tokens, or answers never end"
    else:
        for name, given in (
            ("prompts", plan.prompts is not None),
            ("max_tokens", plan.max_tokens is not None),
            ("ignore_eos", plan.ignore_eos),
        ):
            if given:
                yield f"{name}: only of the openai protocols"
    if plan.slo is not None and not plan.streams and (plan.slo.ttft_ms or plan.slo.tpot_ms):
        yield "slo: without a stream there is only e2e_ms"
    if plan.prompts is not None and plan.prompts.shared_prefix_tokens >= plan.prompts.tokens > 0:
        yield "prompts.shared_prefix_tokens: leaves nothing of tokens"


def _secrets(plan: LoadPlan) -> Iterator[str]:
    for name, text in plan.headers.items():
        if not _TOKEN.fullmatch(name):
            yield f"headers: '{name}' is no header's name"
        elif name.lower() in SECRET_NAMES:
            yield f"headers.{name}: is a secret; name its source in secret_headers"
        elif name.lower() == "host":
            yield "headers.Host: the field is called host"
        elif re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text):
            yield f"headers.{name}: holds control characters"
    for name, secret in plan.secret_headers.items():
        if not _TOKEN.fullmatch(name):
            yield f"secret_headers: '{name}' is no header's name"
        elif not _one_source(secret):
            yield f"secret_headers.{name}: expected env or file, one of them"


def _one_source(secret: Secret) -> bool:
    return bool(secret.env) != bool(secret.file)


def _said(message: str) -> str:
    """msgspec's ``what - at `$.where``` as ``where: what``."""
    what, _, where = message.partition(" - at `$")
    where = where.rstrip("`").lstrip(".")
    if what.startswith("Object contains unknown field `"):
        name = what.split("`")[1]
        return f"{where + '.' if where else ''}{name}: there is no such field"
    if what.startswith("Object missing required field `"):
        return f"{what.split('`')[1]}: is needed"
    return f"{where or 'plan'}: {what[:1].lower()}{what[1:]}"
