"""What an error means for its message, and that it is reported without the payload."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from shared.backoff import Backoff
from shared.message.envelope import bus_event, stream_record
from shared.outcome import Contended, Dead, Later, Reject, Retry, Stalled
from shared.road.failure.verdict import DEEPEST, dead, explain, judge, unreadable
from tests.made import make_worker

CANARY = "canary-7f3a"


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: int
    prices: Mapping[str, float] = {}
    lines: list[int] = []


def caught(raising: Callable[[], Any]) -> BaseException:
    with pytest.raises((Exception, asyncio.CancelledError)) as info:
        raising()
    return info.value


def verdict(
    error: BaseException, *, attempt: int = 1, down: Mapping[str, str] | None = None, **limits: Any
) -> Retry | Dead | Stalled:
    return judge(error, worker=make_worker(**limits), run=attempt, attempt=attempt, down=down)


def rejecting() -> None:
    raise Reject("endpoint is gone")


def failing(text: str = "x") -> None:
    raise ValueError(text)


def recursive(depth: int) -> None:
    if depth:
        recursive(depth - 1)
    raise ValueError


def throttled() -> ClientError:
    answer = {"Error": {"Code": "ThrottlingException", "Message": f"slow down, {CANARY}"}}
    return ClientError(answer, "UpdateItem")  # type: ignore[arg-type]  # a shorter answer than the stubs ask for


def test_a_reject_is_final_on_the_first_receipt() -> None:
    assert isinstance(verdict(caught(rejecting)), Dead)


def test_a_later_is_tried_again_when_it_says() -> None:
    assert verdict(Later("endpoint asked for patience", after=90)) == Retry("endpoint asked for patience", after=90)


@pytest.mark.parametrize("error", [ValueError(), TimeoutError(), asyncio.CancelledError(), SystemExit(1), Exception()])
def test_any_other_error_is_tried_again_with_backoff(error: BaseException) -> None:
    assert verdict(error, attempt=4) == Retry(type(error).__name__, after=None, run=4)


@pytest.mark.parametrize("attempt", [5, 6, 100])
@pytest.mark.parametrize("error", [ValueError(), Later("not yet", after=5)])
def test_the_last_receipt_is_buried_with_its_reason(error: Exception, attempt: int) -> None:
    judged = verdict(error, attempt=attempt)
    assert isinstance(judged, Dead)
    assert judged.error_type == type(error).__name__


def test_what_cannot_be_read_is_buried_on_the_first_receipt() -> None:
    assert unreadable(caught(failing), worker="sample").error_type == "ValueError"


def test_a_retry_names_the_place_of_its_error() -> None:
    judged = verdict(caught(failing))
    assert isinstance(judged, Retry)
    assert judged.why.startswith("ValueError at tests.shared.road.failure.test_verdict:failing:")


@pytest.mark.parametrize("objection", [Reject("gone"), Later("busy", after=3)])
async def test_an_objection_out_of_a_task_group_is_still_that_objection(objection: Exception) -> None:
    async def object_() -> None:
        raise objection

    with pytest.raises(ExceptionGroup) as caught_group:
        async with asyncio.TaskGroup() as group:
            group.create_task(object_())
    judged = verdict(caught_group.value)
    assert judged == (Retry("busy", after=3) if isinstance(objection, Later) else dead(objection, worker="sample"))


def test_a_group_of_several_errors_is_tried_again() -> None:
    assert verdict(ExceptionGroup("both", [Reject("gone"), OSError()])) == Retry("ExceptionGroup")


def test_the_text_of_an_arbitrary_error_is_not_told() -> None:
    judged = dead(caught(lambda: failing(CANARY)), worker="sample")
    assert judged.message == "ValueError"
    assert CANARY not in repr(judged)
    assert CANARY not in repr(verdict(caught(lambda: failing(CANARY))))


def test_the_code_of_an_aws_error_is_told_and_its_message_is_not() -> None:
    assert explain(throttled()) == "ClientError ThrottlingException"


def test_an_aws_error_without_an_answer_is_told_by_its_type() -> None:
    assert explain(EndpointConnectionError(endpoint_url="http://127.0.0.1")) == "EndpointConnectionError"


@pytest.mark.parametrize(
    "response",
    [None, "text", {}, {"Error": None}, {"Error": "text"}, {"Error": {"Code": 500}}, {"Error": {"Code": "a b\n" * 99}}],
)
def test_an_error_with_a_strange_response_is_told_by_its_type(response: object) -> None:
    class Strange(Exception):
        pass

    error = Strange()
    error.response = response  # type: ignore[attr-defined]  # as HTTP libraries set it
    assert explain(error) == "Strange"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"number": CANARY}, "number: must be a whole number"),
        ({}, "number: missing"),
        ({"number": 1, CANARY: 2}, "body: unknown field"),
        ({"number": 1, "prices": {CANARY: "free"}}, "prices.*: must be a number"),
        ({"number": 1, "lines": [1, CANARY]}, "lines.1: must be a whole number"),
        (CANARY, "body: must be an object"),
    ],
)
def test_a_validation_error_is_told_by_field_and_kind_and_never_by_content(given: object, expected: str) -> None:
    assert explain(caught(lambda: Order.model_validate(given))) == expected


@pytest.mark.parametrize(
    "body",
    [
        f'{{"id": "{CANARY}", "source": 5, "time": "{CANARY}", "detail": "{CANARY}"}}',
        f'{{"dynamodb": {{"Keys": {{"{CANARY}": "{CANARY}"}}}}, "eventName": "{CANARY}"}}',
        CANARY,
    ],
)
def test_no_unreadable_body_is_quoted(body: str) -> None:
    errors = [caught(lambda: bus_event(body)), caught(lambda: stream_record(body))]
    assert all(CANARY not in repr(unreadable(error, worker="sample")) for error in errors)


@given(st.text(max_size=2_000))
def test_a_long_reason_is_cut(why: str) -> None:
    assert explain(Reject(why)) == why[:300]


def test_a_fault_keeps_its_fingerprint() -> None:
    first, second = dead(caught(failing), worker="sample"), dead(caught(failing), worker="sample")
    assert first.fingerprint == second.fingerprint
    assert len(first.fingerprint) == 16
    assert int(first.fingerprint, 16) >= 0


def test_the_payload_does_not_change_a_fingerprint() -> None:
    faults = [dead(caught(partial(failing, text)), worker="sample") for text in ("a", "b", "c")]
    assert len({fault.fingerprint for fault in faults}) == 1


def test_two_codes_of_aws_are_two_faults() -> None:
    class ServiceError(Exception):
        def __init__(self, code: str) -> None:
            self.response = {"Error": {"Code": code}}

    def fingerprint_of(code: str) -> str:
        def fail() -> None:
            raise ServiceError(code)

        return dead(caught(fail), worker="sample").fingerprint

    assert len({fingerprint_of("AccessDenied"), fingerprint_of("Throttling"), fingerprint_of("AccessDenied")}) == 2


def test_the_text_of_a_reject_is_in_its_fingerprint_without_numbers_and_ids() -> None:
    def fingerprint_of(why: str) -> str:
        def fail() -> None:
            raise Reject(why)

        return dead(caught(fail), worker="sample").fingerprint

    assert fingerprint_of("endpoint ep-17 answered 410") == fingerprint_of("endpoint ep-4711 answered 404")
    assert fingerprint_of("order 0b6f2c1e-5a7d-4f55-9d0e-1f2a3b4c5d6e is gone") == fingerprint_of("order 42 is gone")
    assert fingerprint_of("the endpoint is switched off") != fingerprint_of("the tenant is unknown")


def test_another_worker_or_another_type_is_another_fault() -> None:
    faults = [
        dead(caught(failing), worker="sample"),
        dead(caught(failing), worker="other"),
        dead(caught(rejecting), worker="sample"),
    ]
    assert len({fault.fingerprint for fault in faults}) == 3


def test_a_stack_runs_from_the_outside_to_the_raise_and_is_bounded() -> None:
    stack = dead(caught(lambda: Order.model_validate_json("{")), worker="sample").stack
    assert [place.rsplit(":", 1)[0] for place in stack][-1] == "pydantic.main:model_validate_json"
    assert len(dead(caught(lambda: recursive(200)), worker="sample").stack) <= DEEPEST


def test_a_library_that_calls_itself_deeply_does_not_push_our_own_frames_out() -> None:
    def deeply(depth: int) -> None:
        return namespace["dive"](depth)  # type: ignore[no-any-return]  # made by exec

    namespace: dict[str, Any] = {"__name__": "library.inner", "failing": failing}
    exec("def dive(n):\n    dive(n - 1) if n else failing()", namespace)
    shallow, deep = (dead(caught(partial(deeply, depth)), worker="sample") for depth in (1, 50))
    assert shallow.fingerprint == deep.fingerprint
    assert [place.split(":")[0] for place in deep.stack] == [__name__, "library.inner", __name__]


def test_the_frames_of_our_own_packages_are_all_kept() -> None:
    stack = dead(caught(lambda: bus_event("nothing")), worker="sample").stack
    assert [place.rsplit(":", 1)[0] for place in stack if place.startswith("shared.")] == [
        "shared.message.envelope:bus_event",
        "shared.message.envelope:document",
        "shared.message.envelope:_object",
        "shared.message.parsing:parsed",
    ]


def test_work_that_somebody_else_holds_is_looked_at_again_ever_more_slowly_and_costs_no_run() -> None:
    error = Contended("another worker is at it", after=60)
    waits = [verdict(error, attempt=attempt) for attempt in (1, 2, 3, 4, 5, 20)]
    assert waits == [Retry(error.why, after=seconds, counts=False) for seconds in (1.0, 3.0, 9.0, 27.0, 60, 60)]


def test_a_short_lease_is_never_waited_for_longer_than_it_lasts() -> None:
    assert verdict(Contended("another worker is at it", after=2), attempt=3) == Retry(
        "another worker is at it", after=2, counts=False
    )


def test_looking_at_work_that_somebody_else_holds_does_not_use_up_the_last_receipt() -> None:
    error = Contended("another worker is at it", after=60)
    waits = [verdict(error, attempt=attempt, max_receives=5) for attempt in (1, 2, 3, 4)]
    assert waits == [Retry(error.why, after=seconds, counts=False) for seconds in (1.0, 3.0, 60, 60)]


def test_what_stalls_a_message_says_whether_the_dependency_refuses_or_is_down() -> None:
    down = {"s3": "ReadTimeoutError", "dynamodb": "AccessDeniedException"}
    stalled = verdict(RuntimeError(), down=down)
    assert isinstance(stalled, Stalled)
    assert stalled.why == "RuntimeError: dynamodb refuses (AccessDeniedException), s3 is down (ReadTimeoutError)"


def test_a_throttle_of_an_unwatched_client_is_told_as_one() -> None:
    stalled = verdict(throttled())
    assert isinstance(stalled, Stalled)
    assert stalled.why.endswith(": AWS throttles (ThrottlingException)")


def test_each_class_of_errors_may_have_a_backoff_of_its_own_and_the_first_that_fits_decides() -> None:
    slow, other = Backoff(base=600.0, factor=1.0), Backoff(base=60.0, factor=1.0)
    worker = replace(make_worker(), backoffs={TimeoutError: slow, OSError: other})
    chosen = [
        judge(error, worker=worker, run=1, attempt=1) for error in (TimeoutError(), ConnectionError(), ValueError())
    ]
    assert [each.backoff for each in chosen if isinstance(each, Retry)] == [slow, other, None]
