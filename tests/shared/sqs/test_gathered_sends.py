"""Sends of many at the same time: few calls, and each is told of its own messages."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from shared.sqs.gathering import LINGER
from shared.sqs.sender import LARGEST_CALL, Message, NotSent, SqsSender
from tests.virtual_time import VirtualTimeLoop, clock, virtual

SECONDS = 0.02
"""Of a call."""

Answer = Callable[[list[str]], Any]


def taken(bodies: list[str], *, but: Sequence[str] = ()) -> dict[str, Any]:
    named = [(str(place), body) for place, body in enumerate(bodies)]
    return {
        "Successful": [{"Id": place, "MessageId": f"m-{body}"} for place, body in named if body not in but],
        "Failed": [
            {"Id": place, "Code": "InternalError", "SenderFault": False} for place, body in named if body in but
        ],
    }


class Queue:
    """A client whose calls take 20 ms; `answers` are given in turn, the last one for ever."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers) or [taken]
        self.calls: list[list[str]] = []
        self.times: list[float] = []

    async def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> Any:
        bodies = [entry["MessageBody"] for entry in Entries]
        assert [entry["Id"] for entry in Entries] == [str(place) for place in range(len(Entries))]
        self.calls.append(bodies)
        self.times.append(round(clock() - VirtualTimeLoop.BEGAN, 6))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await asyncio.sleep(SECONDS)
        if isinstance(answer, Exception):
            raise answer
        return answer(bodies)


def sends(client: Any, *bodies: Sequence[str], url: str = "x") -> list[Any]:
    """What came of sends at the same time, one for each."""

    async def story() -> list[Any]:
        send = SqsSender(client, name="orders", url=url)
        each: list[Awaitable[None]] = [send([Message(body) for body in of_one]) for of_one in bodies]
        return await asyncio.gather(*each, return_exceptions=True)

    return virtual(story())


def test_one_message_is_sent_at_once() -> None:
    client = Queue()
    assert sends(client, ["a"]) == [None]
    assert (client.calls, client.times) == ([["a"]], [0.0])


def test_one_message_after_the_other_waits_for_nobody() -> None:
    client: Any = Queue()

    async def story() -> None:
        send = SqsSender(client, name="orders", url="x")
        for body in "abc":
            await send([Message(body)])

    virtual(story())
    assert client.times == [0.0, SECONDS, 2 * SECONDS]


def test_what_comes_while_a_call_is_open_shares_the_next_ones() -> None:
    client = Queue()
    assert sends(client, ["a"], *([f"{number}"] for number in range(12))) == [None] * 13
    assert client.calls == [["a"], [f"{number}" for number in range(10)], ["10", "11"]]
    assert client.times == [0.0, 0.0, LINGER]


def test_sends_of_several_messages_share_a_call_where_they_fit() -> None:
    client = Queue()
    assert sends(client, ["a"], ["b1", "b2", "b3"], ["c1", "c2"], ["d"] * 8) == [None] * 4
    assert client.calls == [["a"], ["b1", "b2", "b3", "c1", "c2"], ["d"] * 8]


def test_a_call_holds_a_mebibyte_at_most() -> None:
    client = Queue()
    half = "x" * (LARGEST_CALL // 2)
    assert sends(client, ["a"], [half], [half], ["b"]) == [None] * 4
    assert [len(call) for call in client.calls] == [1, 2, 1]


def test_a_refused_entry_is_sent_again_by_its_own_send() -> None:
    client = Queue(taken, lambda bodies: taken(bodies, but=["c"]), taken)
    assert sends(client, ["a"], ["b"], ["c", "d"]) == [None] * 3
    assert client.calls == [["a"], ["b", "c", "d"], ["c"]]


def test_what_is_refused_to_the_end_fails_its_own_send_alone() -> None:
    client = Queue(lambda bodies: taken(bodies, but=["c"]))
    [first, second, third] = sends(client, ["a"], ["b"], ["c", "d"])
    assert (first, second, str(third)) == (None, None, "1 messages were not accepted by orders: InternalError")
    assert isinstance(third, NotSent)
    assert [body for call in client.calls for body in call].count("d") == 1


def test_a_call_that_is_refused_for_one_message_is_made_again_for_each_send() -> None:
    def answer(bodies: list[str]) -> Any:
        if "bad" in bodies:
            raise ClientError({"Error": {"Code": "InvalidMessageContents"}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "SendMessageBatch")  # type: ignore[typeddict-item]  # the rest is not looked at  # fmt: skip
        return taken(bodies)

    client = Queue(answer)
    [first, second, third, fourth] = sends(client, ["a"], ["b"], ["bad"], ["c"])
    assert (first, second, fourth) == (None, None, None)
    assert isinstance(third, ClientError)
    assert client.calls == [["a"], ["b", "bad", "c"], ["b"], ["bad"], ["c"]]


def test_a_call_that_is_not_answered_fails_all_of_its_sends() -> None:
    down = EndpointConnectionError(endpoint_url="http://127.0.0.1:9")
    client = Queue(taken, down)
    assert sends(client, ["a"], ["b"], ["c"]) == [None, down, down]
    assert client.calls == [["a"], ["b", "c"]]


def test_who_was_cancelled_while_waiting_sends_nothing_and_costs_nobody_anything() -> None:
    client: Any = Queue()

    async def story() -> list[Any]:
        send = SqsSender(client, name="orders", url="x")
        each = [asyncio.create_task(send([Message(body)])) for body in "abc"]
        await asyncio.sleep(LINGER / 2)
        each[1].cancel()
        return await asyncio.gather(*each, return_exceptions=True)

    [first, second, third] = virtual(story())
    assert (first, third) == (None, None)
    assert isinstance(second, asyncio.CancelledError)
    assert client.calls == [["a"], ["c"]]


def test_to_a_fifo_queue_each_sends_alone() -> None:
    client = Queue()
    assert sends(client, ["a"], ["b"], ["c"], url="http://127.0.0.1/1/orders.fifo") == [None] * 3
    assert client.calls == [["a"], ["b"], ["c"]]


@pytest.mark.parametrize("answer", [{}, {"Successful": None}, None])
def test_an_answer_that_names_nothing_sent_nothing_of_anybody(answer: Any) -> None:
    client = Queue(taken, lambda _bodies: answer, taken)
    assert sends(client, ["a"], ["b"], ["c"]) == [None] * 3
    assert sorted(body for call in client.calls[2:] for body in call) == ["b", "c"]
