"""What SQS refuses: entries of a batch, whole calls, what is too large, and leases beyond twelve hours."""

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from shared.message.delivery import Attribute, Delivery
from shared.sqs.batches import Refused, is_lost
from shared.sqs.queue import SqsQueue
from shared.sqs.sender import LARGEST_CALL, Message, NotSent, SqsSender
from tests.sqs_server.running import SqsServer

HOURS = 3_600.0
LARGE = pytest.mark.filterwarnings(
    "ignore:Sending a large body:ResourceWarning"
)  # aiohttp's advice, above one mebibyte
CURRENT = SpanContext(trace_id=0x5759E988BD862E3FE1BE46A994272793, span_id=0x53995C3F42CD8AD8, is_remote=False)


async def held(queue: SqsQueue, send: SqsSender, count: int) -> list[Delivery]:
    """So many messages of the queue, sent and received."""
    await send([Message(f"m-{number}") for number in range(count)])
    found: list[Delivery] = []
    while len(found) < count:
        found += await queue.receive(limit=10, wait=0, visibility=30)
    return found


def sends(server: SqsServer) -> list[list[dict[str, Any]]]:
    """The entries of each call that sent."""
    return server.control.batches("SendMessageBatch")


def bodies(server: SqsServer) -> list[list[str]]:
    return [[entry["MessageBody"] for entry in call] for call in sends(server)]


def size(entries: list[dict[str, Any]]) -> int:
    """As SQS counts a batch: bodies, and names, types and values of attributes."""
    total = sum(len(entry["MessageBody"].encode()) for entry in entries)
    for entry in entries:
        for name, value in entry.get("MessageAttributes", {}).items():
            total += len(name.encode()) + len(value["DataType"]) + len(value["StringValue"].encode())
    return total


async def test_messages_are_sent_ten_in_a_call(server: SqsServer, send: SqsSender) -> None:
    await send([Message(f"m-{number}") for number in range(23)])
    assert [len(call) for call in sends(server)] == [10, 10, 3]
    assert all(len({entry["Id"] for entry in call}) == len(call) for call in sends(server))


@LARGE
async def test_a_call_never_holds_more_than_a_mebibyte(server: SqsServer, send: SqsSender) -> None:
    await send([Message("ż" * 200_000) for _ in range(5)])
    assert [len(call) for call in sends(server)] == [2, 2, 1]


async def test_large_attributes_count_as_well(server: SqsServer, send: SqsSender) -> None:
    large = {"context": Attribute("String", "x" * 400_000)}
    await send([Message(f"m-{number}", attributes=large) for number in range(4)])
    assert [len(call) for call in sends(server)] == [2, 2]
    assert all(size(call) <= LARGEST_CALL for call in sends(server))


@LARGE
async def test_a_message_of_exactly_a_mebibyte_is_sent_alone(server: SqsServer, send: SqsSender) -> None:
    await send([Message("a"), Message("x" * LARGEST_CALL), Message("b")])
    assert [size(call) for call in sends(server)] == [1, LARGEST_CALL, 1]


async def test_only_the_refused_entries_are_sent_again(server: SqsServer, send: SqsSender) -> None:
    server.control.fault("refuse", texts=("b",), code="InternalError", count=2)
    server.control.fault("refuse", texts=("d",), code="InternalError", count=1)
    await send([Message(body) for body in "abcd"])
    assert bodies(server) == [["a", "b", "c", "d"], ["b", "d"], ["b"]]


async def test_what_is_refused_to_the_end_is_an_error_that_says_how_many_and_why(
    server: SqsServer, send: SqsSender
) -> None:
    server.control.fault("refuse", texts=("a", "c"), code="RequestThrottled")
    with pytest.raises(NotSent, match=r"^2 messages were not accepted by deliveries: RequestThrottled$"):
        await send([Message(body) for body in "abc"])
    assert bodies(server) == [["a", "b", "c"], *[["a", "c"]] * 4]


async def test_a_call_that_fails_whole_is_an_error(server: SqsServer, send: SqsSender) -> None:
    server.control.fault("no_queue", "SendMessageBatch")
    with pytest.raises(ClientError, match="NonExistentQueue"):
        await send([Message("a")])


async def test_delay_and_group_are_told_only_where_they_are_set(server: SqsServer, send: SqsSender) -> None:
    await send([Message("a"), Message("b", delay=900, group="tenant-1")])
    [plain, special] = sends(server)[0]
    assert "DelaySeconds" not in plain
    assert "MessageGroupId" not in plain
    assert (special["DelaySeconds"], special["MessageGroupId"]) == (900, "tenant-1")


