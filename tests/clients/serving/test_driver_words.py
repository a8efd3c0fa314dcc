"""What drives a row, in one cell."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from clients.serving.driver_words import at_bound, driver_words
from clients.serving.keys import ObjectRef
from clients.serving.workload import Driver

SCALER = ObjectRef("autoscaling", "HorizontalPodAutoscaler", "llm", "scaler")
HPA = Driver("HPA", SCALER, minimum=1, maximum=4, signal="cpu 72>60")
PINNED = replace(HPA, minimum=4, note="pinned 4 (was 1-4) by ops")
CRON = Driver("CronHPA", ObjectRef("", "CronHorizontalPodAutoscaler", "llm", "office"), signal="08:30 to 3")
KEDA = Driver("KEDA", ObjectRef("keda.sh", "ScaledObject", "llm", "queue"), minimum=0)


@pytest.mark.parametrize(
    ("drivers", "words", "short"),
    [
        ((), "manual", "manual"),
        ((HPA,), "HPA 1-4 cpu 72>60", "HPA 1-4"),
        ((replace(HPA, note="at max"),), "HPA 1-4 cpu 72>60 at max", "HPA 1-4 at max"),
        ((PINNED,), "HPA pinned 4 (was 1-4) by ops cpu 72>60", "HPA pinned 4"),
        ((replace(HPA, note="the metrics API answers nothing"),), "HPA 1-4 cpu 72>60 !", "HPA 1-4 !"),
        ((HPA, CRON), "HPA 1-4 cpu 72>60, cron 08:30 to 3", "HPA 1-4, cron 08:30 to 3"),
        ((CRON,), "CronHPA 08:30 to 3", "CronHPA 08:30 to 3"),
        ((HPA, CRON, KEDA), "HPA 1-4 cpu 72>60, cron 08:30 to 3 +1", "HPA 1-4, cron 08:30 to 3 +1"),
        ((KEDA, HPA), "KEDA 0-– +1", "KEDA 0-– +1"),
    ],
)
def test_one_cell(drivers: tuple[Driver, ...], words: str, short: str) -> None:
    assert driver_words(drivers) == words
    assert driver_words(drivers, signal=False) == short


def test_only_the_first_driver_tells_that_it_is_at_its_max() -> None:
    full = replace(HPA, note="at max")
    assert at_bound((full, CRON))
    assert not at_bound((CRON, full))
    assert not at_bound(())
