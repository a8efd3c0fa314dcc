"""One workload: grid, operation, time line, and what can be read about it."""

from __future__ import annotations

import msgspec
import pytest

from clients.serving.events import Event, EventKind
from clients.serving.keys import ObjectRef
from clients.serving.operation import Outcome, Prediction, StageTimes
from clients.serving.phase import Mark, Phase, Stage, Trouble, TroubleKind
from clients.serving.workload import PodView, Workload
from tests.support import fleets
from tests.support.console import console, until
from tests.support.scripted_door import ScriptedDoor, live_source
from tui.door import ContainerView, EtaView
from tui.screens.fleet import FleetScreen
from tui.screens.logs import LogsScreen
from tui.screens.workload import WorkloadScreen

QWEN = fleets.key("qwen-chat")


def pod(name: str, node: str | None = "node-1", trouble: Trouble | None = None) -> PodView:
    return PodView(name, f"u-{name}", 0, node, "Running", True, False, Stage.READY, 1, 2, None, trouble)


def with_pods(value: Workload, *pods: PodView) -> Workload:
    group = value.groups[0]
    replica = msgspec.structs.replace(group.roles[0].replicas[0], pods=pods)
    role = msgspec.structs.replace(group.roles[0], replicas=(replica,))
    return msgspec.structs.replace(value, groups=(msgspec.structs.replace(group, roles=(role,)),))


@pytest.fixture
def door() -> ScriptedDoor:
    door = ScriptedDoor()
    value = msgspec.structs.replace(
        fleets.workload("qwen-chat", 3, drivers=[fleets.hpa()]),
        endpoint="http://qwen-chat.llm.svc:8000",
        in_rotation=(5, 6),
        owner=ObjectRef("workload.serving.volcano.sh", "ModelBooster", "llm", "booster"),
    )
    event = Event(990.0, 990.0, "c0ffee", EventKind.PHASE, QWEN, "qwen-chat-1", after="running")
    other = Event(991.0, 991.0, "c0ffee", EventKind.PHASE, fleets.key("r1"), "r1-1", after="failing")
    door.fleet.put(value, fleets.workload("r1", 2), sources=(live_source(),), events=(event, other))
    return door


