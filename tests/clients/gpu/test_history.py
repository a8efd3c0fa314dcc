"""The past of devices, in rings that do not grow."""

from __future__ import annotations

from clients.gpu.history import GpuHistory
from clients.serving.gpus import DeviceKey, GpuSample

KEY = DeviceKey("n", "GPU-0")


def sample(at: float, power: float | None = None, key: DeviceKey = KEY) -> GpuSample:
    return GpuSample(key=key, taken_at=at, power=power, tensor=at % 100)


def test_the_newest_points_are_kept_in_order() -> None:
    history = GpuHistory(1000.0, points=3)
    for at in range(1000, 1005):
        history.add(sample(float(at), power=None if at == 1003 else 400.0))
    assert [(p.at, p.busy, p.power, p.temperature) for p in history.of(KEY)] == [
        (1002.0, 2.0, 400.0, None),
        (1003.0, 3.0, None, None),
        (1004.0, 4.0, 400.0, None),
    ]


def test_a_value_that_is_read_again_is_one_point() -> None:
    history = GpuHistory(0.0)
    for at in (1.0, 1.0, 0.5, 2.0):
        history.add(sample(at))
    assert [point.at for point in history.of(KEY)] == [1.0, 2.0]


def test_more_devices_than_it_may_keep_have_no_past() -> None:
    history = GpuHistory(0.0, devices=1)
    other = DeviceKey("n", "GPU-1")
    history.add(sample(1.0))
    history.add(sample(1.0, key=other))
    assert (len(history.of(KEY)), history.of(other)) == (1, ())
    history.forget(KEY)
    history.add(sample(1.0, key=other))
    assert (history.of(KEY), len(history.of(other))) == ((), 1)
