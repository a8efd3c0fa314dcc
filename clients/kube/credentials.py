"""Who we are to an API server: tokens, token files, client certificates and exec plugins, kept fresh."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from clients.clock import Clock
from clients.kube.errors import ErrorKind, KubeError
from clients.serving.plain import plain

__all__ = [
    "Credential",
    "Credentials",
    "ExecPlugin",
    "ExecSpec",
    "FileCredentials",
    "StaticCredentials",
    "basic",
]

PLUGIN_LIMIT = 60.0
"""Seconds that a plugin without a terminal may take."""
TOKEN_FILE_PERIOD = 10.0
"""Seconds after which a token file is read again (kubelet rotates projected tokens in place)."""
RENEW_PAUSE = 10.0
RENEW_PAUSE_LONGEST = 300.0
"""Seconds between plugin runs while the server keeps rejecting what the plugin gives: 10, 20, … 300."""


class Credential:
    """What one request proves itself with. Has no repr: secrets never reach a log."""

    __slots__ = ("authorization", "certificate", "expires", "key")

    def __init__(
        self,
        authorization: str | None = None,
        certificate: bytes | None = None,
        key: bytes | None = None,
        expires: float | None = None,
    ) -> None:
        self.authorization = authorization
        """The whole header value."""
        self.certificate = certificate
        """PEM."""
        self.key = key
        self.expires = expires
        """UTC seconds; None: until the server says no."""


class Credentials(Protocol):
    """Where they come from. ``current`` and ``renew`` belong to one event loop, ``login`` to any thread."""

    @property
    def needs_login(self) -> bool:
        """A person must log in on a terminal before anything can be asked."""
        ...

    async def current(self, clock: Clock) -> Credential:
        """What to use now; raises KubeError(kind=login) when only a person can get it."""
        ...

    async def renew(self, clock: Clock, rejected: Credential) -> Credential:
        """After a 401: something newer than ``rejected``, or ``rejected`` if there is nothing newer."""
        ...

    def accepted(self) -> None:
        """The server took the current credential."""
        ...

    def login(self) -> None:
        """Runs whatever needs the terminal, on this process' terminal; raises KubeError."""
        ...


def basic(user: str, password: str) -> str:
    """An ``Authorization`` header of name and password."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class StaticCredentials:
    """A token, name and password, or nothing; nothing here can be refreshed."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    @property
    def needs_login(self) -> bool:
        """Never."""
        return False

    async def current(self, clock: Clock) -> Credential:
        """The same for ever."""
        return self._credential

    async def renew(self, clock: Clock, rejected: Credential) -> Credential:
        """Nothing newer."""
        return self._credential

    def accepted(self) -> None:
        """Nothing to do."""

    def login(self) -> None:
        """Nothing to do."""


class FileCredentials:
    """A token file or certificate files, read again as they change on disk."""

    def __init__(
        self,
        *,
        token: Path | None = None,
        certificate: Path | bytes | None = None,
        key: Path | bytes | None = None,
        authorization: str | None = None,
    ) -> None:
        self._token = token
        self._certificate = certificate
        self._key = key
        self._authorization = authorization
        self._credential: Credential | None = None
        self._read_at = 0.0

    @property
    def needs_login(self) -> bool:
        """Never."""
        return False

    async def current(self, clock: Clock) -> Credential:
        """The files' content, at most ten seconds old; the last good one while a file cannot be read."""
        if self._credential is None or clock.monotonic() - self._read_at >= TOKEN_FILE_PERIOD:
            self._read(clock)
        assert self._credential is not None
        return self._credential

    async def renew(self, clock: Clock, rejected: Credential) -> Credential:
        """Reads the files again at once."""
        self._read(clock)
        assert self._credential is not None
        return self._credential

    def accepted(self) -> None:
        """Nothing to do."""

    def login(self) -> None:
        """Nothing to do: another program writes the files."""

    def _read(self, clock: Clock) -> None:
        before = self._credential
        try:
            authorization = self._authorization
            if self._token is not None:
                token = self._token.read_text(encoding="utf-8", errors="replace").strip()
                if not token or not token.isprintable():
                    raise KubeError(f"{self._token}: holds no usable token", kind=ErrorKind.CONFIG)
                authorization = f"Bearer {token}"
            certificate = _content(self._certificate)
            key = _content(self._key)
        except (OSError, KubeError) as error:
            if before is None:
                if isinstance(error, KubeError):
                    raise
                raise KubeError(f"{error.filename}: {error.strerror}", kind=ErrorKind.CONFIG) from None
            self._read_at = clock.monotonic()
            return
        self._read_at = clock.monotonic()
        if before is None or (before.authorization, before.certificate, before.key) != (
            authorization,
            certificate,
            key,
        ):
            self._credential = Credential(authorization, certificate, key)


