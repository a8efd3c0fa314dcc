"""Pages as dcgm-exporter writes them, to the last label."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["DEVICE", "page", "row"]

DEVICE = {
    "gpu": "0",
    "UUID": "GPU-0",
    "pci_bus_id": "00000000:10:00.0",
    "device": "nvidia0",
    "modelName": "NVIDIA H100 80GB HBM3",
    "Hostname": "node-a",
    "DCGM_FI_DRIVER_VERSION": "580.95.05",
}


def row(name: str, value: object, **labels: str) -> str:
    """One line; labels named here come on top of those of ``DEVICE``, empty ones are left out."""
    pairs: Mapping[str, str] = {**DEVICE, **labels}
    return name + "{" + ",".join(f'{k}="{v}"' for k, v in pairs.items() if v) + f"}} {value}\n"


def page(*rows: str) -> bytes:
    """A page of such lines."""
    return "".join(rows).encode()
