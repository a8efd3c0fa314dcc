"""A real kube-apiserver with its etcd, started once a session from the binaries of envtest."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from clients.embedded.apiserver.crds import standard_crds
from tests.conformance.client import GROUP, Api, Target

_NS = "ns-only"
_START_SECONDS = 60.0
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


def assets_directory() -> Path | None:
    """Where the binaries are, by envtest's own variable; None if it is not set."""
    told = os.environ.get("KUBEBUILDER_ASSETS")
    return Path(told) if told else None


def _binary(assets: Path, name: str, override: str) -> str:
    return os.environ.get(override) or str(assets / name)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def start_real(assets: Path, directory: Path) -> Iterator[Target]:
    """Serves until the generator is closed; ends its two processes by their ids."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        yield _start(assets, directory, started)
    finally:
        for process in reversed(started):
            process.terminate()
        for process in reversed(started):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _spawn(started: list[subprocess.Popen[bytes]], log: Path, *command: str) -> None:
    with log.open("wb") as out:
        started.append(subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT))


def _start(assets: Path, directory: Path, started: list[subprocess.Popen[bytes]]) -> Target:
    etcd_port, peer_port, port = _free_port(), _free_port(), _free_port()
    key = directory / "sa.key"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    tokens = directory / "tokens.csv"
    tokens.write_text('admin-token,admin,1,"system:masters"\nviewer-token,viewer,2\nns-token,ns-only,3\n')
    etcd = f"http://127.0.0.1:{etcd_port}"
    peer = f"http://127.0.0.1:{peer_port}"
    _spawn(
        started,
        directory / "etcd.log",
        _binary(assets, "etcd", "TEST_ASSET_ETCD"),
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls={etcd}",
        f"--advertise-client-urls={etcd}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
    )
    _spawn(
        started,
        directory / "apiserver.log",
        _binary(assets, "kube-apiserver", "TEST_ASSET_KUBE_APISERVER"),
        f"--etcd-servers={etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={directory / 'certs'}",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--authorization-mode=RBAC,Node",
        f"--token-auth-file={tokens}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--disable-admission-plugins=ServiceAccount",
    )
    target = Target("real", f"https://127.0.0.1:{port}", "admin-token", "viewer-token", "ns-token", _NS)
    with Api(target, target.admin, "default") as api:
        _wait(started, lambda: api.get("/readyz").status_code == 200)
        _prepare(api)
        _wait(started, lambda: api.get(f"{GROUP}/modelservings").status_code == 200)
        _wait(started, lambda: api.get("/api/v1/namespaces/default").status_code == 200)
    return target


def _wait(started: list[subprocess.Popen[bytes]], ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            if ready():
                return
        except httpx.TransportError:
            pass
        for process in started:
            assert process.poll() is None, f"{process.args!r} ended; its log is in the test's directory"
        assert time.monotonic() < deadline, "the real server did not become ready"
        time.sleep(0.1)


def _prepare(api: Api) -> None:
    """Our custom resources, and rights for the two limited users."""
    for crd in standard_crds():
        head = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
        api.make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {**head, **crd})
    api.make("/api/v1/namespaces", {"metadata": {"name": _NS}})
    rule = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}
    api.make(f"{_RBAC}/clusterroles", {"metadata": {"name": "viewer"}, "rules": [rule]})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "viewer"}

    def subject(name: str) -> dict[str, str]:
        return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}

    binding = {"metadata": {"name": "viewer"}, "roleRef": reference, "subjects": [subject("viewer")]}
    api.make(f"{_RBAC}/clusterrolebindings", binding)
    scaled = ["modelservings", "modelservings/scale"]
    rules = [rule, {"apiGroups": ["*"], "resources": scaled, "verbs": ["*"]}]
    role = {"metadata": {"name": "ns-only"}, "rules": rules}
    api.make(f"{_RBAC}/namespaces/{_NS}/roles", role)
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "ns-only"}
    binding = {"metadata": {"name": "ns-only"}, "roleRef": reference, "subjects": [subject("ns-only")]}
    api.make(f"{_RBAC}/namespaces/{_NS}/rolebindings", binding)
