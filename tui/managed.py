"""The zones and regions of managed clouds that the settings name, opened as backends."""

from __future__ import annotations

from collections.abc import Iterator

from clients.clock import Clock
from clients.kube.proxies import proxy_for
from clients.managed.terms import Terms
from clients.serving.backend import BackendError, CloudBackend
from clients.serving.eta import Durations
from tui.cloud_credentials import exoscale_key, modelarts_key, modelarts_project
from tui.start import Start

__all__ = ["open_managed"]


def open_managed(start: Start, clock: Clock, durations: Durations) -> Iterator[tuple[str, CloudBackend]]:
    """(name, backend) of each, in the settings' order; nobody is asked anything yet.

    Raises:
        BackendError: what the settings say cannot work: no credentials, a file that others may read.
    """
    if start.settings.exoscale.zones:
        yield from _exoscale(start, clock, durations)
    if start.settings.modelarts.regions:
        yield from _modelarts(start, clock, durations)


def _exoscale(start: Start, clock: Clock, durations: Durations) -> Iterator[tuple[str, CloudBackend]]:
    from clients.exoscale.api import ENDPOINT  # Loaded only where there is a zone to read.
    from clients.exoscale.backend import ExoscaleBackend

    settings = start.settings.exoscale
    credentials = exoscale_key(settings, start.environ)
    for zone in settings.zones:
        terms = _terms((settings.endpoint or ENDPOINT).replace("{zone}", zone), start, clock, durations)
        yield f"exoscale/{zone}", ExoscaleBackend.open(zone, credentials, terms)


def _modelarts(start: Start, clock: Clock, durations: Durations) -> Iterator[tuple[str, CloudBackend]]:
    from clients.modelarts.api import ENDPOINT  # Loaded only where there is a region to read.
    from clients.modelarts.backend import ModelArtsBackend

    settings = start.settings.modelarts
    credentials = modelarts_key(settings, start.environ)
    for region in settings.regions:
        terms = _terms((settings.endpoint or ENDPOINT).replace("{region}", region), start, clock, durations)
        project = modelarts_project(settings, start.environ, region)
        yield f"modelarts/{region}", ModelArtsBackend.open(region, project, credentials, terms)


def _terms(endpoint: str, start: Start, clock: Clock, durations: Durations) -> Terms:
    return Terms(
        clock=clock,
        endpoint=endpoint,
        prices=dict(start.settings.prices),
        durations=durations,
        proxy=_proxy(endpoint, start),
        rate=start.clock_rate,
    )


def _proxy(endpoint: str, start: Start) -> str | None:
    try:
        return proxy_for(endpoint, start.environ)
    except ValueError as error:
        raise BackendError(str(error)) from None
