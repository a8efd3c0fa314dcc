"""The kubelets: a bound pod's way through image, init containers and loading to ready, and its end.

Durations come from a random generator of the pod's own, seeded by the cluster's seed, the pod's name and
the time of its creation, so that they repeat whatever else happens. A pod that runs costs nothing here.
"""

from __future__ import annotations

from random import Random

from clients.embedded.apiserver.errors import ApiError
from clients.embedded.apiserver.objects import Json
from clients.embedded.controllers.pacing import Steps
from clients.embedded.controllers.recorder import Recorder, reference
from clients.embedded.engine import Engine, Event
from clients.embedded.faults import Fault, FaultKind, Faults
from clients.embedded.models import image_size, load_seconds, model_of
from clients.embedded.nodes import Node, Nodes
from clients.embedded.pod_status import ContainerRun, PodRun
from clients.embedded.quantity import gpus_of
from clients.embedded.store import Store

__all__ = ["Kubelets"]

_PULL_RATE = 0.55
"""Gigabytes a second from the registry."""
_BACKOFF_MOST = 300.0
_SILENT_RETRY = 5.0


class _Work:
    """A pod in transition."""

    __slots__ = ("about", "event", "grace", "node", "rng", "run", "spec", "steps", "terminating")

    def __init__(self, pod: Json, node: Node, run: PodRun, rng: Random) -> None:
        self.about = reference(pod)
        self.spec: Json = pod["spec"]
        self.node = node
        self.run = run
        self.rng = rng
        self.steps: Steps | None = None
        self.event: Event | None = None
        self.grace = 30.0
        self.terminating = False

    @property
    def uid(self) -> str:
        return self.run.uid


