"""Kthena's webhook: what it refuses, and how it says so (kthena.md section 2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kthena_webhook import review
from clients.embedded.servings import Role, Serving, serving_object

Change = Callable[[Json], None]


def made(groups: int = 3, name: str = "chat", **more: object) -> Json:
    plan = Serving(
        namespace="llm",
        name=name,
        model="m",
        groups=groups,
        roles=(Role("prefill", 2), Role("decode", 2, 1)),
        **more,  # type: ignore[arg-type]
    )
    return serving_object(plan)


def refusal(obj: Json) -> str:
    told = review("UPDATE", None, obj, None)
    assert told is not None, "it was let through"
    return "\n".join(told)


def set_rolling(obj: Json, **fields: object) -> None:
    obj["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"] = fields


def test_what_is_right_is_let_through() -> None:
    assert review("CREATE", None, made(), None) is None
    assert review("UPDATE", None, made(by_role=True), None) is None
    assert review("UPDATE", None, made(groups=0), None) is None


def test_scale_status_and_deletion_are_not_seen() -> None:
    wrong = made()
    wrong["spec"]["replicas"] = -1
    assert review("UPDATE", None, wrong, "scale") is None
    assert review("UPDATE", None, wrong, "status") is None
    assert review("DELETE", wrong, None, None) is None


def test_raising_replicas_from_9_to_10_can_make_a_generated_name_too_long() -> None:
    name = "a" * 49
    assert review("UPDATE", None, made(9, name), None) is None
    told = refusal(made(10, name))
    assert told.startswith(f'metadata.name: Invalid value: "{name}": invalid name: must be no more than 63')


def role(index: int, **fields: object) -> Change:
    def change(obj: Json) -> None:
        obj["spec"]["template"]["roles"][index].update(fields)

    return change


def spec(**fields: object) -> Change:
    def change(obj: Json) -> None:
        obj["spec"].update(fields)

    return change


def image(text: str) -> Change:
    def change(obj: Json) -> None:
        obj["spec"]["template"]["roles"][1]["workerTemplate"]["spec"]["containers"][0]["image"] = text

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (spec(replicas=-1), "spec.replicas: Invalid value: -1: replicas must be a non-negative integer"),
        (
            role(1, replicas=-2),
            "spec.template.roles[1].replicas: Invalid value: -2: role replicas must be",
        ),
        (role(0, name="Prefill"), 'spec.template.roles[0].name: Invalid value: "Prefill": role name must be'),
        (
            role(1, workerTemplate=None),
            "spec.template.roles[1].workerTemplate: Required value: workerTemplate is required when "
            "workerReplicas is greater than 0",
        ),
        (role(1, workerReplicas=-1), "workerReplicas must be a non-negative integer"),
        (image("a b"), 'workerTemplate.spec.containers[0].image: Invalid value: "a b": invalid container'),
        (
            lambda o: set_rolling(o, maxUnavailable="10%"),
            'spec.rolloutStrategy.rollingUpdateConfiguration: Invalid value: "": maxUnavailable cannot be 0',
        ),
        (lambda o: set_rolling(o, maxUnavailable="x%"), "a valid percent string must be"),
        (lambda o: set_rolling(o, maxUnavailable="120%"), "must be a valid percent value (0-100)"),
        (lambda o: set_rolling(o, maxUnavailable=1, partition=-1), "must be a non-negative integer"),
        (
            role(0, partition=1),
            "spec.template.roles[0].partition: Forbidden: partition is only valid when "
            "rolloutStrategy.type is RoleRollingUpdate",
        ),
    ],
)
def test_each_rule_names_its_field(change: Change, told: str) -> None:
    obj = made()
    change(obj)
    assert told in refusal(obj)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda o: set_rolling(o, maxUnavailable=1),
            "spec.rolloutStrategy.rollingUpdateConfiguration: Forbidden: ",
        ),
        (role(0, replicas=0), "maxUnavailable cannot be greater than replicas (0)"),
        (role(0, maxUnavailable="40%"), "maxUnavailable cannot be 0"),
        (
            spec(recoveryPolicy="ServingGroupRecreate"),
            'spec.rolloutStrategy.type: Invalid value: "RoleRollingUpdate": incompatible recoveryPolicy',
        ),
    ],
)
def test_rules_of_role_rolling_updates(change: Change, told: str) -> None:
    obj = made(by_role=True)
    change(obj)
    assert told in refusal(obj)


def test_a_role_cannot_go_below_its_gang_minimum() -> None:
    obj = made(gang={"decode": 2, "router": 1})
    role(1, replicas=1)(obj)
    assert refusal(obj).splitlines() == [
        "spec.template.gangPolicy.minRoleReplicas[decode]: Invalid value: 2: minRoleReplicas (2) for role "
        "decode cannot exceed replicas (1)",
        'spec.template.gangPolicy.minRoleReplicas[router]: Invalid value: "router": role router does not '
        "exist in template.roles",
    ]
