"""This runtime once more: what differs between the two is the noise of the measurement."""

from tests.bench.contestants.fleet import consume

__all__ = ["consume"]
