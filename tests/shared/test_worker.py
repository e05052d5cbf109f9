"""What a worker may not be: said when it is made, with the field and the fix, and not by a queue that stands still."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from shared.worker import Each, FairShares, Fifo, Limits, Once, Together, Worker
from tests.made import make_worker, together


async def handle(_event: object) -> None:
    """Succeeds."""


@pytest.mark.parametrize(
    ("make", "field", "fix"),
    [
        (lambda: together(count=0), "Together.count is 0", "1 or more"),
        (lambda: together(bytes=0), "Together.bytes is 0", "1 or more"),
        (lambda: together(seconds=float("nan")), "Together.seconds is nan", "0 or more"),
        (lambda: FairShares(0), "FairShares.at_once is 0", "order=None means no limit"),
        (lambda: Limits(concurrency=0), "Limits.concurrency is 0", "1 or more"),
        (lambda: Limits(max_attempts=0), "Limits.max_attempts is 0", "1 or more"),
        (lambda: Limits(rate=0.0), "Limits.rate is 0.0", "above 0, or None"),
        (lambda: Limits(rate=float("nan")), "Limits.rate is nan", "above 0, or None"),
        (lambda: Limits(poll_interval=-0.1), "Limits.poll_interval is -0.1", "0 seconds, and at most five"),
        (lambda: Limits(poll_interval=6.0), "Limits.poll_interval is 6.0", "at most five"),
        (lambda: Limits(longest_lease=43_201.0), "Limits.longest_lease is 43201.0", "at most twelve hours"),
        (lambda: Limits(longest_lease=0.0), "Limits.longest_lease is 0.0", "above 0"),
        (lambda: Limits(timeout=0.0), "Limits.timeout is 0.0", "above 0 seconds"),
        (lambda: Limits(timeout=43_200.0), "Limits.timeout is 43200.0", "at most eleven hours"),
        (
            lambda: make_worker(handle_batch=handle, batch=together(seconds=60), longest_lease=60.0),
            "Together.seconds is 60",
            "below Limits.longest_lease, 60.0",
        ),
        (lambda: make_worker(handle, name="a#b", key=str), "Worker.name is 'a#b'", "choose a name without #"),
    ],
)
def test_a_limit_that_would_stand_still_is_refused_by_its_name_with_the_fix(
    make: Callable[[], object], field: str, fix: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(field)}.*{re.escape(fix)}"):
        make()


def test_a_batch_has_no_place_for_an_order_or_a_key() -> None:
    for impossible in ({"order": Fifo()}, {"once": Once(key=str)}):
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            Together(handle, **impossible)  # type: ignore[arg-type]


def test_a_worker_says_its_order_and_its_key_whatever_it_does() -> None:
    once: Once[Any] = Once(key=str)
    assert make_worker(handle).order is None
    assert make_worker(handle, order=FairShares(2)).order == FairShares(2)
    assert make_worker(handle_batch=handle).once is None
    keyed: Worker[Any] = Worker(name="sample", queue="q", decode=str, do=Each(handle, once=once))
    assert keyed.once == once
