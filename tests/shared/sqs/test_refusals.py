"""What SQS refuses: entries of a batch, whole calls, what is too large, and leases beyond twelve hours."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from shared.message.delivery import Attribute, Delivery
from shared.sqs.batches import Refused, is_lost
from shared.sqs.queue import SqsQueue
from shared.sqs.sender import LARGEST_CALL, Message, NotSent, SqsSender
from tests.shared.sqs.sqs_server import SqsServer, sqs_server

HOURS = 3_600.0
LARGE = pytest.mark.filterwarnings(
    "ignore:Sending a large body:ResourceWarning"
)  # aiohttp's advice, above one mebibyte
CURRENT = SpanContext(trace_id=0x5759E988BD862E3FE1BE46A994272793, span_id=0x53995C3F42CD8AD8, is_remote=False)


@pytest.fixture
async def server() -> AsyncIterator[SqsServer]:
    async with sqs_server() as serving:
        yield serving


@pytest.fixture
async def send(server: SqsServer) -> AsyncIterator[SqsSender]:
    async with server.client() as client:
        yield SqsSender(client, name="deliveries", url=server.queue_url)


@pytest.fixture
async def queue(server: SqsServer) -> AsyncIterator[SqsQueue]:
    async with server.client() as client:
        yield SqsQueue(
            client, name="deliveries", url=server.queue_url, dead_letter_url=server.queue_url, clock=lambda: 5_000.0
        )


def held(number: int, *, since: float = 5_000.0) -> Delivery:
    return Delivery("deliveries", f"m-{number}", f"r-{number}", "{}", received_at=since)


def bodies(server: SqsServer) -> list[list[str]]:
    return [[entry["MessageBody"] for entry in call] for call in server.entries]


def size(entries: list[dict[str, Any]]) -> int:
    """As SQS counts a batch: bodies, and names, types and values of attributes."""
    total = sum(len(entry["MessageBody"].encode()) for entry in entries)
    for entry in entries:
        for name, value in entry.get("MessageAttributes", {}).items():
            total += len(name.encode()) + len(value["DataType"]) + len(value["StringValue"].encode())
    return total


async def test_messages_are_sent_ten_in_a_call(server: SqsServer, send: SqsSender) -> None:
    await send([Message(f"m-{number}") for number in range(23)])
    assert [len(call) for call in server.entries] == [10, 10, 3]
    assert all(len({entry["Id"] for entry in call}) == len(call) for call in server.entries)


@LARGE
async def test_a_call_never_holds_more_than_a_mebibyte(server: SqsServer, send: SqsSender) -> None:
    await send([Message("ż" * 200_000) for _ in range(5)])
    assert [len(call) for call in server.entries] == [2, 2, 1]


async def test_large_attributes_count_as_well(server: SqsServer, send: SqsSender) -> None:
    large = {"context": Attribute("String", "x" * 400_000)}
    await send([Message(f"m-{number}", attributes=large) for number in range(4)])
    assert [len(call) for call in server.entries] == [2, 2]
    assert all(size(call) <= LARGEST_CALL for call in server.entries)


@LARGE
async def test_a_message_of_exactly_a_mebibyte_is_sent_alone(server: SqsServer, send: SqsSender) -> None:
    await send([Message("a"), Message("x" * LARGEST_CALL), Message("b")])
    assert [size(call) for call in server.entries] == [1, LARGEST_CALL, 1]


async def test_only_the_refused_entries_are_sent_again(server: SqsServer, send: SqsSender) -> None:
    faults = Counter({"b": 2, "d": 1})

    def refuse(_call: str, entry: dict[str, Any]) -> str:
        faults[entry["MessageBody"]] -= 1
        return "InternalError" if faults[entry["MessageBody"]] >= 0 else ""

    server.refuse = refuse
    await send([Message(body) for body in "abcd"])
    assert bodies(server) == [["a", "b", "c", "d"], ["b", "d"], ["b"]]


async def test_what_is_refused_to_the_end_is_an_error_that_says_how_many_and_why(
    server: SqsServer, send: SqsSender
) -> None:
    server.refuse = lambda _call, entry: "RequestThrottled" if entry["MessageBody"] != "b" else ""
    with pytest.raises(NotSent, match=r"^2 messages were not accepted by deliveries: RequestThrottled$"):
        await send([Message(body) for body in "abc"])
    assert bodies(server) == [["a", "b", "c"], *[["a", "c"]] * 4]


async def test_a_call_that_fails_whole_is_an_error(server: SqsServer, send: SqsSender) -> None:
    server.fail = lambda _call, _request: "QueueDoesNotExist"
    with pytest.raises(ClientError, match="QueueDoesNotExist"):
        await send([Message("a")])


async def test_delay_and_group_are_told_only_where_they_are_set(server: SqsServer, send: SqsSender) -> None:
    await send([Message("a"), Message("b", delay=900, group="tenant-1")])
    [plain, special] = server.entries[0]
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
    [[entry]] = server.entries
    assert set(entry["MessageAttributes"]) == {*attributes, *carried}
    assert entry["MessageSystemAttributes"]["AWSTraceHeader"]["StringValue"] == (
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"
    )


async def test_a_message_that_already_carries_a_trace_gets_the_newer_one(server: SqsServer, send: SqsSender) -> None:
    own = {f"own-{number}": Attribute("String", "x") for number in range(9)}
    with use_span(NonRecordingSpan(CURRENT)):
        await send([Message("a", attributes={**own, "traceparent": Attribute("String", "00-old")})])
    [[entry]] = server.entries
    assert entry["MessageAttributes"]["traceparent"]["StringValue"].startswith("00-5759e988bd862e3f")


@LARGE
async def test_the_trace_never_makes_a_message_too_large(server: SqsServer, send: SqsSender) -> None:
    sampled = SpanContext(CURRENT.trace_id, CURRENT.span_id, is_remote=False, trace_flags=TraceFlags(1))
    with use_span(NonRecordingSpan(sampled)):
        await send([Message("x" * (LARGEST_CALL - 10))])
    [[entry]] = server.entries
    assert size([entry]) == LARGEST_CALL - 10
    assert entry["MessageSystemAttributes"]["AWSTraceHeader"]["StringValue"].endswith(";Sampled=1")


async def test_deletes_and_extensions_take_ten_in_a_call(server: SqsServer, queue: SqsQueue) -> None:
    deliveries = [held(number) for number in range(25)]
    await queue.delete(deliveries)
    await queue.extend(deliveries, seconds=60)
    assert sorted(len(call) for call in server.entries) == [5, 5, 10, 10, 10, 10]
    assert {call for call, _ in server.calls} == {"DeleteMessageBatch", "ChangeMessageVisibilityBatch"}


async def test_a_refused_entry_names_its_own_delivery(server: SqsServer, queue: SqsQueue) -> None:
    codes = {"r-3": "ReceiptHandleIsInvalid", "r-17": "InternalError"}
    server.refuse = lambda _call, entry: codes.get(entry["ReceiptHandle"], "")
    deliveries = [held(number) for number in range(20)]
    refused = await queue.delete(deliveries)
    assert refused == [
        Refused(deliveries[3], "ReceiptHandleIsInvalid", lost=True),
        Refused(deliveries[17], "InternalError", lost=False),
    ]


async def test_a_call_of_many_that_fails_whole_refuses_its_own_ten_and_hides_no_other_answer(
    server: SqsServer, queue: SqsQueue
) -> None:
    deliveries = [held(number) for number in range(15)]
    server.fail = lambda _call, request: "RequestThrottled" if len(request["Entries"]) == 10 else ""
    refused = await queue.extend(deliveries, seconds=60)
    assert [each.delivery for each in refused] == deliveries[:10]
    assert {(each.code, each.lost) for each in refused} == {("RequestThrottled", False)}


async def test_calls_that_all_fail_are_an_error(server: SqsServer, queue: SqsQueue) -> None:
    server.fail = lambda _call, _request: "AccessDenied"
    with pytest.raises(ClientError, match="AccessDenied"):
        await queue.delete([held(number) for number in range(15)])


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
    server: SqsServer, queue: SqsQueue, since: float, asked: float, sent: int
) -> None:
    await queue.extend([held(1, since=since)], seconds=asked)
    assert server.entries[0][0]["VisibilityTimeout"] == sent


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
