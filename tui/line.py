"""One cluster connected to one fleet store: backend, audit log, learned durations, scaling. Made by ``open``.

The console and every command without a screen read and write through the same line.
"""

from __future__ import annotations

from contextlib import suppress

from clients.clock import Clock
from clients.kube.backend import KubeBackend
from clients.kube.cluster_gpus import GpuOptions
from clients.kube.config import ClusterConfig
from clients.kube.plan_parts import Asker
from tui.audit import AuditLog, Author
from tui.fleet import Fleet
from tui.gpus import Gpus
from tui.learned import LearnedDurations
from tui.pins import Pins
from tui.scaling import Policy, Scaling
from tui.start import Start, login_name
from tui.state import StateDir, StateError

__all__ = ["Line"]


class Line:
    """What reads and what writes, for one context. Everything belongs to one event loop."""

    def __init__(
        self,
        config: ClusterConfig,
        backend: KubeBackend,
        scaling: Scaling,
        learned: LearnedDurations,
        gpus: Gpus,
    ) -> None:
        self.config = config
        self.backend = backend
        self.scaling = scaling
        self.gpus = gpus
        self._learned = learned
        self._saved = learned.durations.version

    @classmethod
    async def open(
        cls,
        start: Start,
        config: ClusterConfig,
        fleet: Fleet,
        clock: Clock,
        namespaces: tuple[str, ...] | None,
    ) -> Line:
        """Prepares the connection and attaches the fleet to it; the server is asked nothing yet.

        Raises:
            KubeError: the configuration cannot work.
        """
        state = StateDir(start.state)
        pins = Pins(state)
        pins.refresh()
        learned = LearnedDurations(state)
        with suppress(StateError):  # Without a past there is "no history"; nothing else is lost.
            learned.load()
        gpu = start.settings.gpu
        backend = await KubeBackend.open(
            config,
            clock=clock,
            namespaces=namespaces,
            order=start.settings.kthena_order,
            all_workloads=start.settings.show == "all",
            prices=dict(start.settings.prices),
            durations=learned.durations,
            asker=Asker(config.context, start.connect.as_user, start.connect.as_groups),
            gpu=GpuOptions(gpu.prometheus, gpu.token(), gpu.always),
        )
        scaling = Scaling(
            backend,
            AuditLog.in_directories(start.state, start.runtime, clock),
            Author(login_name(), config.context, start.connect.as_user),
            Policy(start.mode(config.context), start.settings.confirm_scale_in),
            pins,
        )
        fleet.attach(
            learned.durations,
            times=lambda cluster: backend.clock,
            actor=scaling.actor,
            ended=scaling.operation_ended,
            mark=pins.mark,
            limit=start.settings.operation_timeout,
        )
        for operation in scaling.unfinished():
            fleet.resume(operation)
        gpus = Gpus(lambda: backend.gpus, backend.gpus_held, fleet.view, clock)
        return cls(config, backend, scaling, learned, gpus)

    def look(self, fleet: Fleet, seen_at: float) -> None:
        """Takes in what other consoles and people did to audit log and pins; joins GPUs if asked."""
        self.gpus.turn()
        self.scaling.look()
        pins, workloads = self.scaling.pins, fleet.view().workloads
        others = {key: workloads[key] for key in pins.refresh() if key in workloads}
        if others:
            fleet.publish(others, ())
        told = pins.check(workloads, self.backend.clock.now(), seen_at)
        if told:
            fleet.events(told)

    def save(self) -> None:
        """Writes down what was learned, if there is anything new."""
        version = self._learned.durations.version
        if version != self._saved:
            with suppress(StateError):  # What could not be kept is learned again.
                self._learned.save()
            self._saved = version

    async def close(self) -> None:
        """Lets what was begun come to its line in the audit log, then ends the connections."""
        await self.scaling.close()
        await self.backend.close()
        self.save()
