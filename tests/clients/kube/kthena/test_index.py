"""The index rebuilds only what was touched, and may be handed values that others have stamped."""

from __future__ import annotations

from sys import getrefcount

from msgspec.structs import replace

from clients.kube import decode, kthena
from clients.kube.pod_labels import PodLabels
from clients.kube.resources import Scope
from clients.serving.keys import ObjectRef
from clients.serving.phase import ControllerState, Mark
from clients.serving.workload import Driver
from tests.support import kthena_objects as objects
from tests.support.kthena_field import Field


def full() -> Field:
    field = Field(replicas=3)
    for group in range(3):
        field.put_group(group)
    field.derive()
    return field


def test_nothing_new_gives_the_same_value() -> None:
    field = full()
    value = field.value
    assert field.derive() is value
    field.put(1, "decode", 0, 1)
    assert field.derive() is value


def test_untouched_groups_and_role_replicas_are_the_same_objects() -> None:
    field = full()
    before = field.value
    assert before is not None
    field.put(1, "decode", 0, 1, state="lost", ready_at=field.now)
    after = field.derive()
    assert after.groups[0] is before.groups[0]
    assert after.groups[2] is before.groups[2]
    assert after.groups[1] is not before.groups[1]
    assert after.groups[1].roles[0] is before.groups[1].roles[0]


def test_what_others_stamp_on_a_value_does_not_cost_a_rebuild() -> None:
    field = full()
    value = field.value
    assert value is not None
    driver = Driver("HPA", ObjectRef("autoscaling", "HorizontalPodAutoscaler", "llm-prod", "x"))
    marked = tuple(replace(group, mark=Mark.ACTIVE) for group in value.groups)
    field.value = replace(value, drivers=(driver,), groups=marked)
    field.put(1, "decode", 0, 1, state="lost", ready_at=field.now)
    after = field.derive()
    assert after.drivers == ()
    assert {group.mark for group in after.groups} == {None}
    assert after.groups[0] is value.groups[0]


def test_a_value_from_elsewhere_is_the_memory_instead() -> None:
    field = full()
    value = field.value
    assert value is not None
    group = value.groups[0]
    never = replace(group.roles[1].replicas[0], controller_state=ControllerState.CREATING, served=False)
    other = replace(group, roles=(group.roles[0], replace(group.roles[1], replicas=(never,))))
    field.value = replace(value, groups=(other, *value.groups[1:]))
    field.put(0, "decode", 0, 1, state="lost", ready_at=field.now)
    field.derive()
    assert field.replica(0, "decode-0").controller_state is ControllerState.CREATING


def test_arrival_order_is_kept_when_a_pod_changes_and_follows_age_in_a_first_list() -> None:
    field = Field(replicas=2, roles=[objects.role("decode", 1)])
    field.put(0, "decode", created=objects.EPOCH + 100)
    field.put(1, "decode", created=objects.EPOCH)
    field.derive()
    first, second = field.group(1).created_seq, field.group(0).created_seq
    assert first is not None
    assert second is not None
    assert first < second
    field.put(1, "decode", created=objects.EPOCH, state="lost")
    field.derive()
    assert field.group(1).created_seq == first
    field.change(replicas=0)
    field.put(0, "decode", created=objects.EPOCH + 100, deleted=field.now + 30)
    field.derive()
    field.put(1, "decode", created=objects.EPOCH, deleted=field.now + 30)
    field.derive()
    assert (field.group(0).deleting_seq or 0) < (field.group(1).deleting_seq or 0)


def test_a_pod_that_is_relabelled_out_of_the_serving_leaves_it() -> None:
    field = Field(replicas=1, roles=[objects.role("decode", 1)])
    field.put(0, "decode")
    field.derive()
    field.put(0, "decode", owner_uid="someone-else")
    value = field.derive()
    assert value.ready == 0
    assert value.gpus == 0


def test_a_pod_of_a_running_group_that_is_relabelled_makes_it_outdated() -> None:
    field = full()
    assert not field.group(1).outdated
    field.put(1, "decode", 0, 1, revision="an-older-one")
    field.derive()
    assert field.group(1).outdated
    assert not field.group(0).outdated
    field.put(1, "decode", 0, 1)
    field.derive()
    assert not field.group(1).outdated


def test_a_row_that_tells_nothing_new_takes_the_place_of_the_one_before() -> None:
    field = full()
    first, second = (decode.pod(objects.raw(objects.pod(1, "decode", 0, 1))) for _ in range(2))
    field.index.put_pod(first)
    held = getrefcount(first)
    field.index.put_pod(second)
    assert getrefcount(first) < held


def test_deletion_costs_add_up() -> None:
    field = Field(replicas=1)
    field.put(0, "prefill", cost="7")
    field.put(0, "decode", 0, 0, cost="-2")
    field.put(0, "decode", 0, 1, cost="nonsense")
    field.derive()
    assert field.group(0).deletion_cost == 5
    assert field.replica(0, "decode-0").deletion_cost == -2


def test_where_a_pod_belongs() -> None:
    pod = decode.pod(objects.raw(objects.pod(0, "decode", 0)))
    assert kthena.serving_of(pod) == ("llm-prod", "qwen-chat")
    pod.owner = None
    assert kthena.serving_of(pod) == ("llm-prod", "qwen-chat")
    pod.labels = PodLabels()
    assert kthena.serving_of(pod) is None


def test_what_is_watched() -> None:
    found = {spec.source: spec for spec in kthena.watches()}
    assert list(found) == ["ms", "pods", "podgroups", "nodes", "events", "endpoints"]
    assert {name for name, spec in found.items() if spec.required} == {"ms", "pods"}
    assert found["nodes"].scope is Scope.CLUSTER
    assert found["ms"].versions == ("v1alpha1",)
