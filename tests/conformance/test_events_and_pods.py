"""Behaviours 35 and 36: events in both shapes, logs and the proxy."""

from __future__ import annotations

import pytest

from tests.conformance.client import MERGE, Api, Json, pod


def _event(api: Api, name: str, about: str, kind: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": about, "namespace": api.namespace},
        "reason": "Testing",
        "message": f"about {about}",
        "type": kind,
        "source": {"component": "tester"},
        "firstTimestamp": "2026-01-02T03:04:05Z",
        "lastTimestamp": "2026-01-02T03:04:05Z",
        "count": 3,
    }


def test_35_field_selectors_of_events(api: Api) -> None:
    for name, about, kind in (("e1", "a", "Normal"), ("e2", "a", "Warning"), ("e3", "b", "Warning")):
        api.make(api.core("events"), _event(api, name, about, kind))
    chosen = "involvedObject.name=a,type=Warning"
    listed = api.get(api.core("events"), fieldSelector=chosen).json()["items"]
    assert [e["metadata"]["name"] for e in listed] == ["e2"]


def test_35_the_same_event_in_the_other_group(api: Api) -> None:
    made = api.make(api.core("events"), _event(api, "e1", "a", "Warning"))
    path = f"/apis/events.k8s.io/v1/namespaces/{api.namespace}/events"
    other = api.get(f"{path}/e1").json()
    assert (other["kind"], other["apiVersion"]) == ("Event", "events.k8s.io/v1")
    assert other["metadata"]["uid"] == made["metadata"]["uid"]
    assert (other["regarding"]["name"], other["note"], other["deprecatedCount"]) == ("a", "about a", 3)
    assert other["deprecatedSource"]["component"] == "tester"
    assert "involvedObject" not in other
    listed = api.get(path, fieldSelector="regarding.name=a,type=Warning,reason=Testing").json()
    assert (listed["kind"], len(listed["items"])) == ("EventList", 1)
    events = api.watch(path, count=1)
    assert (events[0]["type"], events[0]["object"]["note"]) == ("ADDED", "about a")


def _running(api: Api, name: str, *containers: str) -> None:
    api.make(api.core("pods"), pod(name, *containers))
    told = [{"name": c, "state": {"running": {}}, "restartCount": 0} for c in containers]
    status = {"status": {"phase": "Running", "containerStatuses": told}}
    api.patch(api.core("pods", name) + "/status", MERGE, status)


def test_36_logs_of_one_container(embedded: Api) -> None:
    _running(embedded, "a", "engine")
    answer = embedded.get(embedded.core("pods", "a") + "/log")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.splitlines() == [f"engine line {i}" for i in range(5)]
    tail = embedded.get(embedded.core("pods", "a") + "/log", tailLines=2)
    assert tail.text.splitlines() == ["engine line 3", "engine line 4"]
    stamped = embedded.get(embedded.core("pods", "a") + "/log", tailLines=1, timestamps="true")
    assert stamped.text.startswith("2023-11-14T22:13:24.")
    short = embedded.get(embedded.core("pods", "a") + "/log", limitBytes=6)
    assert short.text == "engine"


def test_36_logs_of_several_containers(embedded: Api) -> None:
    _running(embedded, "a", "engine", "sidecar")
    path = embedded.core("pods", "a") + "/log"
    answer = embedded.get(path)
    assert answer.status_code == 400
    assert "a container name must be specified" in answer.json()["message"]
    assert embedded.get(path, container="nobody").status_code == 400
    assert embedded.get(path, container="sidecar").text.startswith("sidecar line 0")


def test_36_logs_followed(embedded: Api) -> None:
    _running(embedded, "a", "engine")
    answer = embedded.get(embedded.core("pods", "a") + "/log", tailLines=1, follow="true")
    assert answer.text.splitlines() == ["engine line 4", "engine later"]


def test_36_logs_before_the_start_and_of_the_past(embedded: Api) -> None:
    embedded.make(embedded.core("pods"), pod("a"))
    told = {"name": "engine", "state": {"waiting": {"reason": "ContainerCreating"}}, "restartCount": 0}
    embedded.patch(embedded.core("pods", "a") + "/status", MERGE, {"status": {"containerStatuses": [told]}})
    answer = embedded.get(embedded.core("pods", "a") + "/log")
    assert (answer.status_code, "waiting to start" in answer.json()["message"]) == (400, True)
    answer = embedded.get(embedded.core("pods", "a") + "/log", previous="true")
    assert (answer.status_code, "previous terminated" in answer.json()["message"]) == (400, True)
    assert embedded.get(embedded.core("pods", "nobody") + "/log").status_code == 404


@pytest.mark.parametrize("plural", ["pods", "services"])
def test_36_proxy_passes_path_and_status(embedded: Api, plural: str) -> None:
    path = embedded.core(plural, "thing:8000") + "/proxy/v1/models"
    answer = embedded.get(path, page=2)
    assert (answer.status_code, answer.text) == (200, f"GET {plural} thing 8000 /v1/models page=2")
    assert answer.headers["content-type"] == "text/x-told"
    posted = embedded.post(embedded.core(plural, "http:thing:web") + "/proxy/teapot", {"a": 1})
    assert posted.status_code == 418
    assert posted.text.startswith(f"POST {plural} thing web /teapot")
    assert posted.text.endswith('{"a":1}')


def test_36_proxy_to_a_node(embedded: Api) -> None:
    answer = embedded.get("/api/v1/nodes/n1/proxy/metrics")
    assert answer.text.startswith("GET nodes n1  /metrics")
