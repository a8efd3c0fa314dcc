"""What lasts, done from the console on the embedded cluster: bounds, pins, freezes, stops, forms, undo."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from clients.clock import SystemClock
from tests.support.seat import Seat, seat
from tui import demo
from tui.dialogs.scale import ScaleDialog
from tui.forms.form import FormDialog

HPAS = "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers/{}"
IRIS = "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices/iris"
CRONS = "/apis/autoscaling.alibabacloud.com/v1beta1/namespaces/{}/cronhorizontalpodautoscalers/{}"


class Api:
    """The same cluster, as somebody else uses it."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self._server = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]

    def read(self, path: str) -> Any:
        answer = httpx.get(self._server + path, trust_env=False)
        return None if answer.status_code == 404 else answer.raise_for_status().json()

    def merge(self, path: str, value: dict[str, Any]) -> None:
        httpx.patch(
            self._server + path,
            content=json.dumps(value),
            headers={"Content-Type": "application/merge-patch+json"},
            params={"fieldManager": "kubectl-edit"},
            trust_env=False,
        ).raise_for_status()

    def create(self, path: str, body: dict[str, Any]) -> None:
        httpx.post(self._server + path, json=body, trust_env=False).raise_for_status()

    def spec(self, path: str) -> Any:
        return self.read(path)["spec"]

    def bounds(self) -> tuple[int, int]:
        predictor = self.spec(IRIS)["predictor"]
        return predictor["minReplicas"], predictor["maxReplicas"]


@pytest.fixture
def api() -> Iterator[Api]:
    """A cluster of its own for every test: what one pins must not drive another."""
    words = ["--scenario=default", "--speed=30", "--seed=1"]
    with demo.running(words, demo.demo_environment(os.environ), SystemClock()) as running:
        yield Api(running.kubeconfig)


async def fill(me: Seat, **rows: str) -> None:
    """Types into rows of the form that is open; what stood there goes."""
    form = me.app.screen
    assert isinstance(form, FormDialog)
    await me.comes_to(lambda: form.focused)  # It gives the keys to its first row when it is there.
    for name, text in rows.items():
        form.set_focus(form._lines[name])
        await me.pilot.press("end", *["backspace"] * len(form.values[name]))
        await me.pilot.press(*("space" if char == " " else char for char in text))
        await me.comes_to(lambda name=name, text=text: form.values[name] == text)  # type: ignore[misc]


async def test_a_service_is_pinned_held_and_unpinned_and_undone(api: Api, tmp_path: Path) -> None:
    async with seat(api.kubeconfig, tmp_path) as me:
        await me.only("iris")
        await me.pilot.press("p")
        await me.choose("pin at another number")
        await me.pilot.press("3")
        await me.sees("Pin admin / default / iris", "1-10 > 3-3  (pinned)", "the server's dry run accepts it")
        dialog = me.app.screen
        assert isinstance(dialog, ScaleDialog)
        await me.confirm(*("YES" if dialog.plan and dialog.plan.confirmation == "yes" else ""))
        assert api.bounds() == (3, 3)
        await me.sees("pinned 3 (was 1-10) by")
        await me.comes_to(lambda: me.workload("iris").desired == me.workload("iris").ready == 3)

        await me.pilot.press("p")
        await me.sees("it is pinned at 3")
        await me.choose("unpin: back to 1-10")
        await me.sees("3-3 > 1-10", "the server's dry run accepts it")
        await me.confirm()
        assert api.bounds() == (1, 10)

        await me.pilot.press("u")
        await me.sees("1-10 > 3-3  (pinned)")
        await me.pilot.press("escape")
        assert api.bounds() == (1, 10)


async def test_one_more_raises_the_floor_and_a_new_ceiling_follows_what_others_do(
    api: Api, tmp_path: Path
) -> None:
    async with seat(api.kubeconfig, tmp_path) as me:
        await me.only("iris")
        await me.pilot.press("plus")
        await me.sees("Bounds of admin / default / iris", "min 1 > [")
        dialog = me.app.screen
        assert isinstance(dialog, ScaleDialog)
        await me.comes_to(lambda: dialog.draft.fields[0].changed)
        goal = dialog.draft.fields[0].value or 0
        await me.sees(f"bounds   1-10 > {goal}-{max(10, goal)}")
        await me.pilot.press("escape", "s")
        await me.sees("min 1 > [   1]   max 10 > [  10]", "nothing changes")
        assert "then" not in me.text, "nothing comes of it"
        await me.pilot.press("tab", "8")
        await me.sees("1-10 > 1-8", "the server's dry run accepts it")
        api.merge(IRIS, {"spec": {"predictor": {"minReplicas": 2}}})
        await me.sees("changed meanwhile: min was 1 and is now 2", "2-10 > 2-8")
        await me.sees("the server's dry run accepts it")
        assert isinstance(me.app.screen, ScaleDialog)
        plan = me.app.screen.plan
        await me.confirm(*("YES" if plan and plan.confirmation == "yes" else ""))
        assert api.bounds() == (2, 8)


