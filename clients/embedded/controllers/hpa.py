"""The HorizontalPodAutoscaler controller (kube-controller-manager 1.36), for anything with a scale.

Each HPA is looked at every 15 s and the little that a look takes, an edited one not sooner. What it remembers
(recommendations, changes for the rates, selectors) is in memory only: ``restart`` forgets it.
"""

from __future__ import annotations

from typing import Any

from clients.embedded.adapters import Adapters
from clients.embedded.apiserver.errors import ApiError
from clients.embedded.apiserver.hpa_rules import fill_hpa
from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.selectors import Requirement, parse_labels
from clients.embedded.controllers.hpa_algorithm import (
    Behavior,
    History,
    Tolerance,
    read_behavior,
    record_rescale,
    settle,
)
from clients.embedded.controllers.hpa_metrics import MetricFailedError, Proposed, Proposer
from clients.embedded.controllers.hpa_status import StatusDraft
from clients.embedded.controllers.recorder import Recorder, reference
from clients.embedded.controllers.scale_targets import Scale, ScaleTargets, TargetError
from clients.embedded.curves import chance
from clients.embedded.engine import Engine, Event
from clients.embedded.podbook import PodBook
from clients.embedded.store import Store

__all__ = ["HPAS", "PodAutoscaler"]

HPAS = "horizontalpodautoscalers.autoscaling"
PERIOD = 15.1
"""Seconds between two looks at an HPA: the sync period of 15 s, and the time that the look itself takes."""
_MANAGER = "kube-controller-manager"

_Key = tuple[str, str]


class _NoCountError(Exception):
    """A sync ends without a count."""


