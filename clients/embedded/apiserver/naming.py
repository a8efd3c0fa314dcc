"""What names, labels and annotations may look like."""

from __future__ import annotations

import re

from clients.embedded.apiserver.errors import Cause
from clients.embedded.apiserver.objects import Json, encode
from clients.embedded.apiserver.registry import Resource

__all__ = ["metadata_causes"]

_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_QUALIFIED = re.compile(r"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$")
_LABEL_NAMES = frozenset(("namespaces", "services"))
_SEGMENT_GROUP = "rbac.authorization.k8s.io"
"""Names in this group, such as ``system:basic-user``, need only be one segment of a path."""
_ANNOTATION_BYTES = 256 * 1024
_NAME_PART = "name part must consist of alphanumeric characters, '-', '_' or '.'"


def metadata_causes(definition: Resource, metadata: Json) -> list[Cause]:
    """What is wrong with an object's metadata."""
    causes: list[Cause] = []
    name = metadata.get("name")
    if not name:
        why = "Required value: name or generateName is required"
        causes.append(Cause("FieldValueRequired", why, "metadata.name"))
    else:
        _check_name(definition, str(name), causes)
    for key, value in (metadata.get("labels") or {}).items():
        where = "metadata.labels"
        if not _qualified(key):
            causes.append(_bad(key, _NAME_PART, where))
        if not isinstance(value, str) or len(value) > 63 or (value and not _QUALIFIED.match(value)):
            why = (
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_', '.' "
                "and must start and end with an alphanumeric character, 63 characters at most"
            )
            causes.append(_bad(value, why, where))
    annotations = metadata.get("annotations") or {}
    if sum(len(str(k)) + len(str(v)) for k, v in annotations.items()) > _ANNOTATION_BYTES:
        why = f"Too long: may not be more than {_ANNOTATION_BYTES} bytes"
        causes.append(Cause("FieldValueTooLong", why, "metadata.annotations"))
    for key in annotations:
        if not _qualified(key.lower()):
            causes.append(_bad(key, _NAME_PART, "metadata.annotations"))
    return causes


def _bad(value: object, why: str, field: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {encode(value).decode()}: {why}", field)


def _check_name(definition: Resource, name: str, causes: list[Cause]) -> None:
    if definition.group == _SEGMENT_GROUP:
        if name in (".", ".."):
            causes.append(_bad(name, f"may not be '{name}'", "metadata.name"))
        causes += [_bad(name, f"may not contain '{c}'", "metadata.name") for c in "/%" if c in name]
    elif definition.key in _LABEL_NAMES:
        if len(name) > 63 or not _LABEL.match(name):
            why = (
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
                "and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', "
                "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            )
            causes.append(_bad(name, why, "metadata.name"))
    elif len(name) > 253 or not _SUBDOMAIN.match(name):
        why = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
            "and must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
            "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        )
        causes.append(_bad(name, why, "metadata.name"))


def _qualified(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not _SUBDOMAIN.match(prefix)):
        return False
    return len(name) <= 63 and _QUALIFIED.match(name) is not None
