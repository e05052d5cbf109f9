"""Events on the bus: gathered while a call is open, each with its own answer."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from opentelemetry.trace import NonRecordingSpan, SpanContext, use_span

from shared.bus import MOST_BYTES, BusEntry, EventBus, NotPut
from shared.outcome import Reject, is_outage
from shared.sqs.gathering import LINGER
from shared.telemetry.x_ray import made_by_x_ray
from tests.virtual_time import clock, virtual

Answer = Callable[[list[dict[str, Any]]], Any]


def taken(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"FailedEntryCount": 0, "Entries": [{"EventId": f"id-{entry['Detail']}"} for entry in entries]}


class Events:
    """A client whose calls take 5 ms; `answers` are given in turn, the last one for ever."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers) or [taken]
        self.calls: list[list[str]] = []
        self.asked: list[dict[str, Any]] = []
        self.times: list[float] = []

    async def put_events(self, *, Entries: list[dict[str, Any]]) -> Any:
        self.calls.append([entry["Detail"] for entry in Entries])
        self.asked += Entries
        self.times.append(clock())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await asyncio.sleep(0.005)
        if isinstance(answer, Exception):
            raise answer
        return answer(Entries)


def event(detail: str = "{}") -> BusEntry:
    return BusEntry("fleet.uploads", "upload.completed", detail)


def put_all(client: Any, *events: BusEntry) -> list[Any]:
    async def story() -> Sequence[Any]:
        bus = EventBus(client, bus="fleet-events", dice=lambda: 0.5)
        return await asyncio.gather(*(bus.put(each) for each in events), return_exceptions=True)

    return list(virtual(story()))


def refusing(code: str, *details: str) -> Answer:
    def answer(entries: list[dict[str, Any]]) -> dict[str, Any]:
        answered: list[dict[str, Any]] = [
            {"ErrorCode": code} if entry["Detail"] in details else {"EventId": f"id-{entry['Detail']}"}
            for entry in entries
        ]
        return {"FailedEntryCount": len(details), "Entries": answered}

    return answer


def client_error(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutEvents")  # type: ignore[typeddict-item]  # the rest is not looked at


def test_one_event_is_put_at_once_as_it_is() -> None:
    client = Events()
    assert put_all(client, event('{"a": 1.10}')) == ['id-{"a": 1.10}']
    assert client.asked == [
        {
            "EventBusName": "fleet-events",
            "Source": "fleet.uploads",
            "DetailType": "upload.completed",
            "Detail": '{"a": 1.10}',
        }
    ]


def test_an_event_keeps_its_own_time() -> None:
    client = Events()
    put_all(client, BusEntry("fleet.uploads", "upload.completed", "{}", time=datetime(2026, 11, 21, 9, tzinfo=UTC)))
    assert [entry["Time"] for entry in client.asked] == [datetime(2026, 11, 21, 9, tzinfo=UTC)]


def test_what_comes_while_a_call_is_open_shares_the_next_ones_ten_at_a_time() -> None:
    client = Events()
    ids = put_all(client, *(event(str(number)) for number in range(25)))
    assert ids == [f"id-{number}" for number in range(25)]
    assert [len(call) for call in client.calls] == [1, 10, 10, 4]
    assert client.times[-1] - client.times[0] <= LINGER


def test_a_call_holds_no_more_bytes_than_the_bus_takes() -> None:
    client = Events()
    put_all(client, event("first"), *(event(f"{number}" * 100_000) for number in range(4)))
    assert [len(call) for call in client.calls] == [1, 2, 2]
    assert all(sum(map(len, call)) < MOST_BYTES for call in client.calls)


def test_an_entry_that_is_refused_fails_only_its_own_event() -> None:
    ids = put_all(Events(taken, refusing("MalformedDetail", "2")), *(event(str(number)) for number in range(4)))
    assert [ids[0], ids[1], ids[3]] == ["id-0", "id-1", "id-3"]
    assert isinstance(ids[2], Reject)
    assert ids[2].why == "the bus refuses the event: MalformedDetail"


def test_an_entry_that_is_refused_for_a_passing_reason_is_put_again_alone() -> None:
    client = Events(taken, refusing("InternalFailure", "2"), taken)
    assert put_all(client, *(event(str(number)) for number in range(4))) == ["id-0", "id-1", "id-2", "id-3"]
    assert client.calls == [["0"], ["1", "2", "3"], ["2"]]


def test_what_the_bus_keeps_refusing_is_an_error_after_three_calls() -> None:
    client = Events(refusing("ThrottlingException", "{}"))
    [error] = put_all(client, event())
    assert isinstance(error, NotPut)
    assert str(error) == "the bus did not take the event: ThrottlingException"
    assert [later - earlier for earlier, later in zip(client.times, client.times[1:], strict=False)] == [
        pytest.approx(0.505),
        pytest.approx(1.005),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        {"message": "<html>"},
        {"FailedEntryCount": 0, "Entries": []},
        {"FailedEntryCount": 0, "Entries": None},
        {"FailedEntryCount": 0, "Entries": [{}]},
        {"FailedEntryCount": 0, "Entries": [None]},
        {"FailedEntryCount": 0, "Entries": [{"EventId": ""}]},
        {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}, {"EventId": "2"}]},
    ],
)
def test_an_answer_that_does_not_name_the_event_is_not_a_success(answer: Any) -> None:
    [error] = put_all(Events(lambda _entries: answer), event())
    assert isinstance(error, NotPut)