class Kubelets:
    """One for all nodes."""

    def __init__(self, store: Store, engine: Engine, nodes: Nodes, faults: Faults, seed: int) -> None:
        self._store = store
        self._engine = engine
        self._nodes = nodes
        self._faults = faults
        self._seed = seed
        self._epoch = int(engine.clock.now())
        self._work: dict[tuple[str, str], _Work] = {}
        self._addresses: dict[str, int] = {}
        self._recorder = Recorder(store, engine, "kubelet")
        store.subscribe("pods", self._pod_changed)

    def __len__(self) -> int:
        """Pods in transition."""
        return len(self._work)

    # -- what others ask for ---------------------------------------------------------------------------

    def crash(self, namespace: str, name: str, fault: Fault) -> bool:
        """Ends the first container of a running pod; says whether there was one to end."""
        work = self._take_up(namespace, name)
        if work is None or not work.run.containers or work.run.containers[0].state != "running":
            return False
        self._begin(work, self._crashed(work, work.run.containers[0], fault))
        return True

    def flap(self, namespace: str, name: str, seconds: float) -> bool:
        """Lets a running pod fail its readiness probe for a while; it does not restart."""
        work = self._take_up(namespace, name)
        if work is None or not work.run.ready:
            return False
        self._begin(work, self._unready(work, seconds))
        return True

    def ended(self, namespace: str, name: str, exit_code: int) -> None:
        """The process of a running pod's only container has ended, and is not to be started again."""
        work = self._take_up(namespace, name)
        if work is not None and work.run.containers[0].state == "running":
            self._begin(work, self._over(work, exit_code))

    def lose_node(self, name: str) -> None:
        """A node falls silent: its pods are marked as not ready, and are evicted after five minutes."""
        self._nodes.lose(name)

        def unready(pod: Json) -> None:
            for condition in pod["status"].get("conditions") or ():
                if condition["type"] == "Ready" and condition["status"] == "True":
                    condition["status"] = "False"

        def evict() -> None:
            for namespace, pod_name in self._on_node(name):
                if not self._nodes.alive(name):
                    self._evict(namespace, pod_name, name)

        for namespace, pod_name in self._on_node(name):
            self._store.mutate(
                "pods", namespace, pod_name, unready, manager="kube-controller-manager", subresource="status"
            )
        self._engine.after(300.0, evict)

    def restore_node(self, name: str) -> None:
        """The node is back: what still runs on it is ready again, what was to go, goes."""
        self._nodes.restore(name)
        now = self._engine.clock.now()
        for namespace, pod_name in self._on_node(name):
            work = self._take_up(namespace, pod_name)
            if work is not None:
                work.run.ready_at = now
                work.run.reason = ""
                self._write(work)

    def _on_node(self, name: str) -> list[tuple[str, str]]:
        return [record.key for record in self._store.records("pods") if record.fields[0] == name]

    def _evict(self, namespace: str, name: str, node: str) -> None:
        def lost(pod: Json) -> None:
            pod["status"]["reason"] = "NodeLost"
            pod["status"]["message"] = f"Node {node} which was running pod {name} is unresponsive"

        self._store.mutate(
            "pods", namespace, name, lost, manager="kube-controller-manager", subresource="status"
        )
        self._store.delete("pods", namespace, name)

    # -- running steps ---------------------------------------------------------------------------------

    def _take_up(self, namespace: str, name: str) -> _Work | None:
        """A pod that is on its node and not on its way out."""
        pod = self._store.get("pods", namespace, name)
        known = self._work.get((namespace, name))
        if pod is None or "deletionTimestamp" in pod["metadata"]:
            return None
        if known is not None:
            return known
        return self._new_work(pod)

    def _new_work(self, pod: Json) -> _Work | None:
        node = self._nodes.get(pod["spec"].get("nodeName", ""))
        if node is None:
            return None
        meta = pod["metadata"]
        run = PodRun(pod, node.name, node.address, self._engine.clock.now())
        age = int(self._engine.clock.now()) - self._epoch
        rng = Random(f"{self._seed}/{meta['namespace']}/{meta['name']}/{age}")
        return _Work(pod, node, run, rng)

    def _begin(self, work: _Work, steps: Steps) -> None:
        if work.event is not None:
            work.event.cancel()
        work.steps = steps
        self._work[work.run.key] = work
        self._step(work)

    def _step(self, work: _Work) -> None:
        if not work.node.alive:
            work.event = self._engine.after(_SILENT_RETRY, lambda: self._step(work))
            return
        assert work.steps is not None
        try:
            pause = next(work.steps)
        except StopIteration:
            work.event = None
            if self._work.get(work.run.key) is work:
                del self._work[work.run.key]
            return
        work.event = self._engine.after(pause, lambda: self._step(work))

    def _pod_changed(self, change: str, pod: Json) -> None:
        meta = pod["metadata"]
        key = (meta["namespace"], meta["name"])
        work = self._work.get(key)
        if change == "DELETED" or (work is not None and work.uid != meta["uid"]):
            if work is not None:
                if work.event is not None:
                    work.event.cancel()
                del self._work[key]
            work = None
        if change == "DELETED":
            return
        if "deletionTimestamp" in meta:
            if work is None or not work.terminating:
                self._begin_end(pod, work)
        elif work is None and pod["spec"].get("nodeName"):
            status = pod.get("status") or {}
            if status.get("phase", "Pending") == "Pending" and "startTime" not in status:
                started = self._new_work(pod)
                if started is not None:
                    self._begin(started, self._start(started))

    def _write(self, work: _Work) -> None:
        def change(pod: Json) -> None:
            pod["status"] = work.run.status()

        namespace, name = work.run.key
        record = self._store.record("pods", namespace, name)
        if record is not None and record.uid == work.uid:
            self._store.mutate("pods", namespace, name, change, manager="kubelet", subresource="status")

    def _tell(self, work: _Work, reason: str, message: str, kind: str = "Normal", part: str = "") -> None:
        about = {**work.about, "fieldPath": f"spec.containers{{{part}}}"} if part else work.about
        self._recorder.event(about, reason, message, kind, work.node.name)

    # -- a pod's way -----------------------------------------------------------------------------------

    def _start(self, work: _Work) -> Steps:
        run, clock = work.run, self._engine.clock
        yield work.rng.uniform(0.2, 0.6)
        run.started_at = run.ready_at = run.initialized_at = clock.now()
        for container in run.containers:
            container.wait("PodInitializing" if run.init else "ContainerCreating")
        for container in run.init:
            container.wait("PodInitializing")
        self._write(work)
        yield work.rng.uniform(0.5, 1.2)
        run.ip = self._next_address(work.node)
        for container in run.init:
            yield from self._fetch(work, container)
            container.run(clock.now())
            self._write(work)
            yield work.rng.uniform(3.0, 6.0)
            container.end(clock.now(), 0, "Completed")
            container.ready = True
        if run.init:
            run.initialized_at = clock.now()
            self._write(work)
        for container in run.containers:
            yield from self._pull(work, container)
        yield work.rng.uniform(0.3, 0.8)
        yield from self._serve(work)

    def _pull(self, work: _Work, container: ContainerRun) -> Steps:
        """The engine's image: it may be one that cannot be had."""
        namespace, name = work.run.key
        image, clock = container.image, self._engine.clock
        tries = 0
        while (fault := self._faults.find(FaultKind.IMAGE, namespace, name, clock.now())) is not None:
            message = fault.message or f'failed to pull and unpack image "{image}": not found'
            self._tell(
                work, "Failed", f'Failed to pull image "{image}": {message}', "Warning", container.name
            )
            container.wait("ErrImagePull", message)
            self._write(work)
            yield work.rng.uniform(4.0, 8.0)
            back_off = f'Back-off pulling image "{image}"'
            container.wait("ImagePullBackOff", f"{back_off}: ErrImagePull: {message}")
            self._write(work)
            self._tell(work, "BackOff", back_off, "Normal", container.name)
            yield min(_BACKOFF_MOST, 10.0 * 2.0**tries)
            tries += 1
        yield from self._fetch(work, container)

    def _fetch(self, work: _Work, container: ContainerRun) -> Steps:
        image, node = container.image, work.node
        if image in node.images:
            self._tell(
                work, "Pulled", f'Container image "{image}" already present on machine', part=container.name
            )
            return
        self._tell(work, "Pulling", f'Pulling image "{image}"', part=container.name)
        size = image_size(image)
        seconds = size / _PULL_RATE * work.rng.uniform(0.85, 1.25)
        yield seconds
        node.images.add(image)
        took = f"{seconds:.3f}s ({seconds:.3f}s including waiting)"
        message = f'Successfully pulled image "{image}" in {took}. Image size: {int(size * 1e9)} bytes.'
        self._tell(work, "Pulled", message, part=container.name)

    def _next_address(self, node: Node) -> str:
        number = self._addresses[node.name] = (self._addresses.get(node.name, 1) + 1) % 250
        return f"10.{42 + node.index // 250}.{node.index % 250}.{number + 2}"

    def _serve(self, work: _Work) -> Steps:
        """Containers start, the engine loads its model, probes begin to succeed."""
        run, clock = work.run, self._engine.clock
        specs = {c.get("name", ""): c for c in work.spec.get("containers") or ()}
        for container in run.containers:
            if container.state == "running":
                continue
            container.run(clock.now())
            container.started = "startupProbe" not in specs.get(container.name, {})
            self._tell(work, "Created", f"Created container: {container.name}", part=container.name)
            self._tell(work, "Started", f"Started container {container.name}", part=container.name)
        self._write(work)
        model = model_of(work.spec)
        loading = load_seconds(model, gpus_of(work.spec)) if model else 1.0
        loading *= work.rng.uniform(0.85, 1.15)
        first = run.containers[0] if run.containers else None
        namespace, name = run.key
        fault = self._faults.find(FaultKind.CRASH, namespace, name, clock.now())
        if fault is not None and first is not None:
            yield min(loading, fault.after) if loading > 1 else fault.after
            yield from self._crashed(work, first, fault)
            return
        yield loading
        if any(not c.started for c in run.containers):
            for container in run.containers:
                container.started = True
            self._write(work)
        yield work.rng.uniform(1.0, 3.0)
        for container in run.containers:
            container.ready = True
        run.ready_at = clock.now()
        self._write(work)

    def _crashed(self, work: _Work, container: ContainerRun, fault: Fault) -> Steps:
        """The container ends and starts again after a growing pause, as long as it is let."""
        run, clock = work.run, self._engine.clock
        was_ready = run.ready
        container.end(clock.now(), fault.exit_code, fault.reason, fault.message)
        if was_ready:
            run.ready_at = clock.now()
        self._write(work)
        pause = 10.0 * 2.0 ** (container.restarts - 1) if container.restarts else 0.0
        yield work.rng.uniform(0.8, 1.6)
        container.again()
        if pause:
            pause = min(_BACKOFF_MOST, pause)
            namespace, name = run.key
            what = f"restarting failed container={container.name} pod={name}_{namespace}({run.uid})"
            minutes, seconds = divmod(int(pause), 60)
            wait = f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
            container.restarts -= 1
            container.wait("CrashLoopBackOff", f"back-off {wait} {what}")
            self._write(work)
            self._tell(
                work, "BackOff", f"Back-off restarting failed container {container.name} in pod {name}",
                "Warning", container.name,
            )  # fmt: skip
            yield pause
            container.restarts += 1
        container.state = "waiting"
        yield from self._serve(work)

    def _over(self, work: _Work, exit_code: int) -> Steps:
        now = self._engine.clock.now()
        work.run.containers[0].end(now, exit_code, "Error" if exit_code else "Completed")
        work.run.ready_at = now
        self._write(work)
        yield 0.0

    def _unready(self, work: _Work, seconds: float) -> Steps:
        run, clock = work.run, self._engine.clock
        for container in run.containers:
            container.ready = False
        run.ready_at = clock.now()
        self._write(work)
        self._tell(
            work, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", "Warning",
            run.containers[0].name,
        )  # fmt: skip
        yield seconds
        for container in run.containers:
            container.ready = True
        run.ready_at = clock.now()
        self._write(work)

    # -- its end ---------------------------------------------------------------------------------------

    def _begin_end(self, pod: Json, work: _Work | None) -> None:
        work = work or self._new_work(pod)
        if work is None:
            # Its node is gone: the pod garbage collector removes it.
            self._engine.after(1.0, lambda: self._remove(pod["metadata"]))
            return
        work.terminating = True
        work.grace = float(pod["metadata"].get("deletionGracePeriodSeconds") or 0)
        self._begin(work, self._end(work))

    def _end(self, work: _Work) -> Steps:
        run, clock = work.run, self._engine.clock
        yield 0.05
        namespace, name = run.key
        running = [c for c in run.containers if c.state == "running"]
        for container in running:
            self._tell(work, "Killing", f"Stopping container {container.name}", part=container.name)
        if self._faults.find(FaultKind.STUCK, namespace, name, clock.now()) is not None:
            while True:
                yield 3600.0
        if running:
            drain = work.rng.uniform(4.0, 7.5)
            yield min(work.grace, drain)
            code, reason = (0, "Completed") if drain <= work.grace else (137, "Error")
            was_ready = run.ready
            for container in running:
                container.end(clock.now(), code, reason)
            if was_ready:
                run.ready_at = clock.now()
            self._write(work)
        yield work.rng.uniform(0.4, 1.2)
        self._remove({"namespace": namespace, "name": name, "uid": work.uid})

    def _remove(self, meta: Json) -> None:
        try:
            self._store.delete("pods", meta["namespace"], meta["name"], grace=0, uid=meta["uid"])
        except ApiError:
            return
