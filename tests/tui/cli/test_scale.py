from __future__ import annotations

import getpass
import json
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from tests.tui.cli.conftest import until
from tui import audit_places
from tui.audit_places import JournalPlace

if TYPE_CHECKING:
    from tests.tui.cli.conftest import Cluster, Shell

ME = getpass.getuser()


def test_out_and_in_again_to_the_end(shell: Shell, cluster: Cluster) -> None:
    before = cluster.replicas("qwen-coder")
    out = shell.run(
        "scale", "qwen-coder", "--replicas", str(before + 1), "--yes", "--wait"
    ).stdout.splitlines()
    assert out[0] == f"ModelServing/default/qwen-coder in admin: {before} to {before + 1} groups"
    assert any(line.startswith("same as: kubectl ") for line in out)
    assert "accepted" in out
    assert out[-1].startswith(f"predicted qwen-coder-{before}, ")
    assert f"; happened qwen-coder-{before}, " in out[-1]
    (row,) = shell.json("get", "qwen-coder")["workloads"]
    assert (row["desired"], row["ready"], row["operation"]) == (before + 1, before + 1, None)
    done = shell.json("scale", "ms/qwen-coder", "--replicas", str(before), "--yes", "--wait")
    assert (done["schema"], done["code"], done["plan"]["confirmation"]) == (1, 0, "yes")
    assert done["sent"]["result"] == "accepted"
    assert done["ended"]["happened"] == done["ended"]["predicted"] == [f"qwen-coder-{before}"]
    assert [record["type"] for record in shell.audit()] == ["intent", "sent", "ended"] * 2
    assert shell.audit()[0]["by"] == {"by": ME, "context": "admin", "as_user": None}
    # The second time there is a history to tell from.
    again = shell.run("scale", "qwen-coder", "--replicas", str(before + 1), "--dry-run").stdout
    assert "from 1 earlier time" in again


def test_several_roles_in_one_write(shell: Shell, cluster: Cluster) -> None:
    words = ["--role", "prefill=2", "--role", "decode=3", "--yes", "--wait"]
    done = shell.json("scale", "llm-prod/kimi-k2", *words)
    assert done["plan"]["after"]["roles"] == {"prefill": 2, "decode": 3}
    intents = [record for record in shell.audit() if record["type"] == "intent"]
    assert len(intents) == 1
    roles = cluster.model_serving("kimi-k2", "llm-prod")["spec"]["template"]["roles"]
    assert {role["name"]: role["replicas"] for role in roles} == {"prefill": 2, "decode": 3}


def test_without_a_terminal_nothing_is_confirmed(shell: Shell, cluster: Cluster) -> None:
    before = cluster.replicas("deepseek-r1")
    done = shell.run("scale", "deepseek-r1", "--replicas", str(before + 1), code=3)
    assert done.stderr == "servegrid: not confirmed; nothing was sent\n"
    assert f"{before} to {before + 1} groups" in done.stdout
    assert cluster.replicas("deepseek-r1") == before
    assert shell.audit() == []


def test_a_dry_run_and_no_change_send_nothing(shell: Shell, cluster: Cluster) -> None:
    before = cluster.replicas("deepseek-r1")
    version = cluster.model_serving("deepseek-r1")["metadata"]["resourceVersion"]
    done = shell.run("scale", "deepseek-r1", "--replicas", str(before + 1), "--dry-run")
    assert done.stdout.endswith("dry run: the server would take it; nothing was changed\n")
    same = shell.run("scale", "deepseek-r1", "--replicas", str(before))
    assert same.stdout == "ModelServing/default/deepseek-r1 in admin: no change\n"
    assert cluster.model_serving("deepseek-r1")["metadata"]["resourceVersion"] == version
    assert shell.audit() == []


def test_another_count_than_the_one_expected_is_a_conflict(shell: Shell, cluster: Cluster) -> None:
    before = cluster.replicas("deepseek-r1")
    done = shell.run("scale", "deepseek-r1", "--replicas", "9", "--current", "7", "--yes", code=1)
    assert f"conflict: {before} groups are wanted now, not 7" in done.stderr
    assert cluster.replicas("deepseek-r1") == before


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["no-such", "--replicas", "1"], 4, "no-such: not found"),
        (["deepseek-r1", "--role", "nope=2"], 2, "no role 'nope'; there are: prefill, decode"),
        (["deepseek-r1", "--replicas", "9", "--context", "viewer"], 5, "stopped by a guard"),
    ],
)
def test_what_cannot_be_done(shell: Shell, words: list[str], code: int, message: str) -> None:
    assert message in shell.run("scale", *words, "--yes", code=code).stderr
    assert shell.audit() == []


def test_json_is_one_object_also_for_what_was_not_found(shell: Shell) -> None:
    told = shell.json("scale", "no-such", "--replicas", "1", code=4)
    assert (told["code"], told["message"], told["plan"], told["sent"]) == (
        4,
        "no-such: not found",
        None,
        None,
    )


