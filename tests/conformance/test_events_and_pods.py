"""Behaviours 35 and 36: events in both shapes, logs and the proxy."""

from __future__ import annotations

import pytest

from tests.conformance.client import MERGE, Api, Json, causes, pod


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


def test_35_an_event_stands_where_its_object_does(api: Api) -> None:
    body = _event(api, "e1", "a", "Warning")
    del body["involvedObject"]["namespace"]
    answer = api.post(api.core("events"), body)
    wanted = {("FieldValueInvalid", "involvedObject.namespace")}
    assert (answer.status_code, causes(answer)) == (422, wanted)


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


def _addressed(api: Api, name: str, *, ready: bool = True) -> None:
    """A pod with an address, behind the service ``thing``."""
    body = pod(name)
    body["spec"]["containers"][0]["ports"] = [{"containerPort": 8000}]
    api.make(api.core("pods"), body)
    address = {"podIP": "10.42.0.7", "podIPs": [{"ip": "10.42.0.7"}]}
    api.patch(api.core("pods", name) + "/status", MERGE, {"status": {"phase": "Running", **address}})
    about = {"kind": "Pod", "namespace": api.namespace, "name": name}
    endpoint = {"addresses": ["10.42.0.7"], "conditions": {"ready": ready}, "targetRef": about}
    body = {
        "metadata": {"name": "thing-1", "labels": {"kubernetes.io/service-name": "thing"}},
        "addressType": "IPv4",
        "endpoints": [endpoint],
        "ports": [{"name": "http", "port": 8000, "protocol": "TCP"}],
    }
    api.make(f"/apis/discovery.k8s.io/v1/namespaces/{api.namespace}/endpointslices", body)


def _service(api: Api) -> None:
    ports = [{"name": "http", "port": 80, "targetPort": 8000}]
    api.make(api.core("services"), {"metadata": {"name": "thing"}, "spec": {"ports": ports}})


@pytest.mark.parametrize("place", ["pods/a", "pods/a:8000", "pods/http:a:8000", "services/thing:http"])
def test_36_proxy_passes_path_and_status(embedded: Api, place: str) -> None:
    _service(embedded)
    _addressed(embedded, "a")
    path = embedded.core(*place.split("/")) + "/proxy"
    answer = embedded.get(path + "/v1/models", page=2)
    assert (answer.status_code, answer.text) == (200, "GET a 8000 /v1/models page=2")
    assert answer.headers["content-type"] == "text/x-told"
    posted = embedded.post(path + "/teapot", {"a": 1})
    assert (posted.status_code, posted.text) == (418, 'POST a 8000 /teapot {"a":1}')


def test_36_proxy_keeps_credentials_to_itself(embedded: Api, viewer: Api) -> None:
    _addressed(embedded, "a")
    answer = viewer.get(viewer.core("pods", "a") + "/proxy/")
    assert answer.status_code == 200
    assert "authorization" not in answer.headers["x-seen"].split(",")
    refused = viewer.post(viewer.core("pods", "a") + "/proxy/", {})
    assert (refused.status_code, '"pods/proxy"' in refused.json()["message"]) == (403, True)


def test_36_proxy_to_a_port_where_nobody_listens(embedded: Api) -> None:
    _addressed(embedded, "a")
    answer = embedded.get(embedded.core("pods", "a:9999") + "/proxy/")
    status = answer.json()
    assert (answer.status_code, status["reason"]) == (503, "ServiceUnavailable")
    refused = "dial tcp 10.42.0.7:9999: connect: connection refused"
    assert status["message"] == f"error trying to reach service: {refused}"


def test_36_proxy_to_a_pod_without_an_address(api: Api) -> None:
    api.make(api.core("pods"), pod("a"))
    answer = api.get(api.core("pods", "a:8000") + "/proxy/metrics")
    assert (answer.status_code, answer.json()["message"]) == (400, "address not allowed")
    for name in ("ftp:a:80", "a:1:2:3", ":80"):
        answer = api.get(api.core("pods", name) + "/proxy/metrics")
        assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest"), name
    assert api.get(api.core("pods", "nobody:8000") + "/proxy/metrics").status_code == 404
    assert api.get("/api/v1/nodes/nobody/proxy/metrics").status_code == 404


def test_36_proxy_to_a_service_without_ready_pods(api: Api) -> None:
    _service(api)
    path = api.core("services", "thing:http") + "/proxy/metrics"

    def refusal(path: str) -> str:
        answer = api.get(path)
        assert (answer.status_code, answer.json()["reason"]) == (503, "ServiceUnavailable")
        return str(answer.json()["message"])

    nobody = 'no endpoints available for service "thing"'
    assert refusal(path) == nobody
    _addressed(api, "a", ready=False)
    assert refusal(path) == nobody
    assert refusal(path.replace(":http", ":81")) == 'no service port 81 found for service "thing"'
    # A named port is found by its name or its number only.
    assert refusal(path.replace(":http", "")) == nobody
    assert api.get(path.replace("thing:http", "nothing:80")).status_code == 404
