"""What the exporters' pods serve: GPUs in the names and the format of dcgm-exporter 4.8, or of our agent.

A page is made when somebody asks and stands still for as long as its exporter samples: 30 simulated seconds,
one for the agent. Clusters in the field differ in how their pages name pods; so do these nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clients.embedded.apiserver.objects import Json
from clients.embedded.apiserver.proxy import Handler, PageAnswer, PageRequest
from clients.embedded.gpu_exporters import AGENT, EXPORTER, PORT, naming_of
from clients.embedded.gpus import Device, Figures, Gpus
from clients.embedded.nodes import Nodes
from clients.embedded.simclock import SimClock

__all__ = ["GpuPages"]

_TEXT = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
_INTERVALS = {EXPORTER: 30.0, AGENT: 1.0}
_WHO = {
    "": ("container", "namespace", "pod"),
    "exported": ("exported_container", "exported_namespace", "exported_pod"),
    "old": ("container_name", "pod_namespace", "pod_name"),
}
_Metric = tuple[str, str, str, Callable[[Figures], float]]
_METRICS: Sequence[_Metric] = (
    ("DCGM_FI_DEV_SM_CLOCK", "gauge", "SM clock frequency (in MHz).", lambda f: round(f.clock)),
    ("DCGM_FI_DEV_MEM_CLOCK", "gauge", "Memory clock frequency (in MHz).", lambda f: 2619),
    ("DCGM_FI_DEV_MEMORY_TEMP", "gauge", "Memory temperature (in C).", lambda f: round(f.temperature + 9)),
    ("DCGM_FI_DEV_GPU_TEMP", "gauge", "GPU temperature (in C).", lambda f: round(f.temperature)),
    ("DCGM_FI_DEV_POWER_USAGE", "gauge", "Power draw (in W).", lambda f: round(f.power, 3)),
    ("DCGM_FI_DEV_ENFORCED_POWER_LIMIT", "gauge", "Power limit (in W).", lambda f: 700),
    ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "counter", "Total number of PCIe retries.", lambda f: 0),
    ("DCGM_FI_DEV_GPU_UTIL", "gauge", "GPU utilization (in %).", lambda f: round(f.sm)),
    ("DCGM_FI_DEV_MEM_COPY_UTIL", "gauge", "Memory utilization (in %).", lambda f: round(60 * f.dram)),
    ("DCGM_FI_DEV_ENC_UTIL", "gauge", "Encoder utilization (in %).", lambda f: 0),
    ("DCGM_FI_DEV_DEC_UTIL", "gauge", "Decoder utilization (in %).", lambda f: 0),
    ("DCGM_FI_DEV_XID_ERRORS", "gauge", "Value of the last XID error encountered.", lambda f: f.xid),
    ("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", "gauge", "Why clocks are held down.", lambda f: f.reasons),
    ("DCGM_FI_DEV_FB_FREE", "gauge", "Memory free (in MiB).", lambda f: _free(f)),
    ("DCGM_FI_DEV_FB_USED", "gauge", "Memory used (in MiB).", lambda f: round(f.used)),
    ("DCGM_FI_DEV_FB_RESERVED", "gauge", "Memory reserved (in MiB).", lambda f: _reserved(f)),
    ("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", "counter", "Rows remapped.", lambda f: 0),
    ("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "counter", "Rows remapped.", lambda f: 0),
    ("DCGM_FI_DEV_ROW_REMAP_FAILURE", "gauge", "Whether remapping of rows has failed.", lambda f: 0),
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gauge", "Graphics engine active.", lambda f: _ratio(f.sm / 100)),
    ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "gauge", "Tensor pipe active.", lambda f: _ratio(f.tensor)),
    ("DCGM_FI_PROF_DRAM_ACTIVE", "gauge", "Memory interface active.", lambda f: _ratio(f.dram)),
    ("DCGM_FI_PROF_PCIE_TX_BYTES", "gauge", "Bytes sent a second.", lambda f: round(4e8 * f.dram)),
    ("DCGM_FI_PROF_PCIE_RX_BYTES", "gauge", "Bytes received a second.", lambda f: round(6e8 * f.dram)),
)


class GpuPages:
    """The pages of all exporters."""

    def __init__(self, gpus: Gpus, nodes: Nodes, clock: SimClock) -> None:
        self._gpus = gpus
        self._nodes = nodes
        self._clock = clock
        self._made: dict[tuple[str, str], tuple[float, bytes]] = {}
        """By node and kind of exporter: since when its page stands, and the page."""

    def handler(self, pod: Json, port: int) -> Handler | None:
        """The exporter of a pod; nobody listens on a node that is lost, or whose exporter hangs."""
        naming = naming_of(pod)
        node = pod["spec"].get("nodeName") or ""
        if naming is None or port != PORT or not self._nodes.alive(node):
            return None

        async def answer(asked: PageRequest) -> PageAnswer:
            if asked.path == "/health":
                return PageAnswer(200, _TEXT, b"KO" if naming.silent else b"OK")
            if naming.silent:
                return PageAnswer(500, _TEXT, b"failed to watch fields: DCGM does not answer\n")
            if asked.path != "/metrics":
                return PageAnswer(404, _TEXT, b"404 page not found\n")
            return PageAnswer(200, _TEXT, self._page(node, naming.kind, naming.labels, pod))

        return answer

    def _page(self, node: str, kind: str, labels: str, pod: Json) -> bytes:
        now, interval = self._clock.now(), _INTERVALS[kind]
        since, page = self._made.get((node, kind), (float("-inf"), b""))
        # An exporter begins when its pod did, so that not all of them sample at once.
        begun = now - (now + 7 * len(node) + sum(map(ord, node))) % interval
        if since < begun:
            devices = [(device, self._gpus.figures(device)) for device in self._gpus.on(node)]
            text = _written(devices, labels, node, pod)
            if kind == AGENT:
                text = _agent(node, now - begun) + text
            page = text.encode()
            self._made[(node, kind)] = (begun, page)
        return page


def _agent(node: str, age: float) -> str:
    host = f'Hostname="{node}"'
    return "".join(
        f"# TYPE {name} gauge\n{name}{{{host}}} {value}\n"
        for name, value in (
            ("servegrid_driver_up", 1),
            ("servegrid_attribution_up", 1),
            ("servegrid_sample_age_seconds", f"{age:.3f}"),
        )
    )


def _written(devices: Sequence[tuple[Device, Figures]], labels: str, node: str, pod: Json) -> str:
    rows = [
        (row, figures) for device, figures in devices for row in _rows(device, labels, node, pod["metadata"])
    ]
    lines: list[str] = []
    for name, kind, told, value in _METRICS:
        lines += (f"# HELP {name} {told}", f"# TYPE {name} {kind}")
        lines += [f"{name}{{{row}}} {value(figures)}" for row, figures in rows]
    return "\n".join(lines) + "\n"


def _rows(device: Device, labels: str, node: str, exporter: Json) -> list[str]:
    """The labels of a device's rows: one row, or one for each who shares it."""
    host = "hostname" if labels == "exported" else "Hostname"
    pairs = [
        ("gpu", str(device.index)),
        ("UUID", device.uuid),
        ("pci_bus_id", f"00000000:{0x10 + device.index:02X}:00.0"),
        ("device", f"nvidia{device.index}"),
        ("modelName", "NVIDIA H100 80GB HBM3"),
    ]
    if device.instance is not None:
        pairs += [("GPU_I_PROFILE", device.profile), ("GPU_I_ID", str(device.instance))]
    pairs += [(host, node), ("DCGM_FI_DRIVER_VERSION", "580.95.05")]
    if labels == "exported":
        pairs += [
            ("container", "nvidia-dcgm-exporter"),
            ("namespace", exporter["namespace"]),
            ("pod", exporter["name"]),
        ]
    rows = []
    for holder, share in device.holders or ((None, 0),):
        who = []
        if holder is not None:
            told = (holder.containers[0].name, holder.namespace, holder.name)
            who = list(zip(_WHO[labels], told, strict=True))
            if len(device.holders) > 1:
                who.append(("vgpu", str(share)))
        rows.append(",".join(f'{name}="{value}"' for name, value in (*pairs, *who)))
    return rows


def _reserved(figures: Figures) -> int:
    return round(figures.total * 0.0068)


def _free(figures: Figures) -> int:
    return max(0, round(figures.total) - round(figures.used) - _reserved(figures))


def _ratio(value: float) -> float:
    return round(value, 6)
