"""Real requests in simulated engines: how long they take, who waits, and that load moves replicas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median

import pytest

from clients.embedded.cluster import Cluster
from clients.embedded.controllers.kthena_labels import GROUP, NAME, ROLE
from clients.embedded.controllers.kthena_spec import RESOURCE
from clients.embedded.curves import Steady
from clients.embedded.gateways.routes import Backend, Routes
from clients.embedded.models import typical_of
from clients.embedded.podbook import PodFacts
from clients.embedded.route_objects import model_route_object, model_server_object
from clients.embedded.scenarios.catalogue import make_cluster
from clients.embedded.servings import Role
from clients.embedded.traffic import End, Job
from tests.support.simworld import NAMESPACE, START, World

USUAL = typical_of("microsoft/phi-4-mini")
PROMPT, ANSWER = round(USUAL.prompt), round(USUAL.answer)
ROUTES = "modelroutes.networking.serving.volcano.sh"
SERVERS = "modelservers.networking.serving.volcano.sh"


class Asker:
    """Sends requests to pods and follows them in simulated time."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.ends: dict[Job, float] = {}
        self.firsts: dict[Job, float] = {}

    def ask(self, pods: Sequence[PodFacts], prompt: int = PROMPT, wanted: int = ANSWER) -> Job:
        def heard() -> None:
            now = self.cluster.clock.now()
            if job.told:
                self.firsts.setdefault(job, now - job.arrived)
            if job.end is not None:
                self.ends.setdefault(job, now - job.arrived)

        job = Job(prompt, wanted, heard)
        self.cluster.traffic.submit(job, pods)
        return job

    def all_end(self, jobs: Sequence[Job], limit: float = 600) -> None:
        """Lives on until all of them have ended."""
        for _ in range(int(limit / 0.5)):
            if all(job.end is not None for job in jobs):
                return
            self.cluster.run_for(0.5)
        raise AssertionError("requests do not end")


def serving(
    in_flight: float = 0.0, groups: int = 1, roles: Sequence[Role] = (Role("serve"),), latency: float = 2.0
) -> World:
    """A ModelServing whose pods have eight places each and take two seconds for a usual request."""
    world = World().grown(groups, roles=roles)
    world.cluster.demand.assign(
        NAMESPACE, "chat", {NAME: "chat"}, Steady(in_flight), capacity=8, latency=latency, noise=0
    )
    world.live(30)
    return world


def pod(world: World, name: str = "chat-0-serve-0-0") -> PodFacts:
    found = world.cluster.pods.get(NAMESPACE, name)
    assert found is not None
    return found


def figure(world: World, name: str, of: str = "chat-0-serve-0-0") -> float:
    found = world.cluster.demand.figure(pod(world, of), name)
    assert found is not None
    return found


def test_a_lone_usual_request_takes_the_usual_time() -> None:
    world = serving()
    asker = Asker(world.cluster)
    job = asker.ask([pod(world)])
    asker.all_end([job])
    # An eighth of the batch is taken, by itself: everything takes an eighth longer.
    assert asker.ends[job] == pytest.approx(2 * 9 / 8, rel=0.02)
    assert asker.firsts[job] == pytest.approx(2 * 9 / 8 / 8, rel=0.02)
    assert (job.told, job.end) == (ANSWER, End.ANSWERED)


def test_tokens_come_one_by_one_and_slower_in_a_full_batch() -> None:
    gaps: dict[int, list[float]] = {1: [], 8: []}
    for company, found in gaps.items():
        world = serving()
        times: list[float] = []
        now = world.cluster.clock.now
        jobs = [Job(PROMPT, 50, lambda: None) for _ in range(company)]
        jobs[0].hear = lambda now=now, times=times: times.append(now())  # type: ignore[misc]
        for job in jobs:
            world.cluster.traffic.submit(job, [pod(world)])
        Asker(world.cluster).all_end(jobs)
        # The last one tells that it has ended.
        assert len(times) == 51
        found += [after - before for before, after in pairwise(times[:-1])]
    assert median(gaps[8]) / median(gaps[1]) == pytest.approx(2 / (9 / 8), rel=0.02)


