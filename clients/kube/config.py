"""Which cluster, as whom: a kubeconfig context (or a pod's own account) resolved to what a session needs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from clients.kube.credentials import (
    Credential,
    Credentials,
    ExecPlugin,
    ExecSpec,
    FileCredentials,
    StaticCredentials,
    basic,
)
from clients.kube.errors import ConfigError
from clients.kube.kubeconfig import Fields, Kubeconfig, read, search
from clients.kube.proxies import proxy_for

__all__ = ["ClusterConfig", "ConnectOptions", "ContextInfo", "NoClusterError", "contexts", "load"]

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its service account."""
EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
EXEC_EXTENSION = "client.authentication.k8s.io/exec"
"""Name of the cluster extension that client-go hands to exec plugins as ``spec.cluster.config``."""


class NoClusterError(ConfigError):
    """There is no kubeconfig with a context in it, none was asked for, and this is no pod."""


class ConnectOptions(Struct, frozen=True):
    """What the command line and the settings say about the connection."""

    kubeconfig: str | None = None
    context: str | None = None
    as_user: str | None = None
    as_groups: tuple[str, ...] = ()


class ContextInfo(Struct, frozen=True):
    """One context a person can choose."""

    name: str
    cluster: str
    user: str
    namespace: str | None
    server: str


class ClusterConfig:
    """Everything a session needs, read and checked once. Has no telling repr: it holds secrets."""

    def __init__(
        self,
        *,
        context: str,
        namespace: str | None,
        server: str,
        credentials: Credentials,
        source: str,
        ca: bytes | None = None,
        insecure: bool = False,
        server_name: str | None = None,
        proxy: str | None = None,
        impersonate: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.context = context
        self.namespace = namespace
        self.server = server
        """URL without a slash at its end."""
        self.credentials = credentials
        self.source = source
        """The file that defines the cluster, for complaints about it."""
        self.ca = ca
        """PEM; None: the system's authorities."""
        self.insecure = insecure
        self.server_name = server_name
        self.proxy = proxy
        """URL of an HTTP proxy, None for a direct connection."""
        self.impersonate = impersonate
        """Headers, in order; names may repeat."""

    def __repr__(self) -> str:
        return f"ClusterConfig({self.context!r})"

    @property
    def needs_login(self) -> bool:
        """A person must run ``login`` on a terminal first."""
        return self.credentials.needs_login

    def login(self) -> None:
        """Runs the login plugin on this process' terminal, from any thread; raises KubeError."""
        self.credentials.login()


def contexts(options: ConnectOptions, *, environ: Mapping[str, str] | None = None) -> tuple[ContextInfo, ...]:
    """The contexts that can be chosen, the one in use first, the others by name; raises ConfigError."""
    env = os.environ if environ is None else environ
    config = read(search(options.kubeconfig, env))
    if not config.contexts:
        account = _in_cluster(env)
        return (
            (ContextInfo("in-cluster", "in-cluster", "", account.namespace, account.server),)
            if account
            else ()
        )
    current = options.context or config.current
    infos = []
    for name in sorted(config.contexts, key=lambda name: (name != current, name)):
        fields = config.contexts[name]
        cluster = fields.text("cluster") or ""
        server = config.clusters[cluster].text("server") if cluster in config.clusters else None
        infos.append(
            ContextInfo(name, cluster, fields.text("user") or "", fields.text("namespace"), server or "")
        )
    return tuple(infos)


def load(options: ConnectOptions, *, environ: Mapping[str, str], interactive: bool) -> ClusterConfig:
    """The cluster that options and kubeconfig name, else the one this process runs in.

    With ``interactive`` a login plugin that must have a terminal is run here and now, so call it before the
    terminal is taken; without, such a configuration comes back with ``needs_login``. Raises ConfigError
    (NoClusterError where nothing names a cluster), and KubeError(kind=login) when that plugin fails.
    """
    files = search(options.kubeconfig, environ)
    config = read(files)
    if options.as_groups and not options.as_user:
        raise ConfigError("--as-group needs --as: a group cannot be impersonated without a user")
    if config.contexts or config.clusters or config.current or options.context:
        loaded = _from_kubeconfig(config, options, environ)
    else:
        account = _in_cluster(environ)
        if account is None:
            told = _nothing(files, environ)
            raise ConfigError(told) if environ.get("KUBECONFIG") and not files else NoClusterError(told)
        account.impersonate = _impersonation(None, options)
        loaded = account
    if interactive and loaded.needs_login:
        loaded.login()
    return loaded


def _nothing(files: tuple[Path, ...], environ: Mapping[str, str]) -> str:
    if files:
        return f"{files[0]}: contexts: empty; add one (kubectl config set-context) or name another file"
    if environ.get("KUBECONFIG"):
        return f"KUBECONFIG={environ['KUBECONFIG']}: no such file; name one with --kubeconfig"
    return "no kubeconfig: ~/.kube/config does not exist; name one with KUBECONFIG or --kubeconfig"


def _from_kubeconfig(
    config: Kubeconfig, options: ConnectOptions, environ: Mapping[str, str]
) -> ClusterConfig:
    file = config.files[0] if config.files else Path("kubeconfig")
    name = options.context or config.current
    if not name:
        known = ", ".join(sorted(config.contexts)) or "none defined"
        raise ConfigError(f"{file}: current-context: not set; choose one with --context ({known})")
    context = config.contexts.get(name)
    if context is None:
        field = "--context" if options.context else "current-context"
        known = ", ".join(sorted(config.contexts)) or "none defined"
        raise ConfigError(f"{file}: {field}: no context named {name!r} (there are: {known})")
    cluster_name = context.text("cluster")
    if cluster_name is None:
        raise context.error("cluster", "missing")
    cluster = config.clusters.get(cluster_name)
    if cluster is None:
        raise context.error("cluster", f"no cluster named {cluster_name!r}")
    user_name = context.text("user")
    user = config.users.get(user_name) if user_name else None
    if user_name and user is None:
        raise context.error("user", f"no user named {user_name!r}")

    insecure = cluster.flag("insecure-skip-tls-verify")
    ca = cluster.pem("certificate-authority")
    if insecure and ca is not None:
        raise cluster.error("insecure-skip-tls-verify", "cannot be set together with a certificate-authority")
    server = _server(cluster, secure=ca is not None or insecure)
    return ClusterConfig(
        context=name,
        namespace=context.text("namespace"),
        server=server,
        credentials=_credentials(user, cluster, server, ca, environ),
        source=str(cluster.file),
        ca=ca,
        insecure=insecure,
        server_name=cluster.text("tls-server-name"),
        proxy=_proxy(cluster, server, environ),
        impersonate=_impersonation(user, options),
    )


def _server(cluster: Fields, *, secure: bool) -> str:
    server = cluster.text("server")
    if server is None:
        raise cluster.error("server", "missing")
    url = server if "://" in server else f"{'https' if secure else 'http'}://{server}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise cluster.error("server", f"{server!r} is not a URL") from None
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or port == 0
        or any(c.isspace() for c in url)
    ):
        raise cluster.error("server", f"{server!r} is not an http or https URL")
    return url.rstrip("/")


