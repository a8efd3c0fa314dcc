"""The settings' section of load tests: the way in, what counts as a test target, and how much is too much."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from clients.load.plan import LoadPlan

__all__ = ["LoadSettings", "LoadTable", "load_settings_of"]

Wrong = Callable[[tuple[str, ...], str], None]
"""Takes a key's path and what is wrong with it."""


class LoadSettings(Struct, frozen=True):
    """``[load]``."""

    ingress: str | None = None
    """URL of the address at which requests enter the cluster, instead of what load balancers' status says."""
    allow: tuple[str, ...] = ()
    """Globs over host names and addresses that may be load tested without being asked about."""
    users: int = 2
    """What the form of a load test begins with."""
    duration: float = 30.0
    """The same, in seconds."""
    max_duration: float = 3600.0
    """Seconds."""
    max_rate: float = 1000.0
    """Requests a second."""
    max_users: int = 1000
    """Requests under way at a time."""
    image: str | None = None
    """Of the pods of ``--in-cluster``."""
    gather: float = 60.0
    """Seconds that those pods get until all of them begin."""

    def allows(self, plan: LoadPlan) -> bool:
        """Whether the plan's target is one of ``allow``: by its URL's host, or by the Host header."""
        hosts = {urlsplit(plan.url).hostname or "", (plan.host or "").partition(":")[0]} - {""}
        return any(fnmatchcase(host, pattern) for host in hosts for pattern in self.allow)

    def bounded(self, plan: LoadPlan) -> LoadPlan:
        """The plan, which ends after ``max_duration`` also where only its number of requests ends it."""
        return plan if plan.begins_for is not None else replace(plan, duration_s=self.max_duration)

    def problems(self, plan: LoadPlan) -> tuple[str, ...]:
        """What of a plan is more than is allowed here, a line each."""
        found: list[str] = []
        if plan.begins_for is not None and plan.begins_for > self.max_duration:
            found.append(f"duration_s: at most {self.max_duration:g} by setting load.max_duration")
        if plan.top_rate is not None and plan.top_rate > self.max_rate:
            found.append(f"rate: at most {self.max_rate:g} by setting load.max_rate")
        under_way = plan.users if plan.effective_loop == "closed" else plan.max_in_flight
        if under_way > self.max_users:
            name = "concurrency" if plan.effective_loop == "closed" else "max_in_flight"
            found.append(f"{name}: at most {self.max_users} by setting load.max_users")
        return tuple(found)


class LoadTable(Struct, forbid_unknown_fields=True):
    """As it is written."""

    ingress: str | None = None
    allow: list[str] = []
    users: int | None = None
    duration: int | float | str | None = None
    max_duration: int | float | str | None = None
    max_rate: int | float | None = None
    max_users: int | None = None
    image: str | None = None
    gather: int | float | str | None = None


def load_settings_of(
    table: LoadTable, seconds: Callable[[float | str], float | None], wrong: Wrong
) -> LoadSettings:
    """The section; ``seconds`` reads a duration, ``wrong`` takes each problem."""
    ingress = None if table.ingress is None else table.ingress.rstrip("/")
    if ingress is not None and not _is_address(ingress):
        wrong(("load", "ingress"), 'expected a URL without a path such as "http://10.0.0.7:8080"')
    default = LoadSettings()

    def lasting(name: str, told: float | str | None, otherwise: float) -> float:
        found = otherwise if told is None else seconds(told)
        if found is None:
            wrong(("load", name), 'expected seconds or a text such as "90s", "30m", "2h"')
        return found or otherwise

    rate = default.max_rate if table.max_rate is None else float(table.max_rate)
    most = default.max_users if table.max_users is None else table.max_users
    users = default.users if table.users is None else table.users
    for name, number in (("max_rate", rate), ("max_users", most), ("users", users)):
        if number <= 0:
            wrong(("load", name), "expected a number above 0")
    return LoadSettings(
        ingress,
        tuple(table.allow),
        users,
        lasting("duration", table.duration, default.duration),
        lasting("max_duration", table.max_duration, default.max_duration),
        rate,
        most,
        table.image or None,
        lasting("gather", table.gather, default.gather),
    )


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    bare = not (parts.path or parts.query or parts.fragment or parts.username or parts.password)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and bare and port != 0