def test_who_finds_no_place_waits_in_line() -> None:
    world = serving()
    asker = Asker(world.cluster)
    jobs = [asker.ask([pod(world)]) for _ in range(12)]
    world.live(0.2)
    added = world.cluster.demand.added(NAMESPACE, "chat-0-serve-0-0")
    assert (added.running, added.waiting) == (8, 4)
    asker.all_end(jobs)
    assert [round(asker.ends[job]) for job in jobs] == [4] * 8 + [7] * 4
    assert (added.running, added.waiting, added.tokens, added.ended) == (0, 0, 0, 12)


def test_a_full_cache_lets_fewer_in() -> None:
    world = serving()
    asker = Asker(world.cluster)
    jobs = [asker.ask([pod(world)], prompt=PROMPT * 6) for _ in range(4)]
    world.live(0.2)
    added = world.cluster.demand.added(NAMESPACE, "chat-0-serve-0-0")
    assert (added.running, added.waiting) == (2, 2)
    world.live(15)
    asker.all_end(jobs)


def test_simulated_requests_stand_in_the_same_line() -> None:
    world = serving(in_flight=12)
    assert figure(world, "vllm:num_requests_waiting") == 4
    asker = Asker(world.cluster)
    jobs = [asker.ask([pod(world)]) for _ in range(4)]
    world.live(0.2)
    added = world.cluster.demand.added(NAMESPACE, "chat-0-serve-0-0")
    # A quarter of sixteen is theirs, and so are two of the eight places.
    assert (added.running, added.waiting) == (2, 2)
    asker.all_end(jobs)


def test_load_shows_in_every_figure_and_is_gone_with_it() -> None:
    world = serving(in_flight=2, latency=60)
    names = ("vllm:num_requests_running", "vllm:kv_cache_usage_perc", "DCGM_CUSTOM_PROCESS_SM_UTIL",
             "DCGM_CUSTOM_PROCESS_MEM_USED", "vllm:e2e_request_latency_seconds")  # fmt: skip

    def device() -> tuple[float, float, float, float]:
        """Busy, memory, power of the pod's GPU, and the cores that the pod uses."""
        (own,) = [d for d in world.cluster.gpus.on(pod(world).node) if d.holders]
        found = world.cluster.gpus.figures(own)
        cores, _ = world.cluster.demand.usage(pod(world))["engine"]
        return found.sm, found.used, found.power, cores

    before, idle = {name: figure(world, name) for name in names}, device()
    asker = Asker(world.cluster)
    jobs = [asker.ask([pod(world)]) for _ in range(5)]
    world.live(16)
    after = {name: figure(world, name) for name in names}
    assert all(after[name] > before[name] for name in names)
    assert all(now > then for now, then in zip(device(), idle, strict=True))
    assert after["vllm:num_requests_running"] == before["vllm:num_requests_running"] + 5
    for job in jobs:
        world.cluster.traffic.withdraw(job)
    assert {job.end for job in jobs} == {End.WITHDRAWN}
    world.live(16)
    assert ({name: figure(world, name) for name in names}, device()) == (before, idle)


def test_answered_requests_count_in_the_rate() -> None:
    world = serving()
    asker = Asker(world.cluster)
    asker.all_end([asker.ask([pod(world)], wanted=10) for _ in range(6)])
    world.live(15)
    assert figure(world, "requests_per_second") == pytest.approx(6 / 15)
    world.live(30)
    assert figure(world, "requests_per_second") == 0


def test_prefill_and_decode_of_one_group_answer_together() -> None:
    world = serving(groups=2, roles=(Role("prefill"), Role("decode")))
    plan = world.plan(2)
    world.store.create(SERVERS, model_server_object(plan), manager="kubectl")
    world.store.create(ROUTES, model_route_object(plan), manager="kubectl")
    routes = Routes(world.store, world.cluster.pods, world.cluster.traffic.asked)
    where, backend = routes.by_model("chat")
    assert where == "llm/chat"
    assert backend is not None
    asker = Asker(world.cluster)
    jobs = []
    for _ in range(4):
        team = routes.team(backend)
        assert team is not None
        reader, writer = team
        assert (reader.labels[ROLE], writer.labels[ROLE]) == ("prefill", "decode")
        assert reader.labels[GROUP] == writer.labels[GROUP]
        jobs.append(asker.ask(team))
    assert {world.cluster.traffic.asked(p) for p in world.cluster.pods.of(NAMESPACE)} == {2}
    asker.all_end(jobs)


