"""One call to a managed cloud: sent once, signed anew, its failure told in one line."""

from __future__ import annotations

import logging
import pickle
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clients.clock import ClusterClock, SystemClock
from clients.managed.calls import Calls, CloudError, Problem, Request
from clients.managed.secret import Secret, exposed
from clients.managed.writes import Writes
from clients.serving.backend import Result
from clients.serving.plans import ScalePlan
from tests.support.certificates import Authority
from tests.support.cloud_plan import plan_of
from tests.support.small_cloud import Answer, SmallCloud, breaks, half, hangs, says, small_cloud

YEARS_ON = "Thu, 01 Jan 2099 00:00:00 GMT"


@pytest.fixture
async def cloud() -> AsyncIterator[SmallCloud]:
    async with small_cloud() as made:
        yield made


@pytest.fixture
async def calls(cloud: SmallCloud) -> AsyncIterator[Calls]:
    made = make(cloud.url)
    yield made
    await made.close()


def make(url: str, *, limit: float = 30.0) -> Calls:
    signed = iter(range(1000))

    def sign(request: Request) -> dict[str, str]:
        return {"Authorization": f"{next(signed)} {request.method} {request.target} {request.body!r}"}

    return Calls(url, sign, lambda body: Problem(body.decode()), ClusterClock(SystemClock()), limit=limit)


async def test_what_is_signed_is_what_is_sent(cloud: SmallCloud, calls: Calls) -> None:
    await calls.send("POST", "/a%2Fb", query=(("q", "x y&ü"), ("a", "1")), body=b'{"n": 0}')
    await calls.send("GET", "/zone", signed=False)
    await calls.send("GET", "/zone")

    request, unsigned, again = cloud.requests
    target = "/v2/a%2Fb?q=x%20y%26%C3%BC&a=1"
    assert request.raw_path == target
    assert request.headers["Authorization"] == f"0 POST {target} b'{{\"n\": 0}}'"
    assert cloud.bodies[0] == b'{"n": 0}'
    assert "Authorization" not in unsigned.headers
    assert again.headers["Authorization"].startswith("1 GET")


async def test_a_refusal_is_told_with_its_status_and_when_to_come_back(
    cloud: SmallCloud, calls: Calls
) -> None:
    cloud.script = [says(429, "slow down", Retry_After="7"), says(302, "", Location="http://elsewhere/")]
    with pytest.raises(CloudError) as found:
        await calls.send("GET", "/zone")
    assert (found.value.message, found.value.status, found.value.retry_after) == (
        "slow down (429)",
        429,
        7.0,
    )
    assert found.value.lost
    with pytest.raises(CloudError, match=r"GET /zone: answered without saying why \(302\)"):
        await calls.send("GET", "/zone")
    assert len(cloud.requests) == 2


async def test_a_read_refused_for_a_wrong_time_is_signed_again(cloud: SmallCloud, calls: Calls) -> None:
    late = says(403, "expired", Date=YEARS_ON)
    cloud.script = [late, says(200, "here", Date=YEARS_ON), late]
    assert await calls.send("GET", "/zone") == b"here"
    assert [request.headers["Authorization"][:1] for request in cloud.requests] == ["0", "1"]
    with pytest.raises(CloudError, match="expired"):
        await calls.send("GET", "/zone")
    assert len(cloud.requests) == 3, "the time is right by now: the refusal means something else"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_write_is_never_signed_again(cloud: SmallCloud, calls: Calls, method: str) -> None:
    cloud.script = [says(403, "expired", Date=YEARS_ON)]
    with pytest.raises(CloudError, match="expired"):
        await calls.send(method, "/scale", body=b"{}")
    assert len(cloud.requests) == 1


async def test_a_cloud_must_have_a_certificate_that_this_machine_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("cloud", alternatives="IP:127.0.0.1")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pair.certificate, pair.key)
    async with small_cloud(tls) as cloud:
        stranger = make(cloud.url)
        with pytest.raises(CloudError, match="certificate is not trusted on this machine") as found:
            await stranger.send("POST", "/scale", body=b"{}")
        assert not found.value.sent
        await stranger.close()
        assert cloud.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.pair.certificate))
        known = make(cloud.url)
        assert await known.send("POST", "/scale", body=b"{}") == b"{}"
        await known.close()


async def test_nobody_there_means_nothing_was_sent() -> None:
    nobody = make("http://127.0.0.1:1/v2")
    with pytest.raises(CloudError, match="cannot be reached") as found:
        await nobody.send("POST", "/scale", body=b"{}")
    assert not found.value.sent
    await nobody.close()


@pytest.mark.parametrize("act", [hangs, breaks, half])
async def test_no_whole_answer_means_nobody_knows(cloud: SmallCloud, act: Answer) -> None:
    cloud.script = [act]
    calls = make(cloud.url, limit=1.0)
    with pytest.raises(CloudError) as found:
        await calls.send("POST", "/scale", body=b"{}")
    assert found.value.sent
    assert not found.value.refused
    assert len(cloud.requests) == 1
    await calls.close()


@pytest.mark.parametrize(
    ("act", "shows", "result", "reads"),
    [
        (says(200), True, Result.ACCEPTED, 0),
        (says(409, "busy"), True, Result.CONFLICT, 0),
        (says(412, "no GPUs"), True, Result.REFUSED, 0),
        (says(500, "oops"), True, Result.ACCEPTED, 1),
        (hangs, False, Result.UNKNOWN, 1),
        (breaks, None, Result.UNKNOWN, 1),
    ],
)
async def test_a_write_is_sent_once_and_read_again_where_nobody_knows(
    cloud: SmallCloud, act: Answer, shows: bool | None, result: Result, reads: int
) -> None:
    cloud.script = [act]
    calls = make(cloud.url, limit=1.0)
    looks: list[bool | None] = []

    async def write() -> str:
        await calls.send("POST", "/scale", body=b"{}")
        return "taken"

    async def look() -> bool:
        looks.append(shows)
        if shows is None:
            raise CloudError("cannot be read")
        return shows

    async def unchanged(plan: ScalePlan) -> ScalePlan:
        return plan

    ticket = await Writes(SystemClock()).send(plan_of(3), unchanged, write, look)
    assert ticket.result is result, ticket.message
    assert len(looks) == reads
    assert len(cloud.requests) == 1
    await calls.close()


def test_x1_a_secret_is_nowhere_to_be_read(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret("s3cr3t")
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("x").error("%s %r", secret, [secret])
    assert "s3cr3t" not in caplog.text + f"{secret!s}{secret!r}{secret}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_a_file_with_secrets_must_be_private(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("secret")
    for mode, open_to_others in ((0o600, False), (0o400, False), (0o640, True), (0o604, True), (0o660, True)):
        path.chmod(mode)
        assert (exposed(path) is not None) is open_to_others, oct(mode)
    assert "chmod 600" in (exposed(path) or "")
