"""One backend behind the fleet: what may be changed through it, and what more of it can be looked at.

The console and every command without a screen read and write through the same lines.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from clients.clock import Clock
from clients.kube.backend import KubeBackend
from clients.kube.cluster_gpus import GpuOptions
from clients.kube.config import ClusterConfig
from clients.kube.logs import Container
from clients.kube.plan_parts import Asker
from clients.serving.backend import Backend, BackendError
from clients.serving.eta import Durations
from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from tui.audit import AuditLog, Author
from tui.door import ContainerView, Right
from tui.engines import Engines
from tui.fleet import Fleet
from tui.gpus import Gpus
from tui.pins import Pins
from tui.scaling import Policy, Scaling
from tui.start import Start, login_name

__all__ = ["KubeLine", "Line", "scaling_of"]


class Line:
    """One backend. Everything belongs to one event loop."""

    def __init__(self, name: str, backend: Backend, scaling: Scaling) -> None:
        """``name``: a kubeconfig context, ``exoscale/ZONE``, ``modelarts/REGION``."""
        self.name = name
        self.backend = backend
        self.scaling = scaling

    async def right(self, verb: str, key: WorkloadKey) -> Right:
        """Whether the workload's counts may be changed; clouds only tell when it is tried."""
        del verb, key
        return Right(None)

    def recheck(self) -> None:
        """Asks every right again, and tries now what waits."""

    def attend(self, key: WorkloadKey) -> None:
        """Somebody looks at it; a cluster tells of everything at once as it is."""

    async def object(self, key: WorkloadKey) -> dict[str, Any]:
        """The whole object. Raises BackendError."""
        raise BackendError(f"{self.name} keeps no objects")

    async def object_text(self, key: WorkloadKey) -> str:
        """The whole object, as its system writes it. Raises BackendError."""
        return json.dumps(await self.object(key), indent=2, ensure_ascii=False)

    async def containers(self, namespace: str, pod: str) -> tuple[ContainerView, ...]:
        """A pod's containers; clouds show no pods."""
        del namespace, pod
        return ()

    def logs(
        self, key: WorkloadKey, namespace: str, pod: str, container: str | None, *, previous: bool
    ) -> AsyncIterator[str]:
        """The last lines, then what follows. Raises BackendError."""
        raise BackendError(f"{self.name} has no logs to read")

    async def close(self) -> None:
        """Lets what was begun come to its line in the audit log, then ends the connections."""
        await self.scaling.close()
        await self.backend.close()


class KubeLine(Line):
    """A cluster, by one context."""

    backend: KubeBackend

    def __init__(
        self, config: ClusterConfig, backend: KubeBackend, scaling: Scaling, gpus: Gpus, engines: Engines
    ) -> None:
        super().__init__(config.context, backend, scaling)
        self.config = config
        self.gpus = gpus
        self.engines = engines

    async def right(self, verb: str, key: WorkloadKey) -> Right:
        """By access reviews: to write the object, or its ``/scale``."""
        rights = await self.backend.rights(key)
        if rights.patch is False and not rights.scale:
            return Right(False, f"{verb} {key.kind.lower()}s in {key.namespace}")
        return Right(True if rights.patch or rights.scale else None)

    def recheck(self) -> None:
        """Asks every right again, and tries now what waits."""
        self.backend.forget_rights()

    async def object(self, key: WorkloadKey) -> dict[str, Any]:
        """As the server has it now."""
        return await self.backend.object(key)

    async def object_text(self, key: WorkloadKey) -> str:
        """As YAML."""
        from tui.object_text import as_yaml

        return as_yaml(await self.object(key))

    async def containers(self, namespace: str, pod: str) -> tuple[ContainerView, ...]:
        """The one that the pod's logs are about first."""
        found = await self.backend.containers(namespace, pod)
        return tuple(ContainerView(one.name, _note(one)) for one in found)

    def logs(
        self, key: WorkloadKey, namespace: str, pod: str, container: str | None, *, previous: bool
    ) -> AsyncIterator[str]:
        """Of one pod: the last 200 lines, then what follows."""
        return self.backend.logs(namespace, pod, container, previous=previous)

    @classmethod
    async def open(
        cls,
        start: Start,
        config: ClusterConfig,
        fleet: Fleet,
        clock: Clock,
        namespaces: tuple[str, ...] | None,
        *,
        durations: Durations,
        audit: AuditLog,
        pins: Pins,
    ) -> KubeLine:
        """Prepares the connection; the server is asked nothing yet.

        Raises:
            KubeError: the configuration cannot work.
        """
        gpu = start.settings.gpu
        backend = await KubeBackend.open(
            config,
            clock=clock,
            namespaces=namespaces,
            order=start.settings.kthena_order,
            all_workloads=start.settings.show == "all",
            prices=dict(start.settings.prices),
            durations=durations,
            asker=Asker(config.context, start.connect.as_user, start.connect.as_groups),
            gpu=GpuOptions(gpu.prometheus, gpu.token(), gpu.always),
        )
        scaling = scaling_of(start, config.context, backend, audit, pins, as_user=start.connect.as_user)
        gpus = Gpus(lambda: backend.gpus, backend.gpus_held, fleet.view, clock)
        return cls(config, backend, scaling, gpus, Engines(lambda: backend.engines, clock))


def scaling_of(
    start: Start, name: str, backend: Backend, audit: AuditLog, pins: Pins, *, as_user: str | None = None
) -> Scaling:
    """The changes of one backend, under what the settings say of its name."""
    author = Author(login_name(), name, as_user)
    return Scaling(backend, audit, author, Policy(start.mode(name), start.settings.confirm_scale_in), pins)


def _note(container: Container) -> str:
    words = ["init"] if container.init else []
    words += [plain(container.state)] if container.state else []
    words += [f"{container.restarts} restarts"] if container.restarts else []
    return ", ".join(words)