class PodAutoscaler:
    """Acts on every HPA, from ``start`` on."""

    def __init__(self, store: Store, engine: Engine, book: PodBook, adapters: Adapters) -> None:
        self._store = store
        self._engine = engine
        self._book = book
        self._targets = ScaleTargets(store)
        self._proposer = Proposer(book, adapters)
        self._recorder = Recorder(store, engine, "horizontal-pod-autoscaler")
        self._histories: dict[_Key, History] = {}
        self._selectors: dict[_Key, tuple[Requirement, ...]] = {}
        self._next: dict[_Key, Event] = {}
        self._started = False
        store.subscribe(HPAS, self._hpa_changed)

    def start(self) -> None:
        """Looks at its objects from now on, not at all of them at the same moment."""
        self._started = True
        for record in self._store.records(HPAS):
            self._enqueue(record.key, PERIOD * (1 - chance(*record.key)))

    def restart(self) -> None:
        """Forgets everything, as a new process of the controller has."""
        self._histories.clear()
        self._selectors.clear()

    def _hpa_changed(self, change: str, hpa: Json) -> None:
        key = (hpa["metadata"]["namespace"], hpa["metadata"]["name"])
        if change == "DELETED":
            self._histories.pop(key, None)
            self._selectors.pop(key, None)
            event = self._next.pop(key, None)
            if event is not None:
                event.cancel()
        elif self._started and key not in self._next:
            self._enqueue(key, PERIOD)

    def _enqueue(self, key: _Key, delay: float) -> None:
        self._next[key] = self._engine.after(delay, lambda: self._process(key))

    def _process(self, key: _Key) -> None:
        hpa = self._store.get(HPAS, *key)
        if hpa is None:
            return
        self._enqueue(key, PERIOD)
        draft = StatusDraft(hpa.get("status") or {}, self._engine.clock.now())
        try:
            self._sync(key, hpa, draft)
        finally:
            if draft.changed:
                self._write(key, draft)

    def _write(self, key: _Key, draft: StatusDraft) -> None:
        def change(obj: Json) -> None:
            obj["status"] = draft.status

        self._store.mutate(HPAS, *key, change, manager=_MANAGER, subresource="status")

    def _tell(self, hpa: Json, reason: str, message: str, kind: str = "Warning") -> None:
        self._recorder.event(reference(hpa), reason, message, kind)

    # -- one look ----------------------------------------------------------------------------------------

    def _sync(self, key: _Key, hpa: Json, draft: StatusDraft) -> None:
        # A write from inside the process bypasses the API server's defaults.
        fill_hpa(hpa)
        spec, now = hpa["spec"], self._engine.clock.now()
        try:
            scale = self._targets.read(key[0], spec["scaleTargetRef"])
        except TargetError as error:
            self._tell(hpa, "FailedGetScale", str(error))
            why = f"the HPA controller was unable to get the target's current scale: {error}"
            draft.condition("AbleToScale", False, "FailedGetScale", why)
            return
        told = "the HPA controller was able to get the target's current scale"
        draft.condition("AbleToScale", True, "SucceededGetScale", told)
        current, least, most = scale.replicas, int(spec["minReplicas"]), int(spec["maxReplicas"])
        history = self._histories.get(key)
        if history is None:
            history = self._histories[key] = History()
            history.recommendations.append((now, current))
        behavior = read_behavior(spec)
        if current == 0 and least != 0:
            off = "scaling is disabled since the replica count of the target is zero"
            draft.condition("ScalingActive", False, "ScalingDisabled", off)
            draft.counts(0, 0, None)
            return
        if current > most:
            reason, desired = "Current number of replicas above Spec.MaxReplicas", most
            metrics = None
        elif current < least:
            reason, desired = "Current number of replicas below Spec.MinReplicas", least
            metrics = None
        else:
            try:
                best, words, metrics = self._best(key, hpa, scale, behavior, draft)
            except _NoCountError as error:
                self._tell(hpa, "FailedComputeMetricsReplicas", str(error))
                return
            reason = (
                f"{words} above target" if best > current
                else "All metrics below target" if best < current
                else ""
            )  # fmt: skip
            settled = settle(history, now, current, best, least, most, behavior)
            draft.condition("AbleToScale", True, *settled.able)
            draft.condition("ScalingLimited", settled.is_limited, *settled.limited)
            desired = settled.desired
        draft.counts(current, desired, metrics)
        if desired != current:
            self._targets.write(scale, desired, manager=_MANAGER)
            done = f"the HPA controller was able to update the target scale to {desired}"
            draft.condition("AbleToScale", True, "SucceededRescale", done)
            draft.rescaled()
            self._tell(hpa, "SuccessfulRescale", f"New size: {desired}; reason: {reason}", "Normal")
            record_rescale(history, now, current, desired, behavior)

    def _best(
        self, key: _Key, hpa: Json, scale: Scale, behavior: Behavior | None, draft: StatusDraft
    ) -> tuple[int, str, list[Json]]:
        """(highest proposal, whose it is, currentMetrics). Raises _NoCountError."""
        self._check_selector(key, hpa, scale, draft)
        tolerance = Tolerance()
        if behavior is not None:
            tolerance = Tolerance(behavior.down.tolerance, behavior.up.tolerance)
        best: Proposed | None = None
        failures: list[MetricFailedError] = []
        statuses: list[Json] = []
        metrics = hpa["spec"]["metrics"]
        for metric in metrics:
            try:
                proposed = self._proposer.propose(metric, scale, tolerance, self._engine.clock.now())
            except MetricFailedError as failure:
                self._tell(hpa, failure.reason, failure.message)
                failures.append(failure)
                statuses.append({"type": ""})
                continue
            statuses.append(proposed.status)
            if best is None or proposed.replicas > best.replicas:
                best = proposed
        if best is None or (failures and best.replicas < scale.replicas):
            first = failures[0]
            why = f"the HPA was unable to compute the replica count: {first.message}"
            draft.condition("ScalingActive", False, first.reason, why)
            draft.failed(scale.replicas, statuses)
            raise _NoCountError(
                f"invalid metrics ({len(failures)} invalid out of {len(metrics)}), "
                f"first error is: {first.error}"
            )
        found = f"the HPA was able to successfully calculate a replica count from {best.description}"
        draft.condition("ScalingActive", True, "ValidMetricFound", found)
        return best.replicas, best.description, statuses

    def _check_selector(self, key: _Key, hpa: Json, scale: Scale, draft: StatusDraft) -> None:
        """Raises _NoCountError for a target without a usable selector, or one that shares its pods."""
        if not scale.selector:
            why = "selector is required"
            self._tell(hpa, "SelectorRequired", why)
            missing = "the HPA target's scale is missing a selector"
            draft.condition("ScalingActive", False, "InvalidSelector", missing)
            draft.failed(scale.replicas, None)
            raise _NoCountError(why)
        try:
            wanted = parse_labels(scale.selector)
        except ApiError as error:
            why = f"couldn't convert selector into a corresponding internal selector object: {error.message}"
            self._tell(hpa, "InvalidSelector", why)
            draft.condition("ScalingActive", False, "InvalidSelector", why)
            draft.failed(scale.replicas, None)
            raise _NoCountError(why) from None
        self._selectors[key] = wanted
        rivals = self._rivals(key, wanted)
        if rivals:
            names = " ".join(sorted(f"{namespace}/{name}" for namespace, name in (key, *rivals)))
            why = f"pods by selector {scale.selector} are controlled by multiple HPAs: [{names}]"
            self._tell(hpa, "AmbiguousSelector", why)
            draft.condition("ScalingActive", False, "AmbiguousSelector", why)
            draft.failed(scale.replicas, None)
            raise _NoCountError(why)

    def _rivals(self, key: _Key, wanted: tuple[Requirement, ...]) -> list[_Key]:
        """Other HPAs that are known to select some of the same pods."""
        others = [
            (other, terms)
            for other, terms in self._selectors.items()
            if other != key and other[0] == key[0] and not _apart(terms, wanted)
        ]
        if not others:
            return []
        pods = self._book.select(key[0], wanted)
        return [o for o, terms in others if any(all(t.matches(p.labels) for t in terms) for p in pods)]


def _apart(first: tuple[Requirement, ...], second: tuple[Requirement, ...]) -> bool:
    """Whether no labels can satisfy both, seen without looking at any pod."""
    values: dict[str, Any] = {term.key: term.values for term in first if term.operator == "in"}
    return any(
        term.operator == "in" and term.key in values and not values[term.key] & term.values for term in second
    )