@pytest.mark.parametrize(
    ("own", "carried"),
    [
        (0, {"traceparent"}),
        (9, {"traceparent"}),
        (10, set()),
    ],
)
async def test_the_trace_takes_the_room_that_ten_attributes_leave(
    server: SqsServer, send: SqsSender, own: int, carried: set[str]
) -> None:
    attributes = {f"own-{number}": Attribute("String", "x") for number in range(own)}
    with use_span(NonRecordingSpan(CURRENT)):
        await send([Message("a", attributes=attributes)])
    [[entry]] = sends(server)
    assert set(entry["MessageAttributes"]) == {*attributes, *carried}
    assert entry["MessageSystemAttributes"]["AWSTraceHeader"]["StringValue"] == (
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"
    )


async def test_a_message_that_already_carries_a_trace_gets_the_newer_one(server: SqsServer, send: SqsSender) -> None:
    own = {f"own-{number}": Attribute("String", "x") for number in range(9)}
    with use_span(NonRecordingSpan(CURRENT)):
        await send([Message("a", attributes={**own, "traceparent": Attribute("String", "00-old")})])
    [[entry]] = sends(server)
    assert entry["MessageAttributes"]["traceparent"]["StringValue"].startswith("00-5759e988bd862e3f")


@LARGE
async def test_the_trace_never_makes_a_message_too_large(server: SqsServer, send: SqsSender) -> None:
    sampled = SpanContext(CURRENT.trace_id, CURRENT.span_id, is_remote=False, trace_flags=TraceFlags(1))
    with use_span(NonRecordingSpan(sampled)):
        await send([Message("x" * (LARGEST_CALL - 10))])
    [[entry]] = sends(server)
    assert size([entry]) == LARGEST_CALL - 10
    assert entry["MessageSystemAttributes"]["AWSTraceHeader"]["StringValue"].endswith(";Sampled=1")


async def test_deletes_and_extensions_take_ten_in_a_call(server: SqsServer, queue: SqsQueue, send: SqsSender) -> None:
    deliveries = await held(queue, send, 25)
    assert await queue.extend(deliveries, seconds=60) == []
    assert await queue.delete(deliveries) == []
    for action in ("ChangeMessageVisibilityBatch", "DeleteMessageBatch"):
        assert sorted(len(call) for call in server.control.batches(action)) == [5, 10, 10]


async def test_a_refused_entry_names_its_own_delivery(server: SqsServer, queue: SqsQueue, send: SqsSender) -> None:
    deliveries = await held(queue, send, 20)
    for place, code in ((3, "ReceiptHandleIsInvalid"), (17, "InternalError")):
        server.control.fault("refuse", texts=(deliveries[place].receipt_handle,), code=code)
    refused = await queue.delete(deliveries)
    assert refused == [
        Refused(deliveries[3], "ReceiptHandleIsInvalid", lost=True),
        Refused(deliveries[17], "InternalError", lost=False),
    ]


async def test_a_call_of_many_that_fails_whole_refuses_its_own_ten_and_hides_no_other_answer(
    server: SqsServer, queue: SqsQueue, send: SqsSender
) -> None:
    deliveries = await held(queue, send, 15)
    server.control.fault("throttled", texts=(deliveries[0].receipt_handle,))
    refused = await queue.extend(deliveries, seconds=60)
    assert [each.delivery for each in refused] == deliveries[:10]
    assert {(each.code, each.lost) for each in refused} == {("RequestThrottled", False)}


async def test_calls_that_all_fail_are_an_error(server: SqsServer, queue: SqsQueue, send: SqsSender) -> None:
    deliveries = await held(queue, send, 15)
    server.control.fault("denied", "DeleteMessageBatch")
    with pytest.raises(ClientError, match="AccessDenied"):
        await queue.delete(deliveries)


@pytest.mark.parametrize(
    ("since", "asked", "sent"),
    [
        (5_000.0, 60.0, 60),
        (5_000.0, 0.0, 0),
        (5_000.0, -5.0, 0),
        (5_000.0, 12 * HOURS, 43_170),
        (5_000.0 - HOURS, 12 * HOURS, 43_170 - 3_600),
        (5_000.0 - 13 * HOURS, 60.0, 0),
        (0.0, 12 * HOURS, 41_970),
        (0.0, 900.0, 900),
    ],
)
async def test_no_lease_is_asked_for_beyond_twelve_hours_from_the_receive(
    *, server: SqsServer, queue: SqsQueue, send: SqsSender, since: float, asked: float, sent: int
) -> None:
    [found] = await held(queue, send, 1)
    assert await queue.extend([replace(found, received_at=since)], seconds=asked) == []
    assert server.control.batches("ChangeMessageVisibilityBatch")[0][0]["VisibilityTimeout"] == sent


@pytest.mark.parametrize(
    ("code", "lost"),
    [
        ("ReceiptHandleIsInvalid", True),
        ("AWS.SimpleQueueService.MessageNotInflight", True),
        ("com.amazonaws.sqs#ReceiptHandleIsInvalid", True),
        ("InvalidParameterValue", True),
        ("RequestThrottled", False),
        ("InternalError", False),
        ("", False),
    ],
)
def test_a_lost_lease_is_known_by_its_code_in_both_protocols(*, code: str, lost: bool) -> None:
    assert is_lost(code) is lost
