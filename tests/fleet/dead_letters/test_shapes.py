"""What a letter is, where it can go, and why not: one golden letter of every shape."""

from datetime import UTC, datetime

import pytest

from fleet.dead_letters.model import lambda_record
from fleet.dead_letters.model.letter import RESTORED, DeadLetter
from fleet.dead_letters.model.plan.outgoing import parcel
from fleet.dead_letters.model.shapes import TEST_EVENT, Origin, Standing, is_sendable_by_hand, standing
from shared.message.identity import ATTRIBUTE, idempotency_key
from tests.fleet.dead_letters import letters
from tests.fleet.dead_letters.fakes import SOURCE, envelope, letter

QUEUE = "arn:aws:sqs:us-east-1:000000000000:webhook-events"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:resize"
ORIGIN = Origin(sources=(SOURCE,))


def judged(golden: letters.Golden, origin: Origin = ORIGIN) -> Standing:
    body, attributes = golden
    return standing(letter(body, attributes=dict(attributes)), now=datetime.now(UTC), origin=origin)


@pytest.mark.parametrize(
    ("golden", "shape", "replayable", "destination"),
    [
        (letters.bus_event(QUEUE), "eventbridge-rule", True, QUEUE),
        (letters.bus_event(FUNCTION), "eventbridge-rule", True, FUNCTION),
        (letters.bus_record(), "eventbridge-bus", False, ""),
        (letters.scheduled(QUEUE), "scheduler", True, QUEUE),
        (letters.invocation(), "lambda-async", True, ""),
        (letters.invocation_record(FUNCTION), "lambda-async", True, f"{FUNCTION}:$LATEST"),
        (('{"requestContext": {"functionArn": "' + FUNCTION + '"}}', {}), "lambda-async", False, ""),
        (('{"requestContext": {"functionArn": "x"}, "requestPayload": {}}', {}), "lambda-async", False, ""),
        (letters.stream_pointer(), "lambda-stream", True, ""),
        (letters.stream_pointer(by="context"), "pipe-stream", True, ""),
        (letters.notification(), "sns", True, ""),
        (('{"order": 7}', {}), "unknown", False, ""),
        (("not json", {}), "unknown", False, ""),
    ],
)
def test_every_shape_is_recognised(golden: letters.Golden, shape: str, replayable: bool, destination: str) -> None:  # noqa: FBT001
    result = judged(golden)
    assert (result.shape, result.replayable, result.destination) == (shape, replayable, destination)
    assert bool(result.why_not) is not bool(destination)


def test_a_letter_that_sqs_moved_goes_back_to_where_it_came_from() -> None:
    result = standing(letter(moved_from=QUEUE), now=datetime.now(UTC), origin=ORIGIN)
    assert (result.shape, result.replayable, result.destination) == ("sqs", True, QUEUE)


@pytest.mark.parametrize(
    ("origin", "destination"),
    [
        (Origin(sources=("arn:aws:sqs:r:a:webhooks", "arn:aws:sqs:r:a:other")), "arn:aws:sqs:r:a:webhooks"),
        (
            Origin(sources=("arn:aws:sqs:r:a:fleet-webhooks-dev", "arn:aws:sqs:r:a:x")),
            "arn:aws:sqs:r:a:fleet-webhooks-dev",
        ),
        (Origin(named={"webhooks": "arn:aws:sqs:r:a:fleet-webhooks-dev"}), "arn:aws:sqs:r:a:fleet-webhooks-dev"),
        (Origin(sources=("arn:aws:sqs:r:a:renamed",)), "arn:aws:sqs:r:a:renamed"),
        (Origin(sources=("arn:aws:sqs:r:a:x", "arn:aws:sqs:r:a:y")), ""),
        (Origin(), ""),
    ],
)
def test_a_letter_that_the_fleet_parked_goes_to_the_queue_its_envelope_names(origin: Origin, destination: str) -> None:
    parked = letter(attributes={"fleet-failure": envelope()})
    result = standing(parked, now=datetime.now(UTC), origin=origin)
    assert (result.shape, result.replayable, result.destination) == ("sqs", True, destination)


def test_a_restored_letter_still_knows_where_sqs_moved_it_from() -> None:
    restored = letter(attributes={RESTORED: f'{{"moved_from": "{QUEUE}"}}'})
    assert standing(restored, now=datetime.now(UTC), origin=Origin(sources=(QUEUE,))).destination == QUEUE


@pytest.mark.parametrize(
    "forged",
    [
        letter(moved_from=QUEUE, attributes={"fleet-failure": envelope(source_queue="payments")}),
        letter(moved_from=QUEUE, attributes={RESTORED: '{"moved_from": "arn:aws:sqs:r:a:payments"}'}),
        letter(attributes={"fleet-failure": envelope(source_queue="payments")}),
        letter(attributes={RESTORED: '{"moved_from": "arn:aws:sqs:r:a:payments"}'}),
    ],
)
def test_a_letter_that_contradicts_sqs_goes_nowhere_by_itself_and_both_are_named(forged: DeadLetter) -> None:
    origin = Origin(sources=(QUEUE,), named={"payments": "arn:aws:sqs:r:a:payments"})
    result = standing(forged, now=datetime.now(UTC), origin=origin)
    assert result.destination == ""
    assert "payments" in result.why_not
    assert "webhook-events" in result.why_not


