"""What the GPUs that a workload's pods hold cost an hour, by the models of the nodes that they are on."""

from __future__ import annotations

from collections import Counter

from clients.kube.capacity import GpuLedger
from clients.serving.cost import Prices, added, hourly
from clients.serving.plans import Money
from clients.serving.workload import Workload

__all__ = ["held_cost"]


def held_cost(workload: Workload, ledger: GpuLedger, prices: Prices) -> Money | None:
    """``None`` where a model or its price is not known, or prices are in several currencies.

    What waits for a node costs nothing yet.
    """
    held: Counter[str | None] = Counter()
    for group in workload.groups:
        for role in group.roles:
            for replica in role.replicas:
                for pod in replica.pods:
                    if pod.gpus and pod.node is not None:
                        held[ledger.model(pod.node)] += pod.gpus
    parts = [None if model is None else hourly(gpus, (model,), prices) for model, gpus in held.items()]
    return added(parts, prices)
