"""Real requests inside the simulated engines: who waits, who is in the batch, when each token comes.

A request takes a place at one pod, or at a prefill and a decode pod of one group, from its admission to its
end. Simulated requests (``Demand``) stand in the same line: where both together are more than a pod has
places for, each kind has its share of them. First come, first served; a request is let in when all its pods
have a place and room in the KV cache for its prompt and its whole answer. Then its prompt is read, at the
speed of its first pod, and its tokens come at each step of its last one, all requests of a batch at once.
Everything takes its simulated time: at ``--speed`` 2 an answer comes in half of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum

from msgspec import Struct

from clients.embedded.demand import Added, Demand
from clients.embedded.engine import Engine, Event
from clients.embedded.pace import Pace
from clients.embedded.podbook import PodBook, PodFacts

__all__ = ["End", "Job", "Outcome", "Traffic"]

_SHORTEST_STEP = 0.005
"""Real seconds between two steps of a batch: at high speeds one step brings several tokens."""
_LOOK_AGAIN = 0.05
"""Simulated seconds until a batch that stands still looks whether another pod has made room."""
_ROUNDING = 1e-6


class End(Enum):
    """How a request ends."""

    ANSWERED = "answered"
    GONE = "gone"
    """Its pod is gone."""
    WITHDRAWN = "withdrawn"
    """Nobody waits for it any more."""


class Job:
    """A request as engines see it. ``hear`` is called after each change of ``told`` and ``end``."""

    __slots__ = ("admitted", "arrived", "end", "first", "hear", "left", "pods", "progress", "prompt", "told",
                 "wanted")  # fmt: skip

    def __init__(self, prompt: int, wanted: int, hear: Callable[[], None]) -> None:
        """``prompt`` tokens to read, ``wanted`` tokens to write; 0 of these: a prediction, told in one go."""
        self.prompt = prompt
        self.wanted = wanted
        self.hear = hear
        self.told = 0
        """Tokens told so far."""
        self.end: End | None = None
        self.arrived = self.admitted = self.first = 0.0
        """Simulated times; 0 before they happened."""
        self.left = 0.0
        """Seconds of reading left on an idle pod."""
        self.progress = 0.0
        self.pods: tuple[_Seats, ...] = ()

    @property
    def tokens(self) -> int:
        """What it holds in the KV cache."""
        return self.prompt + self.wanted


class Outcome(Struct, frozen=True):
    """What became of a request; all durations in simulated seconds."""

    prompt: int
    told: int
    queued: float
    first_token: float | None
    """``None``: it did not come to that."""
    whole: float
    end: End


class _Seats:
    """The places of one pod."""

    __slots__ = ("_demand", "added", "batch", "pace", "pod")

    def __init__(self, pod: PodFacts, demand: Demand) -> None:
        self._demand = demand
        self.pod = pod
        self.pace: Pace = demand.pace(pod)
        self.added: Added = demand.added(pod.namespace, pod.name)
        self.batch: _Batch | None = None

    @property
    def asked(self) -> int:
        """Real requests here."""
        return self.added.running + self.added.waiting

    def simulated(self) -> float:
        """Simulated requests in the batch."""
        return self.pace.left(self._demand.simulated(self.pod), self.added.running)

    def slowdown(self) -> float:
        """By how much a full batch slows everything."""
        return self.pace.slowdown(self.simulated() + self.added.running)

    def has_room(self, job: Job) -> bool:
        """Whether one more may begin; one is always served."""
        if not self.added.running:
            return True
        others = self._demand.simulated(self.pod)
        places = self.asked * min(1.0, self.pace.capacity / (self.asked + others))
        cached = self.simulated() * self.pace.typical.tokens + self.added.tokens
        return self.added.running + 1 <= places + 0.5 and cached + job.tokens <= self.pace.kv_tokens


class _Batch:
    """The line and the batch of the pod that answers."""

    __slots__ = ("at", "event", "line", "running", "seats", "step")

    def __init__(self, seats: _Seats) -> None:
        self.seats = seats
        self.line: deque[Job] = deque()
        self.running: list[Job] = []
        self.at = 0.0
        """Simulated time up to which all is done."""
        self.step = 0.0
        """Seconds from token to token; 0 while no token is written."""
        self.event: Event | None = None


class Traffic:
    """All real requests of one cluster."""

    def __init__(self, book: PodBook, demand: Demand, engine: Engine) -> None:
        self._demand = demand
        self._engine = engine
        self._seats: dict[tuple[str, str], _Seats] = {}
        self.listeners: list[Callable[[PodFacts, Outcome], None]] = []
        """Hear of every request's end, once for each of its pods."""
        book.listeners.append(self._pod_changed)

    def asked(self, pod: PodFacts) -> int:
        """Real requests at a pod."""
        seats = self._seats.get((pod.namespace, pod.name))
        return 0 if seats is None else seats.asked

    def submit(self, job: Job, pods: Sequence[PodFacts]) -> None:
        """Puts a request in line at ``pods``: the last one answers, the first one reads the prompt."""
        seats = tuple(self._seats_of(pod) for pod in pods)
        job.pods, job.arrived = seats, self._engine.clock.now()
        job.left = seats[0].pace.prefill_seconds(job.prompt) if job.wanted else seats[0].pace.latency
        for one in seats:
            one.added.waiting += 1
        batch = seats[-1].batch
        if batch is None:
            batch = seats[-1].batch = _Batch(seats[-1])
        batch.line.append(job)
        # Between two steps nobody is let in.
        if not batch.step:
            self._look(batch)

    def withdraw(self, job: Job) -> None:
        """Nobody waits for it any more. Ended ones are left alone."""
        batch = job.pods[-1].batch
        if job.end is not None or batch is None:
            return
        self._end(batch, job, End.WITHDRAWN)
        if not batch.step:
            self._look(batch)

    # -- inside ------------------------------------------------------------------------------------------

    def _seats_of(self, pod: PodFacts) -> _Seats:
        key = (pod.namespace, pod.name)
        seats = self._seats.get(key)
        if seats is None or seats.pod.uid != pod.uid:
            seats = self._seats[key] = _Seats(pod, self._demand)
        seats.pod, seats.pace = pod, self._demand.pace(pod)
        return seats

    def _look(self, batch: _Batch) -> None:
        """Does what is due by now: tokens, ends, admissions."""
        now = self._engine.clock.now()
        passed, batch.at = max(0.0, now - batch.at), now
        if passed:
            for job in [job for job in batch.running if self._moved(batch, job, passed, now)]:
                self._end(batch, job, End.ANSWERED)
        while batch.line and all(seats.has_room(batch.line[0]) for seats in batch.line[0].pods):
            self._admit(batch, batch.line.popleft(), now)
        self._plan(batch, now)

    def _moved(self, batch: _Batch, job: Job, passed: float, now: float) -> bool:
        """What a request came on in so many seconds; answers whether that was all."""
        if job.left > 0:
            job.left -= passed / job.pods[0].slowdown()
            if job.left > _ROUNDING:
                return False
            job.left, job.first = 0.0, now
            told = min(1, job.wanted)
        else:
            job.progress += passed / batch.step
            told = min(job.wanted, 1 + int(job.progress + _ROUNDING))
        if told > job.told:
            job.told = told
            job.hear()
        return told >= job.wanted

    def _admit(self, batch: _Batch, job: Job, now: float) -> None:
        job.admitted = now
        batch.running.append(job)
        for seats in job.pods:
            seats.added.waiting -= 1
            seats.added.running += 1
            seats.added.tokens += job.tokens

    def _plan(self, batch: _Batch, now: float) -> None:
        if batch.event is not None:
            batch.event.cancel()
            batch.event = None
        writing = any(job.left <= 0 for job in batch.running)
        batch.step = batch.seats.pace.token_seconds * batch.seats.slowdown() if writing else 0.0
        if writing:
            due = batch.step
        elif batch.running:
            due = min(job.left * job.pods[0].slowdown() for job in batch.running)
        elif batch.line:
            due = _LOOK_AGAIN
        else:
            return
        due = max(due, _SHORTEST_STEP * self._engine.clock.speed)
        batch.event = self._engine.at(now + due, lambda: self._look(batch))

    def _end(self, batch: _Batch, job: Job, end: End) -> None:
        job.end = end
        if job.admitted:
            batch.running.remove(job)
        else:
            batch.line.remove(job)
        now = self._engine.clock.now()
        outcome = Outcome(
            prompt=job.prompt,
            told=job.told,
            queued=(job.admitted or now) - job.arrived,
            first_token=job.first - job.arrived if job.first else None,
            whole=now - job.arrived,
            end=end,
        )
        for seats in job.pods:
            if job.admitted:
                seats.added.running -= 1
                seats.added.tokens -= job.tokens
            else:
                seats.added.waiting -= 1
            seats.added.ended += end is End.ANSWERED
            for listener in self.listeners:
                listener(seats.pod, outcome)
        job.hear()

    def _pod_changed(self, before: PodFacts | None, now: PodFacts | None) -> None:
        if before is None:
            return
        key = (before.namespace, before.name)
        seats = self._seats.get(key)
        if seats is None:
            return
        if now is not None and now.uid == before.uid and now.running_since == before.running_since:
            seats.pod = now
            return
        # Its process is gone, and all requests that had a place at it.
        del self._seats[key]
        for other in [seats, *self._seats.values()]:
            batch = other.batch
            if batch is None:
                continue
            for job in [job for job in (*batch.running, *batch.line) if seats in job.pods]:
                self._end(batch, job, End.GONE)
            if other is seats and batch.event is not None:
                batch.event.cancel()
