"""What a worker may not be: said when it is made, and not by a queue that stands still."""

from typing import Any

import pytest

from shared.worker import Batch, Worker


async def handle(_event: object) -> None:
    """Succeeds."""


async def handle_batch(events: Any) -> list[Exception | None]:
    return [None for _ in events]


def made(**options: Any) -> Worker[Any]:
    return Worker(name="sample", queue="uploads", decode=lambda each: each, **options)


def test_a_worker_has_exactly_one_kind_of_handler() -> None:
    for handlers in ({}, {"handle": handle, "handle_batch": handle_batch}):
        with pytest.raises(ValueError, match="worker sample: set exactly one of handle and handle_batch"):
            made(**handlers)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"fifo": True}, "a FIFO queue is read with handle"),
        ({"per_group": 2}, "per_group goes with handle"),
        ({"key": str}, "key .the ledger. goes with handle"),
        ({"batch": Batch(count=0)}, "at least one message"),
        ({"batch": Batch(bytes=0)}, "at least one message and one byte"),
        ({"batch": Batch(seconds=60), "longest_lease": 30.0}, "gathered for as long as longest_lease"),
    ],
)
def test_what_a_batch_handler_cannot_do_is_said_when_the_worker_is_made(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=f"^worker sample: .*{why}"):
        made(handle_batch=handle_batch, **options)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"per_group": 0}, "per_group is at least 1"),
        ({"fifo": True, "per_group": 2}, "per_group is 1 in a FIFO queue"),
        ({"concurrency": 0}, "concurrency and max_attempts"),
        ({"max_attempts": 0}, "concurrency and max_attempts"),
        ({"rate": 0.0}, "rate is above 0"),
        ({"rate": float("nan")}, "rate is above 0"),
        ({"longest_lease": 43_201.0}, "longest_lease"),
    ],
)
def test_limits_that_would_stand_still_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=f"^worker sample: .*{why}"):
        made(handle=handle, **options)


def test_a_fifo_worker_runs_one_message_of_a_group_at_a_time() -> None:
    assert made(handle=handle, fifo=True).per_group == 1
    assert made(handle=handle, fifo=True, per_group=1).per_group == 1
