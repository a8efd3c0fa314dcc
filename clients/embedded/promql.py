"""Prometheus, as far as autoscalers ask it here: one figure of a service's pods, summed or averaged.

Understood are a figure's name, matchers ``service``, ``model_name``, ``app`` (a service), ``namespace`` and
``role``, and an ``avg`` or ``max`` around it; everything else of a query is passed over.
"""

from __future__ import annotations

import re

from clients.embedded.demand import FIGURES, Demand, is_entry

__all__ = ["evaluate"]

_MATCHER = re.compile(r'\b([a-z_]+)\s*=~?\s*"([^"]*)"')
_NAMES = sorted(FIGURES, key=len, reverse=True)
_SERVICE = ("service", "model_name", "app")
_ROLE = "modelserving.volcano.sh/role"


def evaluate(demand: Demand, namespace: str, query: str) -> float | None:
    """The scalar that a query gives, None where it names no figure or matches no service.

    Requests that wait are counted at the gateway while a service has no pod.
    """
    figure = next((name for name in _NAMES if name in query), None)
    if figure is None:
        return None
    matchers = dict(_MATCHER.findall(query))
    place = matchers.get("namespace", namespace)
    named = next((matchers[label] for label in _SERVICE if label in matchers), None)
    services = [s for s in demand.services(place) if named is None or s.name == named]
    if not services:
        return None
    role = matchers.get("role")
    pods = [
        pod
        for service in services
        for pod in service.pods.values()
        if is_entry(pod) and not pod.deleting and (role is None or pod.labels.get(_ROLE) == role)
    ]
    values = [value for pod in pods if (value := demand.figure(pod, figure)) is not None]
    if not values:
        return sum(demand.total(service, figure) or 0.0 for service in services)
    if "max" in query:
        return max(values)
    return sum(values) / len(values) if "avg" in query else sum(values)
