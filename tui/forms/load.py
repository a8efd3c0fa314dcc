"""The form of a load test: what is asked of a person, and the plan that comes of the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clients.load.hey import plan_of, read_hey
from clients.load.plan import LoadPlan, Protocol, Ramp, Secret, Slo, StopRules, Tls
from clients.load.plan_check import PlanError, problems
from clients.serving.target import LoadTarget
from tui.forms.load_more import more_words, with_more
from tui.forms.rows import FormRow, Values
from tui.load_settings import LoadSettings

__all__ = ["CONFIRM", "ONLY_ONE", "load_plan", "load_rows", "pasted"]

CONFIRM = "confirm"
ONLY_ONE = "one request only"
_THEN = ("one request, then the load", ONLY_ONE)
_USERS = "users, each waits for its answer"
_RATE = "requests a second, whatever comes back"
_RAMP = "a ramp of requests a second"
_PROTOCOLS: tuple[Protocol, ...] = ("openai-chat", "openai-completions", "kserve-v1", "kserve-v2", "http")
_BODIES: Mapping[str, str] = {
    "kserve-v1": '{"instances": [[6.8, 2.8, 4.8, 1.4]]}',
    "kserve-v2": '{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [6.8, 2.8, 4.8, 1.4]}]}',  # noqa: E501
}
"""One iris, as KServe's own example sends it."""
_TOKENS = 64
_LONGEST = 8000
"""Characters of a body, or of a pasted line of hey."""
_ERRORS = 50.0
"""Per cent of failures at which a test stops by itself, unless the form says otherwise."""


def load_rows(target: LoadTarget, rules: LoadSettings, last: LoadPlan | None) -> tuple[FormRow, ...]:
    """Filled from the workload's objects, or from the plan that it was tested with ``last``."""
    plan = last or _first(target, rules)
    ramp, slo = plan.ramp, plan.slo or Slo()
    shape = _RAMP if ramp is not None else _RATE if plan.effective_loop == "open" else _USERS
    amount = plan.users if shape == _USERS else plan.rate
    stop = plan.stop.errors_percent if plan.stop is not None else None
    rows = (
        FormRow(
            "url", "URL", plan.url, "http://ADDRESS, or a whole line of hey", longest=_LONGEST,
            explained="Where requests enter the cluster: an ingress, gateway or load balancer.",
        ),
        FormRow(
            "host", "Host header", plan.host or "", "that of the URL",
            explained="The name by which an ingress knows the service; of https also its certificate's.",
        ),
        FormRow(
            "protocol", "protocol", plan.protocol, options=_PROTOCOLS,
            explained="What the model speaks; a URL without a path gets the protocol's own.",
        ),
        FormRow(
            "model", "model", plan.model or "", "as requests name it",
            explained="The model's name in the body, or in the path of KServe's protocols.",
        ),
        FormRow(
            "shape", "load", shape, options=(_USERS, _RATE, _RAMP),
            explained="Users wait for answers, so that a slow server is asked less, which hides its stalls; "
            "a rate goes on whatever happens, as real traffic does.",
        ),
        FormRow(
            "amount", "users or rate", _number(amount), "2",
            explained="How many users at a time, or how many requests a second; a ramp begins with it.",
        ),
        FormRow(
            "to", "ramp to", _number(ramp.to if ramp else None), "only of a ramp",
            explained="The rate that a ramp has reached at four fifths of its time.",
        ),
        FormRow(
            "seconds", "seconds", _number(plan.begins_for), "30",
            explained="How long requests are begun; what is under way then is waited for, at most 30 s.",
        ),
        FormRow(
            "tokens", "max tokens", _number(plan.max_tokens), "as the model likes",
            explained="How long an answer may be; only of the openai protocols.",
        ),
        FormRow(
            "body", "body", plan.body or (f"@{plan.body_file}" if plan.body_file else ""),
            "of KServe and plain HTTP; @FILE reads it", longest=_LONGEST,
            explained="What is sent each time. The openai protocols make prompts of their own, no two alike.",
        ),
        FormRow(
            "first_ms", "SLO: first token", _number(slo.ttft_ms), "ms; none",
            explained="A good answer begins within so many ms of when it was due; only of streamed answers.",
        ),
        FormRow(
            "answer_ms", "SLO: answer", _number(slo.e2e_ms), "ms; none",
            explained="A good answer is whole within so many ms of when it was due.",
        ),
        FormRow(
            "secret", "Authorization", _secret_words(plan.secret_headers.get("Authorization")),
            "none; env:NAME or file:PATH",
            explained="Where the header's value is read, by the process that sends; it is kept nowhere.",
        ),
        FormRow(
            "errors", "stop at errors", _number(stop), "never",
            explained="Per cent of failures in 10 s at which it ends by itself; a failing group ends it too.",
        ),
    )  # fmt: skip
    return (
        *rows,
        FormRow(
            "more", "more", _more(plan, rows), "none; warmup_s=10 burst.size=5 tls.verify=false",
            longest=_LONGEST,
            explained="Any other field of a plan (docs/load.md) as name=value: prompts.file, connect_to, "
            "tls.server_hostname, arrivals, requests, headers.NAME, …",
        ),
        FormRow(
            "then", "Enter sends", _THEN[0], options=_THEN,
            explained="One test request first shows what comes back.",
        ),
        FormRow(
            CONFIRM, "confirm", "", "only where it is asked for", by_hand=True,
            explained="What is to be typed here is told below.",
        ),
    )  # fmt: skip


