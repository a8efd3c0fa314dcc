"""The console on the embedded cluster and its clouds at once, as the demo shows them."""

from __future__ import annotations

import os
from pathlib import Path

from clients.clock import SystemClock
from clients.serving.sources import SourceState
from tests.support.seat import Seat, seat
from tui import demo


def mine(seat: Seat) -> bool:
    operation = seat.workload("demo").operation
    return operation is not None and operation.mine


async def test_another_context_leaves_the_clouds_alone(tmp_path: Path) -> None:
    words = ["--scenario=default", "--speed=1", "--seed=1"]
    with demo.running(words, demo.demo_environment(os.environ), SystemClock()) as running:
        async with seat(running.kubeconfig, tmp_path, clouds=running.clouds) as me:
            await me.sees("deepseek-r1", "demo@at-vie-2", "chat/main@ap-southeast-3", "admin")
            await me.only("deepseek-r1")
            await me.pilot.press("ctrl+d")
            await me.sees("kubectl --context=admin -n default delete modelserving deepseek-r1")
            await me.only("demo")
            await me.pilot.press("s", "2")
            await me.sees(
                "Scale exoscale/at-vie-2 / demo", "groups 1 > [   2]", "1.10 EUR > 2.20 EUR an hour"
            )
            await me.confirm()
            await me.comes_to(lambda: mine(me))
            fleet = me.app.session.live.door.fleet
            before, told = me.workload("demo"), fleet.view().events

            me.app.switch_to("viewer", None)
            await me.sees("now viewer", "demo@at-vie-2")
            await me.comes_to(
                lambda: any(key.name == "deepseek-r1" for key in me.app.session.live.view.workloads)
            )
            after = me.workload("demo")
            assert (after.uid, after.desired, mine(me)) == (before.uid, 2, True)
            assert after.operation is not None
            assert before.operation is not None
            assert after.operation.id == before.operation.id
            kept = [event for event in told if event.cluster == "at-vie-2"]
            assert kept
            assert all(event in fleet.view().events for event in kept)
            clouds = [
                one for one in me.app.session.live.view.sources if one.required and one.cluster == "at-vie-2"
            ]
            assert [one.state for one in clouds] == [SourceState.LIVE]

            # What the new context may not do holds for the cluster alone.
            await me.only("deepseek-r1")
            await me.comes_to(lambda: not me.app.fleet_screen.enabled("scale"))
            await me.only("demo")
            await me.comes_to(lambda: me.app.fleet_screen.enabled("scale"))
