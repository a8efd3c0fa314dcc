"""kubeconfig files as people have them, whole and broken: what is chosen, and what is said."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from clients.clock import SystemClock
from clients.kube import config as config_module
from clients.kube.config import ClusterConfig, ConnectOptions, ContextInfo, contexts, load
from clients.kube.errors import ConfigError, ErrorKind

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
PEM_DATA = base64.b64encode(PEM.encode()).decode()


def body(**changes: Any) -> dict[str, Any]:
    """A small good kubeconfig."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "dev",
        "contexts": [{"name": "dev", "context": {"cluster": "c", "user": "u", "namespace": "llm"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443"}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        **changes,
    }


def cluster(**fields: Any) -> dict[str, Any]:
    return body(clusters=[{"name": "c", "cluster": {"server": "https://10.0.0.1:6443", **fields}}])


def user(**fields: Any) -> dict[str, Any]:
    return body(users=[{"name": "u", "user": fields}])


def write(path: Path, content: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return str(path)


def loaded(
    path: str | None = None, environ: Mapping[str, str] | None = None, **options: Any
) -> ClusterConfig:
    env = {"HOME": "/nonexistent", **(environ or {})}
    return load(ConnectOptions(kubeconfig=path, **options), environ=env, interactive=False)


async def authorization(config: ClusterConfig) -> str | None:
    return (await config.credentials.current(SystemClock())).authorization


# Which files, which context


def test_the_named_file_stands_alone(tmp_path: Path) -> None:
    named = write(tmp_path / "named", body())
    other = write(tmp_path / "other", cluster(server="https://other"))
    config = loaded(named, {"KUBECONFIG": other})
    assert (config.context, config.namespace, config.server) == ("dev", "llm", "https://10.0.0.1:6443")


def test_the_home_file_is_the_last_resort(tmp_path: Path) -> None:
    write(tmp_path / ".kube" / "config", body())
    assert loaded(environ={"HOME": str(tmp_path)}).context == "dev"


def test_several_files_are_merged_first_one_wins(tmp_path: Path) -> None:
    first = write(
        tmp_path / "one" / "config",
        {"contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}], "current-context": "prod"},
    )
    second = write(tmp_path / "two" / "config", body())
    third = write(tmp_path / "three", cluster(server="https://never"))
    missing = str(tmp_path / "missing")
    environ = {"KUBECONFIG": f"{missing}:{first}:{second}::{third}"}
    config = loaded(environ=environ)
    assert (config.context, config.server) == ("prod", "https://10.0.0.1:6443")
    assert loaded(environ=environ, context="dev").namespace == "llm"
    assert contexts(ConnectOptions(), environ=environ) == (
        ContextInfo("prod", "c", "u", None, "https://10.0.0.1:6443"),
        ContextInfo("dev", "c", "u", "llm", "https://10.0.0.1:6443"),
    )
    assert contexts(ConnectOptions(context="dev"), environ=environ)[0].name == "dev"


async def test_relative_paths_start_at_the_file_they_stand_in(tmp_path: Path) -> None:
    write(tmp_path / "two" / "secrets" / "token", "from the file\n")
    write(tmp_path / "two" / "ca.pem", PEM)
    first = write(tmp_path / "one" / "config", {"current-context": "dev"})
    content = user(tokenFile="secrets/token")
    content["clusters"] = cluster(**{"certificate-authority": "ca.pem"})["clusters"]
    second = write(tmp_path / "two" / "config", content)
    config = loaded(environ={"KUBECONFIG": f"{first}:{second}"})
    assert await authorization(config) == "Bearer from the file"
    assert config.ca == PEM.encode()


def test_a_server_without_a_scheme_is_taken_as_kubectl_does(tmp_path: Path) -> None:
    assert loaded(write(tmp_path / "k", cluster(server="localhost:8080/"))).server == "http://localhost:8080"
    secure = cluster(server="api:6443", **{"insecure-skip-tls-verify": True})
    config = loaded(write(tmp_path / "k", secure))
    assert (config.server, config.insecure) == ("https://api:6443", True)


def test_inside_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "token", "pod token\n")
    write(tmp_path / "namespace", "llm")
    write(tmp_path / "ca.crt", PEM)
    monkeypatch.setattr(config_module, "ACCOUNT", tmp_path)
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    config = loaded(environ=environ, as_user="ops")
    assert (config.server, config.namespace, config.context) == ("https://[fd00::1]:443", "llm", "in-cluster")
    assert config.ca == PEM.encode()
    assert config.impersonate == (("Impersonate-User", "ops"),)
    assert [info.name for info in contexts(ConnectOptions(), environ={"HOME": "/none", **environ})] == [
        "in-cluster"
    ]


# Who


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"token": " secret\n"}, "Bearer secret"),
        ({"username": "ops", "password": "pw"}, "Basic b3BzOnB3"),
        ({"token": "secret", "exec": {"apiVersion": "x"}}, "Bearer secret"),
        ({}, None),
    ],
)
async def test_ways_to_log_in(tmp_path: Path, fields: dict[str, Any], expected: str | None) -> None:
    assert await authorization(loaded(write(tmp_path / "k", user(**fields)))) == expected