def test_an_event_that_spoils_a_whole_call_costs_only_itself() -> None:
    def spoilt(entries: list[dict[str, Any]]) -> Any:
        if any(entry["Detail"] == "bad" for entry in entries):
            raise client_error("ValidationException", 400)
        return taken(entries)

    ids = put_all(Events(spoilt), event("0"), event("1"), event("bad"), event("3"))
    assert [ids[0], ids[1], ids[3]] == ["id-0", "id-1", "id-3"]
    assert isinstance(ids[2], Reject)


@pytest.mark.parametrize(
    "error", [client_error("InternalException", 500), EndpointConnectionError(endpoint_url="http://127.0.0.1")]
)
def test_a_call_that_failed_fails_all_that_were_in_it_and_no_later_one(error: Exception) -> None:
    first, *others = put_all(Events(taken, error, taken), *(event(str(number)) for number in range(12)))
    assert first == "id-0"
    assert [is_outage(other) for other in others[:10]] == [True] * 10
    assert others[10:] == ["id-11"]


def test_a_failure_on_the_way_to_the_bus_is_an_outage_whatever_it_is_called() -> None:
    assert ending(Events(client_error("502", 502))) == (True, "the bus did not take the event: 502")


def test_events_that_are_not_at_fault_are_not_put_one_by_one() -> None:
    client = Events(taken, client_error("AccessDeniedException", 400))
    put_all(client, *(event(str(number)) for number in range(4)))
    assert client.calls == [["0"], ["1", "2", "3"]]


def ending(client: Events) -> str | tuple[bool, str]:
    """What the event's message is told: the reason of a Reject, or whether it is an outage, and which."""
    [error] = put_all(client, event())
    return error.why if isinstance(error, Reject) else (is_outage(error), str(error))


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("MalformedDetail", 400, "the bus refuses the event: MalformedDetail"),
        ("InvalidArgument", 400, "the bus refuses the event: InvalidArgument"),
        ("ValidationException", 400, "the bus refuses the event: ValidationException"),
        ("RequestEntityTooLarge", 413, "the bus refuses the event: RequestEntityTooLarge"),
        ("413", 413, "the bus refuses the event: 413"),
        ("ThrottlingException", 400, (True, "the bus did not take the event: ThrottlingException")),
        ("InternalFailure", 500, (True, "the bus did not take the event: InternalFailure")),
        ("AccessDeniedException", 400, (True, "the bus did not take the event: AccessDeniedException")),
        (
            "NotAuthorizedForSourceException",
            400,
            (True, "the bus did not take the event: NotAuthorizedForSourceException"),
        ),
        ("ResourceNotFoundException", 400, (True, "the bus did not take the event: ResourceNotFoundException")),
    ],
)
def test_a_code_means_the_same_in_an_entry_and_for_a_whole_call(
    code: str, status: int, expected: str | tuple[bool, str]
) -> None:
    assert ending(Events(refusing(code, "{}"))) == expected
    assert ending(Events(client_error(code, status))) == expected


def test_a_caller_who_leaves_takes_nothing_from_the_others() -> None:
    client = Events()

    async def story() -> str:
        bus = EventBus(client, bus="b")  # type: ignore[arg-type]  # only put_events is used
        first, leaving, staying = (asyncio.create_task(bus.put(event(name))) for name in "abc")
        await asyncio.sleep(0.001)
        leaving.cancel()
        await asyncio.gather(first, leaving, return_exceptions=True)
        return await staying

    assert virtual(story()) == "id-c"


def test_entries_that_an_answered_call_refuses_are_told_for_the_breaker() -> None:
    async def told(code: str) -> list[str]:
        codes: list[str] = []
        bus = EventBus(Events(refusing(code, "{}")), bus="fleet-events", refused=codes.append, dice=lambda: 0.5)  # type: ignore[arg-type]  # it has the one call
        with pytest.raises((NotPut, Reject)):
            await bus.put(event())
        return codes

    assert virtual(told("InternalFailure")) == ["InternalFailure"], "once, after all tries"
    assert virtual(told("NotAuthorizedForSourceException")) == ["NotAuthorizedForSourceException"]
    assert virtual(told("MalformedDetail")) == [], "the event's own fault"


async def test_an_event_carries_the_trace_of_whoever_puts_it_also_where_another_makes_the_call() -> None:
    client = Events()
    bus = EventBus(client, bus="fleet-events")  # type: ignore[arg-type]  # what is asked of a client
    spans = [SpanContext(trace_id=number, span_id=7, is_remote=False) for number in (0xA << 100, 0xB << 100)]

    async def put(span: SpanContext, detail: str) -> None:
        with use_span(NonRecordingSpan(span)):
            await bus.put(event(detail))

    await asyncio.gather(*(put(span, str(place)) for place, span in enumerate(spans)), bus.put(event("2")))
    found = {each["Detail"]: each.get("TraceHeader") for each in client.asked}
    assert found["2"] is None
    for place, span in enumerate(spans):
        made_by = made_by_x_ray(found[str(place)] or "")
        assert made_by is not None
        assert made_by.trace_id == span.trace_id
