"""Bounds, pins, stops and resumptions on the command line: what each kind takes, and what it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.tui.cli.conftest import until

if TYPE_CHECKING:
    from tests.tui.cli.conftest import Cluster, Shell

IRIS = "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices/iris"
HPA = "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers/{}"


def read(cluster: Cluster, path: str) -> Any:
    return httpx.get(f"{cluster.server}{path}", trust_env=False).raise_for_status().json()


def merge(cluster: Cluster, path: str, value: dict[str, Any]) -> None:
    """As somebody else would."""
    httpx.patch(
        f"{cluster.server}{path}",
        params={"fieldManager": "somebody"},
        content=json.dumps(value),
        headers={"Content-Type": "application/merge-patch+json"},
        trust_env=False,
    ).raise_for_status()


def bounds(cluster: Cluster) -> tuple[int, int]:
    predictor = read(cluster, IRIS)["spec"]["predictor"]
    return predictor["minReplicas"], predictor["maxReplicas"]


@pytest.fixture(autouse=True)
def one_to_ten(cluster: Cluster) -> None:
    merge(cluster, IRIS, {"spec": {"predictor": {"minReplicas": 1, "maxReplicas": 10}}})


def test_a_count_is_refused_where_bounds_are_taken(shell: Shell, cluster: Cluster) -> None:
    done = shell.run("scale", "iris", "--replicas", "4", "--yes", code=3)
    assert done.stderr == "servegrid: iris takes bounds, not a count: use --min N, --max N or --pin N\n"
    assert (bounds(cluster), shell.audit()) == ((1, 10), [])


def test_bounds_are_written_to_the_service_and_come_to_the_hpa(shell: Shell, cluster: Cluster) -> None:
    done = shell.json("scale", "iris", "--min", "2", "--max", "9", "--yes")
    assert done["sent"]["result"] == "accepted"
    assert (done["plan"]["bounds_before"], done["plan"]["bounds_after"]) == (
        {"minimum": 1, "maximum": 10},
        {"minimum": 2, "maximum": 9},
    )
    assert bounds(cluster) == (2, 9)

    def arrived() -> bool:
        spec = read(cluster, HPA.format("default", "iris-predictor"))["spec"]
        return (spec["minReplicas"], spec["maxReplicas"]) == (2, 9)

    until(arrived, "KServe writes them on")
    assert "serving.kserve.io" not in json.dumps(read(cluster, IRIS)["metadata"].get("labels", {}))


def test_pinned_and_unpinned(shell: Shell, cluster: Cluster) -> None:
    out = shell.run("scale", "iris", "--pin", "3", "--yes").stdout
    assert "bounds 1-10 to 3-3 (pinned)" in out
    assert bounds(cluster) == (3, 3)

    def told() -> str:
        return shell.run("get", "iris").stdout

    until(lambda: "pinned 3 (was 1-10) by" in told(), "the pin is told with what it took the place of")
    shell.run("scale", "iris", "--pin", "5", "--yes")
    out = shell.run("scale", "iris", "--unpin", "--yes").stdout
    assert "bounds 5-5 to 1-10" in out
    assert bounds(cluster) == (1, 10)
    done = shell.run("scale", "iris", "--unpin", "--yes", code=3)
    assert "it was not pinned from here" in done.stderr


def test_a_pin_needs_a_person_where_what_serves_goes_away(shell: Shell, cluster: Cluster) -> None:
    until(
        lambda: read(cluster, HPA.format("default", "iris-predictor"))["status"]["currentReplicas"] > 1,
        "it grows",
    )
    done = shell.run("scale", "iris", "--pin", "1", code=3)
    assert "serving now" in done.stdout
    assert done.stderr == "servegrid: not confirmed; nothing was sent\n"
    assert bounds(cluster) == (1, 10)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--min", "4", "--max", "3"), 2, "the minimum 4 is above the maximum 3"),
        (("--min", "11", "--yes"), 3, "the minimum 11 is above the maximum 10"),
        (("--min", "0", "--yes"), 3, "an HPA does not go to 0"),
        (("--pin", "2", "--stop"), 2, "--pin and --stop exclude each other"),
        (("--replicas", "2", "--unpin"), 2, "--replicas or --role and --unpin exclude each other"),
        (("--dry-run",), 2, "scale needs --replicas N"),
    ],
)
def test_what_cannot_be(shell: Shell, cluster: Cluster, words: tuple[str, ...], code: int, said: str) -> None:
    done = shell.run("scale", "iris", *words, code=code)
    assert said in done.stdout + done.stderr
    if "--min" in words and "0" in words:
        assert "stop the service instead" in done.stdout
    assert (bounds(cluster), shell.audit()) == ((1, 10), [])


def test_only_a_service_is_stopped_and_only_what_is_driven_has_bounds(shell: Shell) -> None:
    done = shell.run("scale", "vllm-llama", "--stop", code=3)
    assert "only an InferenceService can be stopped; use --replicas 0" in done.stderr
    done = shell.run("scale", "vllm-llama", "--min", "2", code=2)
    assert "nothing with bounds drives it" in done.stderr


def test_a_service_of_class_external_takes_both_and_names_the_job_that_comes_next(
    shell: Shell, cluster: Cluster
) -> None:
    beyond_all = "7"  # HPA and jobs go no further than 3, whatever the time of day is.
    out = shell.run("scale", "llm-prod/qwen", "--replicas", beyond_all, "--dry-run").stdout
    assert "writes Deployment/qwen-predictor" in out
    assert "CronHPA qwen-cronhpa" in out
    assert "HPA qwen-hpa" in out
    shell.run("scale", "llm-prod/qwen", "--max", "3", "--yes")
    assert read(cluster, HPA.format("llm-prod", "qwen-hpa"))["spec"]["maxReplicas"] == 3
    shell.run("scale", "llm-prod/qwen", "--max", "4", "--yes")
    assert read(cluster, HPA.format("llm-prod", "qwen-hpa"))["spec"]["maxReplicas"] == 4


def test_stopped_and_resumed(shell: Shell, cluster: Cluster) -> None:
    stop = "serving.kserve.io/stop"
    done = shell.run("scale", "iris", "--stop", code=3)
    assert done.stderr == "servegrid: not confirmed; nothing was sent\n"
    shell.run("scale", "iris", "--stop", "--yes")
    assert read(cluster, IRIS)["metadata"]["annotations"][stop] == "true"
    shell.run("scale", "iris", "--resume", "--yes")
    assert stop not in read(cluster, IRIS)["metadata"]["annotations"]


def test_a_protected_context_asks_for_the_name_of_bounds_too(shell: Shell, cluster: Cluster) -> None:
    shell.settings('[contexts."*"]\nmode = "protected"\n')
    done = shell.run("scale", "iris", "--max", "8", "--yes", code=3)
    assert done.stderr == "servegrid: not confirmed; nothing was sent\n"
    assert bounds(cluster) == (1, 10)
