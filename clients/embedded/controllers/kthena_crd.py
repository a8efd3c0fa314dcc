"""The ModelServing definition as each version of Kthena ships it, so that a client can tell them apart.

HEAD has ``roles[].partition`` and printer columns; v1.0 has neither. The documented order never shipped: it
comes with v1.0's definition.
"""

from __future__ import annotations

import copy

from clients.embedded.apiserver.crds import standard_crds
from clients.embedded.apiserver.objects import Json, at_path
from clients.embedded.controllers.kthena_order import Flavour
from clients.embedded.controllers.kthena_spec import RESOURCE

__all__ = ["crds_of"]

_ROLE = ("properties", "spec", "properties", "template", "properties", "roles", "items", "properties")


def crds_of(flavour: Flavour) -> list[Json]:
    """All custom resources of the embedded cluster, with Kthena's in the shape of ``flavour``."""
    crds = [copy.deepcopy(crd) for crd in standard_crds()]
    if flavour is Flavour.HEAD:
        return crds
    for crd in crds:
        if crd["metadata"]["name"] != RESOURCE:
            continue
        for version in crd["spec"]["versions"]:
            version.pop("additionalPrinterColumns", None)
            role = at_path(version, ("schema", "openAPIV3Schema", *_ROLE))
            if role is not None:
                role.pop("partition", None)
    return crds
