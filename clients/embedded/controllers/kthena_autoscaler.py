"""Kthena's autoscaler: every 15 s it overwrites what its policies target, from spec replicas and metrics.

It reads the pods' own pages, sends no events, and only a disaggregated policy gets a status. A pod that
failed or restarted once, or has no such page, stops all decisions that need it, silently, until it is
replaced. Bindings (v0.2 to v0.4) are acted on as those versions did, with the policy that they name.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from clients.embedded.apiserver.objects import Json, encode, timestamp
from clients.embedded.apiserver.proxy import PodPages
from clients.embedded.controllers.hpa_metrics import requirements_of
from clients.embedded.controllers.kthena_autoscaling import (
    Bounds,
    History,
    PodTotal,
    RatioError,
    blocks,
    correct,
    distribute,
    enforce_ratio,
    recommend,
)
from clients.embedded.controllers.kthena_labels import ENTRY, NAME, ROLE
from clients.embedded.controllers.kthena_policy import (
    Disaggregated,
    Plan,
    Source,
    Target,
    fill_behavior,
    read_binding,
    read_policy,
)
from clients.embedded.controllers.kthena_scrape import Past, ScrapeError, scrape, value_of
from clients.embedded.controllers.kthena_spec import RESOURCE
from clients.embedded.demand import Demand
from clients.embedded.engine import Engine
from clients.embedded.podbook import PodBook
from clients.embedded.promql import evaluate
from clients.embedded.quantity import parse_quantity
from clients.embedded.store import Store

__all__ = ["BINDINGS", "POLICIES", "KthenaAutoscaler", "review"]

POLICIES = "autoscalingpolicies.workload.serving.volcano.sh"
BINDINGS = "autoscalingpolicybindings.workload.serving.volcano.sh"
_log = logging.getLogger(__name__)

_PERIOD = 15.0
_MANAGER = "kthena-autoscaler"
_TARGETS = ("homogeneousTarget", "heterogeneousTarget", "disaggregatedTarget")


def review(operation: str, new: Json | None, subresource: str | None) -> list[str] | None:
    """Kthena's webhooks for policies: fills the behavior in, then says what is wrong."""
    if operation == "DELETE" or new is None or subresource is not None:
        return None
    spec = new["spec"]
    fill_behavior(spec)
    told = []
    names: set[str] = set()
    for index, metric in enumerate(spec.get("metrics") or ()):
        field, value = f"spec.metrics[{index}]", metric["targetValue"]
        if parse_quantity(value) <= 0:
            why = "metric target value must be greater than 0 and not equal to infinity"
            told.append(f"{field}.targetValue: Invalid value: {encode(value).decode()}: {why}")
        if metric["name"] in names:
            why = f"duplicate metric name {metric['name']} is not allowed"
            told.append(f'{field}.name: Invalid value: "{metric["name"]}": {why}')
        names.add(metric["name"])
    count = sum(1 for name in _TARGETS if spec.get(name))
    if count != 1:
        why = "exactly one of homogeneousTarget, heterogeneousTarget, or disaggregatedTarget must be set"
        told.append(f"spec: Invalid value: {count}: {why}")
    elif not spec.get("metrics") and not spec.get("disaggregatedTarget"):
        told.append("spec.metrics: Required value: at least one metric must be set")
    return told or None


class _Kept:
    """What is remembered of one target, or of one role of it."""

    def __init__(self, generation: str) -> None:
        self.generation = generation
        self.history = History()
        self.past = Past()


