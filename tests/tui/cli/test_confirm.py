"""What a person is asked at a terminal, and what counts as an answer."""

from __future__ import annotations

import os
import pty
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.tui.cli.conftest import until

if TYPE_CHECKING:
    from tests.tui.cli.conftest import Cluster, Shell


class Person:
    """Sits at a terminal on which a command runs."""

    def __init__(self, shell: Shell, *words: str) -> None:
        self._master, slave = pty.openpty()
        self.process: subprocess.Popen[str] = shell.start(
            *words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.seen = ""

    def reads(self, text: str) -> None:
        def found() -> bool:
            try:
                self.seen += os.read(self._master, 65536).decode()
            except OSError:  # The other end is closed.
                assert text in self.seen, self.seen
            return text in self.seen

        until(found, f"{text!r} on the terminal")

    def types(self, text: str) -> None:
        os.write(self._master, text.encode())

    def ends(self) -> int:
        code = self.process.wait(60)
        os.close(self._master)
        return code


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("\n", 3), ("n\n", 3), ("\x04", 3), ("\x03", 130)])
def test_a_scale_out_is_one_question(shell: Shell, cluster: Cluster, answer: str, code: int) -> None:
    before = cluster.replicas("deepseek-r1")
    person = Person(shell, "scale", "deepseek-r1", "--replicas", str(before + 1))
    person.reads("Send it? [y/N] ")
    if answer == "\x03":
        person.process.send_signal(2)
    else:
        person.types(answer)
    assert person.ends() == code
    assert cluster.replicas("deepseek-r1") == before + (code == 0)
    cluster.set_replicas("deepseek-r1", before)


def test_taking_away_what_serves_needs_the_word_and_shows_its_progress(
    shell: Shell, cluster: Cluster
) -> None:
    before = cluster.replicas("glm-4", "llm-prod")
    person = Person(shell, "scale", "glm-4", "--replicas", str(before - 1), "--wait")
    person.reads("Type YES to send it: ")
    assert "serving now" in person.seen
    person.types("yes\n")
    person.reads("not confirmed")
    assert person.ends() == 3
    person = Person(shell, "scale", "glm-4", "--replicas", str(before - 1), "--wait")
    person.reads("Type YES to send it: ")
    person.types("YES\n")
    person.reads("predicted glm-4-1, ")
    assert person.ends() == 0
    assert "\r\x1b[K" in person.seen
    assert cluster.replicas("glm-4", "llm-prod") == before - 1


def test_a_protected_context_asks_for_the_name_whatever_yes_says(shell: Shell, cluster: Cluster) -> None:
    shell.settings('[contexts."*"]\nmode = "protected"\n')
    before = cluster.replicas("llama-guide")
    person = Person(shell, "scale", "default/llama-guide", "--replicas", str(before + 1), "--yes")
    person.reads("Type llama-guide to send it: ")
    person.types("llama-guide\n")
    assert person.ends() == 0
    assert cluster.replicas("llama-guide") == before + 1
    cluster.set_replicas("llama-guide", before)