def _content(source: Path | bytes | None) -> bytes | None:
    return source.read_bytes() if isinstance(source, Path) else source


class ExecSpec(Struct, frozen=True):
    """``users[].user.exec`` of a kubeconfig."""

    where: str
    """File and field, for complaints."""
    command: str
    args: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    api_version: str
    interactive_mode: str
    """Never, IfAvailable or Always."""
    install_hint: str | None
    cluster: dict[str, Any] | None
    """``spec.cluster`` for the plugin, where the kubeconfig asks for it."""


class _BadAnswerError(Exception):
    """What is wrong with what a plugin printed, as the end of a sentence that begins with its name."""


class ExecPlugin:
    """A client-go credential plugin, run when there is no usable credential, never once per request.

    What it gave is kept until shortly before it expires; while it is still valid a newer one is fetched in
    the background. A plugin that must have a terminal (``interactiveMode: Always``) runs only in ``login``.
    """

    def __init__(self, spec: ExecSpec, environ: Mapping[str, str]) -> None:
        self._spec = spec
        self._environ = dict(environ)
        self._credential: Credential | None = None
        self._failed: str | None = None
        self._task: asyncio.Task[Credential] | None = None
        self._troubles = 0
        """Rejections and failed runs since the last accepted credential."""
        self._ran_at: float | None = None
        self._lifetime: float | None = None

    @property
    def needs_login(self) -> bool:
        """The plugin wants a terminal and has given nothing yet, or what it gave was refused or ran out."""
        if self._credential is not None:
            return False
        return self._failed is not None or self._spec.interactive_mode == "Always"

    async def current(self, clock: Clock) -> Credential:
        """The plugin's credential; runs it if there is none or it expired. Raises KubeError(kind=login)."""
        have = self._credential
        if have is None:
            return await self._fetch(clock)
        if have.expires is not None:
            left = have.expires - clock.now()
            if left <= 0:
                return await self._fetch(clock)
            if left < self._margin() and self._spec.interactive_mode != "Always" and self._may_run(clock):
                self._start(clock)
        return have

    async def renew(self, clock: Clock, rejected: Credential) -> Credential:
        """Runs the plugin again, less and less often while the server rejects whatever it gives."""
        have = self._credential
        if have is not None and have is not rejected:
            return have
        if not self._may_run(clock):
            return rejected
        self._troubles += 1
        return await self._fetch(clock)

    def login(self) -> None:
        """Runs the plugin on this process' terminal, however long the person takes; raises KubeError."""
        try:
            done = subprocess.run(
                self._command(), env=self._env(interactive=True), stdout=subprocess.PIPE, check=False
            )
        except OSError as error:
            raise self._not_started(error) from None
        if done.returncode != 0:
            raise self._error(f"ended with code {done.returncode}")
        try:
            self._take(self._parse(done.stdout))
        except _BadAnswerError as error:
            raise self._error(str(error)) from None

    def accepted(self) -> None:
        """The server took the credential: troubles are counted afresh."""
        self._troubles = 0

    def _margin(self) -> float:
        lifetime = self._lifetime if self._lifetime is not None else 600.0
        return min(60.0, max(1.0, lifetime / 5))

    def _may_run(self, clock: Clock) -> bool:
        if self._ran_at is None:
            return True
        pause = (
            min(RENEW_PAUSE_LONGEST, RENEW_PAUSE * 2.0 ** min(self._troubles, 6)) if self._troubles else 1.0
        )
        return clock.monotonic() - self._ran_at >= pause

    def _start(self, clock: Clock) -> asyncio.Task[Credential]:
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._run(clock))
            self._task.add_done_callback(_seen)
        return self._task

    async def _fetch(self, clock: Clock) -> Credential:
        if self._spec.interactive_mode == "Always":
            raise self._error("wants a terminal to log in")
        running = self._task is not None and not self._task.done()
        if self._failed is not None and not running and not self._may_run(clock):
            raise self._error(self._failed)
        try:
            # A caller that gives up must not kill the plugin for those who still wait.
            return await asyncio.shield(self._start(clock))
        except KubeError:
            self._credential = None
            raise

    async def _run(self, clock: Clock) -> Credential:
        self._ran_at = clock.monotonic()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command(),
                env=self._env(interactive=False),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            self._failed = str(error.strerror or error)
            raise self._not_started(error) from None
        try:
            async with asyncio.timeout(PLUGIN_LIMIT):
                out, err = await process.communicate()
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            if isinstance(error, TimeoutError):
                self._failed = f"gave no answer in {PLUGIN_LIMIT:.0f} s"
                raise self._error(self._failed) from None
            raise
        if process.returncode != 0:
            lines = [line for line in err.decode(errors="replace").splitlines() if line.strip()]
            said = f": {plain(lines[-1].strip())}" if lines else ""
            self._failed = f"ended with code {process.returncode}{said}"
            self._troubles += 1
            raise self._error(self._failed)
        try:
            credential = self._parse(out)
        except _BadAnswerError as error:
            self._failed = str(error)
            raise self._error(self._failed) from None
        self._lifetime = credential.expires - clock.now() if credential.expires is not None else None
        self._take(credential)
        return credential

    def _take(self, credential: Credential) -> None:
        self._credential = credential
        self._failed = None

    def _command(self) -> list[str]:
        return [self._spec.command, *self._spec.args]

    def _env(self, *, interactive: bool) -> dict[str, str]:
        spec: dict[str, Any] = {"interactive": interactive}
        if self._spec.cluster is not None:
            spec["cluster"] = self._spec.cluster
        info = {"apiVersion": self._spec.api_version, "kind": "ExecCredential", "spec": spec}
        return {**self._environ, **dict(self._spec.env), "KUBERNETES_EXEC_INFO": json.dumps(info)}

    def _error(self, happened: str) -> KubeError:
        line = f"{self._spec.where}: login plugin {self._spec.command} {happened}; log in again (R)"
        return KubeError(line, kind=ErrorKind.LOGIN)

    def _not_started(self, error: OSError) -> KubeError:
        hint = f"; {self._spec.install_hint}" if self._spec.install_hint else ""
        line = f"{self._spec.where}.command: {self._spec.command}: {error.strerror or error}{hint}"
        return KubeError(line, kind=ErrorKind.LOGIN)

    def _parse(self, output: bytes) -> Credential:
        """The credential in a plugin's ExecCredential; raises _BadAnswerError, which never quotes it."""
        try:
            body = json.loads(output)
        except ValueError:
            raise _BadAnswerError("printed no JSON") from None
        if not isinstance(body, dict) or body.get("kind") != "ExecCredential":
            raise _BadAnswerError("printed no ExecCredential")
        if body.get("apiVersion") != self._spec.api_version:
            printed = plain(str(body.get("apiVersion")))
            raise _BadAnswerError(
                f"printed apiVersion {printed}, the kubeconfig asks for {self._spec.api_version}"
            )
        status = body.get("status")
        status = status if isinstance(status, dict) else {}
        token, certificate, key = (
            status.get(name) for name in ("token", "clientCertificateData", "clientKeyData")
        )
        token = token.strip() if isinstance(token, str) else None
        if token and not token.isprintable():
            raise _BadAnswerError("printed a token with control characters")
        if bool(certificate) != bool(key):
            raise _BadAnswerError("printed a client certificate without its key, or a key alone")
        if not token and not certificate:
            raise _BadAnswerError("printed neither a token nor a client certificate")
        return Credential(
            authorization=f"Bearer {token}" if token else None,
            certificate=str(certificate).encode() if certificate else None,
            key=str(key).encode() if key else None,
            expires=_expiry(status.get("expirationTimestamp")),
        )


def _expiry(text: object) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def _seen(task: asyncio.Task[Credential]) -> None:
    """A background refresh that failed is told by the next request, not by the event loop's logger."""
    if not task.cancelled():
        task.exception()
