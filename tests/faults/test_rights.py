"""No right, no login, no such resource: states of a source, never its end."""

from __future__ import annotations

from clients.clock import Clock, SystemClock
from clients.kube.credentials import Credential
from clients.kube.errors import ErrorKind, KubeError
from clients.kube.resources import ResourceSpec, Scope
from clients.kube.session import Session
from clients.serving.sources import SourceState
from tests.support.kube import THINGS, reflecting, session_to, until
from tests.support.misbehaving import GROUP, Misbehaving, is_list, is_watch

CLUSTERWIDE = ("list", None)


def in_namespaces(server: Misbehaving, *names: str) -> dict[str, dict[str, object]]:
    return {uid: o for uid, o in server.objects.items() if o["metadata"]["namespace"] in names}


async def test_a_single_resource_is_denied_and_granted_later(server: Misbehaving, session: Session) -> None:
    spec = ResourceSpec("things", GROUP, "things", "Thing", ("v1",), scope=Scope.CLUSTER)
    server.denied.add(CLUSTERWIDE)
    async with reflecting(session, spec=spec) as run:
        await until(lambda: run.reflector.status.state is SourceState.DENIED)
        detail = run.reflector.status.detail or ""
        assert 'cannot list resource "things"' in detail
        server.denied.clear()
        await until(lambda: run.live() and run.agrees(server.objects))


async def test_list_allowed_and_watch_denied_is_read_again_and_again(
    server: Misbehaving, session: Session
) -> None:
    spec = ResourceSpec("things", GROUP, "things", "Thing", ("v1",), scope=Scope.CLUSTER)
    server.denied.add(("watch", None))
    async with reflecting(session, spec=spec) as run:
        await until(lambda: run.reflector.status.state is SourceState.DENIED)
        assert "cannot watch" in (run.reflector.status.detail or "")
        server.put("six", value=6)
        await until(lambda: run.agrees(server.objects))
        assert run.notes.states[-1] is SourceState.DENIED
        assert run.notes.states.count(SourceState.DENIED) == 1, "no flicker between live and denied"


async def test_denied_for_the_cluster_falls_back_to_namespaces(server: Misbehaving, session: Session) -> None:
    server.put("else", namespace="b", value=1)
    server.put("hidden", namespace="kube-system", value=1)
    server.denied |= {CLUSTERWIDE, ("list", "kube-system")}
    async with reflecting(session) as run:
        await until(lambda: run.live() and run.agrees(in_namespaces(server, "a", "b")))
        assert "only namespace a, b" in (run.reflector.status.detail or "")
        server.put("more", namespace="b", value=2)
        server.put("one", value=100)
        server.delete("two")
        await until(lambda: run.agrees(in_namespaces(server, "a", "b")))

        server.namespaces.append("c")
        server.put("late", namespace="c", value=3)
        await until(lambda: run.agrees(in_namespaces(server, "a", "b", "c")))

        server.denied.clear()
        await until(lambda: run.live() and run.agrees(server.objects))
        assert run.reflector.status.detail is None


async def test_denied_everywhere_but_in_the_context_namespace(server: Misbehaving) -> None:
    server.put("else", namespace="b", value=1)
    server.denied |= {CLUSTERWIDE, ("list", "a"), ("list", "kube-system"), ("list", "namespaces")}
    async with session_to(server.url, namespace="b") as session, reflecting(session) as run:
        await until(lambda: run.live() and run.agrees(in_namespaces(server, "b")))
        server.denied.add(("list", "b"))
        server.denied.add(("watch", "b"))
        server.cut_watches()
        await until(lambda: run.reflector.status.state is SourceState.DENIED)
        server.denied -= {("list", "b"), ("watch", "b")}
        run.reflector.wake()
        await until(lambda: run.live() and run.agrees(in_namespaces(server, "b")))


async def test_denied_with_no_namespace_known_says_what_to_do(server: Misbehaving, session: Session) -> None:
    server.denied |= {CLUSTERWIDE, ("list", "namespaces")}
    async with reflecting(session) as run:
        await until(lambda: run.reflector.status.state is SourceState.DENIED)
        assert "cannot list" in (run.reflector.status.detail or "")
        assert "-n" in (run.reflector.status.detail or "")


