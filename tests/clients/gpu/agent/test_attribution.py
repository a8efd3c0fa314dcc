"""Which pods the page names, by what a kubelet's pod-resources socket answers."""

from __future__ import annotations

import sys
import tempfile

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as some

from clients.gpu.agent.pod_devices import Malformed, pod_devices
from tests.support.fake_nvml import FakeGpu, FakeInstance, FakeNvml
from tests.support.gpu_agent import Page, running
from tests.support.kubelet_socket import container, kubelet, pod

GPU = "nvidia.com/gpu"


def attributed(page: Page) -> bool:
    return page.value("servegrid_attribution_up") == 1


def who(page: Page, **labels: str) -> list[tuple[str | None, ...]]:
    """Namespace, pod, container and share of the rows of one metric."""
    names = ("namespace", "pod", "container", "vgpu")
    return [tuple(one.labels.get(name) for name in names) for one in page.of("DCGM_FI_DEV_FB_USED", **labels)]


async def test_a_gpu_names_the_container_that_holds_it() -> None:
    nvml = FakeNvml(FakeGpu("GPU-a"), FakeGpu("GPU-b", minor=1), FakeGpu("GPU-c", minor=2))
    prefill = container("engine", (GPU, ["GPU-a", "GPU-b"]))
    idle = container("sidecar")
    async with kubelet(pod("llm", "llama-0-prefill-0", idle, prefill)) as node:
        async with running(nvml, socket=node.socket) as agent:
            page = await agent.until(attributed)
    held = ("llm", "llama-0-prefill-0", "engine", None)
    assert [who(page, UUID=uuid) for uuid in ("GPU-a", "GPU-b")] == [[held], [held]]
    assert who(page, UUID="GPU-c") == [(None, None, None, None)]
    assert not [line for line in page.comments if "pods are not known" in line]


async def test_sharers_of_a_gpu_have_a_row_each() -> None:
    shared = "nvidia.com/gpu.shared"
    one = pod("llm", "small-0", container("engine", (shared, ["GPU-a::0"])))
    other = pod("llm", "small-1", container("engine", (shared, ["GPU-a::3"])))
    async with kubelet(one, other) as node:
        async with running(FakeNvml(FakeGpu("GPU-a")), socket=node.socket) as agent:
            page = await agent.until(attributed)
    assert who(page) == [("llm", "small-0", "engine", "0"), ("llm", "small-1", "engine", "3")]
    assert {one.value for one in page.of("DCGM_FI_DEV_FB_USED")} == {70 * 1024}
    assert len(page.of("servegrid_gpu_up")) == 1


@pytest.mark.parametrize("ids", [("MIG-one", "MIG-two"), ("nvidia0/gi1", "nvidia0/gi5")])
async def test_mig_instances_under_the_names_of_either_plugin(ids: tuple[str, str]) -> None:
    gpu = FakeGpu("GPU-m", instances=[FakeInstance(1, "MIG-one"), FakeInstance(5, "MIG-two")])
    first = pod("llm", "a", container("engine", ("nvidia.com/mig-1g.10gb", [ids[0]])))
    second = pod("llm", "b", container("engine", ("nvidia.com/mig-1g.10gb", [ids[1]])))
    async with kubelet(first, second) as node:
        async with running(FakeNvml(gpu), socket=node.socket) as agent:
            page = await agent.until(attributed)
    assert who(page, GPU_I_ID="1") == [("llm", "a", "engine", None)]
    assert who(page, GPU_I_ID="5") == [("llm", "b", "engine", None)]


async def test_gkes_names_of_whole_and_shared_gpus() -> None:
    nvml = FakeNvml(FakeGpu("GPU-a"), FakeGpu("GPU-b", minor=1))
    whole = pod("llm", "whole", container("engine", (GPU, ["nvidia1"])))
    part = pod("llm", "part", container("engine", (GPU, ["nvidia0/vgpu2"])))
    async with kubelet(whole, part) as node:
        async with running(nvml, socket=node.socket) as agent:
            page = await agent.until(attributed)
    assert who(page, UUID="GPU-a") == [("llm", "part", "engine", "2")]
    assert who(page, UUID="GPU-b") == [("llm", "whole", "engine", None)]