async def test_bounds_are_those_of_the_role_under_the_cursor(api: Api, tmp_path: Path) -> None:
    group = "workload.serving.volcano.sh"
    path = f"/apis/{group}/v1alpha1/namespaces/llm-prod/autoscalingpolicies"
    metric = "vllm:num_requests_running"
    bounds = {"minReplicas": 1, "maxReplicas": 4, "metricSources": {metric: {"pod": {"port": 8000}}}}
    roles = {"prefill": bounds, "decode": {**bounds, "maxReplicas": 6}}
    target = {"kind": "ModelServing", "name": "glm-4"}
    body = {
        "apiVersion": f"{group}/v1alpha1",
        "kind": "AutoscalingPolicy",
        "metadata": {"name": "glm", "namespace": "llm-prod"},
        "spec": {
            "metrics": [{"name": metric, "targetValue": "9999"}],
            "disaggregatedTarget": {"targetRef": target, "roles": roles},
        },
    }
    api.create(path, body)
    async with seat(api.kubeconfig, tmp_path) as me:
        await me.only("glm-4")
        await me.comes_to(lambda: len(me.workload("glm-4").drivers) == 2)
        await me.pilot.press("enter")
        await me.sees("G-0", "decode")
        await me.pilot.press("G", "p")
        await me.choose("change the bounds (1-6)")
        await me.sees("Bounds of decode, admin / llm-prod / glm-4", "min 1 > [   1]   max 6 > [   6]")
        await me.pilot.press("2")
        await me.sees("1-6 > 2-6", "the server's dry run accepts it")
        await me.confirm()
        found = api.spec(f"{path}/glm")["disaggregatedTarget"]["roles"]
        told = {role: (one["minReplicas"], one["maxReplicas"]) for role, one in found.items()}
        assert told == {"prefill": (1, 4), "decode": (2, 6)}
        await me.sees("policy/glm decode 1-6 > 2-6  by")
        await me.comes_to(lambda: [one.replicas for one in me.workload("glm-4").role_specs] == [1, 2])


async def test_a_ceiling_below_the_floor_and_a_floor_of_zero_are_stopped(api: Api, tmp_path: Path) -> None:
    async with seat(api.kubeconfig, tmp_path) as me:
        await me.only("iris")
        await me.pilot.press("s")
        await me.sees("min 1 > [")
        await me.pilot.press("0")
        await me.sees("an HPA does not go to 0", "stop the service instead", "this cannot be sent")
        await me.pilot.press("tab", "enter")
        assert api.bounds() == (1, 10)


