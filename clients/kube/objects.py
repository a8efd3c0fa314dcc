"""Whole objects, fetched when a person opens one."""

from __future__ import annotations

from typing import Any

import msgspec

from clients.kube.discovery import collection, serves
from clients.kube.errors import ErrorKind, KubeError
from clients.kube.resources import ResourceSpec, in_path
from clients.kube.session import Session

__all__ = ["read_object"]


async def read_object(
    session: Session, spec: ResourceSpec, namespace: str | None, name: str, *, managed_fields: bool = False
) -> dict[str, Any]:
    """One object as the server has it now, without ``metadata.managedFields`` unless asked for.

    Raises KubeError; kind not_found also where the resource is not installed.
    """
    served = await serves(session, spec)
    if served is None:
        raise KubeError(f"{spec.plural}.{spec.group} is not installed", kind=ErrorKind.NOT_FOUND, sent=True)
    path = f"{collection(served, spec, namespace)}/{in_path(name)}"
    try:
        found = msgspec.json.decode(await session.get(path))
    except msgspec.MsgspecError:
        found = None
    if not isinstance(found, dict):
        raise KubeError(f"GET {path}: answered with no object", kind=ErrorKind.PROTOCOL, sent=True)
    metadata = found.get("metadata")
    if isinstance(metadata, dict) and not managed_fields:
        metadata.pop("managedFields", None)
    return found