async def test_other_plugins_and_claims_name_no_gpu() -> None:
    other = pod("llm", "other", container("engine", ("example.com/gpu", ["GPU-a"])))
    claims = pod("llm", "claims", container("engine", claimed=True))
    async with kubelet(other, claims) as node:
        async with running(FakeNvml(FakeGpu("GPU-a")), socket=node.socket) as agent:
            page = await agent.until(attributed)
    assert who(page) == [(None, None, None, None)]
    assert any("1 containers hold devices through resource claims" in line for line in page.comments)


async def test_pods_come_and_go() -> None:
    held = pod("llm", "first", container("engine", (GPU, ["GPU-a"])))
    async with kubelet(held) as node:
        async with running(FakeNvml(FakeGpu("GPU-a")), socket=node.socket) as agent:
            await agent.until(lambda page: who(page) == [("llm", "first", "engine", None)])
            node.answer = pod("llm", "second", container("engine", (GPU, ["GPU-a"])))
            await agent.until(lambda page: who(page) == [("llm", "second", "engine", None)])
            node.answer = b""
            await agent.until(lambda page: who(page) == [(None, None, None, None)])


async def test_a_kubelet_that_restarts_is_bridged_for_half_a_minute() -> None:
    held = pod("llm", "first", container("engine", (GPU, ["GPU-a"])))
    named = [("llm", "first", "engine", None)]
    with tempfile.TemporaryDirectory(prefix="sg") as home:
        path = f"{home}/kubelet.sock"
        async with kubelet(held, socket=path) as node:
            agent_runs = running(FakeNvml(FakeGpu("GPU-a")), socket=path)
            agent = await agent_runs.__aenter__()
            await agent.until(attributed)
            node.refusal = grpc.StatusCode.UNAVAILABLE
            page = await agent.until(lambda page: not attributed(page))
            assert who(page) == named
            reason = "# servegrid: pods are not known: the kubelet does not tell: UNAVAILABLE: not now"
            assert reason in page.comments
        agent.clock.ahead += 31
        page = await agent.page()
        assert who(page) == [(None, None, None, None)]
        async with kubelet(held, socket=path):
            page = await agent.until(attributed)
            assert who(page) == named
            await agent_runs.__aexit__(None, None, None)


async def test_without_a_socket_the_page_says_so() -> None:
    async with running(FakeNvml(FakeGpu("GPU-a"))) as agent:
        page = await agent.until(lambda page: any("no kubelet socket" in line for line in page.comments))
    assert page.value("servegrid_attribution_up") == 0
    assert "pod" not in page.of("DCGM_FI_DEV_GPU_TEMP")[0].labels


async def test_without_the_extra_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async with kubelet() as node:
        monkeypatch.setitem(sys.modules, "grpc", None)
        async with running(FakeNvml(FakeGpu("GPU-a")), socket=node.socket) as agent:
            page = await agent.until(lambda page: any("servegrid[agent]" in line for line in page.comments))
            assert page.value("servegrid_attribution_up") == 0
            assert page.value("DCGM_FI_DEV_GPU_TEMP") == 72


async def test_an_answer_that_is_none_is_told() -> None:
    async with kubelet() as node:
        node.answer = b"\x0a\xff"
        async with running(FakeNvml(FakeGpu("GPU-a")), socket=node.socket) as agent:
            page = await agent.until(lambda page: any("cannot be read" in line for line in page.comments))
            assert not attributed(page)
            node.answer = b""
            await agent.until(attributed)


@given(some.binary(max_size=200))
def test_no_bytes_break_the_reader(answer: bytes) -> None:
    try:
        pod_devices(answer)
    except Malformed:
        pass


@given(some.integers(min_value=0))
def test_an_answer_that_is_cut_short_is_never_read_as_whole(length: int) -> None:
    whole = pod("llm", "first", container("engine", (GPU, ["GPU-a"])))
    cut = length % len(whole)
    if cut:
        with pytest.raises(Malformed):
            pod_devices(whole[:cut])


def test_the_text_of_others_is_kept_as_it_is() -> None:
    found = pod_devices(pod('n"s', "p\n", container("c\\", (GPU, ["GPU-a"]))))
    (holder,) = found.holders["GPU-a"]
    assert (holder.namespace, holder.pod, holder.container) == ('n"s', "p\n", "c\\")