async def test_a_protected_context_asks_for_the_name(api: Api, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[contexts."*"]\nmode = "protected"\n')
    async with seat(api.kubeconfig, tmp_path, "--config", str(config)) as me:
        await me.only("iris")
        await me.pilot.press("s")
        await me.sees("max 10 > [")
        await me.pilot.press("tab", "9")
        await me.sees("1-10 > 1-9", "the server's dry run accepts it")
        await me.pilot.press("enter")
        await me.sees("type iris and Enter")
        await me.confirm("i", "r", "i", "s")
        assert api.bounds() == (1, 9)


async def test_a_direction_is_frozen_and_thawed(api: Api, tmp_path: Path) -> None:
    path = HPAS.format("default", "qwen-chat")
    async with seat(api.kubeconfig, tmp_path) as me:
        await me.only("qwen-chat")
        await me.pilot.press("s")
        await me.sees("HPA qwen-chat", "Scale admin / default / qwen-chat")
        await me.pilot.press("p")
        await me.choose("freeze scaling in")
        await me.sees("Freeze admin / default / qwen-chat", "the server's dry run accepts it")
        await me.confirm()
        assert api.spec(path)["behavior"]["scaleDown"]["selectPolicy"] == "Disabled"
        await me.comes_to(lambda: me.workload("qwen-chat").drivers[0].frozen)
        await me.pilot.press("p")
        await me.choose("let it scale in again")
        await me.sees("the server's dry run accepts it")
        await me.confirm()
        assert api.spec(path)["behavior"]["scaleDown"]["selectPolicy"] == "Max"


async def test_a_service_is_stopped_and_resumed_by_undo(api: Api, tmp_path: Path) -> None:
    def stopped() -> bool:
        annotations: dict[str, str] = api.read(IRIS)["metadata"]["annotations"]
        return annotations.get("serving.kserve.io/stop") == "true"

    async with seat(api.kubeconfig, tmp_path) as me:
        await me.only("iris")
        await me.pilot.press("p")
        await me.choose("stop the service")
        await me.sees("type YES", "the server's dry run accepts it")
        await me.confirm("Y", "E", "S")
        assert stopped()
        await me.comes_to(lambda: not me.workload("iris").groups)
        await me.pilot.press("u")
        await me.sees("Resume admin / default / iris", "the server's dry run accepts it")
        await me.confirm()
        assert not stopped()


async def test_an_hpa_is_made_edited_and_taken_back(api: Api, tmp_path: Path) -> None:
    path = HPAS.format("llm-prod", "vllm-llama")
    async with seat(api.kubeconfig, tmp_path) as me:
        await me.only("vllm-llama")
        await me.pilot.press("E")
        await me.choose("create an HPA")
        await me.sees("A new HPA on", "keeps vllm:num_requests_waiting at 5 a pod")
        await me.pilot.press("right")
        await me.sees("at 5 a pod, of 1", "it goes from 0 to 1: a target of 5 never scales it out")
        await me.pilot.press("left", "left", "left")
        await me.sees("memory")
        await me.pilot.press("left")
        await me.sees("cpu says little of an engine that works on GPUs")
        await me.pilot.press("right", "right", "right")
        await fill(me, target="3", min="1", max="4", in_window="120")
        await me.pilot.press("enter")
        await me.sees("vllm:num_requests_waiting", "maxReplicas: 4", "the server's dry run accepts it")
        await me.confirm()
        spec = api.spec(path)
        assert (spec["maxReplicas"], spec["metrics"][0]["pods"]["target"]["averageValue"]) == (4, "3")
        assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 120
        await me.sees("HPA 1-4")

        await me.pilot.press("E")
        await me.choose("edit HPA vllm-llama")
        await fill(me, max="2")
        await me.pilot.press("enter")
        await me.sees("- spec/maxReplicas: 4", "+ spec/maxReplicas: 2", "the server's dry run accepts it")
        await me.confirm()
        assert api.spec(path)["maxReplicas"] == 2

        await me.pilot.press("u")
        await me.sees("the server's dry run accepts it")
        await me.confirm()
        assert api.spec(path)["maxReplicas"] == 4

        await me.pilot.press("E")
        await me.choose("delete HPA vllm-llama")
        await me.sees("type vllm-llama and Enter", "the server's dry run accepts it")
        await me.confirm(*("minus" if char == "-" else char for char in "vllm-llama"))
        assert api.read(path) is None


async def test_a_second_hpa_on_the_same_target_is_stopped(api: Api, tmp_path: Path) -> None:
    async with seat(api.kubeconfig, tmp_path) as me:
        await me.only("vllm-llama")
        await me.pilot.press("E")
        await me.choose("create an HPA")
        body = {
            "metadata": {"name": "theirs", "namespace": "llm-prod"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "vllm-llama"},
                "maxReplicas": 2,
            },
        }
        api.create(HPAS.format("llm-prod", "").rstrip("/"), body)
        await me.pilot.press("enter")
        await me.sees("HPA theirs scales the same target", "AmbiguousSelector", "this cannot be sent")


async def test_a_job_is_added_with_its_next_times_told_and_removed(api: Api, tmp_path: Path) -> None:
    path = CRONS.format("llm-prod", "qwen-cronhpa")
    async with seat(api.kubeconfig, tmp_path) as me:
        await me.only("qwen")
        await me.pilot.press("E")
        await me.choose("add a job to CronHPA qwen-cronhpa")
        await fill(me, name="noon", size="2", schedule="0 12 * * *")
        await me.sees("five fields: the first is seconds here", "0 0 12 * * *", "CST")
        await fill(me, schedule="0 0 99 * * *")
        await me.sees("never fires: 99: hour goes from 0 to 23")
        await me.pilot.press("enter")
        await me.sees("not yet: the schedule")
        await fill(me, schedule="0 0 12 * * *")
        await me.sees("next: ", "12:00 CST", "UTC)", "moves the bounds of HorizontalPodAutoscaler/qwen-hpa")
        await me.pilot.press("enter")
        await me.sees('"name": "noon"', "the server's dry run accepts it")
        await me.confirm()
        jobs = api.spec(path)["jobs"]
        assert jobs[-1] == {"name": "noon", "schedule": "0 0 12 * * *", "targetSize": 2}

        await me.only("qwen")
        await me.pilot.press("E")
        await me.choose("remove job noon")
        await me.sees("the server's dry run accepts it")
        await me.confirm()
        assert [job["name"] for job in api.spec(path)["jobs"]] == ["morning", "night"]


async def test_forms_say_why_not(api: Api, tmp_path: Path) -> None:
    async with seat(api.kubeconfig, tmp_path) as me:
        await me.only("iris")
        await me.pilot.press("E")
        await me.sees(
            "KServe keeps its HPA and writes it anew", "KServe writes back what a CronHPA would move"
        )
