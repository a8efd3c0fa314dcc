"""What is known of one zone: deployments and what was sent to them, quotas, GPU types, sizes of models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from clients.clock import Clock
from clients.exoscale.api import Api
from clients.exoscale.decode import ERROR, Deployment, InstanceType, Quota
from clients.exoscale.following import Following, settled
from clients.exoscale.grid import derive, keys_of
from clients.exoscale.planning import Ground
from clients.managed.attention import FOCUSED, Attention
from clients.managed.calls import CloudError
from clients.managed.poller import Poller, Polling
from clients.serving.backend import NotShown
from clients.serving.eta import Durations
from clients.serving.keys import WorkloadKey
from clients.serving.plans import Money
from clients.serving.sources import SourceState
from clients.serving.workload import Workload

__all__ = ["Zone"]

IDLE, MOVING = 30.0, 5.0
"""Seconds between two lists: Exoscale publishes no limits, so this is ours."""
_QUOTA, _RARE = 60.0, 300.0
_MOST_DETAILS = 5
"""Deployments in error of which more is asked at each list."""


class Zone:
    """Kept up to date by ``pollers``; ``touched`` is called whenever anything changed."""

    def __init__(self, name: str, api: Api, clock: Clock, touched: Callable[[], None]) -> None:
        self.name = name
        self.deployments: dict[WorkloadKey, Deployment] = {}
        self.followings: dict[WorkloadKey, Following] = {}
        self.hidden = NotShown()
        self._api = api
        self._clock = clock
        self._touched = touched
        self._listed = False
        self._attention = Attention(clock)
        self._rows: dict[WorkloadKey, Workload] = {}
        self._quotas: Mapping[str, Quota] | None = None
        self._families: Mapping[str, InstanceType] | None = None
        self._models: Mapping[str, int] = {}
        poller = Polling(name, clock, touched)
        self._list = poller("deployments", self._read, self._take, self._pace, required=True)
        self._quota = poller("quota", api.quotas, self._take_quotas, lambda: _QUOTA)
        self.pollers: tuple[Poller[Any], ...] = (
            self._list,
            poller("zone", self._introduced, len, lambda: _RARE),
            self._quota,
            poller("GPU types", api.instance_types, self._take_families, lambda: _RARE),
            poller("models", api.models, self._take_models, lambda: _RARE),
        )

    # -- reading

    def attend(self, key: WorkloadKey) -> None:
        """Somebody looks at this row now; one list tells of it and of all the others."""
        if self._attention.turn_to(str(key)):
            self._list.hurry(FOCUSED)

    def _pace(self) -> float:
        """More often while anything moves, ours or somebody else's, and while somebody looks."""
        sent = any(not following.failed for following in self.followings.values())
        moves = any(not settled(one) and one.state != ERROR for one in self.deployments.values())
        if sent or moves:
            return MOVING
        return IDLE if self._attention.on is None else FOCUSED

    async def _introduced(self) -> tuple[str, ...]:
        """The zones that there are; raises CloudError if this is none of them."""
        names = await self._api.zones()
        if self.name not in names:
            there = ", ".join(names) or "none"
            raise CloudError(f"{self.name} is no zone of Exoscale; there are: {there}", status=404)
        return names

    async def _read(self) -> tuple[Deployment, ...]:
        """The list, with the reasons of errors, which only a single deployment tells."""
        found = list(await self._api.deployments())
        told = 0
        for at, one in enumerate(found):
            if one.state == ERROR and one.id is not None and not one.public and told < _MOST_DETAILS:
                told += 1
                with suppress(CloudError):  # The error itself is known, and the reason comes another time.
                    found[at] = await self._api.deployment(one.id)
        return tuple(found)

    def _take(self, found: tuple[Deployment, ...]) -> int:
        self.hidden = NotShown(
            (("public deployment", public),) if (public := sum(o.public for o in found)) else ()
        )
        before, self.deployments = self.deployments, keys_of(self.name, found)
        for key, one in self.deployments.items():
            self.deployments[key] = _with_details(one, before.get(key))
        self._listed = True
        for key in list(self.followings):
            self._settle(key)
        return len(self.deployments)

    def _take_quotas(self, found: tuple[Quota, ...]) -> int:
        self._quotas = {quota.resource: quota for quota in found}
        return len(found)

    def _take_families(self, found: tuple[InstanceType, ...]) -> int:
        self._families = {one.family: one for one in found}
        return len(found)

    def _take_models(self, found: Mapping[str, int]) -> int:
        self._models = found
        return len(found)

    def put(self, key: WorkloadKey, deployment: Deployment | None) -> None:
        """One deployment that was read by itself; ``None``: it is gone."""
        if deployment is None:
            self.deployments.pop(key, None)
        else:
            self.deployments[key] = deployment
        self._settle(key)
        self._touched()

    # -- following

    def follow(self, key: WorkloadKey, following: Following) -> None:
        """A change was sent, or more is known of one; the list is read again soon."""
        self.followings[key] = following
        self._settle(key)
        self.look_again()

    def look_again(self) -> None:
        """Reads the list, and what a change moves, as soon as the zone allows."""
        self._list.wake()
        self._quota.wake()
        self._touched()

    def _settle(self, key: WorkloadKey) -> None:
        following = self.followings.get(key)
        if following is not None and following.over(self.deployments.get(key), self._clock.monotonic()):
            del self.followings[key]

    def failed(self, key: WorkloadKey, following: Following) -> None:
        """An operation came to nothing; it shows until the deployment is changed again."""
        deployment = self.deployments.get(key)
        self.follow(key, replace(following, left=None if deployment is None else deployment.replicas))

    # -- telling

    def workloads(self) -> Mapping[WorkloadKey, Workload] | None:
        """All rows as of now; ``None`` before the first list."""
        if not self._listed:
            return None
        self._rows = {
            key: derive(key, deployment, self._rows.get(key), self.followings.get(key))
            for key, deployment in self.deployments.items()
        }
        return self._rows

    async def ground(self, prices: Mapping[str, Money], durations: Durations) -> Ground:
        """What plans are made on; quotas that were never read are read first, old ones count for nothing."""
        if self._quotas is None and self._quota.status.state is SourceState.SYNCING:
            with suppress(CloudError):
                self._take_quotas(await self._api.quotas())
        usable = self._quota.status.state in (SourceState.LIVE, SourceState.SYNCING)
        return Ground(
            self.name,
            self._quotas if usable else None,
            self._quota.status.detail,
            self._families,
            self._models,
            prices,
            durations,
            self._list.stale,
        )


def _with_details(listed: Deployment, known: Deployment | None) -> Deployment:
    """With what only a single look tells, for as long as nothing of the deployment has changed since."""
    if (
        known is None
        or known.id != listed.id
        or (known.updated, known.state) != (listed.updated, listed.state)
    ):
        return listed
    return replace(
        listed,
        details=listed.details or known.details,
        engine=listed.engine or known.engine,
        parameters=listed.parameters or known.parameters,
    )
