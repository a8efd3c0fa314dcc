"""The kubelet's answer to ``/v1.PodResourcesLister/List``, decoded: which container holds which devices.

A hand-kept reader of the four messages in use, by the field numbers of Kubernetes' pod-resources API v1
(k8s.io/kubelet/pkg/apis/podresources/v1/api.proto, unchanged from 1.20 to 1.36 but for additions):

    ListPodResourcesResponse  1 pod_resources
    PodResources              1 name  2 namespace  3 containers
    ContainerResources        1 name  2 devices    5 dynamic_resources
    ContainerDevices          1 resource_name      2 device_ids

protobuf and generated code would be 2 MB more to keep for these ten numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from clients.serving.gpus import Holder

__all__ = ["Holding", "Malformed", "pod_devices"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Malformed(Exception):  # noqa: N818 (says what the bytes are)
    """The bytes are no such message."""


class Holding(Struct, frozen=True):
    """What the kubelet allocated: holders by device id, and how many got devices without an id."""

    holders: dict[str, tuple[Holder, ...]]
    claims: int = 0
    """Containers whose devices come from dynamic resource claims, which do not name GPUs."""


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise Malformed("a number without an end")


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The fields that hold bytes, by number; others are passed over."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            _, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        elif kind == _BYTES:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise Malformed("it is cut short")
            yield key >> 3, data[at : at + length]
            at += length
        else:
            raise Malformed(f"wire type {kind}")
    if at > len(data):
        raise Malformed("it is cut short")


def _text(data: memoryview) -> str:
    return bytes(data).decode("utf-8", "replace")


def pod_devices(answer: bytes, vendor: str = "nvidia.com/") -> Holding:
    """Reads the answer. Only resources of ``vendor`` count: other plugins name devices as they please.

    Raises:
        Malformed: the bytes are no such message.
    """
    found: dict[str, list[Holder]] = {}
    claims = 0
    for number, pod in _fields(memoryview(answer)):
        if number != 1:
            continue
        names, containers = ["", ""], []
        for part, data in _fields(pod):
            if part in (1, 2):
                names[part - 1] = _text(data)
            elif part == 3:
                containers.append(data)
        for container in containers:
            name, devices, claimed = "", [], False
            for part, data in _fields(container):
                if part == 1:
                    name = _text(data)
                elif part == 2:
                    devices += _device_ids(data, vendor)
                elif part == 5:
                    claimed = True
            claims += claimed
            for device in devices:
                base, share = _split(device)
                found.setdefault(base, []).append(Holder(names[1], names[0], name, share))
    return Holding({device: tuple(holders) for device, holders in found.items()}, claims)


def _device_ids(data: memoryview, vendor: str) -> list[str]:
    resource, ids = "", []
    for number, part in _fields(data):
        if number == 1:
            resource = _text(part)
        elif number == 2:
            ids.append(_text(part))
    return ids if resource.startswith(vendor) else []


def _split(device: str) -> tuple[str, str]:
    """A device and the share of it: ``GPU-…::3`` (NVIDIA's plugin), ``nvidia0/vgpu2`` (GKE's)."""
    base, parted, share = device.partition("::")
    if parted:
        return base, share
    base, parted, share = device.rpartition("/vgpu")
    return (base, share) if parted else (device, "")
