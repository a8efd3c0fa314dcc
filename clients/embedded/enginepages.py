"""What a simulated model engine serves: its health, its models and its figures, in the manner of vLLM 0.11.

Gauges are those of ``Demand``, which autoscalers see too. Counters and histograms have every real request as
it was, and run on for the simulated ones from what an engine does at each look: nothing is kept for pods that
nobody asks.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping

from clients.embedded.apiserver.objects import Json, at_path, encode
from clients.embedded.apiserver.proxy import Handler, PageAnswer, PageRequest
from clients.embedded.curves import chance
from clients.embedded.demand import Demand, is_entry
from clients.embedded.models import load_seconds, typical_of
from clients.embedded.podbook import PodBook, PodFacts
from clients.embedded.simclock import SimClock
from clients.embedded.traffic import End, Outcome, Traffic

__all__ = ["EnginePages"]

_PORT = 8000
_BLOCK = 16
"""Tokens in a block of the KV cache."""
_TEXT = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
_JSON = {"Content-Type": "application/json"}
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
        self.aborted = 0
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

    def add(self, done: Outcome) -> None:
        """A real request has ended."""
        if done.end is not End.ANSWERED:
            self.aborted += 1
            return
        self.counts["requests"] += 1
        for name, tokens in (("prompt_tokens", done.prompt), ("generation_tokens", done.told)):
            self.counts[name] += tokens
        self.counts["prefix_cache_queries"] += done.prompt
        self._observe("e2e_request_latency_seconds", done.whole)
        self._observe("request_queue_time_seconds", done.queued)
        if done.first_token is not None:
            self._observe("time_to_first_token_seconds", done.first_token)
            if done.told > 1:
                pauses = done.told - 1
                self._observe("inter_token_latency_seconds", (done.whole - done.first_token) / pauses, pauses)

    def _observe(self, name: str, seconds: float, times: int = 1) -> None:
        self.totals[name] += times
        self.sums[name] += seconds * times
        buckets = self.buckets[name]
        for index in range(bisect_left(_HISTOGRAMS[name][1], seconds), len(buckets)):
            buckets[index] += times


class EnginePages:
    """The pages of every pod that serves a model and has loaded it."""

    def __init__(self, pods: PodBook, demand: Demand, traffic: Traffic, clock: SimClock) -> None:
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
        traffic.listeners.append(lambda pod, done: self._run(pod).add(done))

    def handler(self, pod: Json, port: int) -> Handler | None:
        """The engine of a pod. Until its weights are loaded it does not listen, and workers never do."""
        facts = self._pods.get(pod["metadata"]["namespace"], pod["metadata"]["name"])
        if facts is None or not facts.model or not is_entry(facts) or port != _port(pod):
            return None
        since = facts.running_since
        if since is None or since + load_seconds(facts.model, facts.gpus) > self._clock.now():
            return None

        async def answer(asked: PageRequest) -> PageAnswer:
            return self.answer(facts, asked.method, asked.path)

        return answer

    def answer(self, pod: PodFacts, method: str, path: str) -> PageAnswer:
        """What a running engine answers to a request that asks for no work."""
        page = self._pages.get(path)
        if page is None:
            return PageAnswer(404, _JSON, b'{"detail":"Not Found"}')
        if method not in ("GET", "HEAD"):
            return PageAnswer(405, _JSON, b'{"detail":"Method Not Allowed"}')
        return page(pod)

    def _pod_changed(self, before: PodFacts | None, now: PodFacts | None) -> None:
        """Counters are lost with the process that held them."""
        if before is not None and (now is None or now.running_since != before.running_since):
            self._runs.pop((before.namespace, before.name), None)

    def _run(self, pod: PodFacts) -> _Run:
        key = (pod.namespace, pod.name)
        run = self._runs.get(key)
        if run is None:
            began = (pod.running_since or 0.0) + load_seconds(pod.model, pod.gpus)
            run = self._runs[key] = _Run(began)
        return run

    def _metrics(self, pod: PodFacts) -> PageAnswer:
        run = self._run(pod)
        gauges = {name: self._figure(pod, f"vllm:{name}") for name in _GAUGES}
        rates, durations = self._doing(pod, gauges)
        run.go_on(self._clock.now(), rates, durations)
        cache = int(self._demand.pace(pod).kv_tokens) // _BLOCK
        return PageAnswer(200, _TEXT, _page(pod.served, run, gauges, cache).encode())

    def _figure(self, pod: PodFacts, name: str) -> float:
        return self._demand.figure(pod, name) or 0.0

    def _doing(self, pod: PodFacts, gauges: _Figures) -> tuple[_Figures, _Figures]:
        """Rates a second, and the medians of durations in seconds."""
        requests = self._demand.simulated_per_second(pod)
        whole = self._figure(pod, "vllm:e2e_request_latency_seconds")
        first = self._figure(pod, "vllm:time_to_first_token_seconds")
        prompt, told = typical_of(pod.model).prompt, typical_of(pod.model).answer
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
        "id": pod.served,
        "object": "model",
        "created": int(pod.running_since or 0),
        "owned_by": "vllm",
        "root": pod.model,
        "parent": None,
        "max_model_len": 32_768,
    }
    return PageAnswer(200, _JSON, encode({"object": "list", "data": [served]}))


def _page(model: str, run: _Run, gauges: _Figures, blocks: int) -> str:
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
    done = run.counts["requests"]
    for reason, counted in (("stop", 0.9 * done), ("length", 0.1 * done), ("abort", run.aborted)):
        count = float(int(counted))
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
    sizes = f'block_size="{_BLOCK}",kv_cache_size_tokens="{blocks * _BLOCK}",num_gpu_blocks="{blocks}"'
    lines.append(f'vllm:cache_config_info{{{sizes},engine="0"}} 1.0')
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