async def test_given_namespaces_are_followed_and_a_refused_one_is_said(
    server: Misbehaving, session: Session
) -> None:
    server.put("else", namespace="b", value=1)
    server.put("not asked for", namespace="c", value=1)
    server.denied |= {CLUSTERWIDE, ("list", "b")}
    async with reflecting(session, namespaces=("a", "b")) as run:
        await until(lambda: run.reflector.status.state is SourceState.DENIED)
        await until(lambda: run.agrees(in_namespaces(server, "a")))
        assert 'in the namespace "b"' in (run.reflector.status.detail or "")
        server.denied.discard(("list", "b"))
        await until(lambda: run.live() and run.agrees(in_namespaces(server, "a", "b")))


async def test_410_in_one_of_several_namespaces_keeps_the_others(
    server: Misbehaving, session: Session
) -> None:
    server.put("else", namespace="b", value=1)
    async with reflecting(session, namespaces=("a", "b")) as run:
        await until(lambda: run.live() and run.agrees(server.objects))
        server.put("gone", namespace="b")
        server.answer(
            lambda request: is_watch(request) and "/a/" in request.path,
            410,
            {"code": 410, "message": "expired"},
        )
        server.cut_watches()
        server.delete("one")
        await until(lambda: run.live() and run.agrees(server.objects))


async def test_a_definition_that_is_installed_later(server: Misbehaving, session: Session) -> None:
    server.installed = False
    async with reflecting(session) as run:
        await until(lambda: run.reflector.status.state is SourceState.ABSENT)
        assert "not installed" in (run.reflector.status.detail or "")
        server.installed = True
        await until(lambda: run.live() and run.agrees(server.objects))
        server.installed = False
        server.cut_watches()
        await until(lambda: run.reflector.status.state is SourceState.ABSENT)
        assert not run.notes.rows, "with its definition all objects are deleted"
        server.objects.clear()
        server.installed = True
        server.put("again", value=1)
        await until(lambda: run.live() and run.agrees(server.objects))


async def test_the_first_version_that_is_served_is_read(server: Misbehaving, session: Session) -> None:
    spec = ResourceSpec("things", GROUP, "things", "Thing", ("v3", "v1"))
    async with reflecting(session, spec=spec) as run:
        await until(run.live)
        assert {r.path for r in server.requests if is_list(r)} == {f"/apis/{GROUP}/v1/things"}
        assert THINGS.versions == ("v1",)


class Rotating:
    """Credentials that give the next token when the last one is refused."""

    def __init__(self, *tokens: str | None) -> None:
        self.tokens = list(tokens)
        self.renewed = 0
        self.now = Credential(f"Bearer {self.tokens.pop(0)}")

    @property
    def needs_login(self) -> bool:
        return False

    async def current(self, clock: Clock) -> Credential:
        return self.now

    async def renew(self, clock: Clock, rejected: Credential) -> Credential:
        self.renewed += 1
        token = self.tokens.pop(0) if self.tokens else None
        if token is None:
            raise KubeError("login needed", kind=ErrorKind.LOGIN)
        self.now = Credential(f"Bearer {token}")
        return self.now

    def accepted(self) -> None:
        pass

    def login(self) -> None:
        self.now = Credential("Bearer by hand")


async def test_an_expired_token_is_renewed_without_a_word(server: Misbehaving) -> None:
    server.token = "first"
    credentials = Rotating("first", "second")
    async with session_to(server.url, credentials=credentials) as session, reflecting(session) as run:
        await until(run.live)
        server.token = "second"
        server.cut_watches()
        server.put("six", value=6)
        await until(lambda: run.live() and run.agrees(server.objects))
        assert credentials.renewed == 1
        assert SourceState.LOGIN not in run.notes.states
        assert run.notes.replacements == 1


async def test_an_expired_login_is_said_and_taken_up_after_it(server: Misbehaving) -> None:
    server.token = "first"
    credentials = Rotating("first", None)
    async with session_to(server.url, credentials=credentials) as session, reflecting(session) as run:
        await until(run.live)
        server.token = "by hand"
        server.cut_watches()
        await until(lambda: run.reflector.status.state is SourceState.LOGIN)
        before = dict(server.objects)
        assert run.agrees(before)
        server.put("six", value=6)
        session.config.login()
        run.reflector.wake()
        await until(lambda: run.live() and run.agrees(server.objects))
        assert run.notes.replacements == 1


async def test_a_token_that_cannot_be_renewed_is_a_login_to_do(server: Misbehaving) -> None:
    server.token = "right"
    async with session_to(server.url, token="wrong") as session, reflecting(session) as run:
        await until(lambda: run.reflector.status.state is SourceState.LOGIN)
        detail = run.reflector.status.detail or ""
        assert "401" in detail
        assert "context test" in detail
        assert "wrong" not in detail
        assert isinstance(SystemClock().now(), float)