def _more(plan: LoadPlan, rows: Sequence[FormRow]) -> str:
    """What ``rows`` do not say of the plan."""
    try:
        return more_words(plan, _plan({row.id: row.value for row in rows}))
    except ValueError:  # The plan was not made by this form, and no row can hold one of its numbers.
        return ""


def pasted(values: Values) -> tuple[LoadPlan, tuple[str, ...]] | None:
    """The plan of a line of hey that was put in place of the URL, and what differs; ``None`` without one.

    Raises:
        PlanError: it cannot be run.
    """
    if not values["url"].startswith("hey "):
        return None
    return plan_of(read_hey(values["url"]))


def load_plan(values: Values, target: LoadTarget) -> LoadPlan | str:
    """The plan, or what keeps it from being one."""
    try:
        line = pasted(values)
        if line is not None:
            return line[0]
        plan = with_more(_plan(values), values["more"])
    except PlanError as error:
        return error.problems[0]
    except ValueError as error:
        return str(error)
    if not plan.url:
        return f"the URL is to be typed: {target.address.source}"
    found = problems(plan)
    return found[0] if found else plan


def _first(target: LoadTarget, rules: LoadSettings) -> LoadPlan:
    """Small, unless the settings say otherwise: 2 users for 30 s."""
    named = target.protocol.value
    protocol: Protocol = next((one for one in _PROTOCOLS if one == named), "http")
    return LoadPlan(
        url=target.url or "",
        host=target.host.value,
        protocol=protocol,
        model=target.model.value,
        concurrency=rules.users,
        duration_s=rules.duration,
        max_tokens=_TOKENS if protocol.startswith("openai") else None,
        body=_BODIES.get(protocol),
        stop=StopRules(errors_percent=_ERRORS),
    )


def _plan(values: Values) -> LoadPlan:
    """Raises ValueError with what can not be read."""
    protocol = next(one for one in _PROTOCOLS if one == values["protocol"])
    openai = protocol.startswith("openai")
    seconds = _read(values, "seconds")
    shape, amount = values["shape"], _read(values, "amount")
    if shape == _USERS and amount is not None and amount != int(amount):
        raise ValueError("users: a whole number is needed")
    to = _read(values, "to")
    if shape == _RAMP and to is None:
        raise ValueError("ramp to: a ramp needs the rate that it climbs to")
    over = 0.8 * (seconds if seconds is not None else 30.0)
    body = "" if openai else values["body"]
    first, answer, errors = (_read(values, name) for name in ("first_ms", "answer_ms", "errors"))
    host = values["host"] or None
    tokens, secure = _read(values, "tokens"), values["url"].startswith("https:")
    return LoadPlan(
        url=values["url"],
        host=host,
        protocol=protocol,
        model=values["model"] or None,
        loop="closed" if shape == _USERS else "open",
        concurrency=int(amount) if shape == _USERS and amount is not None else None,
        rate=None if shape == _USERS else (2.0 if amount is None else amount),
        ramp=Ramp(to=to, over_s=over) if shape == _RAMP and to is not None else None,
        duration_s=seconds,
        max_tokens=int(tokens) if openai and tokens is not None else None,
        body=body or None if not body.startswith("@") else None,
        body_file=body[1:] if body.startswith("@") else None,
        slo=None if first is None and answer is None else Slo(ttft_ms=first, e2e_ms=answer),
        secret_headers=_secret(values["secret"]),
        stop=None if errors is None else StopRules(errors_percent=errors),
        tls=Tls(server_hostname=host.partition(":")[0] if host and secure else None),
    )


def _read(values: Values, name: str) -> float | None:
    text = values[name]
    if not text:
        return None
    try:
        number = float(text) if text.isascii() and not text.strip("0123456789.") else None
    except ValueError:
        number = None
    if number is None or number > 1e9:
        raise ValueError(f"{name.replace('_ms', ' ms')}: a number is needed, not '{text}'")
    return number


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _secret(text: str) -> dict[str, Secret]:
    if not text:
        return {}
    kind, _, place = text.partition(":")
    if kind == "env" and place:
        return {"Authorization": Secret(env=place)}
    if kind == "file" and place:
        return {"Authorization": Secret(file=place)}
    raise ValueError("Authorization: env:NAME or file:PATH, never the secret itself")


def _secret_words(secret: Secret | None) -> str:
    if secret is None:
        return ""
    return f"env:{secret.env}" if secret.env else f"file:{secret.file}"
