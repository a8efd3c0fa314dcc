"""What is asked of a model: synthetic words or a file's prompts, each determined by seed and number."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec

from clients.load.plan import LoadPlan, Prompts

__all__ = ["PromptError", "PromptSource", "Synthetic", "open_prompts"]

_TEXT = """\
a about after again air all along also always an and animal another answer any around as ask at away
back be because been before began being below between big book both but by call came can change city
close come could country cut day did different do does done door down each earth eat end enough even
every example eye face family far father feet few find first follow food for form found four from
gave get girl give go good great group grow had half hand hard has have he head hear help her here
high him his home house how idea if important in into is it just keep kind know land large last
later learn leave left let letter life light like line list little live long look made make man many
may me mean men might mile miss more most mother mountain move much must my name near need never new
next night no not now number of off often old on once one only open or other our out over own page
paper part people picture place plant play point put question"""
_WORDS = _TEXT.split()
"""Words that most tokenizers know as one token."""
_SALT = 4
"""Tokens that a salt takes, about."""


class PromptError(Exception):
    """A file of prompts that cannot be used: one line."""


class PromptSource:
    """Prompts by number; the same number always gives the same."""

    def messages(self, number: int) -> list[dict[str, Any]]:
        """As a chat."""
        return [{"role": "user", "content": self.text(number)}]

    def text(self, number: int) -> str:
        """As one text."""
        raise NotImplementedError


class Synthetic(PromptSource):
    """Words by chance: a prefix shared within a group, then with ``salt`` words that no other prompt has."""

    def __init__(self, prompts: Prompts, seed: int) -> None:
        self._seed = seed
        self._salt = prompts.salt
        self._words = max(1, prompts.tokens - prompts.shared_prefix_tokens - _SALT * prompts.salt)
        self._prefixes = [
            _said(random.Random(f"{seed}/prefix/{group}"), prompts.shared_prefix_tokens)
            for group in range(prompts.prefix_groups)
        ]

    def text(self, number: int) -> str:
        """The prompt of this number."""
        chance = random.Random(f"{self._seed}/{number if self._salt else 0}")
        prefix = self._prefixes[number % len(self._prefixes)]
        salt = f"{chance.getrandbits(48):012x} " if self._salt else ""
        return f"{prefix}{' ' if prefix else ''}{salt}{_said(chance, self._words)}"


class FromFile(PromptSource):
    """The lines of a file, in an order by chance; after the last it begins again."""

    def __init__(self, path: Path, seed: int) -> None:
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise PromptError(f"prompts.file: {path}: {error.strerror}") from None
        self._prompts = [
            _read(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()
        ]
        if not self._prompts:
            raise PromptError(f"prompts.file: {path}: holds no prompt")
        random.Random(seed).shuffle(self._prompts)

    def messages(self, number: int) -> list[dict[str, Any]]:
        """The whole conversation that the line holds."""
        return self._prompts[number % len(self._prompts)]

    def text(self, number: int) -> str:
        """All that is said in it."""
        return "\n".join(str(message.get("content", "")) for message in self.messages(number))


def open_prompts(plan: LoadPlan, seed: int) -> PromptSource:
    """What the plan says.

    Raises:
        PromptError: its file cannot be read, or holds something else.
    """
    prompts = plan.prompts or Prompts()
    return Synthetic(prompts, seed) if prompts.file is None else FromFile(Path(prompts.file), seed)


def _said(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(_WORDS, k=words))


def _read(line: bytes, place: str) -> list[dict[str, Any]]:
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise PromptError(f"prompts.file: {place}: is not JSON") from None
    if isinstance(found, dict):
        match found:
            case {"messages": [_, *_] as messages} if all(isinstance(one, dict) for one in messages):
                return list(messages)
            case {"prompt": str(prompt)}:
                return [{"role": "user", "content": prompt}]
            case {"conversations": [{"value": str(said)}, *_]}:
                return [{"role": "user", "content": said}]
    raise PromptError(f"prompts.file: {place}: expected messages, prompt or conversations")
