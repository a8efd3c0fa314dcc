"""Where a load test of a workload goes, as its objects tell it, and whether they allow one."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from clients.serving.plain import plain

__all__ = ["Fact", "LoadTarget", "is_loopback", "of_endpoint", "showable"]

_LONGEST = 4000


class Fact(Struct, frozen=True):
    """One value, and where it comes from."""

    value: str | None
    """``None``: not known, and to be asked."""
    source: str
    """A sentence without a full stop, plain."""


class LoadTarget(Struct, frozen=True):
    """The way in from outside the cluster. Never through the API server: that would measure it."""

    address: Fact
    """``http://203.0.113.10`` or ``https://10.0.0.7:8443``: what is connected to."""
    host: Fact
    """The Host header; ``None`` where the address needs none."""
    model: Fact
    protocol: Fact
    """As a load plan names it: ``openai-chat``, ``kserve-v1``, …"""
    path: str = ""
    """Where the model is not served at the protocol's own path: KServe's ``/openai/v1/…``."""
    labelled: bool | None = None
    """Whether its namespace is labelled as one for load tests; ``None``: that could not be read."""

    @property
    def url(self) -> str | None:
        """As a load plan takes it, where a bare address has the protocol's path; ``None`` without address."""
        return None if self.address.value is None else f"{self.address.value}{self.path}"

    @property
    def facts(self) -> tuple[tuple[str, Fact], ...]:
        """All of it by name, in the order in which a person asks."""
        return (
            ("address", self.address),
            ("host", self.host),
            ("model", self.model),
            ("protocol", self.protocol),
        )


def of_endpoint(url: str | None) -> LoadTarget:
    """Of a workload that has a URL of its own, as a managed cloud gives one; the rest is asked."""
    asked = Fact(None, "it is not told")
    address = Fact(url, "its own URL") if url else Fact(None, "it has no URL yet")
    return LoadTarget(address, Fact(None, ""), asked, Fact("openai-chat", "what its engine usually speaks"))


def showable(target: LoadTarget) -> LoadTarget:
    """Without what could not be shown as it would be sent: nobody can say yes to what cannot be read."""
    path = plain(target.path, _LONGEST) == target.path
    address = target.address if path else Fact(None, f"{target.address.source}, but its path cannot be shown")
    return replace(
        target,
        address=_showable(address),
        host=_showable(target.host),
        model=_showable(target.model),
        path=target.path if path else "",
    )


def _showable(fact: Fact) -> Fact:
    if fact.value is None or plain(fact.value, _LONGEST) == fact.value:
        return fact
    return Fact(None, f"{fact.source}, but it holds characters that cannot be shown")


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