def test_a_test_event_of_s3_is_no_failure_and_never_replayed() -> None:
    body = '{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}'
    for given in (letter(body), letter(body, moved_from=QUEUE)):
        result = standing(given, now=datetime.now(UTC), origin=ORIGIN)
        assert (result.replayable, result.why_not) == (False, TEST_EVENT)
        assert not is_sendable_by_hand(result)


def test_an_old_pointer_has_expired_and_a_fresh_one_offers_its_range() -> None:
    old, fresh = judged(letters.stream_pointer(hours_old=25)), judged(letters.stream_pointer(hours_old=1))
    assert (old.replayable, old.why_not.startswith("pointer expired")) == (False, True)
    assert fresh.pointer is not None
    assert fresh.pointer.shard in fresh.why_not
    assert "22 h 59 min" in fresh.why_not or "23 h 0 min" in fresh.why_not


def test_a_letter_of_ids_only_names_the_archive_as_the_way_out() -> None:
    why = judged(letters.bus_record()).why_not
    assert "ids only" in why
    assert "archive of shop" in why


def test_a_truncated_input_is_not_sent_again() -> None:
    body, attributes = letters.scheduled(QUEUE)
    result = judged((body, {**attributes, "IS_PAYLOAD_TRUNCATED": "true"}))
    assert (result.replayable, "truncated" in result.why_not) == (False, True)


def test_a_target_that_is_no_queue_and_no_function_needs_a_name() -> None:
    result = judged(letters.bus_event("arn:aws:states:us-east-1:000000000000:stateMachine:orders"))
    assert (result.destination, "--to" in result.why_not) == ("", True)


def test_an_sns_letter_names_its_subscription_and_warns_of_the_topic() -> None:
    why = judged(letters.notification()).why_not
    assert "subscription c9135db0-26c4" in why
    assert "every subscriber" in why


@pytest.mark.parametrize("attribute", ["not json", "[1]", '{"worker": 5}', ""])
def test_a_stranger_under_our_attribute_name_is_no_envelope(attribute: str) -> None:
    result = judged(("{}", {"fleet-failure": attribute}))
    assert result.shape == "unknown"


@pytest.mark.parametrize(
    "event", ['{"n": 1.50, "big": 123456789012345678901234567890, "u": "\\u00fc"}', "[1,  2]", '"text"', "null"]
)
def test_a_failed_invocation_is_sent_with_its_event_to_the_byte(event: str) -> None:
    body, _ = letters.invocation_record(FUNCTION, event)
    assert judged((body, {})).error_code == "ValueError"
    assert parcel(letter(body), shape="lambda-async", plan_id="p").body == event
    assert parcel(letter(body), shape="lambda-async", plan_id="p", mended="{}").body == "{}"


@pytest.mark.parametrize("body", ["", "[]", "{", '{"a" 1}', '{"a": 1}', "x", '{"requestPayload": ', "{}", "{" * 5000])
def test_a_body_without_an_event_inside_is_the_event_itself(body: str) -> None:
    assert lambda_record.event(body) == ""
    assert parcel(letter(body), shape="lambda-async", plan_id="p").body == body


def test_an_envelope_on_a_letter_that_sqs_moved_names_no_key() -> None:
    forged = {ATTRIBUTE: envelope(idempotency_key="somebody else's")}
    assert letter('{"a": 1}', attributes=forged, moved_from=SOURCE).key == letter('{"a": 1}').key
    assert letter('{"a": 1}', attributes=forged).key == "somebody else's"


def test_an_event_that_fails_again_is_known_by_its_key_though_lambda_writes_a_new_record() -> None:
    first, _ = letters.invocation_record(FUNCTION)
    second = first.replace("T09:00", "T09:05")
    assert first != second
    assert letter(first).key == letter(second).key == letter('{"order": 7}').key


@pytest.mark.parametrize(
    "body", ['{"requestPayload": {"order": 7}}', '{"requestContext": 5, "requestPayload": 1}', "x"]
)
def test_a_message_that_only_looks_like_such_a_record_has_a_key_of_its_own(body: str) -> None:
    assert letter(body).key == idempotency_key(body, {})


def test_a_record_that_sqs_moved_was_a_message_of_its_own() -> None:
    record, _ = letters.invocation_record(FUNCTION)
    assert letter(record, moved_from=SOURCE).key == idempotency_key(record, {})


@pytest.mark.parametrize(("moved_from", "goes"), [("", QUEUE), (QUEUE, "")], ids=["parked", "moved by SQS"])
def test_a_source_that_nobody_here_has_is_shown_and_where_sqs_says_another_it_is_refused(
    moved_from: str, goes: str
) -> None:
    dead = letter(attributes={ATTRIBUTE: envelope(source_queue="payments")}, moved_from=moved_from)
    judged = standing(dead, now=datetime.now(UTC), origin=Origin(sources=(QUEUE,)))
    assert (judged.destination, "says payments" in judged.why_not) == (goes, True)
