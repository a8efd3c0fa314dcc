"""OpenAI's chat completions and completions as vLLM 0.11 speaks them: requests in, answers or events out.

Not simulated: several choices for a prompt, tools, log probabilities; what asks for them is refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from clients.embedded.apiserver.objects import encode
from clients.embedded.gateways.wording import answer_length, prompt_tokens, text_of
from clients.embedded.models import Typical

__all__ = ["LIMIT", "PATHS", "Asked", "RefusedError", "read_request"]

PATHS = {"/v1/chat/completions": True, "/v1/completions": False}
"""Whether it is a chat."""
LIMIT = 32_768
"""Tokens of the longest context."""
_SHORT = 16
"""Tokens of a completion that asks for no number."""


class RefusedError(Exception):
    """A request that the engine does not take. ``body`` is in vLLM's shape."""

    def __init__(
        self, status: int, message: str, kind: str = "BadRequestError", param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        error = {"message": message, "type": kind, "param": param, "code": status}
        self.body = encode({"error": error})


class Asked(Struct):
    """A request that is taken, and how it is answered."""

    chat: bool
    model: str
    created: int
    prompt: int
    """Tokens."""
    wanted: int
    """Tokens that the answer will have."""
    cut: bool
    """Whether its length was what ended it."""
    seed: int
    stream: bool
    usage: bool
    """Whether a stream ends with the usage."""
    running_usage: bool
    """Whether every event tells it."""
    id: str

    def whole(self) -> bytes:
        """The answer in one piece."""
        text = text_of(self.seed, range(self.wanted))
        choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": self._reason}
        if self.chat:
            choice["message"] = {"role": "assistant", "content": text, "refusal": None, "tool_calls": []}
        else:
            choice["text"] = text
        told = self._envelope([choice], self._usage(self.wanted), "chat.completion")
        return encode(told)

    def opening(self) -> bytes:
        """The event before the first token, with the role; a completion has none."""
        if not self.chat:
            return b""
        return self._event({"role": "assistant", "content": ""}, None, 0)

    def event(self, first: int, end: int) -> bytes:
        """The event of the tokens from ``first`` to before ``end``; the last one says why it ends."""
        text = text_of(self.seed, range(first, end))
        reason = self._reason if end >= self.wanted else None
        return self._event({"content": text} if self.chat else {"text": text}, reason, end)

    def closing(self) -> bytes:
        """What follows the last token."""
        if not self.usage:
            return b"data: [DONE]\n\n"
        told = self._envelope([], self._usage(self.wanted), "chat.completion.chunk")
        return b"data: " + encode(told) + b"\n\ndata: [DONE]\n\n"

    @property
    def _reason(self) -> str:
        return "length" if self.cut else "stop"

    def _event(self, part: dict[str, str], reason: str | None, told: int) -> bytes:
        choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": reason}
        choice |= {"delta": part} if self.chat else part
        usage = self._usage(told) if self.running_usage else None
        return b"data: " + encode(self._envelope([choice], usage, "chat.completion.chunk")) + b"\n\n"

    def _envelope(
        self, choices: list[dict[str, Any]], usage: dict[str, int] | None, kind: str
    ) -> dict[str, Any]:
        told: dict[str, Any] = {
            "id": self.id,
            "object": kind if self.chat else "text_completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }
        if usage is not None:
            told["usage"] = usage
        return told

    def _usage(self, told: int) -> dict[str, int]:
        return {"prompt_tokens": self.prompt, "total_tokens": self.prompt + told, "completion_tokens": told}


def read_request(body: Mapping[str, Any], chat: bool, served: str, typical: Typical, now: float) -> Asked:
    """Raises RefusedError for what the engine does not take."""
    model = body.get("model", served)
    if model != served:
        raise RefusedError(404, f"The model `{model}` does not exist.", "NotFoundError")
    content = body.get("messages" if chat else "prompt")
    if not content or not isinstance(content, list if chat else (str, list)):
        raise RefusedError(400, f"{'messages' if chat else 'prompt'}: Field required", "Bad Request")
    if body.get("n", 1) != 1 or body.get("best_of", 1) != 1 or body.get("logprobs"):
        raise RefusedError(400, "The embedded cluster answers with one choice and without log probabilities")
    prompt = prompt_tokens(content)
    asked = _length(body, "max_completion_tokens" if chat else "max_tokens")
    most = _length(body, "max_tokens") if asked is None else asked
    if prompt + (most or 1) > LIMIT:
        message = (
            f"This model's maximum context length is {LIMIT} tokens. However, your request has {prompt} "
        )
        raise RefusedError(400, message + "input tokens. Please reduce the length of the input messages.")
    if most is None:
        most = LIMIT - prompt if chat else _SHORT
    own = answer_length(content, typical.answer)
    if body.get("ignore_eos"):
        own = most
    own = max(own, min(most, _length(body, "min_tokens", 0) or 0))
    options = body.get("stream_options")
    if not isinstance(options, dict):
        options = {}
    made = secrets.token_hex(16)
    return Asked(
        chat=chat,
        model=served,
        created=int(now),
        prompt=prompt,
        wanted=min(own, most),
        cut=own >= most,
        seed=answer_length(content, 10_000),
        stream=bool(body.get("stream")),
        usage=bool(options.get("include_usage")),
        running_usage=bool(options.get("continuous_usage_stats")),
        id=f"chatcmpl-{made}" if chat else f"cmpl-{made}",
    )


def _length(body: Mapping[str, Any], name: str, least: int = 1) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise RefusedError(400, f"{name} must be at least {least}, got {value}.", param=name)
    return value
