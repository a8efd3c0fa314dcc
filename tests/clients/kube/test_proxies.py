"""Which servers are reached through the proxy of the environment."""

from __future__ import annotations

import pytest

from clients.kube.proxies import proxy_for

ENV = {"HTTPS_PROXY": "http://proxy:3128", "http_proxy": "plain:8080"}


@pytest.mark.parametrize(
    ("server", "no_proxy", "expected"),
    [
        ("https://api.example.com", "", "http://proxy:3128"),
        ("http://api.example.com", "", "http://plain:8080"),
        ("https://127.0.0.1:6443", "", None),
        ("https://127.8.9.1", "", None),
        ("https://[::1]:6443", "", None),
        ("https://localhost", "", None),
        ("https://api.example.com", "*", None),
        ("https://api.example.com", "example.com", None),
        ("https://api.example.com", ".example.com", None),
        ("https://api.example.com", "*.example.com", None),
        ("https://example.com", ".example.com", "http://proxy:3128"),
        ("https://badexample.com", "example.com", "http://proxy:3128"),
        ("https://API.Example.com", "other, api.EXAMPLE.com", None),
        ("https://api.example.com:6443", "api.example.com:443", "http://proxy:3128"),
        ("https://api.example.com:6443", "api.example.com:6443", None),
        ("https://api.example.com", "api.example.com:443", None),
        ("https://10.1.2.3", "10.0.0.0/8", None),
        ("https://11.1.2.3", "10.0.0.0/8,nonsense/9", "http://proxy:3128"),
        ("https://10.1.2.3", "10.1.2.3", None),
        ("https://[fd00::5]", "fd00::/16", None),
    ],
)
def test_proxy_by_environment(server: str, no_proxy: str, expected: str | None) -> None:
    assert proxy_for(server, {**ENV, "NO_PROXY": no_proxy}) == expected


def test_without_variables_there_is_no_proxy() -> None:
    assert proxy_for("https://api.example.com", {}) is None


@pytest.mark.parametrize("proxy", ["socks5://x:1", "http://", "ftp://x"])
def test_a_proxy_that_cannot_be_used_is_named(proxy: str) -> None:
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY: "):
        proxy_for("https://api.example.com", {"HTTPS_PROXY": proxy})