def routed(world: World) -> tuple[Routes, Callable[[], Backend]]:
    plan = world.plan(roles=(Role("serve"),))
    world.store.create(SERVERS, model_server_object(plan), manager="kubectl")
    world.store.create(ROUTES, model_route_object(plan), manager="kubectl")
    routes = Routes(world.store, world.cluster.pods, world.cluster.traffic.asked)

    def backend() -> Backend:
        found = routes.by_model("chat")[1]
        assert found is not None
        return found

    return routes, backend


def test_requests_go_to_ready_pods_alone_and_to_the_one_with_fewest() -> None:
    world = serving(groups=2)
    routes, backend = routed(world)
    asker = Asker(world.cluster)
    jobs = []
    for _ in range(6):
        team = routes.team(backend())
        assert team is not None
        jobs.append(asker.ask(team))
    asked = world.cluster.traffic.asked
    assert [asked(pod(world, f"chat-{at}-serve-0-0")) for at in range(2)] == [3, 3]
    world.scale(3)
    world.until(lambda: "chat-2-serve-0-0" in world.pods())
    assert all(team[-1].name != "chat-2-serve-0-0" for team in [routes.team(backend())] if team)
    asker.all_end(jobs)
    world.until(lambda: world.all_running(3))
    busy = [asker.ask([pod(world, f"chat-{at}-serve-0-0")]) for at in range(2)]
    team = routes.team(backend())
    assert team is not None
    assert team[-1].name == "chat-2-serve-0-0"
    asker.all_end(busy)
    world.scale(0)
    world.until(lambda: not world.pods())
    assert routes.team(backend()) is None


def test_requests_end_with_their_pod() -> None:
    world = serving()
    asker = Asker(world.cluster)
    jobs = [asker.ask([pod(world)], wanted=8000) for _ in range(9)]
    world.live(1)
    world.scale(0)
    world.until(lambda: not world.pods())
    assert {job.end for job in jobs} == {End.GONE}


@pytest.mark.parametrize(
    ("namespace", "name", "least"), [("default", "qwen-chat", 2), ("research", "phi-chat", 1)]
)
def test_the_circle_closes(namespace: str, name: str, least: int) -> None:
    """Twenty users: latency rises, the driver adds groups, latency falls; they leave, and it scales in."""
    cluster = make_cluster("default", start=START, speed=0)
    key = (RESOURCE, namespace, name)

    def groups() -> int:
        found = cluster.store.get(*key)
        assert found is not None
        return int(found["spec"]["replicas"])

    for _ in range(60):
        cluster.run_for(15)
        if groups() == least:
            break
    routes = Routes(cluster.store, cluster.pods, cluster.traffic.asked)
    backend = routes.by_model(name)[1]
    assert backend is not None
    took: list[tuple[float, float]] = []
    leaving = False

    def user() -> None:
        team = routes.team(backend)
        assert team is not None

        def heard() -> None:
            if job.end is End.ANSWERED:
                took.append((cluster.clock.now(), cluster.clock.now() - job.arrived))
                if not leaving:
                    user()

        job = Job(800, 200, heard)
        cluster.traffic.submit(job, team)

    def latency(seconds: float) -> float:
        since = cluster.clock.now()
        cluster.run_for(seconds)
        return median(whole for at, whole in took if at > since)

    user()
    alone = latency(15)
    for _ in range(19):
        user()
    crowded = latency(20)
    assert crowded > alone * 1.5
    most = least
    for _ in range(24):
        cluster.run_for(10)
        most = max(most, groups())
    assert most >= least + 2
    served = latency(30)
    assert served < crowded * 0.75
    leaving = True
    for _ in range(40):
        cluster.run_for(10)
        if groups() < most:
            break
    assert groups() < most
