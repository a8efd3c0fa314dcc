"""The console on a region of ModelArts that answers over HTTP, without any cluster: scaling by keys."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from clients.clock import SystemClock
from clients.embedded.cloud_faults import Fault, FaultKind
from clients.embedded.modelarts.cloud import Cloud, Deployment, Service
from clients.embedded.modelarts.gateway import Account
from tests.support.console import until
from tests.support.modelarts_region import REGION, Rig, key_of, modelarts
from tests.support.seat import PATIENCE, Seat
from tui.app import Console, ConsoleOptions
from tui.cli import parser
from tui.crash import report
from tui.data import Data
from tui.dialogs.scale import ScaleDialog
from tui.start import start_from


def region(cloud: Cloud) -> None:
    cloud.add(Service("chat", [Deployment("front", 3)]))
    cloud.add(Service("busy", [Deployment("begun", 2, status="DEPLOYING", running=1)]))
    cloud.add(Service("warm", [Deployment("alarmed", 2, status="CONCERNING")]))


@asynccontextmanager
async def at_a_console(directory: Path, account: Account | None = None) -> AsyncIterator[tuple[Rig, Seat]]:
    """As ``servegrid --config FILE`` opens it; the settings ask for the least on the way in."""
    async with modelarts(fills=region, reads=False, account=account) as rig:
        account, keys, settings = rig.fake.account, directory / "keys.toml", directory / "config.toml"
        keys.write_text(
            f'HUAWEICLOUD_SDK_AK = "{account.access}"\nHUAWEICLOUD_SDK_SK = "{account.secret}"\n'
            f'HUAWEICLOUD_SDK_PROJECT_ID = "{account.project}"\n'
            f'HUAWEICLOUD_SDK_SECURITY_TOKEN = "{account.security_token or ""}"\n'
        )
        keys.chmod(0o600)
        settings.write_text(
            f'confirm_scale_in = "ok"\n[modelarts]\nregions = ["{REGION}"]\nendpoint = "{rig.url}"\n'
            f'credentials_file = "{keys}"\n[prices]\n"modelarts.demo.gpu.1" = "2.50 EUR"\n'
        )
        home = directory / "home"
        environ = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state")}
        start = start_from(parser().parse_args(["--config", str(settings)]), environ)
        app = Console(Data(start, start.cluster(interactive=False), SystemClock()), ConsoleOptions())
        async with app.run_test(size=(120, 40)):
            yield rig, Seat(app)


async def asks(seat: Seat, count: str, *words: str) -> ScaleDialog:
    """The dialog for another count, its plan read again."""
    await seat.pilot.press("s", *count)
    await seat.sees(*words)
    dialog = seat.app.screen
    assert isinstance(dialog, ScaleDialog)
    await seat.comes_to(lambda: dialog._current and dialog.settled.ready)
    return dialog


async def refused(seat: Seat, dialog: ScaleDialog, typed: str) -> None:
    """Types it by hand and presses Enter, again where what was to be seen had just changed."""
    for _ in range(10):
        await seat.comes_to(lambda: dialog._current and dialog.settled.ready)
        dialog.message = None
        await seat.pilot.press("S", *["backspace"] * (len(dialog.typed) + 1))  # Now it takes words.
        await seat.pilot.press(*("space" if letter == " " else letter for letter in typed))
        whole = dialog.typed == typed
        await seat.pilot.pause(0.4)
        await seat.pilot.press("enter")
        await seat.comes_to(lambda: dialog.message)
        if whole and "type YES exactly" in (dialog.message or ""):
            return
    raise AssertionError(f"{typed!r} was never taken:\n{seat.text}")


async def test_scaling_in_takes_exactly_yes_and_scaling_out_an_enter(tmp_path: Path) -> None:
    async with at_a_console(tmp_path) as (rig, seat):
        await seat.only("front")
        await seat.sees(f"chat/front@{REGION}", "3/3")
        dialog = await asks(seat, "2", "ModelArts asks for YES", "2 x 2.50 = 5.00 EUR an hour", "OBS storage")
        for typed in ("yes", "Y", "YES ", " YES"):
            await refused(seat, dialog, typed)
            assert (seat.app.screen, rig.writes) == (dialog, [])
        await seat.confirm(*"YES")
        await until(lambda: rig.fake.cloud.scaled == [("chat", "front", 2)], PATIENCE)
        rig.engine.run_until(rig.engine.clock.now() + 5)
        await seat.comes_to(lambda: (one := seat.workload("front")).ready == 2 and one.operation is None)

        await seat.only("front")
        await asks(seat, "3", "Enter sends it", "3 x 2.50 = 7.50 EUR an hour")
        await seat.confirm()
        await until(lambda: rig.fake.cloud.scaled[1:] == [("chat", "front", 3)], PATIENCE)
        await seat.sees("2>3")
        rig.engine.run_until(rig.engine.clock.now() + 180)
        await seat.comes_to(lambda: (one := seat.workload("front")).ready == 3 and one.operation is None)


async def test_refused_in_deploying_allowed_in_alarm_and_zero_is_stop(tmp_path: Path) -> None:
    async with at_a_console(tmp_path) as (rig, seat):
        await seat.only("begun")
        await seat.pilot.press("ctrl+d")
        await seat.sees("services are deleted in ModelArts' own console")
        await seat.pilot.press("m")
        await seat.sees("ctrl-d  delete", "services are deleted in ModelArts' own console")
        await seat.pilot.press("escape")
        await asks(seat, "3", "the deployment is DEPLOYING", "this cannot be sent")
        await seat.pilot.press("enter", "escape")

        await seat.only("front")
        await asks(seat, "0", "use Stop", "this cannot be sent")
        await seat.pilot.press("escape")
        assert rig.writes == []

        await seat.only("alarmed")
        await seat.sees("Alarm")
        await asks(seat, "3", "its status is CONCERNING (Alarm)", "Enter sends it")
        await seat.confirm()
        await until(lambda: rig.fake.cloud.scaled == [("warm", "alarmed", 3)], PATIENCE)

        await seat.only("front")
        await seat.pilot.press("p")
        await seat.choose("stop the service: 0 GPUs, the deployment and its count are kept")
        await seat.sees("nothing of it serves until it is started again", "type YES")
        await seat.confirm(*"YES")
        await until(lambda: rig.writes[-1].path.endswith("/stop"), PATIENCE)
        rig.engine.run_until(rig.engine.clock.now() + 5)
        await seat.comes_to(lambda: seat.workload("front").state == "stopped")


async def test_x1_no_secret_reaches_a_screen_a_file_a_log_or_a_crash(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    account = Account("AKOFTHETEST", "sk-of-the-test", security_token="token-of-the-test")
    told: list[str] = []
    async with at_a_console(tmp_path, account) as (rig, seat):
        await seat.only("front")
        await asks(seat, "4", "Enter sends it")
        await seat.confirm()
        await until(lambda: rig.fake.cloud.scaled == [("chat", "front", 4)], PATIENCE)
        for key, words in (
            ("y", '"instance_groups"'),
            ("d", "front"),
            ("w", "Who decides"),
            ("e", "scale 3 > 4"),
        ):
            await seat.only("front")
            await seat.pilot.press(key)
            await seat.sees(words)
            told.append(seat.text)
            await seat.pilot.press("escape")
        body = '{"error_code": "APIGW.0301", "error_msg": "verify aksk signature fail"}'
        rig.fake.faults.rules.append(Fault(FaultKind.STATUS, status=401, body=body, times=None))
        await seat.only("front")
        await seat.pilot.press("y")
        await seat.sees("APIGW.0301")
        told.append(seat.text)
        await seat.pilot.press("escape")

        def breaks(*_: object, **__: object) -> None:
            raise RuntimeError(f"a fault while {key_of(account)} signed")

        monkeypatch.setattr("clients.modelarts.api.signed_headers", breaks)
        await seat.only("front")
        await seat.pilot.press("y")
        await seat.comes_to(lambda: "RuntimeError" in seat.text or "broke off" in seat.text)
        told.append(seat.text)
    with pytest.raises(RuntimeError) as caught:
        breaks()
    told += [report(caught.value), caplog.text]
    written = [path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert any(b"modelarts" in data for data in written), "there is an audit log at least"
    for secret in (account.access, account.secret, account.security_token or "", "SDK-HMAC-SHA256"):
        assert not any(secret in text for text in told)
        assert not any(secret.encode() in data for data in written)