async def test_a_token_file_beats_a_token_and_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    write(token, "one\n")
    config = loaded(write(tmp_path / "k", user(token="never", tokenFile=str(token))))
    clock = SystemClock()
    first = await config.credentials.current(clock)
    assert first.authorization == "Bearer one"
    write(token, "two\n")
    assert (await config.credentials.current(clock)) is first, "not read for every request"
    assert (await config.credentials.renew(clock, first)).authorization == "Bearer two"
    write(token, "three\n")
    monkeypatch.setattr("clients.kube.credentials.TOKEN_FILE_PERIOD", 0.0)
    assert await authorization(config) == "Bearer three"
    token.unlink()
    assert await authorization(config) == "Bearer three", "the last good one while the file is being replaced"


def test_impersonation_of_the_kubeconfig_and_of_the_command_line(tmp_path: Path) -> None:
    fields = {
        "token": "t",
        "as": "ann",
        "as-groups": ["g1", "g2"],
        "as-uid": "7",
        "as-user-extra": {"k": ["v", "w"]},
    }
    path = write(tmp_path / "k", user(**fields))
    assert loaded(path).impersonate == (
        ("Impersonate-User", "ann"),
        ("Impersonate-Group", "g1"),
        ("Impersonate-Group", "g2"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Extra-k", "v"),
        ("Impersonate-Extra-k", "w"),
    )
    assert loaded(path, as_user="ops", as_groups=("sre",)).impersonate == (
        ("Impersonate-User", "ops"),
        ("Impersonate-Group", "sre"),
    )


def test_proxy_of_the_cluster_beats_the_environment(tmp_path: Path) -> None:
    path = write(tmp_path / "k", cluster(**{"proxy-url": "http://own:3128"}))
    environ = {"HTTPS_PROXY": "http://env:3128"}
    assert loaded(path, environ).proxy == "http://own:3128"
    plain = write(tmp_path / "p", body())
    assert loaded(plain, environ).proxy == "http://env:3128"
    assert loaded(plain).proxy is None


# Broken


EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "command": "plugin"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{]", "K: line 1: not valid YAML"),
        ("a: b\n c: d", "K: line 2: not valid YAML"),
        ("\x00", "K: not valid YAML"),
        ("just text", "K: is a string, not a kubeconfig"),
        ("", "K: contexts: empty"),
        ({"kind": "Pod"}, "K: kind: is 'Pod', must be 'Config'"),
        (body(clusters="x"), "K: clusters: must be a list, is a string"),
        (body(clusters=["x"]), "K: clusters[0]: must be a mapping, is a string"),
        (body(users=[{"user": {}}]), "K: users[0].name: missing"),
        (body(users=[{"name": "u", "user": "x"}]), "K: users[0].user: must be a mapping, is a string"),
        (body(contexts=body()["contexts"] * 2), "K: contexts: two entries are named 'dev'"),
        (body(**{"current-context": ""}), "K: current-context: not set; choose one with --context (dev)"),
        (body(**{"current-context": "x"}), "K: current-context: no context named 'x' (there are: dev)"),
        (body(contexts=[{"name": "dev", "context": {}}]), "K: contexts[dev].context.cluster: missing"),
        (body(clusters=[]), "K: contexts[dev].context.cluster: no cluster named 'c'"),
        (body(users=[]), "K: contexts[dev].context.user: no user named 'u'"),
        (cluster(server=None), "K: clusters[c].cluster.server: missing"),
        (cluster(server=7), "K: clusters[c].cluster.server: must be a string"),
        (cluster(server="ftp://x"), "K: clusters[c].cluster.server: 'ftp://x' is not an http"),
        (cluster(server="https://a:b:c"), "K: clusters[c].cluster.server: 'https://a:b:c' is not a URL"),
        (cluster(**{"certificate-authority": "nowhere"}), "certificate-authority: DIR/nowhere: No such file"),
        (cluster(**{"certificate-authority-data": "%"}), "certificate-authority-data: is not valid base64"),
        (cluster(**{"certificate-authority-data": "aGk="}), "certificate-authority-data: holds no PEM block"),
        (
            cluster(**{"certificate-authority-data": PEM_DATA, "insecure-skip-tls-verify": True}),
            "insecure-skip-tls-verify: cannot be set together",
        ),
        (cluster(**{"insecure-skip-tls-verify": "yes"}), "insecure-skip-tls-verify: must be true or false"),
        (cluster(**{"proxy-url": "socks5://x:1"}), "proxy-url: socks5 proxies are not supported"),
        (cluster(**{"proxy-url": "x:1"}), "proxy-url: is not an http or https URL"),
        (user(token="a\x1bb"), "K: users[u].user.token: holds characters that no token can have"),
        (user(token="t", username="n"), "K: users[u].user.token: is set together with username"),
        (user(tokenFile="nowhere"), "K: users[u].user.tokenFile: DIR/nowhere: No such file"),
        (user(**{"client-certificate-data": PEM_DATA}), "K: users[u].user.client-key: missing"),
        (user(**{"client-key-data": PEM_DATA}), "K: users[u].user.client-certificate: missing"),
        (
            user(**{"auth-provider": {"name": "gcp"}}),
            "auth-provider: 'gcp' is of the kind that Kubernetes 1.26",
        ),
        (user(**{"as-groups": ["g"]}), "K: users[u].user.as: missing, though as-groups"),
        (user(**{"as": "a", "as-groups": "g"}), "K: users[u].user.as-groups: must be a list of strings"),
        (user(**{"as": "a\nX-Evil: 1"}), "impersonation: Impersonate-User: holds characters"),
        (user(exec="plugin"), "K: users[u].user.exec: must be a mapping"),
        (user(exec={"command": "p"}), "K: users[u].user.exec.apiVersion: is None, must be one of"),
        (user(exec={"apiVersion": EXEC["apiVersion"]}), "K: users[u].user.exec.command: missing"),
        (
            user(exec={**EXEC, "interactiveMode": "Maybe"}),
            "K: users[u].user.exec.interactiveMode: is 'Maybe'",
        ),
        (user(exec={**EXEC, "args": [1]}), "K: users[u].user.exec.args: must be a list of strings"),
        (user(exec={**EXEC, "env": [{"value": "x"}]}), "K: users[u].user.exec.env[0].name: missing"),
    ],
)
def test_every_broken_file_ends_in_one_line_naming_file_and_field(
    tmp_path: Path, content: Any, said: str
) -> None:
    path = tmp_path / "k"
    with pytest.raises(ConfigError) as raised:
        loaded(write(path, content))
    message = raised.value.message
    assert said.replace("K:", f"{path}:").replace("DIR", str(tmp_path)) in message
    assert "\n" not in message
    assert raised.value.kind is ErrorKind.CONFIG


