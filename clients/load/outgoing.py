"""A plan as HTTP: where each request goes, with which head, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from clients.load.plan import LoadPlan, Protocol, Secret
from clients.load.plan_check import address
from clients.load.prompts import PromptError, PromptSource, open_prompts

__all__ = ["Outgoing", "OutgoingError", "bodies", "prepare", "target_url"]

_AGENT = "servegrid-load"


class OutgoingError(Exception):
    """Something that the plan names and that is not there: one line, without secrets."""


class Outgoing(Struct, frozen=True):
    """What all requests of a run have in common, and what tells them apart."""

    method: str
    url: str
    """That is dialled: with ``connect_to`` another than the plan's."""
    headers: dict[str, str]
    server_hostname: str | None
    """That the certificate must be for; ``None``: the dialled URL's."""
    body: Callable[[int], bytes | None]
    """Of the request of this number."""
    secrets: tuple[str, ...]
    """To be kept out of every message."""


def prepare(plan: LoadPlan, environ: Mapping[str, str]) -> Outgoing:
    """Reads files and secrets that the plan names.

    Raises:
        OutgoingError: one of them is not there.
    """
    secrets = {name: _secret(name, secret, environ) for name, secret in plan.secret_headers.items()}
    body = bodies(plan)
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
    if plan.effective_method != "GET" or plan.body is not None or plan.body_file is not None:
        headers["Content-Type"] = "application/json"
    if plan.streams:
        headers["Accept"] = "text/event-stream"
    for name, value in (*plan.headers.items(), *((name, shown) for name, (shown, _) in secrets.items())):
        headers = {known: text for known, text in headers.items() if known.lower() != name.lower()}
        headers[name] = value
    url, authority, hostname = _dialled(plan)
    if plan.host is not None or authority is not None:
        headers["Host"] = plan.host or authority or ""
    return Outgoing(
        plan.effective_method,
        url,
        headers,
        plan.tls.server_hostname or hostname,
        body,
        tuple(value for _, value in secrets.values()),
    )


def target_url(plan: LoadPlan) -> str:
    """The plan's URL, with the protocol's own path where it has none."""
    parts = address(plan.url)
    assert parts is not None
    path = _path(plan.protocol, parts.path, plan.model or "")
    return parts._replace(path=path, fragment="").geturl()


def _path(protocol: Protocol, path: str, model: str) -> str:
    bare = path.rstrip("/")
    match protocol:
        case "openai-chat" if bare in ("", "/v1"):
            return "/v1/chat/completions"
        case "openai-completions" if bare in ("", "/v1"):
            return "/v1/completions"
        case "kserve-v1" if not bare:
            return f"/v1/models/{model}:predict"
        case "kserve-v2" if not bare:
            return f"/v2/models/{model}/infer"
    return path or "/"


def _dialled(plan: LoadPlan) -> tuple[str, str | None, str | None]:
    """URL, and if another than the plan's is dialled, the plan's authority and host name."""
    url = target_url(plan)
    if plan.connect_to is None:
        return url, None, None
    parts = address(url)
    assert parts is not None
    hostname = parts.hostname if parts.scheme == "https" else None
    return parts._replace(netloc=plan.connect_to).geturl(), parts.netloc, hostname


def _secret(name: str, secret: Secret, environ: Mapping[str, str]) -> tuple[str, str]:
    """The header's value, and the secret alone."""
    if secret.env is not None:
        value = environ.get(secret.env, "").strip()
        place = f"the environment variable {secret.env}"
    else:
        place = f"the file {secret.file}"
        try:
            value = Path(secret.file or "").read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise OutgoingError(f"secret_headers.{name}: {place} cannot be read") from None
    if not value or not value.isprintable():
        raise OutgoingError(f"secret_headers.{name}: {place} holds no value for a header")
    scheme = secret.scheme
    if scheme is None and name.lower() == "authorization" and " " not in value:
        scheme = "Bearer"
    return (f"{scheme} {value}" if scheme else value), value


def bodies(plan: LoadPlan) -> Callable[[int], bytes | None]:
    """What each request says, by its number.

    Raises:
        OutgoingError: a file cannot be read.
    """
    if plan.body is not None:
        return _always(plan.body.encode())
    if plan.body_file is not None:
        try:
            return _always(Path(plan.body_file).read_bytes())
        except OSError as error:
            raise OutgoingError(f"body_file: {plan.body_file}: {error.strerror}") from None
    if plan.protocol in ("openai-chat", "openai-completions"):
        try:
            return _asking(plan, open_prompts(plan, plan.seed or 0))
        except PromptError as error:
            raise OutgoingError(str(error)) from None
    return _always(None)


def _always(body: bytes | None) -> Callable[[int], bytes | None]:
    return lambda _: body


def _asking(plan: LoadPlan, prompts: PromptSource) -> Callable[[int], bytes | None]:
    shared: dict[str, Any] = {"model": plan.model}
    if plan.max_tokens is not None:
        shared["max_tokens"] = plan.max_tokens
    if plan.ignore_eos:
        shared["ignore_eos"] = True
    if plan.streams:
        shared["stream"] = True
        shared["stream_options"] = {"include_usage": True}
    if plan.protocol == "openai-chat":
        return lambda number: msgspec.json.encode({**shared, "messages": prompts.messages(number)})
    return lambda number: msgspec.json.encode({**shared, "prompt": prompts.text(number)})
