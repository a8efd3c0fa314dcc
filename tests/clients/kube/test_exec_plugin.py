"""Login plugins: run when needed and no oftener, without a terminal unless one is wanted."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.kube.config import ClusterConfig, ConnectOptions, load
from clients.kube.errors import ErrorKind, KubeError
from tests.support.kube import reflecting, session_to, until
from tests.support.misbehaving import misbehaving

VERSION = "client.authentication.k8s.io/v1"


class FakeClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class Plugin:
    """A plugin that answers with what ``answer`` says, and notes how it was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = folder / "plugin"
        self.script.write_text(
            f"#!{sys.executable}\n"
            "import json, os, pathlib, sys, time\n"
            f"here = pathlib.Path({str(folder)!r})\n"
            "info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
            "call = {'info': info, 'args': sys.argv[1:], 'stdin': sys.stdin.read()}\n"
            "call['env'] = os.environ.get('EXTRA')\n"
            "with (here / 'calls').open('a') as calls: calls.write(json.dumps(call) + '\\n')\n"
            "answer = json.loads((here / 'answer').read_text())\n"
            "time.sleep(answer.get('sleep', 0))\n"
            "sys.stderr.write(answer.get('stderr', ''))\n"
            "print(answer['stdout'])\n"
            "sys.exit(answer.get('code', 0))\n"
        )
        self.script.chmod(self.script.stat().st_mode | stat.S_IXUSR)

    def answers(self, status: dict[str, Any] | None = None, **how: Any) -> None:
        body = {"apiVersion": VERSION, "kind": "ExecCredential", "status": status}
        (self.folder / "answer").write_text(json.dumps({"stdout": json.dumps(body), **how}))

    @property
    def calls(self) -> list[dict[str, Any]]:
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def config(
        self, server: str = "https://10.0.0.1", *, interactive: bool = False, **fields: Any
    ) -> ClusterConfig:
        exec_ = {"apiVersion": VERSION, "command": "./plugin", **fields}
        path = self.folder / "config"
        path.write_text(
            json.dumps(
                {
                    "current-context": "dev",
                    "contexts": [{"name": "dev", "context": {"cluster": "c", "user": "u"}}],
                    "clusters": [{"name": "c", "cluster": {"server": server}}],
                    "users": [{"name": "u", "user": {"exec": exec_}}],
                }
            )
        )
        environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        return load(ConnectOptions(kubeconfig=str(path)), environ=environ, interactive=interactive)


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    made = Plugin(tmp_path)
    made.answers({"token": "one"})
    return made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_it_is_run_once_and_told_what_client_go_tells(plugin: Plugin, clock: FakeClock) -> None:
    config = plugin.config(
        args=["get-token", "--x"], env=[{"name": "EXTRA", "value": "e"}], provideClusterInfo=True
    )
    assert not config.needs_login
    assert plugin.calls == [], "loading the configuration runs nothing"
    found = await asyncio.gather(*(config.credentials.current(clock) for _ in range(5)))
    assert {credential.authorization for credential in found} == {"Bearer one"}
    (call,) = plugin.calls
    assert call["args"] == ["get-token", "--x"]
    assert call["env"] == "e"
    assert call["stdin"] == ""
    assert call["info"] == {
        "apiVersion": VERSION,
        "kind": "ExecCredential",
        "spec": {"interactive": False, "cluster": {"server": "https://10.0.0.1"}},
    }


async def test_a_token_of_three_minutes_is_kept_for_them_and_renewed_before_its_end(
    plugin: Plugin, clock: FakeClock
) -> None:
    plugin.answers({"token": "one", "expirationTimestamp": _time(clock.at + 180)})
    credentials = plugin.config().credentials
    for _ in range(14):
        assert (await credentials.current(clock)).authorization == "Bearer one"
        clock.at += 10
    assert len(plugin.calls) == 1
    plugin.answers({"token": "two", "expirationTimestamp": _time(clock.at + 180)})
    clock.at += 10
    assert (await credentials.current(clock)).authorization == "Bearer one", "still valid: no request waits"
    for _ in range(6000):
        if (await credentials.current(clock)).authorization == "Bearer two":
            break
        await asyncio.sleep(0.01)
    assert (await credentials.current(clock)).authorization == "Bearer two"
    assert len(plugin.calls) == 2


async def test_an_expired_token_waits_for_a_new_one(plugin: Plugin, clock: FakeClock) -> None:
    plugin.answers({"token": "one", "expirationTimestamp": _time(clock.at + 60)})
    credentials = plugin.config().credentials
    await credentials.current(clock)
    plugin.answers({"token": "two"})
    clock.at += 61
    assert (await credentials.current(clock)).authorization == "Bearer two"


