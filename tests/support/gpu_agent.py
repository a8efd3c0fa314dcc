"""A node agent over a fake NVML, served on loopback, and its page taken apart."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import httpx

from clients.clock import SystemClock
from clients.gpu.agent.attribution import Attribution
from clients.gpu.agent.sampler import Sampler
from clients.gpu.agent.sampling import Sampling
from clients.gpu.agent.server import Served, serve
from clients.gpu.agent.token import Token
from tests.support.fake_nvml import FakeNvml, installed
from tests.support.kube import until

_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
_SAMPLE = re.compile(rf"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{{((?:{_LABEL}(?:,{_LABEL})*)?)\}})? (\S+)")
_PAIR = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"')
_UNESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
_DEADLINE = 60.0


class Sample(NamedTuple):
    """One line of a page."""

    name: str
    labels: dict[str, str]
    value: float


class Page(NamedTuple):
    """A page that kept to the text format."""

    samples: list[Sample]
    types: dict[str, str]
    comments: list[str]

    def of(self, name: str, **labels: str) -> list[Sample]:
        """The samples of a metric whose labels include these."""
        return [one for one in self.samples if one.name == name and labels.items() <= one.labels.items()]

    def value(self, name: str, **labels: str) -> float:
        """The value of the one sample that there must be."""
        (one,) = self.of(name, **labels)
        return one.value


def parse(text: str) -> Page:
    """Reads a page strictly by Prometheus' text format 0.0.4; fails the test if it is not such a page."""
    samples: list[Sample] = []
    types: dict[str, str] = {}
    comments: list[str] = []
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, f"{name} in two places"
            types[name] = kind
        elif line.startswith("# HELP "):
            assert len(line.split(" ", 3)) == 4, line
        elif line.startswith("#"):
            comments.append(line)
        else:
            found = _SAMPLE.fullmatch(line)
            assert found, line
            pairs = _PAIR.findall(found[2] or "")
            labels = {key: re.sub(r"\\.", lambda m: _UNESCAPED[m[0]], value) for key, value in pairs}
            assert len(labels) == len(pairs), f"a label twice: {line}"
            assert found[1] == list(types)[-1], f"{found[1]} not under its TYPE"
            samples.append(Sample(found[1], labels, float(found[3])))
    told = [(one.name, tuple(sorted(one.labels.items()))) for one in samples]
    assert len(set(told)) == len(told), "a sample twice"
    return Page(samples, types, comments)


class LeapingClock(SystemClock):
    """The machine's clock, which a test may set forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@dataclass
class Agent:
    """A running agent and what it runs on."""

    nvml: FakeNvml
    clock: LeapingClock
    sampling: Sampling
    served: Served
    client: httpx.AsyncClient
    told: list[str] = field(default_factory=list)

    async def page(self, **headers: str) -> Page:
        """The page now."""
        answer = await self.client.get("/metrics", headers=headers)
        assert answer.status_code == 200, answer.text
        return parse(answer.text)

    async def passed(self) -> Page:
        """The page after a pass that began from now on."""
        before = self.sampling.newest
        await until(lambda: self.sampling.newest is not before, _DEADLINE)
        between = self.sampling.newest
        await until(lambda: self.sampling.newest is not between, _DEADLINE)
        return await self.page()

    async def until(self, holds: Callable[[Page], bool]) -> Page:
        """The first page of which this holds."""
        async with asyncio.timeout(_DEADLINE):
            while not holds(page := await self.page()):  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.01)
        return page


@asynccontextmanager
async def running(
    nvml: FakeNvml,
    *,
    socket: str = "/nonexistent/kubelet.sock",
    token: Token | None = None,
    address: str = "127.0.0.1",
) -> AsyncIterator[Agent]:
    """An agent that samples a hundred times a second."""
    clock = LeapingClock()
    told: list[str] = []
    with installed(nvml):
        sampling = Sampling(Sampler(clock), clock, 0.01, told.append)
        attribution = Attribution(socket, clock, every=0.05)
        served = await serve(
            address,
            0,
            sampling=sampling,
            attribution=attribution,
            clock=clock,
            hostname="gpu-node-1",
            token=token,
        )
        asking = asyncio.ensure_future(attribution.run())
        sampling.start()
        base = f"http://127.0.0.1:{served.port}"
        try:
            async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
                agent = Agent(nvml, clock, sampling, served, client, told)
                yield agent
        finally:
            asking.cancel()
            await asyncio.wait((asking,))
            await served.close()
            await asyncio.to_thread(sampling.stop)