def test_safety_by_context(shell: Shell, cluster: Cluster) -> None:
    before = cluster.replicas("deepseek-r1")
    words = ["scale", "deepseek-r1", "--replicas", str(before + 1), "--yes"]
    done = shell.run("--read-only", *words, code=3)
    assert "block: read-only: context admin is read-only here" in done.stdout
    shell.settings('[contexts."adm*"]\nmode = "protected"\n')
    assert "not confirmed" in shell.run(*words, code=3).stderr
    shell.settings('[contexts."adm*"]\nmode = "read-only"\n')
    assert shell.json(*words, code=3)["plan"]["confirmation"] == "ok"
    assert cluster.replicas("deepseek-r1") == before


def test_a_wait_that_is_too_short_is_a_failure_and_the_change_stays(shell: Shell, cluster: Cluster) -> None:
    before = cluster.replicas("llama-70b", "llm-prod")
    words = ["scale", "llama-70b", "--replicas", str(before + 1), "--yes", "--wait", "--timeout", "0.1"]
    done = shell.run(*words, code=1)
    assert "timed out after 0s; the change stays as it was sent" in done.stderr


def test_somebody_who_takes_it_back_is_named(shell: Shell, cluster: Cluster) -> None:
    before = cluster.replicas("deepseek-r1")
    waiting = shell.start("scale", "deepseek-r1", "--replicas", str(before + 2), "--yes", "--wait")
    until(lambda: cluster.replicas("deepseek-r1") == before + 2, "the change")
    cluster.set_replicas("deepseek-r1", before)
    out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 1, out + err
    assert "reverted: somebody asked for" in err

    def ended() -> bool:
        assert shell.json("get", "deepseek-r1")["workloads"][0]["desired"] == before
        return bool(shell.audit()[-1]["type"] == "ended")

    until(ended, "the end in the log")
    assert shell.audit()[-1]["outcome"] == "reverted"


def test_a_change_taken_back_before_it_was_seen_is_a_revert_too(shell: Shell, cluster: Cluster) -> None:
    before = cluster.replicas("deepseek-r1")

    def take_back() -> None:
        until(lambda: cluster.replicas("deepseek-r1") == before + 2, "the change")
        cluster.set_replicas("deepseek-r1", before)

    other = threading.Thread(target=take_back)
    other.start()
    words = ["scale", "deepseek-r1", "--replicas", str(before + 2), "--yes", "--wait"]
    done = shell.run(*words, code=1)
    other.join()
    assert "reverted: somebody asked for" in done.stderr


def test_a_change_that_nobody_saw_to_its_end_is_taken_up_again(shell: Shell, cluster: Cluster) -> None:
    before = cluster.replicas("llama-guide")
    waiting = shell.start("scale", "default/llama-guide", "--replicas", str(before + 1), "--yes", "--wait")
    until(lambda: len(shell.audit()) == 2, "the answer in the log")
    waiting.send_signal(signal.SIGKILL)
    waiting.communicate()
    assert shell.audit()[-1]["type"] == "sent"

    def ended() -> bool:
        shell.run("get")
        return bool(shell.audit()[-1]["type"] == "ended")

    until(ended, "the end in the log")
    assert shell.audit()[-1]["outcome"] == "done"
    assert shell.audit()[-1]["id"] == shell.audit()[0]["id"]


def test_an_interrupt_ends_the_waiting_and_not_the_change(shell: Shell, cluster: Cluster) -> None:
    before = cluster.replicas("qwen-coder")
    waiting = shell.start("scale", "qwen-coder", "--replicas", str(before + 2), "--yes", "--wait")
    until(lambda: len(shell.audit()) == 2, "the answer in the log")
    waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 130
    assert "Traceback" not in err
    assert cluster.replicas("qwen-coder") == before + 2
    cluster.set_replicas("qwen-coder", before)


def test_a_reader_that_leaves_does_not_stop_it(shell: Shell, cluster: Cluster) -> None:
    before = cluster.replicas("llama-guide")
    read, write = os.pipe()
    os.close(read)
    words = ["scale", "default/llama-guide", "--replicas", str(before + 1), "--yes"]
    running = shell.start(*words, stdout=write)
    os.close(write)
    _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (0, "")
    assert shell.audit()[1]["result"] == "accepted"
    cluster.set_replicas("llama-guide", before)


def test_without_an_audit_log_nothing_is_sent(
    shell: Shell, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cluster.replicas("deepseek-r1")
    shell.audit_log.mkdir(parents=True)
    (shell.home / "run" / "servegrid").write_text("")
    shell.environ["PATH"] = str(shell.home)
    monkeypatch.setattr(audit_places, "JournalPlace", lambda: JournalPlace(shell.home / "no-log"))
    done = shell.run("scale", "deepseek-r1", "--replicas", str(before + 1), "--yes", code=3)
    assert "nowhere to keep the audit log" in done.stderr
    assert cluster.replicas("deepseek-r1") == before


def test_a_full_log_disk_is_told_and_the_change_is_made(shell: Shell, cluster: Cluster) -> None:
    before = cluster.replicas("llama-guide")
    shell.audit_log.mkdir(parents=True)
    done = shell.run("scale", "default/llama-guide", "--replicas", str(before + 1), "--yes")
    cluster.set_replicas("llama-guide", before)
    fallback = shell.home / "run" / "servegrid" / "audit.jsonl"
    assert f"audit log kept in {fallback} (" in done.stderr
    kept = [json.loads(line)["type"] for line in fallback.read_text().splitlines()]
    assert kept[:2] == ["intent", "sent"], "and the end, where the group was quicker than the command"