def test_files_that_are_not_there(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    with pytest.raises(ConfigError, match=r"missing: no such kubeconfig file \(--kubeconfig\)"):
        loaded(missing)
    with pytest.raises(ConfigError, match=f"KUBECONFIG={missing}: no such file"):
        loaded(environ={"KUBECONFIG": missing})
    with pytest.raises(ConfigError, match=r"no kubeconfig: ~/\.kube/config does not exist"):
        loaded()
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        loaded(str(tmp_path))


def test_a_wrong_choice_on_the_command_line(tmp_path: Path) -> None:
    path = write(tmp_path / "k", body())
    with pytest.raises(ConfigError, match=r"--context: no context named 'x' \(there are: dev\)"):
        loaded(path, context="x")
    with pytest.raises(ConfigError, match="--as-group needs --as"):
        loaded(path, as_groups=("g",))


def test_a_socks_proxy_of_the_environment_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "k", body())
    with pytest.raises(ConfigError, match="HTTPS_PROXY: socks5h proxies are not supported"):
        loaded(path, {"HTTPS_PROXY": "socks5h://x:1"})


def test_reading_the_configuration_imports_no_client_library() -> None:
    code = (
        "import sys, clients.kube.config; "
        "print([name for name in ('kubernetes_asyncio', 'aiohttp', 'textual') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_configuration_does_not_show_its_secrets(tmp_path: Path) -> None:
    config = loaded(write(tmp_path / "k", body()))
    assert "secret" not in repr(config) + repr(config.credentials)
