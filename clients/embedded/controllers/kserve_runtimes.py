"""The serving runtimes that run a model of a known format; KServe brings one for scikit-learn along."""

from __future__ import annotations

from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.kserve_names import CONTAINER, MANAGER
from clients.embedded.store import Store

__all__ = ["Runtimes"]

_CLUSTER_RUNTIMES = "clusterservingruntimes.serving.kserve.io"


def _sklearn() -> Json:
    return {
        "kind": "ClusterServingRuntime",
        "apiVersion": "serving.kserve.io/v1alpha1",
        "metadata": {"name": "kserve-sklearnserver"},
        "spec": {
            "supportedModelFormats": [{"name": "sklearn", "version": "1", "autoSelect": True, "priority": 1}],
            "protocolVersions": ["v1", "v2"],
            "containers": [
                {
                    "name": CONTAINER,
                    "image": "kserve/sklearnserver:v0.20.0",
                    "args": ["--model_name={{.Name}}", "--model_dir=/mnt/models", "--http_port=8080"],
                    "resources": {
                        "requests": {"cpu": "1", "memory": "2Gi"},
                        "limits": {"cpu": "1", "memory": "2Gi"},
                    },
                }
            ],
        },
    }


class Runtimes:
    """The ClusterServingRuntimes of a cluster."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def install(self) -> None:
        """Puts KServe's own in place, where they are missing."""
        made = _sklearn()
        if self._store.record(_CLUSTER_RUNTIMES, None, made["metadata"]["name"]) is None:
            self._store.create(_CLUSTER_RUNTIMES, made, manager=MANAGER)

    def find(self, model: Json) -> Json | None:
        """The spec of the runtime that a model names, or of the first that takes its format by itself."""
        found = self._choose(model)
        return None if found is None else found.get("spec") or {}

    def name_for(self, model: Json) -> str | None:
        """The name of that runtime."""
        found = self._choose(model)
        return None if found is None else str(found["metadata"]["name"])

    def _choose(self, model: Json) -> Json | None:
        if model.get("runtime"):
            return self._store.get(_CLUSTER_RUNTIMES, None, model["runtime"])
        wanted = (model.get("modelFormat") or {}).get("name")
        for obj in self._store.list(_CLUSTER_RUNTIMES):
            formats = (obj.get("spec") or {}).get("supportedModelFormats") or ()
            if any(f.get("name") == wanted and f.get("autoSelect") for f in formats):
                return obj
        return None
