"""What the conformance tests speak to a server with: plain HTTP, no Kubernetes library."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
from msgspec import Struct

from tests.conformance.deviations import DEVIATIONS

Json = dict[str, Any]

GROUP = "/apis/workload.serving.volcano.sh/v1alpha1"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


class Target(Struct, frozen=True):
    """A server and the tokens of its users; an empty token is not sent."""

    kind: str
    url: str
    admin: str
    viewer: str
    ns_only: str
    ns_only_namespace: str


class Api:
    """One user's client."""

    def __init__(self, target: Target, token: str, namespace: str) -> None:
        self.target = target
        self.namespace = namespace
        headers = {"User-Agent": "conformance/1"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self.http = httpx.Client(
            base_url=target.url, headers=headers, verify=False, trust_env=False, timeout=60.0
        )

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.http.close()

    def core(self, plural: str, name: str = "") -> str:
        """Path of a core resource of this namespace."""
        return f"/api/v1/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def servings(self, name: str = "") -> str:
        """Path of this namespace's ModelServings."""
        return f"{GROUP}/namespaces/{self.namespace}/modelservings" + (f"/{name}" if name else "")

    def get(self, path: str, *, accept: str | None = None, **params: Any) -> httpx.Response:
        return self.http.get(path, params=params, headers={"Accept": accept} if accept else None)

    def post(self, path: str, body: Json, **params: Any) -> httpx.Response:
        return self.http.post(path, json=body, params=params)

    def put(self, path: str, body: Json, **params: Any) -> httpx.Response:
        return self.http.put(path, json=body, params=params)

    def delete(self, path: str, body: Json | None = None, **params: Any) -> httpx.Response:
        content = json.dumps(body) if body is not None else None
        headers = {"Content-Type": "application/json"} if body is not None else None
        return self.http.request("DELETE", path, content=content, headers=headers, params=params)

    def patch(self, path: str, media: str, body: Any, **params: Any) -> httpx.Response:
        return self.http.patch(path, content=json.dumps(body), headers={"Content-Type": media}, params=params)

    def make(self, path: str, body: Json) -> Json:
        """Creates; fails the test if that fails."""
        made = self.post(path, body)
        assert made.status_code == 201, made.text
        return made.json()  # type: ignore[no-any-return]

    def version(self, path: str) -> str:
        """The resourceVersion of a list."""
        return str(self.get(path, limit=1).json()["metadata"]["resourceVersion"])

    def watch(
        self,
        path: str,
        *,
        count: int | None = None,
        until: Callable[[Json], bool] | None = None,
        accept: str | None = None,
        **params: Any,
    ) -> list[Json]:
        """The events of one watch: so many, or until one matches, or all until the server ends it."""
        events: list[Json] = []
        query = {"watch": "true", "timeoutSeconds": 8, **params}
        headers = {"Accept": accept} if accept else None
        with self.http.stream("GET", path, params=query, headers=headers) as answer:
            assert answer.status_code == 200, answer.read()
            for line in answer.iter_lines():
                events.append(json.loads(line))
                if (count is not None and len(events) >= count) or (until and until(events[-1])):
                    break
        return events

    def conform(self, key: str, got: object, real: object) -> None:
        """Asserts what a real server does; where DEVIATIONS has the key, what ours does instead."""
        deviation = DEVIATIONS.get(key) if self.target.kind == "embedded" else None
        if deviation is None:
            assert got == real
            return
        assert deviation.embedded != real, f"the deviation {key} is stale"
        assert got == deviation.embedded


def serving(name: str, replicas: int | None = 2, **labels: str) -> Json:
    """A ModelServing of one role."""
    template = {"spec": {"containers": [{"name": "engine", "image": "engine:1"}]}}
    spec: Json = {"template": {"roles": [{"name": "decode", "workerReplicas": 0, "entryTemplate": template}]}}
    if replicas is not None:
        spec["replicas"] = replicas
    metadata: Json = {"name": name}
    if labels:
        metadata["labels"] = labels
    kind = {"apiVersion": "workload.serving.volcano.sh/v1alpha1", "kind": "ModelServing"}
    return {**kind, "metadata": metadata, "spec": spec}


def config_map(name: str, data: dict[str, str] | None = None, **labels: str) -> Json:
    """A ConfigMap: the plainest built-in object."""
    metadata: Json = {"name": name}
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data or {}}


def pod(name: str, *containers: str, **labels: str) -> Json:
    """A pod."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": c, "image": f"{c}:1"} for c in containers or ("engine",)],
        },
    }


def causes(answer: httpx.Response) -> set[tuple[str, str]]:
    """(reason, field) of each cause of a refusal."""
    return {(c.get("reason"), c.get("field")) for c in answer.json()["details"]["causes"]}


def eventually(check: Callable[[], bool], seconds: float = 60.0) -> None:
    """Polls until it holds."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