def _proxy(cluster: Fields, server: str, environ: Mapping[str, str]) -> str | None:
    named = cluster.text("proxy-url")
    if named is None:
        try:
            return proxy_for(server, environ)
        except ValueError as error:
            raise ConfigError(str(error)) from None
    scheme = urlsplit(named).scheme
    if scheme.startswith("socks"):
        raise cluster.error(
            "proxy-url", f"{scheme} proxies are not supported; use an http proxy or an SSH tunnel"
        )
    if scheme not in ("http", "https") or not urlsplit(named).hostname:
        raise cluster.error("proxy-url", "is not an http or https URL")
    return named


def _impersonation(user: Fields | None, options: ConnectOptions) -> tuple[tuple[str, str], ...]:
    """Headers; what the command line names replaces what the kubeconfig names, as in kubectl."""
    name, groups, uid = options.as_user, options.as_groups, None
    extra: list[tuple[str, str]] = []
    if name is None and user is not None:
        name, groups, uid = user.text("as"), user.texts("as-groups"), user.text("as-uid")
        more = user.child("as-user-extra")
        for key in more.items() if more else ():
            assert more is not None
            extra.extend((f"Impersonate-Extra-{key}", value) for value in more.texts(key))
        if name is None and (groups or uid or extra):
            raise user.error("as", "missing, though as-groups, as-uid or as-user-extra is set")
    if name is None:
        return ()
    headers = [("Impersonate-User", name), *(("Impersonate-Group", group) for group in groups)]
    if uid is not None:
        headers.append(("Impersonate-Uid", uid))
    headers.extend(extra)
    for key, value in headers:
        if not value.isprintable() or not key.isprintable() or ":" in key:
            raise ConfigError(f"impersonation: {key}: holds characters that no header can carry")
    return tuple(headers)


