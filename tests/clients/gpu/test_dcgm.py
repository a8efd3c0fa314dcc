"""What dcgm-exporter's pages say, in all the ways in which they have said it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.gpu.dcgm import WANTED, samples_of
from clients.gpu.exposition import Labels, PageError, read_page
from clients.serving.gpus import Busy, GpuMark, GpuSample, Holder, Measure, Throttle
from tests.support.gpu_pages import page, row

CHAT = {"namespace": "llm", "pod": "chat-0", "container": "engine"}
CODE = {"namespace": "llm", "pod": "code-0", "container": "engine"}
UTIL, USED, FREE, RESERVED = (
    "DCGM_FI_DEV_GPU_UTIL",
    "DCGM_FI_DEV_FB_USED",
    "DCGM_FI_DEV_FB_FREE",
    "DCGM_FI_DEV_FB_RESERVED",
)


def read(*rows: str, **how: object) -> list[GpuSample]:
    found = read_page(page(*rows), Labels(), wanted=WANTED)
    told = samples_of(found.rows, "node-a", 100.0, 30.0, fresh_for=60.0, **how)  # type: ignore[arg-type]
    return list(told.samples)


def one(*rows: str, **how: object) -> GpuSample:
    (sample,) = read(*rows, **how)
    return sample


def test_a_device_is_told_in_units_that_are_ours() -> None:
    sample = one(
        row("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", 0.61, **CHAT),
        row("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.9, **CHAT),
        row(UTIL, 99, **CHAT),
        row(USED, 70_000, **CHAT),
        row(FREE, 11_000, **CHAT),
        row(RESERVED, 559, **CHAT),
        row("DCGM_FI_DEV_POWER_USAGE", 612.5, **CHAT),
        row("DCGM_FI_DEV_GPU_TEMP", 72, **CHAT),
        row("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", 5_000_000, **CHAT),
        row("DCGM_FI_DEV_XID_ERRORS", 79, **CHAT),
        row("DCGM_FI_DEV_ROW_REMAP_FAILURE", 0, **CHAT),
    )
    assert sample.busy == Busy(61.0, Measure.TENSOR)
    assert (sample.graphics, sample.utilisation) == (90.0, 99.0)
    assert (sample.memory_used, sample.memory_total) == (70_000 << 20, 81_559 << 20)
    assert (sample.power, sample.temperature, sample.energy) == (612.5, 72.0, 5000.0)
    assert (sample.xid, sample.remap_failed) == (79, False)
    assert (sample.key.node, sample.key.uuid, sample.index, sample.model) == (
        "node-a", "GPU-0", 0, "NVIDIA H100 80GB HBM3",
    )  # fmt: skip
    assert sample.holders == (Holder("llm", "chat-0", "engine"),)
    assert (sample.power_limit, sample.throttle, sample.ecc_corrected) == (None, None, None)
    assert sample.marks == (GpuMark.XID,)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([row("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.5)], Busy(50.0, Measure.GRAPHICS)),
        ([row("DCGM_FI_PROF_SM_ACTIVE", 0.25), row(UTIL, 99)], Busy(25.0, Measure.SM)),
        ([row(UTIL, 99)], Busy(99.0, Measure.UTILISATION)),
        ([row("DCGM_FI_DEV_GPU_TEMP", 50)], None),
    ],
)
def test_busy_says_by_which_measure(rows: list[str], told: Busy | None) -> None:
    assert one(*rows).busy == told


@pytest.mark.parametrize(
    "labels",
    [
        CHAT,
        {"pod_namespace": "llm", "pod_name": "chat-0", "container_name": "engine"},
        {
            "exported_namespace": "llm",
            "exported_pod": "chat-0",
            "exported_container": "engine",
            "namespace": "gpu-operator",
            "pod": "exporter-x",
            "container": "exporter",
        },
        {**CHAT, "Hostname": "", "hostname": "node-a"},
    ],
)
def test_who_has_it_under_all_names_that_it_has_had(labels: dict[str, str]) -> None:
    assert one(row(UTIL, 1, **labels)).holders == (Holder("llm", "chat-0", "engine"),)


def test_an_exporter_that_was_scraped_holds_nothing() -> None:
    scraped = {"namespace": "gpu-operator", "pod": "exporter-x"}
    assert one(row(UTIL, 1, **scraped), not_holders=[("gpu-operator", "exporter-x")]).holders == ()


def test_copies_for_sharers_are_one_device_and_are_not_added_up() -> None:
    sample = one(
        row(USED, 40_000, **CHAT, vgpu="0"),
        row(FREE, 41_000, **CHAT, vgpu="0"),
        row(UTIL, 80, **CHAT, vgpu="0"),
        row(USED, 40_000, **CODE, vgpu="1"),
        row(FREE, 41_000, **CODE, vgpu="1"),
        row(UTIL, 80, **CODE, vgpu="1"),
    )
    assert (sample.utilisation, sample.memory_used, sample.memory_total) == (80.0, 40_000 << 20, 81_000 << 20)
    assert [(h.pod, h.share) for h in sample.holders] == [("chat-0", "0"), ("code-0", "1")]


def test_what_each_sharer_uses_itself_is_added_up() -> None:
    sample = one(
        row(USED, 20_000, **CHAT, vgpu="0"),
        row(UTIL, 60, **CHAT, vgpu="0"),
        row(USED, 20_000, **CODE, vgpu="1"),
        row(UTIL, 50, **CODE, vgpu="1"),
    )
    assert (sample.utilisation, sample.memory_used) == (100.0, 40_000 << 20)


def test_instances_are_devices_and_have_from_their_gpu_what_only_that_has() -> None:
    parts = [{"GPU_I_PROFILE": "1g.20gb", "GPU_I_ID": number} for number in ("3", "4")]
    samples = read(
        row("DCGM_FI_DEV_POWER_USAGE", 300),
        row("DCGM_FI_DEV_XID_ERRORS", 63),
        row(USED, 19_000, **parts[0], **CHAT),
        row(USED, 5_000, **parts[1], **CODE),
        row("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.7, **parts[0], **CHAT),
    )
    assert [(s.key.instance, s.profile, s.power, s.xid) for s in samples] == [
        (3, "1g.20gb", 300.0, 63),
        (4, "1g.20gb", 300.0, 63),
    ]
    assert [(s.graphics, s.holders[0].pod) for s in samples] == [(70.0, "chat-0"), (None, "code-0")]


def test_throttling_is_told_in_words_and_only_what_harms_is_marked() -> None:
    capped = one(row("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", 0x4))
    hot = one(row("DCGM_FI_DEV_CLOCK_THROTTLE_REASONS", 0x60))
    events = one(
        row("DCGM_EXP_CLOCK_EVENTS_COUNT", 0, clock_event="hw_thermal"),
        row("DCGM_EXP_CLOCK_EVENTS_COUNT", 3, clock_event="hw_power_brake"),
    )
    assert (capped.throttle, capped.marks) == ((Throttle.POWER_CAP,), ())
    assert hot.throttle == (Throttle.THERMAL_SOFTWARE, Throttle.THERMAL_HARDWARE)
    assert events.throttle == (Throttle.POWER_BRAKE,)
    assert hot.marks == events.marks == (GpuMark.THROTTLED,)
    assert one(row("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", 0)).throttle == ()


def test_held_and_doing_nothing_is_marked_and_decoding_is_not_nothing() -> None:
    idle = one(row("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", 0.01, **CHAT), row(UTIL, 2, **CHAT))
    decoding = one(row("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", 0.01, **CHAT), row(UTIL, 90, **CHAT))
    nobody = one(row("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", 0.0), row(UTIL, 0))
    unknown = one(row("DCGM_FI_DEV_GPU_TEMP", 40, **CHAT))
    assert [s.marks for s in (idle, decoding, nobody, unknown)] == [(GpuMark.IDLE,), (), (), ()]


def test_nearly_full_memory_is_marked() -> None:
    full, room = (
        one(row(USED, used, **CHAT), row(FREE, 80_000 - used, **CHAT), row(UTIL, 50, **CHAT))
        for used in (76_000, 75_999)
    )
    assert (full.marks, room.marks) == ((GpuMark.MEMORY,), ())


@given(st.sampled_from(sorted(WANTED)), st.floats() | st.integers(-(2**70), 2**70).map(float))
def test_no_value_makes_a_figure_that_cannot_be_true(name: str, value: float) -> None:
    sample = one(row(UTIL, 50), row(name, value, GPU_I_ID="") if name != UTIL else row(FREE, value))
    for percent in (sample.tensor, sample.graphics, sample.sm, sample.bandwidth, sample.utilisation):
        assert percent is None or 0 <= percent <= 100
    for number in (sample.power, sample.memory_used, sample.memory_total, sample.energy, sample.xid):
        assert number is None or (number >= 0 and math.isfinite(number))


def test_what_a_driver_writes_for_not_supported_is_not_known() -> None:
    blank = 9_223_372_036_854_775_794
    sample = one(row(USED, blank), row(FREE, "NaN"), row("DCGM_FI_DEV_POWER_USAGE", blank), row(UTIL, "NaN"))
    assert (sample.memory_used, sample.memory_total, sample.power, sample.busy) == (None, None, None, None)


def test_our_agent_tells_how_old_its_values_are_and_which_gpu_is_lost() -> None:
    (sample,) = read(
        'servegrid_sample_age_seconds{Hostname="node-a"} 1.5\n',
        'servegrid_attribution_up{Hostname="node-a"} 0\n',
        row("servegrid_gpu_up", 0, state="lost", reason="GPU is lost"),
        "servegrid_xid_timestamp_seconds" + row("", 1_700_000_000.5),
    )
    assert (sample.taken_at, sample.spread, sample.attributed) == (98.5, 30.0, False)
    assert (sample.reason, sample.xid_at) == ("GPU is lost", 1_700_000_000.5)
    assert sample.marks == (GpuMark.LOST,)


def test_a_page_of_more_devices_than_a_node_has_is_refused() -> None:
    with pytest.raises(PageError, match="more than 1024 devices"):
        read(*(row(UTIL, 1, UUID=f"GPU-{n}") for n in range(1025)))
