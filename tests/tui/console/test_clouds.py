"""The console on zones of Exoscale that answer over HTTP, without any cluster."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from clients.embedded.cloud_faults import Fault, FaultKind
from clients.embedded.exoscale.zone import Deployment, Family
from clients.serving.sources import SourceState
from tests.support.cloud_seat import MODEL, Zones, cloud_seat, zones
from tests.support.console import until
from tests.support.exoscale import fast
from tests.support.seat import PATIENCE, Seat
from tui.crash import report
from tui.dialogs.choice import ChoiceDialog
from tui.dialogs.scale import ScaleDialog

__all__ = ["fast"]

pytestmark = pytest.mark.usefixtures("fast")


def states(seat: Seat) -> dict[str, SourceState]:
    """Of the workloads of each zone."""
    sources = seat.app.session.live.view.sources
    return {source.cluster: source.state for source in sources if source.required}


async def test_x2_a_zone_that_fails_and_one_that_hangs_hide_nothing_of_the_others(tmp_path: Path) -> None:
    async with zones(tmp_path, "broken", "hanging", "fine") as clouds:
        clouds.servers["broken"].faults.rules.append(Fault(FaultKind.STATUS, times=None))
        clouds.servers["hanging"].faults.rules.append(Fault(FaultKind.HANG, times=None))
        async with cloud_seat(clouds) as seat:
            await seat.sees("chat-fine@fine", "Exoscale", "–/1", "no cluster", "fine live", "broken stale")
            assert states(seat)["hanging"] is SourceState.SYNCING, "long before it counts as silent"
            await seat.sees("hanging stale")
            await seat.pilot.press("colon", *"sources", "enter")
            await seat.sees("hanging deployments", "no answer", "broken deployments", "500")
            await seat.pilot.press("escape")

            clouds.servers["broken"].faults.rules.clear()
            await seat.sees("chat-broken@broken", "broken live")


async def scale(seat: Seat, replicas: str, *typed: str) -> None:
    await seat.pilot.press("s", replicas)
    await seat.sees("same as")
    await seat.confirm(*typed)


async def settled(seat: Seat, clouds: Zones, wanted: int) -> None:
    """Time goes by in the cloud until the console has seen the operation end."""
    await until(lambda: clouds.deployment("guide").replicas == wanted, PATIENCE)
    clouds.pass_time(1200)
    name = "guide"
    await seat.comes_to(lambda: (row := seat.workload(name)).desired == wanted and row.operation is None)


async def test_the_six_steps_of_exoscales_guide_by_keys(tmp_path: Path) -> None:
    async with zones(tmp_path, "at-vie-2") as clouds, cloud_seat(clouds) as seat:
        await seat.only("chat-at-vie-2")
        await seat.pilot.press("colon", *"new", "space", *"exoscale", "slash", *"at-vie-2", "enter")
        await seat.sees("New deployment, exoscale/at-vie-2", "GPU type", "GPUs each")
        await seat.pilot.press("escape", "E")
        await seat.choose("a new deployment")
        await seat.sees("GPU type", "GPUs each")
        for text in ("guide", "acme/demo-7b", "gpua5000"):
            await seat.pilot.press(*text, "tab")
        await seat.pilot.press("end", "backspace", "2")
        await seat.sees("2 GPUs x 1 replicas = 2 GPUs")
        await seat.pilot.press("enter")
        await seat.sees("2 more gpua5000 needed, 6 left of 8", "0.00 EUR > 2.20 EUR an hour")
        await seat.confirm()
        await until(lambda: any(one.name == "guide" for one in clouds.servers["at-vie-2"].zone), PATIENCE)
        await seat.comes_to(lambda: any(key.name == "guide" for key in seat.app.session.live.view.workloads))
        clouds.pass_time(1200)
        await seat.comes_to(lambda: seat.workload("guide").operation is None)

        seat.app.home()
        await seat.sees("guide@at-vie-2")
        await seat.only("guide")
        url = seat.workload("guide").endpoint
        await seat.sees("guide@at-vie-2", "–/1", "2 GPU each")
        await scale(seat, "3")
        await seat.sees("1>3", "6.60 EUR an hour, ", "EUR since ")
        await settled(seat, clouds, 3)
        for wanted, typed in ((1, ""), (0, "YES"), (1, "")):
            await seat.only("guide")
            await scale(seat, str(wanted), *typed)
            await settled(seat, clouds, wanted)
        assert (seat.workload("guide").endpoint, url) == (url, clouds.deployment("guide").url)

        await seat.only("guide")
        await seat.pilot.press("E")
        await seat.choose("delete guide")
        await seat.choose("delete guide")
        await seat.sees("URL", "scale it to 0 instead", "type guide and Enter")
        await seat.confirm(*"guide")
        await until(lambda: all(one.name != "guide" for one in clouds.servers["at-vie-2"].zone), PATIENCE)

    lines = [
        json.loads(line) for line in (tmp_path / "home/state/servegrid/audit.jsonl").read_text().splitlines()
    ]
    sent = [line["result"] for line in lines if line["type"] == "sent"]
    assert sent == ["accepted"] * 6


async def test_deleting_begins_on_no_and_offers_zero(tmp_path: Path) -> None:
    async with zones(tmp_path, "at-vie-2") as clouds, cloud_seat(clouds) as seat:
        await seat.only("chat-at-vie-2")

        async def asked() -> ChoiceDialog:
            await seat.pilot.press("ctrl+d")
            await seat.sees("delete exoscale/at-vie-2 / chat-at-vie-2?", "keeps its URL and API key")
            dialog = seat.app.screen
            assert isinstance(dialog, ChoiceDialog)
            await until(lambda: dialog.settled.ready, PATIENCE)
            return dialog

        dialog = await asked()
        await seat.pilot.press("enter")
        await until(lambda: seat.app.screen is not dialog, PATIENCE)
        assert not isinstance(seat.app.screen, ScaleDialog), "what Enter takes at first changes nothing"

        await asked()
        await seat.choose("scale it to 0 instead")
        await seat.sees("URL and API key are kept", "type YES")
        await seat.pilot.press("escape")

        await asked()
        await seat.choose("delete chat-at-vie-2")
        await seat.sees("its URL and API key are lost", "type chat-at-vie-2 and Enter")
        await seat.confirm(*"chat-at-vie-2")
        await until(lambda: not list(clouds.servers["at-vie-2"].zone), PATIENCE)


async def test_what_another_gpu_count_replaces_is_offered_for_zero_once_that_is_ready(tmp_path: Path) -> None:
    old, new = "chat-at-vie-2", "chat-at-vie-2-4gpu"
    async with zones(tmp_path, "at-vie-2") as clouds:
        async with cloud_seat(clouds) as seat:
            await seat.only(old)
            await seat.pilot.press("E")
            await seat.choose("another GPU count")
            await seat.sees("4 GPUs x 1 replicas = 4 GPUs")
            await seat.pilot.press("enter")
            await seat.sees(f"then scale {old} to 0", "4 more gpua5000 needed, 6 left of 8")
            await seat.confirm()
            await seat.comes_to(
                lambda: any(
                    key.name == new and row.operation
                    for key, row in seat.app.session.live.view.workloads.items()
                )
            )
            assert not seat.app.session.live.needs, "it is not ready yet"
        clouds.pass_time(1200)
        async with cloud_seat(clouds) as seat:  # Another start of the program.
            words = f"{new} is ready in its place: s scales this one to 0"
            await seat.only(old)
            await seat.sees("! 1 needs you", words)
            await seat.pilot.press("w")
            await seat.sees(f"{words}.")
            await seat.pilot.press("escape")
            await seat.only(new)
            await seat.pilot.press("n")
            await until(
                lambda: (at := seat.app.fleet_screen.target()) and at.workload.key.name == old, PATIENCE
            )
            await seat.pilot.press("s")
            await seat.sees("groups 1 > [   0]", "URL and API key are kept", "YES is to be typed")
            assert clouds.deployment(old).replicas == 1
            await seat.confirm(*"YES")
            await until(lambda: clouds.deployment(old).replicas == 0, PATIENCE)
            await seat.comes_to(lambda: not seat.app.session.live.needs)
            clouds.pass_time(60)
            await seat.comes_to(lambda: seat.workload(old).operation is None)

            await seat.only(old)
            await scale(seat, "1")
            await until(lambda: clouds.deployment(old).replicas == 1, PATIENCE)
            clouds.pass_time(1200)
            await seat.comes_to(lambda: (row := seat.workload(old)).desired == 1 and row.operation is None)
            assert not seat.app.session.live.needs, "it was brought back on purpose"
            assert clouds.deployment(new).replicas == 1


async def test_the_row_under_the_cursor_is_read_more_often_than_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clients.exoscale.zone.IDLE", 3600.0)
    monkeypatch.setattr("clients.exoscale.zone.FOCUSED", 0.05)
    async with zones(tmp_path, "at-vie-2", "de-fra-1") as clouds, cloud_seat(clouds) as seat:
        await seat.only("chat-at-vie-2")
        for zone in ("at-vie-2", "de-fra-1"):
            clouds.servers[zone].zone.scale(clouds.deployment(f"chat-{zone}"), 2)
        await seat.comes_to(lambda: seat.workload("chat-at-vie-2").desired == 2)
        assert seat.workload("chat-de-fra-1").desired == 1
        await seat.only("chat-de-fra-1")
        await seat.comes_to(lambda: seat.workload("chat-de-fra-1").desired == 2)


async def test_the_fleet_tells_what_all_of_it_costs_and_how_many_are_not_in_that(tmp_path: Path) -> None:
    async with zones(tmp_path, "at-vie-2") as clouds:
        zone = clouds.servers["at-vie-2"].zone
        zone.families["gpu3"] = Family("gpu3", 4)
        zone.add(Deployment("odd", MODEL, "gpu3", 1, 1))
        async with cloud_seat(clouds) as seat:
            await seat.sees("cost 2.20 EUR an hour, 0.00 EUR since ", ", + 1 unknown")
            await seat.only("chat-at-vie-2")
            await scale(seat, "3")
            seat.app.home()
            await seat.sees("cost 6.60 EUR an hour, ")


async def test_x1_no_secret_reaches_a_screen_a_file_a_log_or_a_crash(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    async with zones(tmp_path, "at-vie-2", "odd") as clouds, cloud_seat(clouds) as seat:
        clouds.servers["odd"].faults.rules.append(Fault(FaultKind.CUT, times=None))
        await seat.only("chat-at-vie-2")
        await scale(seat, "2")
        await seat.sees("1>2")
        secrets = [clouds.secret, clouds.key, clouds.deployment("chat-at-vie-2").api_key]
        for key, words in (
            ("y", '"gpu-type"'),
            ("d", "GPUs each"),
            ("w", "Who decides"),
            ("L", "INFO"),
            ("e", "1"),
        ):
            await seat.pilot.press(key)
            await seat.sees(words)
            told.append(seat.text)
            await seat.pilot.press("escape")
        await seat.pilot.press("colon", *"sources", "enter")
        await seat.sees("odd")
        told.append(seat.text)

        def breaks(*_: object) -> None:
            raise RuntimeError(f"a fault while {clouds.servers} was read")

        monkeypatch.setattr("clients.exoscale.zone.derive", breaks)
        await seat.sees("reading broke off")
        told.append(seat.text)
    with pytest.raises(RuntimeError) as caught:
        breaks()
    told += [report(caught.value), caplog.text]
    home = tmp_path / "home"
    written = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    assert written, "there is an audit log at least"
    for secret in secrets:
        assert not any(secret in text for text in told)
        assert not any(secret.encode() in data for data in written)
    signature = "EXO2-HMAC-SHA256"
    assert not any(signature in text for text in told)
    assert not any(signature.encode() in data for data in written)