def _credentials(
    user: Fields | None, cluster: Fields, server: str, ca: bytes | None, environ: Mapping[str, str]
) -> Credentials:
    if user is None:
        return StaticCredentials(Credential())
    if user.has("auth-provider"):
        provider = user.child("auth-provider")
        name = (provider.text("name") if provider else None) or "unnamed"
        raise user.error(
            "auth-provider",
            f"{name!r} is of the kind that Kubernetes 1.26 removed; configure an exec plugin instead",
        )
    certificate, key = user.pem("client-certificate"), user.pem("client-key")
    if certificate is not None and key is None:
        raise user.error("client-key", "missing, though client-certificate is set")
    if key is not None and certificate is None:
        raise user.error("client-certificate", "missing, though client-key is set")

    # client-go's order: a token file, else the token, else name and password; a plugin is asked only
    # where none of them is set.
    token_file, token = user.path("tokenFile"), user.text("token")
    login = user.text("username")
    if token and login:
        raise user.error("token", "is set together with username; only one way to log in is allowed")
    authorization = None
    if token_file is not None:
        if not token_file.read_text(encoding="utf-8", errors="replace").strip():
            raise user.error("tokenFile", f"{token_file}: is empty")
    elif token is not None:
        stripped = token.strip()
        if not stripped.isprintable() or " " in stripped:
            raise user.error("token", "holds characters that no token can have")
        authorization = f"Bearer {stripped}"
    elif login is not None:
        authorization = basic(login, user.text("password") or "")

    plugin = user.child("exec")
    if plugin is not None and token_file is None and authorization is None:
        if certificate is not None:
            raise user.error(
                "exec", "is set together with client-certificate; only one way to log in is allowed"
            )
        return ExecPlugin(_exec(plugin, cluster, server, ca), environ)
    files = any(
        user.has(field) and not user.has(f"{field}-data") for field in ("client-certificate", "client-key")
    )
    if token_file is not None or files:
        return FileCredentials(
            token=token_file,
            certificate=_live(user, "client-certificate", certificate),
            key=_live(user, "client-key", key),
            authorization=authorization,
        )
    return StaticCredentials(Credential(authorization, certificate, key))


def _live(user: Fields, field: str, content: bytes | None) -> Path | bytes | None:
    """A certificate's file where there is one (rotated files are read again), else its content."""
    return content if user.has(f"{field}-data") else user.path(field)


def _exec(plugin: Fields, cluster: Fields, server: str, ca: bytes | None) -> ExecSpec:
    version = plugin.text("apiVersion")
    if version not in EXEC_VERSIONS:
        raise plugin.error("apiVersion", f"is {version!r}, must be one of {', '.join(EXEC_VERSIONS)}")
    command = plugin.text("command")
    if command is None:
        raise plugin.error("command", "missing")
    if "/" in command and not command.startswith("/"):
        command = str(plugin.file.parent / command)
    mode = plugin.text("interactiveMode") or "IfAvailable"
    if mode not in ("Never", "IfAvailable", "Always"):
        raise plugin.error("interactiveMode", f"is {mode!r}, must be Never, IfAvailable or Always")
    env = []
    for entry in plugin.children("env"):
        variable = entry.text("name")
        if variable is None:
            raise entry.error("name", "missing")
        env.append((variable, entry.text("value") or ""))
    return ExecSpec(
        where=f"{plugin.file}: {plugin.place}",
        command=command,
        args=plugin.texts("args"),
        env=tuple(env),
        api_version=version,
        interactive_mode=mode,
        install_hint=plugin.text("installHint"),
        cluster=_exec_cluster(cluster, server, ca) if plugin.flag("provideClusterInfo") else None,
    )


def _exec_cluster(cluster: Fields, server: str, ca: bytes | None) -> dict[str, Any]:
    import base64

    info: dict[str, Any] = {"server": server}
    for field in ("tls-server-name", "proxy-url"):
        if (text := cluster.text(field)) is not None:
            info[field] = text
    if cluster.flag("insecure-skip-tls-verify"):
        info["insecure-skip-tls-verify"] = True
    if ca is not None:
        info["certificate-authority-data"] = base64.b64encode(ca).decode()
    for extension in cluster.children("extensions"):
        if extension.text("name") == EXEC_EXTENSION and (content := extension.child("extension")) is not None:
            info["config"] = dict(content.items())
    return info


def _in_cluster(environ: Mapping[str, str]) -> ClusterConfig | None:
    """The account of the pod that this process runs in; None outside of pods."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    token, ca = ACCOUNT / "token", ACCOUNT / "ca.crt"
    if not host or not port or not token.exists():
        return None
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    namespace = ACCOUNT / "namespace"
    try:
        return ClusterConfig(
            context="in-cluster",
            namespace=(namespace.read_text().strip() or None) if namespace.exists() else None,
            server=server,
            credentials=FileCredentials(token=token),
            source=str(ACCOUNT),
            ca=ca.read_bytes() if ca.exists() else None,
            proxy=proxy_for(server, environ),
        )
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}") from None
