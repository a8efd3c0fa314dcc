"""What a simulated model engine serves: its health, its models and its figures, in the manner of vLLM 0.11.

Gauges are those of ``Demand``, which autoscalers see too. Counters and histograms run on from what an engine
does at each look: nothing is kept for pods that nobody asks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from clients.embedded.apiserver.objects import Json, at_path, encode
from clients.embedded.apiserver.proxy import Handler, PageAnswer, PageRequest
from clients.embedded.curves import chance
from clients.embedded.demand import Demand, is_entry
from clients.embedded.models import load_seconds
from clients.embedded.podbook import PodBook, PodFacts
from clients.embedded.simclock import SimClock

__all__ = ["EnginePages"]

_PORT = 8000
_TEXT = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
_JSON = {"Content-Type": "application/json"}
_KV_TOKENS = 1_284_192
_SPREAD = 0.5
"""Standard deviation of the logarithm of each duration."""

_Figures = dict[str, float]

_HISTOGRAMS: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "time_to_first_token_seconds": (
        "Histogram of time to first token in seconds.",
        (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80),
    ),
    "inter_token_latency_seconds": (
        "Histogram of inter-token latency in seconds.",
        (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80),
    ),
    "e2e_request_latency_seconds": (
        "Histogram of e2e request latency in seconds.",
        (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680),
    ),
    "request_queue_time_seconds": (
        "Histogram of time spent in WAITING phase for request.",
        (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680),
    ),
}
_COUNTERS = {
    "prompt_tokens": "Number of prefill tokens processed.",
    "generation_tokens": "Number of generation tokens processed.",
    "prefix_cache_queries": "Prefix cache queries, in terms of number of queried tokens.",
    "prefix_cache_hits": "Prefix cache hits, in terms of number of cached tokens.",
    "num_preemptions": "Cumulative number of preemption from the engine.",
}
_GAUGES = {
    "num_requests_running": "Number of requests in model execution batches.",
    "num_requests_waiting": "Number of requests waiting to be processed.",
    "kv_cache_usage_perc": "KV-cache usage. 1 means 100 percent usage.",
}


class _Run:
    """What one run of an engine has done so far."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.until = began
        self.counts: _Figures = dict.fromkeys((*_COUNTERS, "requests"), 0.0)
        self.sums: _Figures = dict.fromkeys(_HISTOGRAMS, 0.0)
        self.totals: _Figures = dict.fromkeys(_HISTOGRAMS, 0.0)
        self.buckets = {name: [0.0] * len(bounds) for name, (_, bounds) in _HISTOGRAMS.items()}

    def go_on(self, now: float, rates: _Figures, durations: _Figures) -> None:
        """Adds what was done since the last look, at so much of everything a second."""
        passed, self.until = max(0.0, now - self.until), max(now, self.until)
        for name in self.counts:
            self.counts[name] += passed * rates[name]
        for name, median in durations.items():
            # Between tokens there are as many pauses as tokens.
            each = "generation_tokens" if name == "inter_token_latency_seconds" else "requests"
            seen = passed * rates[each]
            self.totals[name] += seen
            self.sums[name] += seen * median * math.exp(_SPREAD**2 / 2)
            buckets = self.buckets[name]
            for index, bound in enumerate(_HISTOGRAMS[name][1]):
                buckets[index] += seen * _share_below(bound, median)


