"""A ModelServing's status and Kthena's events, misleading parts included (kthena.md sections 2 and 8)."""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json
from clients.embedded.servings import Role
from tests.support.simworld import World


def numbers(world: World) -> tuple[int, int, int, int]:
    status = world.status()
    return (
        status["replicas"],
        status["availableReplicas"],
        status["updatedReplicas"],
        status["currentReplicas"],
    )


def conditions(world: World) -> dict[str, Json]:
    return {c["type"]: c for c in world.status().get("conditions") or ()}


def test_counts_jump_to_the_target_and_current_drops_to_nothing_during_a_scale_up(world: World) -> None:
    world.grown(2)
    assert numbers(world) == (2, 2, 2, 2)
    world.scale(4)
    world.live(3)
    assert numbers(world) == (4, 2, 4, 0)
    assert world.status()["observedGeneration"] == 2
    world.until(lambda: world.all_running(4))
    world.live(1)
    assert numbers(world) == (4, 4, 4, 4)


def test_groups_being_deleted_still_count_and_step_down_as_they_vanish(world: World) -> None:
    world.grown(3)
    seen: list[int] = []
    world.scale(1)

    def done() -> bool:
        replicas = world.status()["replicas"]
        if not seen or seen[-1] != replicas:
            seen.append(replicas)
        return bool(replicas == 1)

    world.until(done, step=0.05)
    assert seen == [3, 2, 1]


def test_a_condition_that_turns_false_keeps_its_old_words_and_numbers_are_positions(world: World) -> None:
    world.grown(4)
    world.annotate("chat-1-prefill-0-0", "controller.kubernetes.io/pod-deletion-cost", "-1")
    world.scale(3)
    world.until(lambda: world.all_running(3))
    world.live(1)
    assert set(world.states()) == {0, 2, 3}
    before = conditions(world)["Available"]
    world.new_image("docker.io/vllm/vllm-openai:v0.11.1")
    world.live(1)
    now = conditions(world)
    assert now["Available"] == before | {"status": "False"}
    assert now["UpdateInProgress"]["status"] == "True"
    assert now["UpdateInProgress"]["reason"] == "GroupsUpdating"
    assert "[2]" in now["UpdateInProgress"]["message"], "G-3 is third in the list"


def test_progressing_is_not_refreshed_while_it_is_true(world: World) -> None:
    world.grown(1)
    world.scale(2)
    world.live(1)
    message = conditions(world)["Progressing"]["message"]
    assert message == "Some groups is progressing: [1]"
    world.scale(3)
    world.live(2)
    assert conditions(world)["Progressing"]["message"] == message


def test_with_replicas_0_from_the_start_status_stays_empty(world: World) -> None:
    world.started().create(world.plan(0))
    world.live(120)
    assert world.status() == {}
    world.scale(1)
    world.until(lambda: world.all_running(1))
    assert world.status()["availableReplicas"] == 1


def test_scaled_to_0_it_is_told_once_and_after_a_restart_it_goes_stale(world: World) -> None:
    world.grown(2)
    world.scale(0)
    world.until(lambda: world.states() == {}, limit=60)
    world.live(1)
    assert numbers(world) == (0, 0, 0, 0)
    world.cluster.kthena.restart()
    world.live(1)

    def change(obj: Json) -> None:
        obj["spec"]["template"]["roles"][0]["replicas"] = 3

    world.edit(change)
    world.live(30)
    assert world.status()["observedGeneration"] < world.serving()["metadata"]["generation"]


def test_the_selector_matches_one_pod_of_each_group(world: World) -> None:
    world.grown(3, [Role("prefill", 2), Role("decode", 1, 1)])
    wanted = dict(part.split("=") for part in world.status()["labelSelector"].split(","))
    found = [r.name for r in world.store.records("pods", "llm", wanted)]
    assert found == [f"chat-{g}-prefill-0-0" for g in range(3)]


def test_events_tell_of_roles_only_on_the_modelserving(world: World) -> None:
    world.started().create(world.plan(1))
    world.until(lambda: world.all_running(1))
    told = [e for e in world.events() if e["source"]["component"] == "modelserving-controller"]
    assert [(e["reason"], e["message"]) for e in told] == [
        ("RoleCreating", "Role prefill/prefill-0 in ServingGroup chat-0 is now Creating"),
        ("RoleCreating", "Role decode/decode-0 in ServingGroup chat-0 is now Creating"),
        *sorted(
            (
                ("RoleRunning", "Role prefill/prefill-0 in ServingGroup chat-0 is now Running"),
                ("RoleRunning", "Role decode/decode-0 in ServingGroup chat-0 is now Running"),
            ),
            key=lambda pair: [e["message"] for e in told].index(pair[1]),
        ),
    ]
    serving = world.serving()["metadata"]
    assert {e["involvedObject"]["uid"] for e in told} == {serving["uid"]}
    assert {e["type"] for e in told} == {"Normal"}
    world.scale(0)
    world.live(30)
    assert world.events("RoleDeleting") == [], "deleting a group tells nothing"


def test_floods_of_events_are_folded_and_cut(make_world: type[World]) -> None:
    world = make_world(nodes=16).started()
    world.create(world.plan(6, [Role("prefill", 4), Role("decode", 4)]))
    world.until(lambda: world.all_running(6), limit=300)
    told = [e for e in world.events() if e["source"]["component"] == "modelserving-controller"]
    assert sum(e["count"] for e in told) <= 26
    folded = [e for e in told if e["message"].startswith("(combined from similar events): ")]
    assert folded
    assert max(e["count"] for e in folded) > 1
    assert len([e for e in told if e["reason"] == "RoleCreating"]) == 10


def test_events_are_gone_an_hour_after_their_last_occurrence(world: World) -> None:
    world.started().create(world.plan(1))
    world.until(lambda: world.all_running(1))
    assert world.events()
    world.live(3500)
    assert world.events()
    world.live(240)
    assert world.events() == []
