"""The form of an HPA: what it looks at, how far it may go, how fast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from clients.kube.hpa_edit import HpaWish, Pace, created, edited, problems, wish_of
from clients.kube.quantity import parse
from clients.serving.changes import ObjectChange
from clients.serving.keys import ObjectRef, ScaleTarget
from clients.serving.workload import Workload
from tui.forms.form import Form
from tui.forms.rows import FormRow, Values

__all__ = ["hpa_form"]

_OTHER = "another metric"


class _Known(Struct, frozen=True):
    """A metric that engines are scaled on."""

    source: str
    metric: str
    unit: str
    """Of its target, beside the number."""
    most: int | None = None
    """Its values never go above."""


_METRICS: Mapping[str, _Known] = {
    "waiting requests": _Known("Pods", "vllm:num_requests_waiting", " a pod"),
    "KV cache use": _Known("Pods", "vllm:kv_cache_usage_perc", " a pod, of 1", 1),
    "GPU load of its processes": _Known("Pods", "DCGM_CUSTOM_PROCESS_SM_UTIL", " % a pod"),
    "GPU memory of its processes": _Known("Pods", "DCGM_CUSTOM_PROCESS_MEM_USED", " MiB a pod"),
    "latency to the first token": _Known("Pods", "vllm:time_to_first_token_seconds", " s"),
    "cpu": _Known("Resource", "cpu", " % of what is requested"),
    "memory": _Known("Resource", "memory", " % of what is requested"),
}
"""What engines and exporters call them; the adapter of a cluster may call them otherwise."""
_SOURCES = {"each pod's (custom.metrics.k8s.io)": "Pods", "one for all (external.metrics.k8s.io)": "External"}
_KEPT = "as it is (edit its YAML)"


def hpa_form(workload: Workload, ref: ObjectRef, scaled: ScaleTarget, raw: Mapping[str, Any] | None) -> Form:
    """``raw`` is the HPA as it is; ``None`` makes one on the target."""
    wish = wish_of(raw) if raw is not None else _first(workload)
    known = next((name for name, one in _METRICS.items() if one.metric == wish.metric), _OTHER)
    foreign = wish.source not in ("Resource", "Pods", "External")
    kept = (_KEPT,) if foreign else ()
    source = next((words for words, one in _SOURCES.items() if one == wish.source), next(iter(_SOURCES)))
    out, in_ = wish.scale_out, wish.scale_in
    rows = (
        FormRow("metric", "looks at", _KEPT if foreign else known, options=(*kept, *_METRICS, _OTHER)),
        FormRow("name", "metric's name", wish.metric if known == _OTHER else "", "only for another metric"),
        FormRow("source", "read from", source, options=tuple(_SOURCES)),
        FormRow("target", "target", wish.target, "per pod; cpu and memory in % of what is requested"),
        FormRow("min", "min", _number(wish.minimum)),
        FormRow("max", "max", _number(wish.maximum)),
        FormRow("out_window", "out: window s", _number(out.window), "0: at once"),
        FormRow(
            "out_limit", "out: pods/s", _limit(out), "4/60 is 4 pods in 60 s; nothing: 4 or double in 15 s"
        ),
        FormRow("in_window", "in: window s", _number(in_.window), "the controller's own, usually 300"),
        FormRow("in_limit", "in: pods/s", _limit(in_), "1/120 is one pod in 2 min; nothing: all at once"),
    )

    def change(values: Values) -> ObjectChange | str:
        try:
            asked = _wish(values, wish)
        except ValueError as error:
            return str(error)
        wrong = next(problems(asked), None)
        if wrong:
            return wrong
        if raw is None:
            return created(ref, scaled.ref, scaled.api_version, asked)
        return edited(ref, raw, asked)

    def said(values: Values) -> list[str]:
        return list(_said(values, wish, workload, raw))

    what = f"HPA {ref.name} of" if raw is not None else "A new HPA on"
    return Form(what, rows, said, change)


def _first(workload: Workload) -> HpaWish:
    """What an engine is scaled on best: by its queue, from what there is to twice as many."""
    count = max(1, workload.desired or 1)
    if workload.gpus or any(spec.gpus for spec in workload.role_specs):
        return HpaWish("Pods", "vllm:num_requests_waiting", "5", count, 2 * count)
    return HpaWish("Resource", "cpu", "70", count, 2 * count)


def _wish(values: Values, was: HpaWish) -> HpaWish:
    """Raises ValueError with what can not be read."""
    if values["metric"] == _KEPT:
        source, metric, target = was.source, was.metric, was.target
    else:
        known = _METRICS.get(values["metric"], _Known("Pods", values["name"], ""))
        source, metric = known.source, known.metric
        if source != "Resource":
            source = _SOURCES[values["source"]]
        target = values["target"].removesuffix("%") if source == "Resource" else values["target"]
    return HpaWish(
        source,
        metric,
        target,
        _read(values, "min"),
        _read(values, "max"),
        _pace(values, "out"),
        _pace(values, "in"),
    )


def _pace(values: Values, way: str) -> Pace:
    limit = values[f"{way}_limit"]
    pods, slash, period = limit.partition("/")
    if limit and not (slash and _whole(pods) and _whole(period)):
        raise ValueError(f"scaling {way} is limited as PODS/SECONDS, 4/60, not '{limit}'")
    window = _read(values, f"{way}_window")
    return Pace(window, int(pods), int(period)) if limit else Pace(window)


def _read(values: Values, name: str) -> int | None:
    text = values[name]
    if text and not _whole(text):
        raise ValueError(f"{name.replace('_', ' ')}: a whole number is needed, not '{text}'")
    return int(text) if text else None


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _said(values: Values, was: HpaWish, workload: Workload, raw: Mapping[str, Any] | None) -> Iterator[str]:
    try:
        asked = _wish(values, was)
    except ValueError as error:
        yield str(error)
        return
    known = next((one for one in _METRICS.values() if one.metric == asked.metric), None)
    unit = " a pod" if known is None else known.unit
    yield f"keeps {asked.metric or 'a metric'} at {asked.target or '?'}{unit}"
    yield from list(problems(asked))[:2]
    target = parse(asked.target)
    if known is not None and known.most is not None and target is not None and target >= known.most:
        yield f"it goes from 0 to {known.most}: a target of {asked.target} never scales it out"
    on_gpus = workload.gpus or any(spec.gpus for spec in workload.role_specs)
    if asked.metric == "cpu" and on_gpus:
        yield "cpu says little of an engine that works on GPUs: waiting requests follow its load better"
    metrics = raw.get("spec", {}).get("metrics", ()) if raw is not None else ()
    if len(metrics) > 1:
        yield f"{len(metrics) - 1} more metrics stay as they are"


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _limit(pace: Pace) -> str:
    return "" if pace.pods is None else f"{pace.pods}/{pace.period or 60}"