class EnginePages:
    """The pages of every pod that serves a model and has loaded it."""

    def __init__(self, pods: PodBook, demand: Demand, clock: SimClock) -> None:
        self._pods = pods
        self._demand = demand
        self._clock = clock
        self._runs: dict[tuple[str, str], _Run] = {}
        self._pages: Mapping[str, Callable[[PodFacts], PageAnswer]] = {
            "/health": _health,
            "/v1/models": _models,
            "/metrics": self._metrics,
        }
        pods.listeners.append(self._pod_changed)

    def handler(self, pod: Json, port: int) -> Handler | None:
        """The engine of a pod. Until its weights are loaded it does not listen, and workers never do."""
        facts = self._pods.get(pod["metadata"]["namespace"], pod["metadata"]["name"])
        if facts is None or not facts.model or not is_entry(facts) or port != _port(pod):
            return None
        since = facts.running_since
        if since is None or since + load_seconds(facts.model, facts.gpus) > self._clock.now():
            return None

        async def answer(asked: PageRequest) -> PageAnswer:
            page = self._pages.get(asked.path)
            if page is None:
                return PageAnswer(404, _JSON, b'{"detail":"Not Found"}')
            if asked.method not in ("GET", "HEAD"):
                return PageAnswer(405, _JSON, b'{"detail":"Method Not Allowed"}')
            return page(facts)

        return answer

    def _pod_changed(self, before: PodFacts | None, now: PodFacts | None) -> None:
        """Counters are lost with the process that held them."""
        if before is not None and (now is None or now.running_since != before.running_since):
            self._runs.pop((before.namespace, before.name), None)

    def _metrics(self, pod: PodFacts) -> PageAnswer:
        began = (pod.running_since or 0.0) + load_seconds(pod.model, pod.gpus)
        run = self._runs.setdefault((pod.namespace, pod.name), _Run(began))
        gauges = {name: self._figure(pod, f"vllm:{name}") for name in _GAUGES}
        rates, durations = self._doing(pod, gauges)
        run.go_on(self._clock.now(), rates, durations)
        return PageAnswer(200, _TEXT, _page(pod.model, run, gauges).encode())

    def _figure(self, pod: PodFacts, name: str) -> float:
        return self._demand.figure(pod, name) or 0.0

    def _doing(self, pod: PodFacts, gauges: _Figures) -> tuple[_Figures, _Figures]:
        """Rates a second, and the medians of durations in seconds."""
        requests = self._figure(pod, "requests_per_second")
        whole = self._figure(pod, "vllm:e2e_request_latency_seconds")
        first = self._figure(pod, "vllm:time_to_first_token_seconds")
        prompt, told = 400 + 1600 * chance(pod.model, "prompt"), 100 + 300 * chance(pod.model, "answer")
        hits = 0.2 + 0.5 * chance(pod.model, "hits")
        waiting = gauges["num_requests_waiting"] / requests if requests else 0.0
        rates = {
            "requests": requests,
            "prompt_tokens": requests * prompt,
            "generation_tokens": requests * told,
            "prefix_cache_queries": requests * prompt,
            "prefix_cache_hits": requests * prompt * hits,
            "num_preemptions": 0.2 if waiting and gauges["kv_cache_usage_perc"] > 0.95 else 0.0,
        }
        durations = {
            "time_to_first_token_seconds": first,
            "inter_token_latency_seconds": max(0.0, whole - first) / told,
            "e2e_request_latency_seconds": whole,
            "request_queue_time_seconds": waiting,
        }
        return rates, durations


def _port(pod: Json) -> int:
    """The engine is a pod's first container."""
    ports = (at_path(pod, ("spec", "containers")) or [{}])[0].get("ports") or [{}]
    return int(ports[0].get("containerPort", _PORT))


def _share_below(bound: float, median: float) -> float:
    """The share of log-normal durations that is at most ``bound``."""
    if median <= 0:
        return 1.0
    return 0.5 * (1 + math.erf(math.log(bound / median) / (_SPREAD * math.sqrt(2))))


def _health(_pod: PodFacts) -> PageAnswer:
    return PageAnswer(200, _JSON)


def _models(pod: PodFacts) -> PageAnswer:
    served = {
        "id": pod.model,
        "object": "model",
        "created": int(pod.running_since or 0),
        "owned_by": "vllm",
        "root": pod.model,
        "parent": None,
        "max_model_len": 32_768,
    }
    return PageAnswer(200, _JSON, encode({"object": "list", "data": [served]}))


def _page(model: str, run: _Run, gauges: _Figures) -> str:
    """The figures in Prometheus' text format, under the names of vLLM's V1 engine."""
    labels = f'engine="0",model_name="{_quoted(model)}"'
    lines: list[str] = []

    def head(name: str, kind: str, told: str) -> None:
        lines.extend((f"# HELP vllm:{name} {told}", f"# TYPE vllm:{name} {kind}"))

    for name, told in _GAUGES.items():
        head(name, "gauge", told)
        value = gauges[name] if name.endswith("_perc") else float(round(gauges[name]))
        lines.append(f"vllm:{name}{{{labels}}} {value}")
    for name, told in _COUNTERS.items():
        head(f"{name}_total", "counter", told)
        lines.append(f"vllm:{name}_total{{{labels}}} {float(int(run.counts[name]))}")
    head("request_success_total", "counter", "Count of successfully processed requests.")
    finished = {"stop": 0.9, "length": 0.1, "abort": 0.0}
    for reason, share in finished.items():
        count = float(int(run.counts["requests"] * share))
        lines.append(f'vllm:request_success_total{{{labels},finished_reason="{reason}"}} {count}')
    for name, (told, bounds) in _HISTOGRAMS.items():
        head(name, "histogram", told)
        total = float(int(run.totals[name]))
        for bound, count in zip(bounds, run.buckets[name], strict=True):
            shown = f'{labels},le="{float(bound)}"'
            lines.append(f"vllm:{name}_bucket{{{shown}}} {float(int(count))}")
        lines.append(f'vllm:{name}_bucket{{{labels},le="+Inf"}} {total}')
        lines.append(f"vllm:{name}_count{{{labels}}} {total}")
        lines.append(f"vllm:{name}_sum{{{labels}}} {run.sums[name]}")
    head("cache_config_info", "gauge", "Information of the LLMEngine CacheConfig")
    sizes = f'block_size="16",kv_cache_size_tokens="{_KV_TOKENS}",num_gpu_blocks="{_KV_TOKENS // 16}"'
    lines.append(f'vllm:cache_config_info{{{sizes},engine="0"}} 1.0')
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
