"""Where one batch ends and the next begins, in both doors."""

from collections.abc import Sequence

from shared.consumer import Stores, join
from shared.lambda_door.invocation import report
from shared.message.delivery import Attribute, Delivery
from shared.message.pointer import MARK
from shared.road.batches import cut
from tests.fakes import FakeQueue, delivery
from tests.lambda_events import lambda_event
from tests.made import make_worker, together
from tests.virtual_time import clock, virtual

LARGE = 60 * 1024 * 1024


def behind_pointers(count: int) -> list[Delivery]:
    mark = {MARK: Attribute("Number", str(LARGE))}
    return [delivery("pointer", message_id=f"m-{place}", attributes=mark) for place in range(count)]


def test_a_hundred_large_bodies_behind_pointers_are_a_hundred_batches() -> None:
    assert [len(batch) for batch in cut(behind_pointers(100), together())] == [1] * 100


def test_a_batch_ends_at_its_count_and_what_is_left_over_is_one_more() -> None:
    assert [len(batch) for batch in cut([delivery() for _ in range(25)], together(count=10))] == [10, 10, 5]
    assert cut([], together()) == []


def test_attributes_fill_a_batch_as_bodies_do() -> None:
    large = {"note": Attribute("String", "a" * 1000)}
    deliveries = [delivery("", attributes=large) for _ in range(4)]
    assert [len(batch) for batch in cut(deliveries, together(bytes=2_000))] == [2, 2]


def test_lambda_gives_a_handler_one_large_body_at_a_time() -> None:
    async def story() -> None:
        sizes: list[int] = []

        async def handle(events: Sequence[object]) -> list[None]:
            sizes.append(len(events))
            return [None] * len(events)

        messages = [
            {
                "MessageId": f"m-{place}",
                "ReceiptHandle": f"r-{place}",
                "Body": "pointer",
                "Attributes": {"ApproximateReceiveCount": "1"},
                "MessageAttributes": {MARK: {"DataType": "Number", "StringValue": str(LARGE)}},
            }
            for place in range(10)
        ]
        consumer = join(make_worker(handle_batch=handle), Stores(FakeQueue(clock), resource_name="uploads"))
        found = await report(lambda_event(messages, queue_name="uploads")["Records"], [consumer], deadline=1e12)
        assert (found.staying, sizes) == ((), [1] * 10)

    virtual(story())
