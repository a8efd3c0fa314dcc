"""The form of a load test: filled from the workload's objects, and asking where nothing allows the load."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from textual.events import Key, Paste
from textual.widgets import Input

from clients.load.plan import Burst, LoadPlan, Prompts, Secret, Tls
from clients.serving.target import Fact, LoadTarget
from clients.serving.workload import Workload
from tests.support.console import Driven, console, until
from tests.support.fleets import group, workload
from tests.support.load_target import load_target
from tests.support.scripted_door import ScriptedDoor
from tui.dialogs.load import LoadDialog
from tui.door import Mode
from tui.forms.load import load_plan, load_rows
from tui.load_settings import LoadSettings

OUTSIDE = LoadTarget(
    Fact("http://203.0.113.9", "load balancer of Ingress chat"),
    Fact("chat.example.com", "status.url of the InferenceService"),
    Fact("phi", "its command"),
    Fact("openai-chat", "it runs vllm"),
    labelled=False,
)
HERE = msgspec.structs.replace(OUTSIDE, address=Fact("http://127.0.0.1:1", "load balancer of Ingress chat"))
LABELLED = msgspec.structs.replace(OUTSIDE, labelled=True)
ASKED = "type YES to confirm"


def door(target: LoadTarget, tmp_path: Path, *, mode: Mode = Mode.LIVE) -> ScriptedDoor:
    made = ScriptedDoor()
    made.context = msgspec.structs.replace(made.context, mode=mode)
    made.target, made.runs = target, tmp_path
    made.fleet.put(chat())
    return made


def chat() -> Workload:
    return workload("chat", [group("chat", 0), group("chat", 1)])


async def opened(me: Driven) -> LoadDialog:
    """The form, once it has been on the screen for a while."""
    await me.press("t")
    await me.sees("Load test of prod-eu / llm / chat")
    dialog = me.app.screen
    assert isinstance(dialog, LoadDialog)
    if dialog.values["url"]:
        await me.look()
    return dialog


async def typed(me: Driven, dialog: LoadDialog, row: str, text: str) -> None:
    """By hand."""
    dialog.set_focus(dialog._lines[row])
    await me.press("end", *["backspace"] * len(dialog.values[row]))
    for char in text:
        await me.press(char)
        me.door.pass_time(0.2)


def pressed(me: Driven, *keys: str) -> None:
    """All at once, as a slow line hands them over."""
    for name in keys:
        event = Key(name, name if len(name) == 1 else None)
        event.set_sender(me.app)
        me.app.post_message(event)


async def test_it_is_filled_from_the_objects_and_says_where_each_value_is_from(tmp_path: Path) -> None:
    async with console(door(OUTSIDE, tmp_path)) as me:
        dialog = await opened(me)
        assert {name: dialog.values[name] for name in ("url", "host", "model", "amount", "seconds")} == {
            "url": "http://203.0.113.9",
            "host": "chat.example.com",
            "model": "phi",
            "amount": "2",
            "seconds": "30",
        }
        await me.sees("address: load balancer of Ingress chat", "it runs vllm", "Where requests enter")
        await me.press("tab")
        await me.sees("The name by which an ingress knows the service")


async def test_what_is_typed_ahead_is_edited_in_the_order_of_its_keys(tmp_path: Path) -> None:
    async with console(door(OUTSIDE, tmp_path)) as me:
        dialog = await opened(me)
        rows = ["tab"] * 5 + ["backspace", "4", "1", "left", "0", "delete"]
        pressed(me, *rows, "tab", "tab", "backspace", "backspace", "8")
        await until(lambda: (dialog.values["amount"], dialog.values["seconds"]) == ("40", "8"))


async def test_what_was_typed_is_not_said_to_come_from_the_objects(tmp_path: Path) -> None:
    async with console(door(OUTSIDE, tmp_path), size=(80, 24)) as me:
        dialog = await opened(me)
        await me.sees("address: load balancer", "model: its command")
        await typed(me, dialog, "url", "http://203.0.113.10")
        await me.sees("model: its command")
        assert "load balancer of Ingress" not in me.text


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_all_that_is_said_and_the_keys_stay_in_sight(tmp_path: Path, size: tuple[int, int]) -> None:
    async with console(door(OUTSIDE, tmp_path), size=size) as me:
        await opened(me)
        await me.press("enter")
        await me.sees("not sent: type YES", "Esc back", ASKED, "URL")


async def test_a_target_that_nothing_calls_one_for_tests_asks_for_yes(tmp_path: Path) -> None:
    async with console(door(OUTSIDE, tmp_path)) as me:
        dialog = await opened(me)
        await me.sees(ASKED)
        await me.press("enter")
        await me.sees("not sent: type YES into the line above, exactly")
        await typed(me, dialog, "confirm", "yes")
        await me.press("enter")
        await me.sees("not sent: type YES into the line above, exactly")
        assert me.app.screen is dialog


async def test_neither_a_paste_nor_what_came_as_fast_as_one_confirms(tmp_path: Path) -> None:
    async with console(door(OUTSIDE, tmp_path)) as me:
        dialog = await opened(me)
        line = dialog._lines["confirm"]
        dialog.set_focus(line)
        line.post_message(Paste("YES"))
        await me.settle()
        assert dialog.values["confirm"] == ""
        await me.press("Y", "E", "S")
        me.app.tick()
        await me.press("enter")
        await me.sees("not sent: that was pasted; type YES by hand")


async def test_label_setting_and_this_machine_need_no_word(tmp_path: Path) -> None:
    for target, rules, why in (
        (LABELLED, LoadSettings(), "its namespace is labelled"),
        (HERE, LoadSettings(), "it is on this machine"),
        (OUTSIDE, LoadSettings(allow=("*.example.com",)), "setting load.allow names its host"),
    ):
        scripted = door(target, tmp_path)
        scripted.load_rules = rules
        async with console(scripted) as me:
            await opened(me)
            await me.sees(f"may be tested: {why}")
            assert ASKED not in me.text


async def test_another_url_than_the_namespaces_own_is_not_covered_by_its_label(tmp_path: Path) -> None:
    async with console(door(LABELLED, tmp_path)) as me:
        dialog = await opened(me)
        await typed(me, dialog, "url", "http://203.0.113.10")
        await me.sees(ASKED)


async def test_a_protected_context_asks_for_the_name(tmp_path: Path) -> None:
    async with console(door(LABELLED, tmp_path, mode=Mode.PROTECTED)) as me:
        await opened(me)
        await me.sees("type chat to confirm: the context is protected")
        await me.press("enter")
        await me.sees("not sent: type chat into the line above")


async def test_nothing_is_tested_where_nothing_may_be_written(tmp_path: Path) -> None:
    async with console(door(HERE, tmp_path, mode=Mode.READ_ONLY)) as me:
        await me.press("t")
        await me.sees("read-only")
        assert not isinstance(me.app.screen, LoadDialog)


async def test_limits_and_mistakes_are_told_before_anything_is_sent(tmp_path: Path) -> None:
    scripted = door(HERE, tmp_path)
    scripted.load_rules = LoadSettings(max_users=3)
    async with console(scripted) as me:
        dialog = await opened(me)
        await typed(me, dialog, "amount", "4")
        await me.sees("concurrency: at most 3 by setting load.max_users")
        await me.look()
        await me.press("enter")
        await me.sees("not sent: concurrency: at most 3")
        await typed(me, dialog, "amount", "x")
        await me.sees("not yet: amount: a number is needed, not 'x'")
        await typed(me, dialog, "amount", "2")
        await typed(me, dialog, "secret", "Bearer abc")
        await me.sees("env:NAME or file:PATH, never the secret itself")
        await me.press("escape")
    assert os.listdir(tmp_path) == []


async def test_without_an_address_it_asks_and_says_what_is_missing(tmp_path: Path) -> None:
    unknown = msgspec.structs.replace(OUTSIDE, address=Fact(None, "Service chat is inside the cluster only"))
    async with console(door(unknown, tmp_path)) as me:
        dialog = await opened(me)
        await me.sees("not yet: the URL is to be typed: Service chat is inside the cluster only")
        await me.press("enter")
        assert me.app.screen is dialog


async def test_a_line_of_hey_is_taken_in_place_of_the_url(tmp_path: Path) -> None:
    async with console(door(OUTSIDE, tmp_path)) as me:
        dialog = await opened(me)
        line = dialog._lines["url"]
        dialog.set_focus(line)
        await me.press("end", *["backspace"] * len(dialog.values["url"]))
        line.post_message(Paste("hey -z 2m -c 20 -m POST -host a.example.com -d '{}' http://127.0.0.1:1/v1"))
        await me.sees("a line of hey, the rows below do not count", "may be tested: it is on this machine")
        plan = load_plan(dialog.values, OUTSIDE)
        assert isinstance(plan, LoadPlan)
        assert (plan.users, plan.begins_for, plan.host, plan.body) == (20, 120.0, "a.example.com", "{}")
        line.value = "hey -h2 http://127.0.0.1:1"
        await me.sees("not yet: -h2: HTTP/2 is not spoken")
        line.value = "hey -H 'Authorization: Bearer abc' http://127.0.0.1:1"
        await me.sees("is a secret; name its source in secret_headers")


MORE = (
    "warmup_s=3 burst.size=4 prompts.file='/tmp/a b.jsonl' tls.verify=false connect_to=10.0.0.7:443 "
    "headers.X-A='1 2' stream=false requests=70 secret_headers.X-Api-Key.env=KEY"
)


async def test_a_row_takes_every_field_that_has_none(tmp_path: Path) -> None:
    async with console(door(OUTSIDE, tmp_path)) as me:
        dialog = await opened(me)
        for row, text in (("url", "https://llm.test"), ("amount", "8"), ("more", MORE)):
            line = dialog._lines[row]
            assert isinstance(line, Input)
            line.value = text
        dialog.set_focus(dialog._lines["shape"])
        await me.press("right")
        plan = load_plan(dialog.values, OUTSIDE)
        assert isinstance(plan, LoadPlan), plan
        assert (plan.warmup_s, plan.burst, plan.effective_arrivals, plan.requests) == (
            3,
            Burst(size=4),
            "burst",
            70,
        )
        assert plan.prompts == Prompts(file="/tmp/a b.jsonl")
        assert plan.tls == Tls(verify=False, server_hostname="chat.example.com")
        assert (plan.connect_to, plan.headers, plan.streams) == ("10.0.0.7:443", {"X-A": "1 2"}, False)
        assert plan.secret_headers == {"X-Api-Key": Secret(env="KEY")}
        again = {row.id: row.value for row in load_rows(OUTSIDE, LoadSettings(), plan)}
        assert load_plan(again, OUTSIDE) == plan
        assert sorted(again["more"].split()) == sorted(MORE.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("warmup=10", "warmup: there is no such field"),
        ("tls.verfy=false", "tls.verfy: there is no such field"),
        ("warmup_s=soon", "warmup_s: expected `float`, got `str`"),
        ("warmup_s", "more: name=value is needed, not 'warmup_s'"),
        ("model=x", "more: model has a row of its own: model"),
        ("url.x=1", "more: url is no table"),
        ("a='", "more: a quote is not closed"),
        ("burst.size=2", "burst: a closed loop has none"),
        ("headers.Authorization=abc", "headers.Authorization: is a secret"),
    ],
)
async def test_what_the_row_cannot_take_is_told(tmp_path: Path, words: str, said: str) -> None:
    async with console(door(OUTSIDE, tmp_path), size=(80, 24)) as me:
        dialog = await opened(me)
        line = dialog._lines["more"]
        assert isinstance(line, Input)
        line.value = words
        await me.sees(f"not yet: {said}")


async def test_what_is_dialled_elsewhere_needs_the_word(tmp_path: Path) -> None:
    for target, mode, asked in (
        (LABELLED, Mode.LIVE, ASKED),
        (HERE, Mode.LIVE, ASKED),
        (HERE, Mode.PROTECTED, "type chat to confirm"),
    ):
        async with console(door(target, tmp_path, mode=mode)) as me:
            dialog = await opened(me)
            await me.sees("may be tested")
            line = dialog._lines["more"]
            assert isinstance(line, Input)
            line.value = "connect_to=203.0.113.7:80"
            await me.sees(asked)


async def test_a_number_of_requests_alone_ends_by_the_setting_too(tmp_path: Path) -> None:
    async with load_target() as target:
        here = msgspec.structs.replace(HERE, address=Fact(f"{target.url}/ok", "typed"))
        scripted = door(here, tmp_path)
        scripted.load_rules = LoadSettings(max_duration=1)
        async with console(scripted) as me:
            dialog = await opened(me)
            line = dialog._lines["url"]
            assert isinstance(line, Input)
            line.value = f"hey -n 100000000 -c 1 {target.url}/ok"
            await me.sees("a line of hey")
            await me.look()
            await me.press("enter")
            await until(lambda: me.app.session.load_running)
            test = me.app.session.load_running
            assert test is not None
            await until(lambda: not test.running)
            assert test.result is not None
            assert (test.result.ended, test.result.plan.requests) == ("duration", 100_000_000)
            assert 0 < test.result.requests.ok < 100_000_000
