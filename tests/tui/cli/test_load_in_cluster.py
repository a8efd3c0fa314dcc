"""``servegrid load --in-cluster``: a Job of an embedded cluster, whose pods are real generators."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from clients.embedded.apiserver.objects import Json
from clients.embedded.cluster import Cluster
from clients.embedded.controllers.job import JOBS
from clients.embedded.scenarios.catalogue import make_cluster
from clients.load.pod_order import START_AT
from tests.support.gpu_cluster import serving
from tests.support.kube import until
from tests.support.load_runs import children, gone
from tests.support.load_target import LoadTarget, load_target
from tests.support.role_files import bind, granted

ROOT = Path(__file__).resolve().parents[3]
IMAGE = "registry.example.com/servegrid-load:1"
SETTINGS = f"""
version = 1
[contexts."guarded"]
mode = "protected"
[load]
image = "{IMAGE}"
gather = {{gather}}
"""


class Place:
    """A cluster whose API enforces rights, a target, and users: ``loads``, ``sees``, ``guarded``."""

    def __init__(
        self, cluster: Cluster, target: LoadTarget, home: Path, url: str, end: Callable[[], Awaitable[None]]
    ) -> None:
        self.cluster = cluster
        self.target = target
        self.home = home
        self.url = url
        self.end = end
        """The cluster is gone."""
        self.path = os.environ["PATH"]
        self.gather(15)

    def gather(self, seconds: float) -> None:
        (self.home / "config.toml").write_text(SETTINGS.format(gather=seconds))

    async def start(self, *words: str, context: str = "loads") -> Process:
        fixed = ("--config", str(self.home / "config.toml"), "--kubeconfig", str(self.home / "kubeconfig"))
        environ = {
            "PATH": self.path,
            "HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm",
        }
        command = (sys.executable, "-P", "-m", "tui", "load", *fixed, "--context", context, *words)
        return await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, env=environ)

    async def run(self, *words: str, context: str = "loads") -> tuple[int, str, str]:
        process = await self.start(*words, context=context)
        out, err = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    @property
    def audit(self) -> list[dict[str, Any]]:
        """The records of the audit log."""
        log = self.home / ".local/state/servegrid/audit.jsonl"
        return [json.loads(line) for line in log.read_bytes().splitlines()] if log.exists() else []

    @property
    def jobs(self) -> list[Json]:
        return list(self.cluster.store.list(JOBS))

    @property
    def pods(self) -> list[Json]:
        return [
            pod for pod in self.cluster.store.list("pods") if pod["spec"]["containers"][0]["image"] == IMAGE
        ]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    cluster = make_cluster("empty")
    for node in cluster.nodes:
        node.images.add(IMAGE)
    cluster.namespaces(["tests"])
    identity = granted(cluster.store, {"loads": [], "guarded": [], "sees": ["servegrid-viewer"]})
    for user in ("loads", "guarded"):
        bind(cluster.store, user, "servegrid-load", "tests")
    async with AsyncExitStack() as serves, load_target() as target:
        url = await serves.enter_async_context(serving(cluster, identity))
        named: dict[str, list[dict[str, Any]]] = {"contexts": [], "users": []}
        for user in ("loads", "guarded", "sees"):
            named["users"].append({"name": user, "user": {"token": user}})
            about = {"cluster": "here", "user": user, "namespace": "tests"}
            named["contexts"].append({"name": user, "context": about})
        told = {"clusters": [{"name": "here", "cluster": {"server": url}}], **named}
        (tmp_path / "kubeconfig").write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **told}))
        living = asyncio.create_task(cluster.engine.run())
        yield Place(cluster, target, tmp_path, url, serves.aclose)
        living.cancel()
    assert children(os.getpid()) == [], "generators end with their cluster"


async def comes_to(condition: Callable[[], Any]) -> None:
    await until(condition, 60)


async def test_three_pods_share_a_schedule_and_their_result_is_what_the_server_saw(place: Place) -> None:
    words = ("-n", "121", "-q", "30", "-c", "2", "-o", "json", f"{place.target.url}/ok")
    code, out, err = await place.run("--in-cluster", "3", "--yes", *words)
    assert code == 0, err
    told = json.loads(out)
    assert told["requests"]["ok"] == told["requests"]["scheduled"] == 121 == len(place.target.seen)
    assert told["generator"]["workers"] == 3
    (job,) = place.jobs
    assert f'"name": "{job["metadata"]["name"]}"' in err, "the manifest was shown"
    assert job["status"]["succeeded"] == 3
    assert (job["spec"]["completionMode"], job["spec"]["backoffLimit"]) == ("Indexed", 0)
    logs = [await lines_of(place, pod) for pod in place.pods]
    parts = [line["figures"]["scheduled"] for lines in logs for line in lines if line["type"] == "finished"]
    assert sorted(parts) == [40, 40, 41]
    begun = [line["at"] for lines in logs for line in lines if line["type"] == "started"]
    (agreed,) = {
        float(told["value"])
        for pod in place.pods
        for told in pod["spec"]["containers"][0]["env"]
        if told["name"] == START_AT
    }
    assert min(begun) >= agreed, "none begins before all were there"
    intent, sent, ended = place.audit
    assert (intent["type"], sent["type"], ended["type"]) == ("intent", "sent", "ended")
    assert intent["key"]["name"] == job["metadata"]["name"]
    assert (intent["write"]["method"], intent["write"]["body"]["spec"]) == ("POST", job["spec"])
    assert (intent["by"]["context"], intent["confirmed"]) == ("loads", "ok")
    assert (sent["result"], ended["outcome"]) == ("accepted", "done")


async def lines_of(place: Place, pod: Json) -> list[dict[str, Any]]:
    url = f"{place.url}/api/v1/namespaces/tests/pods/{pod['metadata']['name']}/log"
    async with httpx.AsyncClient(headers={"Authorization": "Bearer loads"}, trust_env=False) as client:
        return [json.loads(line) for line in (await client.get(url)).text.splitlines()]


async def test_an_interrupt_deletes_the_job_and_its_generators_end(place: Place) -> None:
    process = await place.start(
        "--in-cluster", "2", "--yes", "-z", "600s", "-c", "4", f"{place.target.url}/ok"
    )
    await place.target.until(10)
    generators = children(os.getpid())
    assert len(generators) == 2
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 130
    assert b"is deleted" in err
    assert b"ended: aborted" in out
    assert place.jobs == []
    for generator in generators:
        await asyncio.to_thread(gone, generator)
    await comes_to(lambda: not place.pods)
    methods = [record["write"]["method"] for record in place.audit if record["type"] == "intent"]
    assert methods == ["POST", "DELETE"]
    results = [record["result"] for record in place.audit if record["type"] == "sent"]
    assert results == ["accepted", "accepted"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_leaves_no_job(place: Place, number: signal.Signals) -> None:
    process = await place.start(
        "--in-cluster", "2", "--yes", "-z", "600s", "-c", "4", f"{place.target.url}/ok"
    )
    await place.target.until(10)
    process.send_signal(number)
    await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 130
    await comes_to(lambda: not place.jobs)


async def test_a_rule_of_one_pod_ends_all(place: Place) -> None:
    plan = place.home / "plan.json"
    fields = {"url": f"{place.target.url}/status/500", "rate": 60, "duration_s": 600}
    plan.write_text(json.dumps({**fields, "stop": {"errors_percent": 10}}))
    code, out, err = await place.run("--in-cluster", "2", "--yes", "--plan", str(plan))
    assert code == 1, err
    assert "ended: rule, 100 % of " in out
    assert place.jobs == []


async def test_a_job_ends_at_its_deadline_though_nobody_is_left_to_end_it(place: Place) -> None:
    process = await place.start(
        "--in-cluster", "2", "--yes", "-z", "600s", "-c", "4", f"{place.target.url}/ok"
    )
    await place.target.until(10)
    generators = children(os.getpid())
    process.kill()
    await process.communicate()
    (job,) = place.jobs
    place.cluster.clock.set_speed(10_000)
    place.cluster.engine.kick()
    for generator in generators:
        await asyncio.to_thread(gone, generator)
    await comes_to(lambda: not place.jobs)
    assert job["spec"]["activeDeadlineSeconds"] == 15 + 600 + 60 + 60


async def test_a_cluster_that_is_gone_is_said_and_so_is_what_may_still_run(place: Place) -> None:
    process = await place.start(
        "--in-cluster", "2", "--yes", "-z", "600s", "-c", "4", f"{place.target.url}/ok"
    )
    await place.target.until(10)
    await place.end()
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 5
    assert b"may run until its deadline: look at it" in err
    deletion = [record for record in place.audit if record["type"] == "sent"][1]
    assert deletion["result"] in ("refused", "unknown")


@pytest.mark.skipif(Path("/dev/log").exists(), reason="this machine has a system log, which takes it")
async def test_without_an_audit_log_no_job_is_made(place: Place) -> None:
    place.path = ""
    (place.home / ".local").write_text("in the way of the state directory")
    code, _, err = await place.run("--in-cluster", "2", "--yes", f"{place.target.url}/ok")
    assert code == 3, err
    assert "without an audit log nothing is changed" in err
    assert place.jobs == []


async def test_pods_that_do_not_run_in_time_are_named_and_deleted(place: Place) -> None:
    place.gather(0.5)
    place.cluster.clock.set_speed(0)
    code, _, err = await place.run("--in-cluster", "2", "--yes", f"{place.target.url}/ok")
    assert code == 1
    assert "0 of 2 pods ran within load.gather, 0.5 s" in err
    assert "is deleted" in err
    assert place.jobs == []
    assert not place.target.seen


async def test_a_missing_right_is_named_before_anything_is_made(place: Place) -> None:
    code, _, err = await place.run("--in-cluster", "2", "--yes", f"{place.target.url}/ok", context="sees")
    assert code == 5
    assert "no right to create jobs in tests" in err
    assert "no right to delete jobs in tests" in err
    assert place.jobs == []


@pytest.mark.parametrize("words", [(), ("--yes",)])
async def test_unconfirmed_nothing_is_made(place: Place, words: tuple[str, ...]) -> None:
    context = "guarded" if words else "loads"
    code, _, err = await place.run("--in-cluster", "2", *words, f"{place.target.url}/ok", context=context)
    assert code == 3
    assert "not confirmed; nothing was made" in err
    assert '"kind": "Job"' in err
    assert place.jobs == []


async def test_what_a_pod_cannot_have_is_refused_by_name(place: Place) -> None:
    plan = place.home / "plan.json"
    secret = {"Authorization": {"env": "LLM_TOKEN"}}
    plan.write_text(
        json.dumps({"url": place.target.url, "secret_headers": secret, "body_file": "/etc/hostname"})
    )
    code, _, err = await place.run("--in-cluster", "2", "--yes", "--plan", str(plan))
    assert code == 2
    assert "load: secret_headers.Authorization: no secret is given to a pod" in err
    assert "load: body_file: a pod has no such file; put it in body" in err
    code, _, err = await place.run("--in-cluster", "9", "--yes", "-c", "2", place.target.url)
    assert (code, "workers: more than there are requests underway" in err) == (2, True)
    code, _, err = await place.run("--in-cluster", "2", "--once", place.target.url)
    assert (code, "--in-cluster and --once exclude each other" in err) == (2, True)
    (place.home / "config.toml").write_text("version = 1\n")
    code, _, err = await place.run("--in-cluster", "2", "--yes", place.target.url)
    assert (code, "needs the setting load.image" in err) == (2, True)