async def test_while_the_server_rejects_it_the_plugin_runs_less_and_less(
    plugin: Plugin, clock: FakeClock
) -> None:
    credentials = plugin.config().credentials
    credential = await credentials.current(clock)
    clock.at += 3600
    begun = clock.at
    for _ in range(300):
        credential = await credentials.renew(clock, credential)
        clock.at += 2
    runs = len(plugin.calls) - 1
    assert clock.at - begun == 600
    assert 4 <= runs <= 6, "after 0, 20, 40, 80, 160 and 300 s"
    credentials.accepted()
    clock.at += 10
    await credentials.renew(clock, credential)
    assert len(plugin.calls) == runs + 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"stdout": "not json"}, "printed no JSON"),
        ({"stdout": "[]"}, "printed no ExecCredential"),
        ({"stdout": json.dumps({"kind": "ExecCredential", "apiVersion": "x/v1"})}, "printed apiVersion x/v1"),
        (
            {"stdout": "", "code": 3, "stderr": "aha\nToken has expired\n"},
            "ended with code 3: Token has expired",
        ),
        ({"status": {}}, "printed neither a token nor a client certificate"),
        ({"status": {"token": "a\x00b"}}, "printed a token with control characters"),
        ({"status": {"clientCertificateData": "x"}}, "printed a client certificate without its key"),
    ],
)
async def test_a_plugin_that_fails_is_a_login_to_do(
    plugin: Plugin, clock: FakeClock, answer: dict[str, Any], said: str
) -> None:
    how = dict(answer)
    plugin.answers(how.pop("status", None), **how)
    config = plugin.config()
    with pytest.raises(KubeError, match=said) as raised:
        await config.credentials.current(clock)
    assert raised.value.kind is ErrorKind.LOGIN
    assert f"{plugin.folder}/config: users[u].user.exec" in raised.value.message
    assert config.needs_login
    with pytest.raises(KubeError, match=said):
        await config.credentials.current(clock)
    assert len(plugin.calls) == 1, "the next request does not run it again at once"
    plugin.answers({"token": "two"})
    clock.at += 30
    assert (await config.credentials.current(clock)).authorization == "Bearer two"
    assert not config.needs_login


async def test_it_runs_on_the_data_threads_own_loop(plugin: Plugin, clock: FakeClock) -> None:
    credentials = plugin.config().credentials
    found = await asyncio.to_thread(lambda: asyncio.run(credentials.current(clock)))
    assert found.authorization == "Bearer one"


async def test_a_plugin_that_is_not_installed(plugin: Plugin, clock: FakeClock) -> None:
    config = plugin.config(command="no-such-plugin-here", installHint="Get it at example.com")
    with pytest.raises(
        KubeError, match=r"exec\.command: no-such-plugin-here: No such file.*Get it at example"
    ):
        await config.credentials.current(clock)


async def test_a_plugin_that_hangs_is_ended_with_its_children(
    plugin: Plugin, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clients.kube.credentials.PLUGIN_LIMIT", 0.3)
    plugin.answers({"token": "late"}, sleep=60)
    with pytest.raises(KubeError, match="gave no answer in"):
        await plugin.config().credentials.current(clock)


async def test_a_request_that_gives_up_does_not_end_the_plugin(plugin: Plugin, clock: FakeClock) -> None:
    plugin.answers({"token": "slow"}, sleep=0.3)
    credentials = plugin.config().credentials
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await credentials.current(clock)
    assert (await credentials.current(clock)).authorization == "Bearer slow"
    assert len(plugin.calls) == 1


@pytest.fixture
def terminal() -> Iterator[None]:
    """Standard input that ends at once, where a person would sit."""
    saved = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    yield
    os.dup2(saved, 0)
    os.close(saved)
    os.close(null)


@pytest.mark.usefixtures("terminal")
async def test_a_plugin_that_must_have_a_terminal_runs_before_it_is_taken(
    plugin: Plugin, clock: FakeClock
) -> None:
    config = plugin.config(interactive=True, interactiveMode="Always")
    assert [call["info"]["spec"]["interactive"] for call in plugin.calls] == [True]
    assert not config.needs_login
    assert (await config.credentials.current(clock)).authorization == "Bearer one"


@pytest.mark.usefixtures("terminal")
async def test_without_a_terminal_it_waits_for_the_person(plugin: Plugin, clock: FakeClock) -> None:
    config = plugin.config(interactiveMode="Always")
    assert config.needs_login
    with pytest.raises(KubeError, match="wants a terminal to log in") as raised:
        await config.credentials.current(clock)
    assert raised.value.kind is ErrorKind.LOGIN
    assert plugin.calls == []
    config.login()
    assert not config.needs_login
    assert (await config.credentials.current(clock)).authorization == "Bearer one"


@pytest.mark.usefixtures("terminal")
async def test_an_expired_login_is_a_state_until_the_person_logs_in(plugin: Plugin) -> None:
    async with misbehaving() as server:
        server.put("one", value=1)
        server.token = "one"
        config = plugin.config(server.url, interactive=True, interactiveMode="Always")
        async with (
            session_to(server.url, credentials=config.credentials) as session,
            reflecting(session) as run,
        ):
            await until(run.live)
            server.token = "two"
            server.cut_watches()
            await until(lambda: run.reflector.status.state.value == "login needed")
            server.put("two", value=2)
            plugin.answers({"token": "two"})
            config.login()
            run.reflector.wake()
            await until(lambda: run.live() and run.agrees(server.objects))


def _time(at: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
