"""Two targets, one suite: the embedded server always, a real kube-apiserver where one can be had.

``KUBEBUILDER_ASSETS`` names the directory with ``etcd`` and ``kube-apiserver``, as envtest has it;
``--target`` (when this directory is named on the command line) picks one of the two.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.client import Api, Target
from tests.conformance.embedded import start_embedded
from tests.conformance.real import assets_directory, start_real


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--target", choices=("embedded", "real"), default=None)


def _targets(config: pytest.Config) -> list[str]:
    chosen = config.getoption("target", None)
    if chosen is not None:
        return [chosen]
    return ["embedded"] if assets_directory() is None else ["embedded", "real"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" in metafunc.fixturenames:
        metafunc.parametrize("target", _targets(metafunc.config), indirect=True, scope="session")


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A running server."""
    if request.param == "embedded":
        yield from start_embedded()
        return
    assets = assets_directory()
    if assets is None:
        pytest.fail("--target real needs KUBEBUILDER_ASSETS")
    directory: Path = tmp_path_factory.mktemp("real")
    yield from start_real(assets, directory)


@pytest.fixture
def api(target: Target) -> Iterator[Api]:
    """The administrator's client, with a namespace of its own."""
    namespace = f"t-{secrets.token_hex(4)}"
    with Api(target, target.admin, namespace) as client:
        made = client.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
        assert made.status_code == 201, made.text
        yield client


@pytest.fixture
def embedded(api: Api) -> Api:
    """For what a bare kube-apiserver cannot show: no kubelet, no proxy to loopback, no quick compaction."""
    if api.target.kind != "embedded":
        pytest.skip("a bare kube-apiserver cannot show this")
    return api


@pytest.fixture
def viewer(target: Target, api: Api) -> Iterator[Api]:
    """A client that may read everything and write nothing, in the same namespace."""
    with Api(target, target.viewer, api.namespace) as client:
        yield client


@pytest.fixture
def ns_only(target: Target) -> Iterator[Api]:
    """A client with rights in one namespace only."""
    with Api(target, target.ns_only, target.ns_only_namespace) as client:
        yield client
