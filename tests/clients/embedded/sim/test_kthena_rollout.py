"""Rolling updates by group and by role, with maxUnavailable and partitions (kthena.md section 6)."""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.servings import Role
from tests.support.simworld import World

NEW = "docker.io/vllm/vllm-openai:v0.11.1"
REVISION = "modelserving.volcano.sh/revision"
HASH = "modelserving.volcano.sh/role-template-hash"


def revisions(world: World) -> dict[str, str]:
    return {name: world.pod(name)["metadata"]["labels"][REVISION] for name in world.pods()}


def settled(world: World, groups: int) -> bool:
    status = world.status()
    return world.all_running(groups) and status["updatedReplicas"] == groups == status["availableReplicas"]


def test_groups_are_replaced_one_by_one_from_the_highest_without_surge(world: World) -> None:
    world.grown(3)
    old = world.status()["currentRevision"]
    world.new_image(NEW)
    order: list[int] = []

    def done() -> bool:
        states = world.states()
        assert len(states) <= 3
        away = [g for g in range(3) if states.get(g) != "Running"]
        assert len(away) <= 1
        order.extend(g for g in away if g not in order)
        return bool(order) and settled(world, 3)

    world.until(done, step=0.2)
    assert order == [2, 1, 0]
    status = world.status()
    assert status["currentRevision"] == status["updateRevision"] != old
    assert set(revisions(world).values()) == {status["updateRevision"]}
    kept = [r.name for r in world.store.records("controllerrevisions.apps", "llm")]
    assert kept == [f"chat-{status['updateRevision']}"]


def test_more_may_be_away_at_once_if_max_unavailable_says_so(world: World) -> None:
    world.grown(4, max_unavailable=2)
    world.new_image(NEW)
    world.live(1)
    assert [g for g, s in world.states().items() if s == "Deleting"] == [2, 3]
    assert world.status()["updatedReplicas"] == 0
    world.until(lambda: settled(world, 4))


def test_a_percentage_of_max_unavailable_is_rounded_down(world: World) -> None:
    world.grown(4)

    def half(obj: Json) -> None:
        obj["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"]["maxUnavailable"] = "70%"

    world.edit(half)
    world.new_image(NEW)
    world.live(1)
    assert [g for g, s in world.states().items() if s == "Deleting"] == [2, 3]


def test_changing_counts_or_the_scheduler_does_not_roll(world: World) -> None:
    world.grown(2)
    before = world.status()["updateRevision"]

    def change(obj: Json) -> None:
        obj["spec"]["schedulerName"] = "default-scheduler"
        obj["spec"]["template"]["roles"][0]["maxUnavailable"] = "50%"

    world.edit(change)
    world.scale(3)
    world.until(lambda: world.all_running(3))
    assert world.status()["updateRevision"] == before


def test_a_partition_keeps_the_first_groups_old_even_when_they_are_recreated(world: World) -> None:
    world.grown(3, recovery="ServingGroupRecreate")
    old = world.status()["currentRevision"]

    def change(obj: Json) -> None:
        obj["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"]["partition"] = 2

    world.edit(change)
    world.new_image(NEW)
    world.until(lambda: world.all_running(3) and world.status()["updatedReplicas"] == 1)
    status = world.status()
    assert (status["currentRevision"], status["currentReplicas"]) == (old, 2)
    assert status["updateRevision"] != old
    world.store.delete("pods", "llm", "chat-0-prefill-0-0")
    world.until(lambda: world.states().get(0) == "Deleting", limit=30)
    world.until(lambda: world.all_running(3))
    assert revisions(world)["chat-0-prefill-0-0"] == old
    image = world.pod("chat-0-prefill-0-0")["spec"]["containers"][0]["image"]
    assert image.endswith("v0.11.0")
    assert revisions(world)["chat-2-prefill-0-0"] == status["updateRevision"]


def test_role_rolling_update_replaces_only_what_changed_in_all_groups_at_once(world: World) -> None:
    world.grown(2, [Role("prefill"), Role("decode", 2)], by_role=True)
    prefill = {name: world.pod(name)["metadata"]["uid"] for name in world.pods() if "prefill" in name}
    old = world.status()["currentRevision"]
    world.new_image(NEW, ["decode"])
    world.live(1)
    for group in range(2):
        assert world.roles(group, "decode") == {"decode-0": "Running", "decode-1": "Deleting"}
    assert world.states() == {0: "Running", 1: "Running"}
    assert world.status()["availableReplicas"] == 2, "kthena #1344: inflated while roles are replaced"
    world.until(lambda: settled(world, 2))
    assert {name: world.pod(name)["metadata"]["uid"] for name in prefill} == prefill
    assert world.pod("chat-0-prefill-0-0")["metadata"]["labels"][REVISION] == old
    hashes = {world.pod(f"chat-{g}-decode-{r}-0")["metadata"]["labels"][HASH] for g in (0, 1) for r in (0, 1)}
    assert len(hashes) == 1
    assert world.status()["currentRevision"] != old


def test_a_role_partition_spares_its_first_replicas_at_head_only(make_world: type[World]) -> None:
    for flavour, kept in ((Flavour.HEAD, True), (Flavour.V1_0, False)):
        world = make_world(flavour).grown(1, [Role("prefill"), Role("decode", 2)], by_role=True)
        before = world.pod("chat-0-decode-0-0")["metadata"]["uid"]

        def change(obj: Json) -> None:
            obj["spec"]["template"]["roles"][1]["partition"] = 1

        world.edit(change)
        world.new_image(NEW, ["decode"])
        world.live(150)
        now = [world.pod(n)["metadata"]["uid"] for n in world.pods("chat-0-decode-0-0")]
        assert (now == [before]) is kept


def test_a_role_taken_out_of_the_template_is_deleted_at_once(world: World) -> None:
    world.grown(1, [Role("prefill"), Role("decode", 2), Role("router", gpus=0)], by_role=True)

    def change(obj: Json) -> None:
        del obj["spec"]["template"]["roles"][2]

    world.edit(change)
    world.until(lambda: not world.pods("chat-0-router"), limit=30)
    world.until(lambda: settled(world, 1))
