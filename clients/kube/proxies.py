"""Which HTTP proxy stands between here and a server, by the environment variables Go programs obey."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

__all__ = ["proxy_for"]


def proxy_for(server: str, environ: Mapping[str, str]) -> str | None:
    """The proxy's URL for a server's URL, None for a direct connection.

    ``HTTPS_PROXY`` or ``HTTP_PROXY`` by the server's scheme, except what ``NO_PROXY`` names (hosts, domains,
    addresses, networks, with or without port; ``*``). Loopback is never proxied. Raises ValueError naming
    the variable whose proxy cannot be used.
    """
    parts = urlsplit(server)
    host = (parts.hostname or "").rstrip(".").lower()
    name = "HTTPS_PROXY" if parts.scheme == "https" else "HTTP_PROXY"
    proxy = (environ.get(name) or environ.get(name.lower()) or "").strip()
    if not proxy or _loopback(host):
        return None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    listed = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    if any(_named(entry.strip().lower(), host, port) for entry in listed.split(",")):
        return None
    url = proxy if "://" in proxy else f"http://{proxy}"
    scheme = urlsplit(url).scheme
    if scheme.startswith("socks"):
        raise ValueError(
            f"{name}: {scheme} proxies are not supported; use an http proxy, or add {host} to NO_PROXY"
        )
    if scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ValueError(f"{name}: is not an http or https URL")
    return url


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def _loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _named(entry: str, host: str, port: int) -> bool:
    """Whether one NO_PROXY entry covers the host."""
    if not entry:
        return False
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    if _address(entry) is None and entry.rpartition(":")[2].isdigit() and ":" in entry:
        entry, _, wanted = entry.rpartition(":")
        if int(wanted) != port:
            return False
    if address is not None:
        return _address(entry) == address
    entry = entry.removeprefix("*")
    return host.endswith(entry) if entry.startswith(".") else host == entry or host.endswith(f".{entry}")
