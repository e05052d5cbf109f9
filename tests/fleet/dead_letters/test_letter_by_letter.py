"""One letter that cannot be read is named with its fault and left; all others are looked at, planned and sent."""

import time
from typing import Any

import boto3
import pytest
from botocore.config import Config

from fleet.dead_letters.model.filters import Filters, selected
from fleet.dead_letters.model.groups import document, grouped
from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.model.plan.draft import draft
from fleet.dead_letters.model.shapes import Origin
from fleet.dead_letters.model.view import View, view
from fleet.dead_letters.queues.topics import Topics, routed
from shared.message.identity import ATTRIBUTE
from tests.fleet.dead_letters import letters
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.fakes import DLQ, SOURCE, envelope, letter

HEX = "whose bytes are not hexadecimal"
SHORT = "arn:aws:dynamodb"


def parked(**fields: Any) -> DeadLetter:
    return letter(attributes={ATTRIBUTE: envelope(**fields)})


def displaced(**fields: Any) -> DeadLetter:
    return parked(displaced={"name": "mine", "data_type": "String", **fields})


def judged(each: DeadLetter) -> View:
    return view(each, retention=1_209_600, origin=Origin(DLQ, (SOURCE,)), now=each.sent_at + 60)


@pytest.mark.parametrize(
    ("odd", "fault"),
    [
        (displaced(data_type="Binary", binary_hex="zz"), HEX),
        (displaced(data_type="Binary", binary_hex=""), "SQS would not take"),
        (displaced(data_type="Blob", text="a"), "SQS would not take"),
        (displaced(text=""), "SQS would not take"),
        (letter(letters.stream_pointer(stream=SHORT)[0]), "pointer is malformed"),
        (letter(letters.stream_pointer(endSequenceNumber="last")[0]), "pointer is malformed"),
        (letter(letters.stream_pointer(startSequenceNumber="9" * 5000)[0]), "pointer is malformed"),
        (letter(letters.stream_pointer(approximateArrivalOfFirstRecord="9999-12-31T23:59:59Z")[0]), "incomplete"),
    ],
)
def test_a_letter_with_a_fault_is_left_with_its_fault_and_the_others_are_planned(odd: DeadLetter, fault: str) -> None:
    views = [judged(odd), judged(letter(id="m-2", moved_from=SOURCE))]
    found = draft(views, to=SOURCE)
    assert [each.id for each in found.planned] == ["m-2"]
    [(left, why)] = found.refused
    assert (left.id, fault in why) == (odd.id, True), why


@pytest.mark.parametrize("failed", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30", "soon"])
def test_a_time_of_failure_that_no_calendar_has_stops_no_look(failed: str) -> None:
    views = selected([judged(parked(last_failure=failed))], Filters())
    assert [document(each)["last_failure"][:4] for each in grouped(views)] == ["2027"]


def test_a_topic_of_a_silent_sns_is_named_and_sns_is_asked_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, value)
    once = Config(retries={"total_max_attempts": 1})
    sns = boto3.client("sns", endpoint_url="http://127.0.0.1:9", region_name="us-east-1", config=once)
    asked: list[str] = []
    sns.meta.events.register("before-call", lambda **_: asked.append("once"))
    views = [judged(letter(*letters.notification(f"{letters.TOPIC}-{number}")[:1])) for number in range(50)]
    found = routed([*views, judged(letter(moved_from=SOURCE))], Topics(sns), queue_arn=DLQ)
    assert len(asked) == 1
    assert all("SNS could not be asked (EndpointConnectionError)" in each.standing.why_not for each in found[:50])
    assert found[50].standing.destination == SOURCE


@pytest.mark.slow
def test_every_look_and_a_replay_pass_by_what_cannot_be_read(ground: Ground, cli: Lines) -> None:
    ground.park({"order": 1})
    ground.park({"order": 2}, displaced={"name": "mine", "data_type": "Binary", "binary_hex": "zz"})
    ground.put(letters.stream_pointer(stream=SHORT)[0])
    body, attributes = letters.notification()
    ground.put(body, attributes=letters.typed(attributes))
    cli.environment["AWS_ENDPOINT_URL_SNS"] = "http://127.0.0.1:9"
    began = time.monotonic()
    listed = cli.json("list", ground.name)
    cli.json("groups", ground.name)
    assert time.monotonic() - began < 15
    faults = " ".join(each["why_not"] or each["note"] or "" for each in listed)
    missing = [each for each in (HEX, "pointer is malformed", "SNS could not be asked") if each not in faults]
    assert not missing, faults
    [planned] = cli.json("plan", ground.name, "-o", cli.plan(), exits=4)
    assert (planned["planned"], len(planned["refused"])) == (1, 3)
    [result] = cli.json("replay", cli.plan(), "--yes", "--reason", "the good one")
    assert (result["sent"], ground.counts()) == (1, (3, 0))