async def test_head_grid_and_time_line(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("j", "k", "enter")
        await seen.draw()
        lines = seen.text.splitlines()
        assert (
            "qwen-chat  ModelServing  3/3 ready  in rotation 5/6  http://qwen-chat.llm.svc:8000" in lines[2]
        )
        assert "driver HPA 2-8 cpu 72>60  owner ModelBooster/booster" in lines[3]
        assert "3 of 3 groups ready, nothing is being scaled" in lines[4]
        assert lines[6].split() == ["G-0", "G-1", "G-2"]
        assert "G-1 running" in seen.text
        assert "failing" not in seen.text
        await seen.press("escape")
        assert isinstance(seen.app.screen, FleetScreen)


async def test_what_a_cell_has_no_room_for_is_read_below_the_grid(door: ScriptedDoor) -> None:
    words = "engine: 5 restarts, last exit code 1: torch.OutOfMemoryError: CUDA out of memory"
    crash = Trouble(TroubleKind.FAILED, "CrashLoopBackOff", words, 900.0)
    groups = [
        fleets.group("qwen-chat", at, Phase.CREATING if at == 7 else Phase.RUNNING, stage=Stage.WEIGHTS)
        for at in range(8)
    ]
    replica = fleets.replica("decode", 0, Phase.CREATING, stage=Stage.WEIGHTS, progress=40, trouble=crash)
    role = msgspec.structs.replace(groups[7].roles[0], replicas=(replica,))
    groups[7] = msgspec.structs.replace(groups[7], roles=(role,), progress=40)
    door.fleet.put(fleets.workload("qwen-chat", groups))
    async with console(door, (80, 24)) as seen:
        await seen.press("enter")
        await seen.draw()
        assert "G-0  running, 4 GPUs" in seen.text
        await seen.press(*"lllllll")
        assert "G-7  creating 40%, 4 GPUs" in seen.text
        await seen.press("n")
        foot = " ".join(line.strip() for line in seen.text.splitlines())
        assert f"G-7 decode-0  CrashLoopBackOff: {words} (creating, weights 40%:" in foot


async def test_an_operation_is_followed_to_its_end_and_its_outcome_shown(door: ScriptedDoor) -> None:
    operation = msgspec.structs.replace(
        fleets.operation("qwen-chat", 3, 5, started=1000.0),
        mine=True,
        reason="more chats",
        prediction=Prediction(("qwen-chat-3", "qwen-chat-4"), 90.0, 100.0, 20),
    )
    groups = [*fleets.workload("qwen-chat", 3).groups]
    making = fleets.group("qwen-chat", 3, Phase.CREATING, mark=Mark.ACTIVE, progress=63, stage=Stage.WEIGHTS)
    async with console(door) as seen:
        await seen.press("enter")
        door.fleet.put(fleets.workload("qwen-chat", [*groups, making], desired=5, operation=operation))
        door.etas[QWEN] = EtaView(95.0, 105.0, 20)
        await seen.draw()
        await seen.sees(
            "0 of 2 groups done", "from 20 earlier starts", "weights", "by ops: more chats", "1 scaling"
        )
        ended = msgspec.structs.replace(
            operation,
            done=2,
            happened=("qwen-chat-4", "qwen-chat-3"),
            ended_at=1182.0,
            outcome=Outcome.DONE,
            times=(StageTimes("qwen-chat-3", 1000.0, 1010.0, 1030.0, 1182.0, failures=1),),
        )
        door.fleet.ended[QWEN] = ended
        door.fleet.put(fleets.workload("qwen-chat", 5))
        await seen.draw(200.0)
        await seen.sees("predicted G-3, G-4, ~1m35s; happened G-4, G-3, 3m02s")
        await seen.press("c")
        summary = seen.app.clipboard.splitlines()
        assert len(summary) == 6
        assert summary[0] == "prod-eu / llm / qwen-chat: 3>5, done"
        assert summary[1].startswith("asked by ops at 1970-01-01T00:16:40Z: more chats")
        assert "happened:  G-4, G-3 in 3m02s" in summary[3]
        assert "waiting 10s, image 20s, loading 2m32s" in summary[4]
        assert "G-3 1" in summary[5]
        await seen.press("c")
        assert seen.app.clipboard == "qwen-chat-0"
        await seen.press("c")
        assert seen.app.clipboard == "qwen-chat"
        door.pass_time(10)
        await seen.draw(1000.0)
        await seen.sees("nothing is being scaled")


async def test_copy_without_an_operation_gives_names_and_the_endpoint(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("enter", "c", "c", "c")
        assert seen.app.clipboard == "http://qwen-chat.llm.svc:8000"


async def test_a_deleted_workload_stays_as_it_was_and_says_so(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("enter")
        door.fleet.put(removed=[QWEN])
        await seen.draw()
        await seen.sees("it is gone: this is what it was last", "G-2")
        await seen.press("s")
        assert "no workload is under the cursor" in seen.said


async def test_why_follows_the_workload(door: ScriptedDoor) -> None:
    trouble = Trouble(TroubleKind.BLOCKED, "Unschedulable", "4 nvidia.com/gpu short", 940.0)
    bad = fleets.group("qwen-chat", 1, Phase.CREATING, trouble=trouble)
    async with console(door) as seen:
        await seen.press("w")
        await seen.sees("Nothing is wrong", "HPA scaler scales the groups, between 2 and 8")
        door.fleet.put(fleets.workload("qwen-chat", [fleets.group("qwen-chat", 0), bad]))
        await seen.draw()
        await seen.sees(
            "G-1 prefill-0, G-1 prefill-1,", "are blocked for 1m", "4 nvidia.com/gpu short", "G-1 is creating"
        )
        await seen.press("escape")
        assert isinstance(seen.app.screen, FleetScreen)


async def test_object_and_description(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("y")
        await seen.sees("object  prod-eu / llm / qwen-chat", "kind: ModelServing")
        await seen.press("slash", *"name:x", "escape", "slash", *"kind", "enter")
        await seen.sees("kind: ModelServing", "2 hidden")
        assert "metadata" not in seen.text
        await seen.press("escape", "c")
        assert "metadata:" in seen.app.clipboard
        await seen.press("escape", "d")
        await seen.sees("Name: qwen-chat")
        await seen.press("escape")
        door.error = "forbidden: get modelservings in llm is missing"
        await seen.press("y")
        await seen.sees("forbidden: get modelservings")


async def test_logs_of_one_pod_and_of_one_that_is_chosen(door: ScriptedDoor) -> None:
    door.fleet.put(with_pods(fleets.workload("qwen-chat", 1), pod("qwen-chat-0-prefill-0-0")))
    async with console(door) as seen:
        await seen.press("L")
        await seen.sees("first line", "second line", "the log ended here", "qwen-chat-0-prefill-0-0")
        assert door.asked[-1] == "logs llm/qwen-chat-0-prefill-0-0 engine False"
        await seen.press("slash", *"first", "enter")
        await seen.sees("1 hidden")
        assert "second line" not in seen.text
        await seen.press("escape", "colon", *"previous", "enter")
        await until(lambda: door.asked[-1] == "logs llm/qwen-chat-0-prefill-0-0 engine True")
        await seen.press("escape")
        bad = pod("b-pod", None, Trouble(TroubleKind.FAILED, "OOMKilled", "x"))
        door.fleet.put(with_pods(fleets.workload("qwen-chat", 1), pod("a-pod"), bad))
        await seen.draw()
        await seen.press("L")
        await seen.sees("logs of which pod?", "OOMKilled  2 restarts")
        await seen.look()
        await seen.press("enter")
        await until(lambda: door.asked[-1] == "logs llm/b-pod engine False")


async def test_of_several_containers_the_pods_own_choice_is_read_and_the_others_are_offered(
    door: ScriptedDoor,
) -> None:
    door.fleet.put(with_pods(fleets.workload("qwen-chat", 1), pod("p")))
    door.members = (ContainerView("engine", "running"), ContainerView("model", "init, terminated: Error"))
    async with console(door) as seen:
        await seen.press("L")
        await seen.sees("first line", "p  engine (1 of 2 containers)", ":container another")
        assert door.asked[-1] == "logs llm/p engine False"
        await seen.press("colon", *"container", "enter")
        await seen.sees("which container of p?", "init, terminated: Error")
        await seen.press("j")
        await seen.look()
        await seen.press("enter")
        await until(lambda: door.asked[-1] == "logs llm/p model False")
        assert isinstance(seen.app.screen, LogsScreen)


async def test_a_single_container_offers_no_other_and_a_pod_that_cannot_be_read_says_why(
    door: ScriptedDoor,
) -> None:
    door.fleet.put(with_pods(fleets.workload("qwen-chat", 1), pod("p")))
    async with console(door) as seen:
        await seen.press("L")
        await seen.sees("first line", "p  engine")
        await seen.press("colon", *"container", "enter")
        await until(lambda: "no other container" in seen.said)
        await seen.press("escape")
        door.error = "forbidden: get pods/log in llm is missing"
        await seen.press("L")
        await seen.sees("-- forbidden: get pods/log in llm is missing")
        assert door.asked[-1] == "logs llm/p None False"


async def test_without_a_pod_there_is_no_log(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("L")
        assert seen.said == "no pod exists here"


async def test_events_of_the_workload_and_of_everything(door: ScriptedDoor) -> None:
    async with console(door) as seen:
        await seen.press("e")
        await seen.sees("events  all of prod-eu", "G-1 running", "failing")
        await seen.press("slash", *"name:qwen", "enter")
        await seen.sees("1 hidden")
        assert "failing" not in seen.text
        await seen.press("escape", "escape", "enter", "e")
        await seen.sees("events  prod-eu / llm / qwen-chat", "G-1 running")
        assert "failing" not in seen.text
        door.fleet.put(
            events=(
                Event(999.0, 999.0, "c0ffee", EventKind.OPERATION, QWEN, before="3", after="4", actor="ops"),
            )
        )
        await seen.draw()
        await seen.sees("scale 3 > 4", "by ops")
        await seen.press("G", "g", "g", "pagedown", "pageup", "j", "k", "c")
        assert "scale 3 > 4" in seen.app.clipboard
        await seen.press("escape")
        assert isinstance(seen.app.screen, WorkloadScreen)


async def test_the_account_is_short_and_details_are_a_key_away(door: ScriptedDoor) -> None:
    def part(at: float, name: str, before: str, after: str) -> Event:
        place = ("qwen-chat-2", name[:-2], name)
        return Event(at, at, "c0ffee", EventKind.PHASE, QWEN, *place, before=before, after=after)

    group = Event(
        995.0, 995.0, "c0ffee", EventKind.PHASE, QWEN, "qwen-chat-2", before="absent", after="creating"
    )
    door.fleet.put(
        events=(
            group,
            part(995.0, "decode-0", "absent", "creating"),
            part(995.0, "decode-1", "absent", "creating"),
            part(998.0, "decode-1", "creating", "running"),
            Event(
                999.0,
                999.0,
                "c0ffee",
                EventKind.SOURCE,
                before="live",
                after="stale",
                detail={"source": "pods"},
            ),
        )
    )
    short = "G-2 creating: 1 of 2 role replicas running"
    async with console(door) as seen:
        await seen.press("e")
        await seen.sees(short, "pods live > stale")
        assert "decode-0" not in seen.text
        await seen.press("enter")
        await seen.sees(
            "G-2 decode-1 creating > running", "G-2 decode-0 absent > creating", "G-2 absent > creating"
        )
        assert short not in seen.text
        await seen.press("enter")
        await seen.sees(short)
        await seen.press("escape", "j", "k", "enter")
        await seen.sees(short)
        assert "decode-1 creating" not in seen.text


async def test_hostile_strings_do_not_act(door: ScriptedDoor) -> None:
    evil = "\x1b[2J[bold]x[/bold]\x07\u202e"
    trouble = Trouble(TroubleKind.FAILED, evil, evil * 500)
    group = fleets.group("evil", 0, trouble=trouble)
    value = msgspec.structs.replace(
        fleets.workload("evil", [group], trouble=trouble), warnings=(evil,), endpoint=evil
    )
    door.fleet.put(value, removed=[*door.fleet.view().workloads])
    door.lines = [evil]
    async with console(door) as seen:
        for keys in (("n",), ("enter",), ("w",), ("escape", "m"), ("escape", "e"), ("escape", "colon", "e")):
            await seen.press(*keys)
            await seen.draw()
            for char in ("\x1b", "\x07", "\u202e"):
                assert char not in seen.text
        await seen.press("escape", "escape")
        await seen.sees("[bold]x[/bold]")
