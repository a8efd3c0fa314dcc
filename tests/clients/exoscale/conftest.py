"""What the tests of Exoscale share."""

from tests.support.exoscale import fast

__all__ = ["fast"]