class KthenaAutoscaler:
    """Acts on every policy and binding from ``start`` on."""

    def __init__(self, store: Store, engine: Engine, book: PodBook, demand: Demand, pages: PodPages) -> None:
        """``pages`` are the pods'; ``demand`` answers for Prometheus."""
        self._store = store
        self._engine = engine
        self._book = book
        self._demand = demand
        self._pages = pages
        self._kept: dict[tuple[str, str], _Kept] = {}
        store.admission[POLICIES] = lambda operation, _old, new, sub: review(operation, new, sub)

    def start(self) -> None:
        """Looks at its objects from now on."""
        self._engine.every(_PERIOD, self._round)

    def _round(self) -> None:
        known = set()
        for policy in self._store.list(POLICIES):
            plan = read_policy(policy)
            uid, generation = policy["metadata"]["uid"], str(policy["metadata"].get("generation", 0))
            known.add(uid)
            if plan is not None and plan.disaggregated is not None:
                self._roles(policy, plan, plan.disaggregated, generation)
            elif plan is not None:
                self._whole(uid, generation, plan)
        for binding in self._store.list(BINDINGS):
            meta = binding["metadata"]
            policy_of = self._store.get(
                POLICIES, meta["namespace"], binding["spec"]["policyRef"].get("name", "")
            )
            plan = None if policy_of is None else read_binding(binding, policy_of)
            known.add(meta["uid"])
            if plan is not None and policy_of is not None:
                versions = f"{meta.get('generation', 0)}/{policy_of['metadata'].get('generation', 0)}"
                self._whole(meta["uid"], versions, plan)
        for key in [key for key in self._kept if key[0] not in known]:
            del self._kept[key]

    def _of(self, uid: str, part: str, generation: str) -> _Kept:
        """What is remembered of a target; an edited policy begins anew."""
        kept = self._kept.get((uid, part))
        if kept is None or kept.generation != generation:
            kept = self._kept[(uid, part)] = _Kept(generation)
        return kept

    # -- whole workloads ---------------------------------------------------------------------------------

    def _whole(self, uid: str, generation: str, plan: Plan) -> None:
        counts = {target.key: self._count(target) for target in plan.targets}
        if any(count is None for count in counts.values()):
            return
        current = sum(count or 0 for count in counts.values())
        pods: dict[str, PodTotal] = {}
        external: dict[str, float] = {}
        for target in plan.targets:
            past = self._of(uid, target.key, generation).past
            found, told = self._measure(target, plan.metrics, past)
            for name, one in found.items():
                so_far = pods.get(name, PodTotal(0.0, 0, 0))
                pods[name] = PodTotal(
                    so_far.total + one.total,
                    so_far.reporters + one.reporters,
                    so_far.unready + one.unready,
                )
            for name, value in told.items():
                external[name] = external.get(name, 0.0) + value
        bounds = {target.key: target.bounds for target in plan.targets}
        least, most = sum(b.least for b in bounds.values()), sum(b.most for b in bounds.values())
        wanted = recommend(current, least, most, plan.tolerance, plan.metrics, pods, external)
        if wanted is None:
            return
        history, now = self._of(uid, "", generation).history, self._engine.clock.now()
        total = correct(history, now, plan.behavior, current, wanted, least, most)
        shares = distribute(total, bounds, blocks(bounds, plan.expansion))
        for target in plan.targets:
            if shares[target.key] != counts[target.key]:
                self._set(target.namespace, target.name, {target.role: shares[target.key]})

    def _count(self, target: Target) -> int | None:
        """What a target's spec asks for; None if it is not there."""
        obj = self._store.get(RESOURCE, target.namespace, target.name)
        if obj is None:
            return None
        if target.role is None:
            return int(obj["spec"].get("replicas", 1))
        roles = obj["spec"]["template"]["roles"]
        return next((int(r.get("replicas", 1)) for r in roles if r["name"] == target.role), None)

    def _set(self, namespace: str, name: str, counts: Mapping[str | None, int]) -> None:
        """Sets whole replicas (None) or those of roles, all at once."""

        def change(obj: Json) -> None:
            if None in counts:
                obj["spec"]["replicas"] = counts[None]
            for role in obj["spec"]["template"]["roles"]:
                if role["name"] in counts:
                    role["replicas"] = counts[role["name"]]

        self._store.mutate(RESOURCE, namespace, name, change, manager=_MANAGER)

    # -- metrics -----------------------------------------------------------------------------------------

    def _measure(
        self, target: Target, metrics: Mapping[str, float], past: Past
    ) -> tuple[dict[str, PodTotal], dict[str, float]]:
        """(sums over pods, values of queries); what cannot be had is left out."""
        past.look(self._engine.clock.now())
        pods: dict[str, PodTotal] = {}
        external: dict[str, float] = {}
        for name in metrics:
            source = target.sources.get(name)
            if source is None:
                continue
            if source.query is not None:
                value = evaluate(self._demand, target.namespace, source.query)
                if value is not None:
                    external[name] = value
                continue
            try:
                pods[name] = self._scraped(target, source, past)
            except ScrapeError as why:
                _log.warning("collect pod metrics for target %s failed: %s", target.name, why)
        return pods, external

    def _scraped(self, target: Target, source: Source, past: Past) -> PodTotal:
        """Raises ScrapeError where a pod failed or ever restarted, there is none, or one has no such page."""
        wanted = {NAME: target.name, ENTRY: "true"}
        if target.role is not None:
            wanted[ROLE] = target.role
        terms = (*requirements_of(source.selector), *requirements_of({"matchLabels": wanted}))
        pods = self._book.select(target.namespace, terms)
        if not pods or any(pod.phase == "Failed" or pod.restarts for pod in pods):
            raise ScrapeError("pod list is empty" if not pods else "pod failed or restarted")
        ready = [pod for pod in pods if pod.phase == "Running" and pod.ready]
        values = []
        for facts in ready:
            pod = self._store.get("pods", facts.namespace, facts.name)
            assert pod is not None
            page = scrape(self._pages, pod, source.port, source.uri)
            values.append(value_of(page, source.name, facts.uid, past))
        told = [value for value in values if value is not None]
        return PodTotal(sum(told), len(told), len(pods) - len(ready))

    # -- roles -------------------------------------------------------------------------------------------

    def _roles(self, policy: Json, plan: Plan, wanted: Disaggregated, generation: str) -> None:
        uid, now = policy["metadata"]["uid"], self._engine.clock.now()
        first = next(iter(wanted.roles.values())).target
        counts = {name: self._count(role.target) for name, role in wanted.roles.items()}
        missing = [name for name, count in counts.items() if count is None]
        if missing:
            gone = self._store.record(RESOURCE, first.namespace, first.name) is None
            why = (
                f'modelservings.workload.serving.volcano.sh "{first.name}" not found'
                if gone
                else f"role {missing[0]} not found in ModelServing {first.name}"
            )
            self._report(policy, None, why)
            return
        asked: dict[str, int] = {}
        final: dict[str, int] = {}
        for name, role in wanted.roles.items():
            bounds, current = role.target.bounds, counts[name] or 0
            if role.fixed:
                asked[name] = final[name] = bounds.least
                continue
            pods, external = self._measure(role.target, role.metrics, self._of(uid, name, generation).past)
            count = recommend(
                current, bounds.least, bounds.most, plan.tolerance, role.metrics, pods, external
            )
            if count is None:
                return
            asked[name] = count
            history = self._of(uid, name, generation).history
            final[name] = correct(history, now, plan.behavior, current, count, bounds.least, bounds.most)
        adjusted = False
        if wanted.numerator:
            above, below = wanted.numerator, wanted.denominator
            try:
                final[above], final[below], adjusted = enforce_ratio(
                    final[above],
                    final[below],
                    self._bounds(wanted, above),
                    self._bounds(wanted, below),
                    wanted.least,
                    wanted.most,
                )
            except (RatioError, KeyError) as error:
                told = str(error) if isinstance(error, RatioError) else f"ratio role {error} not found"
                self._report(policy, None, "", failure=told)
                return
        if any(final[name] != counts[name] for name in final):
            by_role: dict[str | None, int] = dict(final.items())
            self._set(first.namespace, first.name, by_role)
        status = self._status(policy, wanted, counts, asked, final, generation, adjusted=adjusted)
        self._report(policy, status, "")

    @staticmethod
    def _bounds(wanted: Disaggregated, role: str) -> Bounds:
        return wanted.roles[role].target.bounds

    def _status(
        self,
        policy: Json,
        wanted: Disaggregated,
        counts: Mapping[str, int | None],
        asked: Mapping[str, int],
        final: Mapping[str, int],
        generation: str,
        *,
        adjusted: bool,
    ) -> Json:
        now = self._engine.clock.now()
        before = ((policy.get("status") or {}).get("disaggregatedStatus") or {}).get("roles") or ()
        scaled = {role["name"]: role.get("lastScaleTime") for role in before}
        roles = []
        for name in wanted.roles:
            panic = self._of(policy["metadata"]["uid"], name, generation).history.panicking(now)
            role: Json = {
                "name": name,
                "currentReplicas": counts[name],
                "desiredReplicas": asked[name],
                "mode": "Panic" if panic else "Stable",
            }
            last = timestamp(now) if final[name] != counts[name] else scaled.get(name)
            roles.append({**role, "lastScaleTime": last} if last else role)
        told: Json = {"roles": roles, "ratioAdjusted": adjusted}
        if wanted.numerator:
            told["ratioStatus"] = {"numeratorRole": wanted.numerator, "denominatorRole": wanted.denominator}
            if final[wanted.denominator]:
                ratio = final[wanted.numerator] / final[wanted.denominator]
                told["ratioStatus"]["currentRatio"] = str(ratio).removesuffix(".0")
        return told

    def _report(self, policy: Json, roles: Json | None, missing: str, failure: str = "") -> None:
        """Writes status and conditions; ``missing`` and ``failure`` say why there was no decision."""
        meta, now = policy["metadata"], timestamp(self._engine.clock.now())

        def change(obj: Json) -> None:
            status = obj.setdefault("status", {})
            status["observedGeneration"] = meta.get("generation", 0)
            why = missing or failure
            ready = ("True", "Reconciled", "AutoscalingPolicy reconciled")
            found = ("True", "TargetFound", "target ModelServing and roles found")
            if why:
                ready = ("False", "ReconcileFailed", why)
            if missing:
                found = ("False", "TargetInvalid", missing)
            for kind, (value, reason, message) in (("Ready", ready), ("TargetFound", found)):
                conditions = status.setdefault("conditions", [])
                known = next((c for c in conditions if c["type"] == kind), None)
                if known is None:
                    known = {"type": kind}
                    conditions.append(known)
                since = known["lastTransitionTime"] if known.get("status") == value else now
                known.update(
                    status=value,
                    reason=reason,
                    message=message,
                    lastTransitionTime=since,
                    observedGeneration=meta.get("generation", 0),
                )
            if roles is not None:
                status["disaggregatedStatus"] = roles

        self._store.mutate(
            POLICIES, meta["namespace"], meta["name"], change, manager=_MANAGER, subresource="status"
        )
