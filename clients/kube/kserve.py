"""KServe InferenceServices (serving.kserve.io/v1beta1): components whose pods their Deployments keep.

Rules of KServe 0.20. The service's own status carries no counts: they are those of the Deployments that it
owns. Its ``observedGeneration`` is a Deployment's, so it is not compared with its generation.
"""

from __future__ import annotations

from collections.abc import Sequence

from clients.kube.controller_rows import ControllerRow, InferenceServiceRow
from clients.kube.membership import Asked, Member
from clients.kube.resources import ResourceSpec
from clients.kube.rows import PodRow
from clients.serving.keys import WorkloadKey
from clients.serving.phase import Phase, Trouble, TroubleKind
from clients.serving.workload import Capabilities, RoleSpec

__all__ = [
    "INFERENCE_SERVICES",
    "SYSTEM",
    "about",
    "asked",
    "capabilities",
    "component_of",
    "counted",
    "key",
    "member",
    "shown_only",
    "told_phase",
    "trouble",
]

SYSTEM = "kserve"
INFERENCE_SERVICES = ResourceSpec(
    "isvc", "serving.kserve.io", "inferenceservices", "InferenceService", ("v1beta1",)
)
_COMPONENTS = ("predictor", "transformer", "explainer")
_BLOCKED = ("BlockedByFailedLoad", "InvalidSpec")


def key(cluster: str, row: InferenceServiceRow) -> WorkloadKey:
    """Its name everywhere."""
    return WorkloadKey(cluster, SYSTEM, row.namespace, row.kind, row.name)


def capabilities(row: InferenceServiceRow) -> Capabilities:
    """What can be done to it: which of bounds and counts are its own depends on who scales it."""
    if row.mode != "Standard":
        return Capabilities(exact=False, bounds=False, to_zero=False, ready_known=True, stop=False)
    bounds = row.scaler in ("hpa", "keda")
    return Capabilities(exact=not bounds, bounds=bounds, to_zero=row.scaler != "hpa", stop=True)


def component_of(row: InferenceServiceRow, deployment: ControllerRow) -> str:
    """Which component a Deployment of the service runs, by the name that KServe gives it."""
    rest = deployment.name.removeprefix(f"{row.name}-")
    for name in _COMPONENTS:
        of_revision = deployment.service is not None and rest.startswith(f"{name}-")
        if rest == name or rest.endswith(f"-{name}") or of_revision:
            return name
    return rest


def counted(row: InferenceServiceRow, deployments: Sequence[ControllerRow]) -> bool:
    """Whether its groups can be counted: a Knative service's only where Deployments of its revisions are."""
    return row.mode == "Standard" or row.stopped or bool(deployments)


def told_phase(row: InferenceServiceRow) -> Phase:
    """What it does by its own word, where that is all there is."""
    ready = any(kind == "Ready" and status == "True" for kind, status, _, _ in row.conditions)
    return Phase.DELETING if row.deleted is not None else Phase.RUNNING if ready else Phase.CREATING


def asked(row: InferenceServiceRow, deployments: Sequence[ControllerRow]) -> Asked:
    """What is wanted, by the Deployments that it owns: nothing while it has none.

    Of a stopped service its own spec tells what it would run.
    """
    found: dict[str, ControllerRow] = {}
    counts: dict[str, int] = {}
    for deployment in deployments:
        name = component_of(row, deployment)
        found.setdefault(name, deployment)
        counts[name] = counts.get(name, 0) + deployment.replicas
    templates = {name: item.template for name, item in found.items()}
    for part in row.components if row.stopped else ():
        templates.setdefault(part.name, part.template)
    names = [name for name in _COMPONENTS if name in templates]
    names += sorted(name for name in templates if name not in names)
    roles = tuple(
        RoleSpec(
            name,
            1,
            0,
            gpus_entry=templates[name].gpus,
            placement=templates[name].placement,
        )
        for name in names
    )
    return Asked(
        roles,
        tuple((name, counts.get(name, 0)) for name in names),
        rolling=any(item.rolling for item in deployments),
        ending=row.deleted is not None,
        probed=frozenset(name for name in names if templates[name].startup_probe),
    )


def member(
    row: InferenceServiceRow, pod: PodRow, deployment: ControllerRow, replica_set: ControllerRow | None
) -> Member:
    """Where a pod stands: each is a group of one, of the component that its Deployment runs."""
    outdated = (
        replica_set is not None and bool(deployment.revision) and replica_set.revision != deployment.revision
    )
    return Member(pod.name, None, component_of(row, deployment), 0, outdated)


def trouble(row: InferenceServiceRow, before: Trouble | None, now: float) -> Trouble | None:
    """What its own status says is wrong, beyond what its pods show."""
    found: Trouble | None = None
    if row.stopped:
        return None
    if row.model_state in _BLOCKED:
        message = row.failure or "KServe says that its model can not be loaded"
        found = Trouble(TroubleKind.FAILED, row.model_state, message)
    else:
        for kind, status, reason, message in row.conditions:
            if kind == "IngressReady" and status == "False" and reason != "Stopped":
                said = message or reason or "no reason given"
                found = Trouble(TroubleKind.BLOCKED, reason or kind, f"its URL does not work: {said}")
    if found is None:
        return None
    since = before.since if before is not None and before.reason == found.reason else now
    return Trouble(found.kind, found.reason, found.message, since)


def shown_only(row: InferenceServiceRow) -> str:
    """Why a service that is not run in Standard mode is not changed here."""
    return f"a {row.mode} InferenceService is shown only: any change of its bounds makes a new revision"


def about(row: InferenceServiceRow) -> tuple[tuple[str, str], ...]:
    """Short facts for its header: how it is run and who scales it."""
    facts = [("mode", row.mode)]
    if row.mode == "Standard":
        facts.append(("autoscaler class", row.scaler))
    if row.stopped:
        facts.append(("stopped", "no pods until it is resumed"))
    return tuple(facts)
