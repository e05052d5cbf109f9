"""The ReceiveRequestAttemptId of a FIFO queue: a receive whose answer was lost is asked again under the same one."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.sqs.queue import ATTEMPT_KNOWN, SqsQueue


class Receives:
    """A client that fails while `failing`, and remembers the ids it was asked under."""

    def __init__(self) -> None:
        self.failing: Callable[[], BaseException] | None = None
        self.asked: list[str | None] = []

    async def receive_message(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked.get("ReceiveRequestAttemptId"))
        if self.failing is not None:
            raise self.failing()
        return {}


class Clocked:
    """A FIFO queue with a clock that is set by hand."""

    def __init__(self, *, url: str = "http://127.0.0.1/orders.fifo") -> None:
        self.now = 100.0
        self.client = Receives()
        client: Any = self.client
        self.queue = SqsQueue(client, name="orders", url=url, dead_letter_url="x", clock=lambda: self.now)

    async def receive(self) -> None:
        await self.queue.receive(limit=10, wait=0, visibility=30)


async def test_each_receive_has_an_id_of_its_own() -> None:
    orders = Clocked()
    for _ in range(3):
        await orders.receive()
    assert len({*orders.client.asked}) == 3
    assert None not in orders.client.asked


@pytest.mark.parametrize("error", [ConnectionResetError, TimeoutError])
async def test_a_receive_that_failed_is_asked_again_under_its_id_until_it_succeeds(error: type[Exception]) -> None:
    orders = Clocked()
    orders.client.failing = error
    for _ in range(3):
        with pytest.raises(error):
            await orders.receive()
    orders.client.failing = None
    await orders.receive()
    await orders.receive()
    first, second, third, fourth, after = orders.client.asked
    assert first == second == third == fourth != after


async def test_two_receives_that_failed_are_asked_again_under_both_ids() -> None:
    orders = Clocked()
    orders.client.failing = ConnectionResetError
    with orders.queue._attempts.one(now=100.0) as held:  # a second poll is open meanwhile
        with pytest.raises(ConnectionResetError):
            await orders.receive()
        assert held["ReceiveRequestAttemptId"] != orders.client.asked[0]


async def test_an_id_that_sqs_has_forgotten_is_not_used_again() -> None:
    orders = Clocked()
    orders.client.failing = ConnectionResetError
    with pytest.raises(ConnectionResetError):
        await orders.receive()
    orders.now += ATTEMPT_KNOWN
    orders.client.failing = None
    await orders.receive()
    assert orders.client.asked[0] != orders.client.asked[1]


async def test_a_standard_queue_has_no_such_id() -> None:
    orders = Clocked(url="http://127.0.0.1/orders")
    await orders.receive()
    assert orders.client.asked == [None]
