"""MA5: what a deployment costs an hour, by the price table's entry for its flavor; never a guess.

ModelArts' scaling page: in public pools the flavor's unit price times instances times duration, of which
package hours are deducted first; dedicated pools are paid upfront. Storage and notifications come on top.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from clients.modelarts.decode import Deployment
from clients.modelarts.grid import sole_flavor
from clients.serving.guards import Guard, Level
from clients.serving.plain import plain
from clients.serving.plans import Money

__all__ = ["BESIDE", "cost_guard", "hourly"]

BESIDE = "billed beside it: OBS storage, and SMN notifications where they are enabled"


def hourly(deployment: Deployment, instances: int | None, prices: Mapping[str, Money]) -> Money | None:
    """So many instances for an hour, before package hours; ``None`` where it is prepaid or not known."""
    price = _price(deployment, prices)
    if price is None or instances is None or instances < 0:
        return None
    return Money(f"{Decimal(price.amount) * instances:f}", price.currency)


def cost_guard(deployment: Deployment, instances: int | None, prices: Mapping[str, Money]) -> Guard:
    """How its cost comes about; an unknown price is said, and never taken for nothing."""
    price, total = _price(deployment, prices), hourly(deployment, instances, prices)
    if deployment.pool is not None:
        told = f"prepaid, no extra: dedicated pool {plain(deployment.pool, 60)}"
    elif price is not None and total is not None:
        times = f"{instances} x {price.amount} = {total.amount} {total.currency} an hour"
        told = f"{times}, before package hours, which are deducted first"
    elif (flavor := sole_flavor(deployment)) is not None:
        told = f"cost unknown: no price for {plain(flavor, 100)} in [prices]"
    else:
        told = "cost unknown: ModelArts does not tell the one flavor of an instance"
    return Guard("cost", Level.PASS, told)


def _price(deployment: Deployment, prices: Mapping[str, Money]) -> Money | None:
    """By the flavor's exact name: prices of GPU models are not prices of machines."""
    if deployment.pool is not None:
        return None
    flavor = sole_flavor(deployment)
    return None if flavor is None else prices.get(flavor)
