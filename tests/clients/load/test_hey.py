from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess

import pytest
from msgspec.structs import replace

from clients.load.hey import as_hey, plan_of, read_hey
from clients.load.plan import LoadPlan, Secret
from clients.load.plan_check import PlanError
from tests.support.load_target import LoadTarget

SEED = (
    "hey -z 2m -c 20 -m POST -host sklearn-iris.default.example.com -H 'X-A: b: c' "
    "-D iris.json http://10.0.0.7:8080/v1/models/sklearn-iris:predict"
)


def read(text: str) -> tuple[LoadPlan, tuple[str, ...]]:
    return plan_of(read_hey(text))


def test_the_seed_documents_line() -> None:
    plan, notes = read(SEED)
    assert plan == LoadPlan(
        url="http://10.0.0.7:8080/v1/models/sklearn-iris:predict",
        concurrency=20,
        duration_s=120,
        method="POST",
        headers={"X-A": "b: c"},
        host="sklearn-iris.default.example.com",
        body_file="iris.json",
    )
    assert "a request may take 60 s, where hey gives it 20" in notes
    assert "Content-Type is application/json, where hey sends text/html" in notes


def test_a_rate_of_each_worker_becomes_one_of_all() -> None:
    plan, notes = read("hey -z 15s -c 20 -q 5 http://x/")
    assert (plan.effective_loop, plan.effective_arrivals, plan.rate) == ("open", "constant", 100)
    assert notes[0].startswith("-q 5 for 20 workers is 100 requests a second")


def test_small_where_hey_is_not() -> None:
    plan, notes = read("http://x/")
    assert (plan.users, plan.begins_for) == (2, 30)
    assert {"2 users, where hey has 50", "30 s, where hey sends 200 requests"} <= set(notes)


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("-n 7 http://x", "requests", 7),
        ("-z=1m30s http://x", "duration_s", 90.0),
        ("--z 500ms http://x", "duration_s", 0.5),
        ("-t 5 http://x", "timeout_s", 5.0),
        ("-t 0 http://x", "timeout_s", 3600.0),
        ("-T text/csv -m post http://x", "method", "POST"),
        ("-T text/csv http://x", "headers", {"Content-Type": "text/csv"}),
        ("-d 'a b' http://x", "body", "a b"),
        ("-disable-keepalive -disable-redirects http://x", "keepalive", False),
    ],
)
def test_options(line: str, field: str, value: object) -> None:
    assert getattr(read(line)[0], field) == value


def test_a_host_is_the_certificates_name_too_as_in_hey() -> None:
    plan, notes = read("-host llm.test:8443 https://10.0.0.7/")
    assert (plan.host, plan.tls.server_hostname) == ("llm.test:8443", "llm.test")
    assert "certificates are verified, where hey takes any" in notes


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("-h2 http://x", "-h2: HTTP/2 is not spoken"),
        ("-x proxy:80 http://x", "-x: proxies are not used"),
        (
            "-a u:p http://x",
            "-a: a password in a line is no secret; name its source in secret_headers of a plan",
        ),
        ("-k http://x", "-k: hey has no such option"),
        ("-c", "-c: needs a value"),
        ("-c many http://x", "-c: expected a whole number above 0, got 'many'"),
        ("-z 30 http://x", "-z: expected a duration such as 30s or 2m, got '30'"),
        ("-H nonsense http://x", "-H: expected 'Name: value', got 'nonsense'"),
        ("http://x -c 3", "hey: nothing may follow the URL, found -c"),
        ("http://'", "hey: No closing quotation"),
        (
            "-H 'Authorization: Bearer s3cr3t' http://x",
            "headers.Authorization: is a secret; name its source in secret_headers",
        ),
    ],
)
def test_what_is_not_taken_is_refused_by_name(line: str, problem: str) -> None:
    with pytest.raises(PlanError) as caught:
        read(line)
    assert str(caught.value) == problem


def test_a_plan_as_hey_and_back() -> None:
    plan, _ = read(SEED)
    line, lost = as_hey(plan)
    said = {**plan.headers, "Content-Type": "application/json"}
    assert read(line)[0] == replace(plan, headers=said)
    assert lost == ()


def test_what_hey_does_not_do_is_told() -> None:
    plan = LoadPlan(
        url="https://llm.test", protocol="openai-chat", model="m", rate=100, warmup_s=3, max_in_flight=20,
        duration_s=9, secret_headers={"Authorization": Secret(env="TOKEN"), "X-Api-Key": Secret(file="/a b")},
    )  # fmt: skip
    line, lost = as_hey(plan)
    words = shlex.split(line)
    assert words[words.index("-q") + 1] == "5"
    assert words[-1] == "https://llm.test/v1/chat/completions"
    assert '-H "Authorization: Bearer ${TOKEN}"' in line
    assert "-H \"X-Api-Key: $(cat '/a b')\"" in line
    assert "warmup_s: hey has none" in lost
    assert "arrivals are even in hey, not poisson" in lost
    line, lost = as_hey(replace(plan, requests=7))
    assert "-n 7" in line
    assert "-z" not in line
    assert "hey knows no end by number beside one by time" in lost


@pytest.mark.skipif(shutil.which("hey") is None, reason="needs hey")
async def test_hey_itself_takes_the_line(target: LoadTarget) -> None:
    plan = LoadPlan(
        url=f"{target.url}/ok", concurrency=1, requests=2, method="PUT", body="it's", host="llm.test",
        headers={"X-A": "b c"}, secret_headers={"Authorization": Secret(env="TOKEN")},
    )  # fmt: skip
    line, _ = as_hey(plan)
    environ = {**os.environ, "TOKEN": "s3cr3t"}
    done = await asyncio.to_thread(
        subprocess.run,
        ["sh", "-c", line],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "[200]\t2 responses" in done.stdout
    seen = target.seen[-1]
    assert (seen.method, seen.path, seen.body) == ("PUT", "/ok", b"it's")
    told = [seen.headers[name] for name in ("host", "x-a", "authorization", "content-type")]
    assert told == ["llm.test", "b c", "Bearer s3cr3t", "application/json"]
