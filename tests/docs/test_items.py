"""docs/schemas/items.schema.json is what the models say, takes what the code writes, and refuses what no worker could read."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from jsonschema import Draft202012Validator

from tests.docs.items import FILE, MODELS, document, examples, text
from tests.docs.test_by_hand import ENDPOINTS, REMINDERS, SESSIONS
from tests.workers.reminder_dispatch.fakes import NOON
from tests.workers.webhook_delivery.fakes import job
from workers.reminder_dispatch.client import Reminder
from workers.reminder_dispatch.client.items import plan
from workers.reminder_dispatch.schedule.occurrence import plain
from workers.upload_notification.client import Opening
from workers.webhook_delivery.client import Registration
from workers.webhook_delivery.rules import Again, Claimed, Exhausted, Reply, Result
from workers.webhook_delivery.store import items, registered

SCHEMA = json.loads(text())
LATER = datetime(2026, 12, 1, 9)  # noqa: DTZ001  a wall-clock time


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{MODELS[name].__name__}", "$defs": SCHEMA["$defs"]})


def faults(name: str, item: Any) -> list[str]:
    return [f"{each.json_path}: {each.message}" for each in validator(name).iter_errors(item)]


def untyped(item: Any) -> Any:
    return plain({name: TypeDeserializer().deserialize(value) for name, value in item.items()})


def test_the_file_is_what_the_models_say() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert FILE.read_text(encoding="utf-8") == text(), "`python -m tests.docs.items` writes it anew"


@pytest.mark.parametrize("name", examples())
def test_an_items_schema_takes_its_example_and_not_one_that_lacks_an_attribute(name: str) -> None:
    example = examples()[name]
    assert faults(name, example) == []
    for required in document()["$defs"][MODELS[name].__name__]["required"]:
        assert faults(name, {each: value for each, value in example.items() if each != required}), required


def test_what_the_clients_write_fits() -> None:
    known: dict[str, Any] = {"tenant_id": "acme", "title": "Tea", "at": LATER, "time_zone": "Europe/Berlin"}
    wanted = (
        Reminder(
            channel="push", tokens=("ExponentPushToken[a]",), rule="FREQ=DAILY", quiet_hours="22:00-07:00", **known
        ),
        Reminder(channel="email", email="ada@example.com", mail={"template": "tea"}, misfire="skip", **known),
        Reminder(channel="webhook", data={"a": [1, 1.5]}, max_lateness=60, priority="high", urgent=True, **known),
    )
    for each in wanted:
        head, *rows = (untyped(one["Put"]["Item"]) for one in plan(each, table="t", now=NOON).items)
        assert faults("reminder", head) == []
        assert [faults("occurrence", row) for row in rows] == [[]]
    opening = Opening("acme", allowed_types=("image/*",), max_bytes=10, min_bytes=1, scan_required=True)
    assert faults("session", untyped(opening.row(NOON))) == []
    registration = Registration(
        "acme", "https://hooks.example/a", ("order.*", "*"), channels=("kitchen",), pattern='{"detail": {"a": ["b"]}}',
        headers=(("x-a", "b"),), payload_limit=10, retries=(1, 2.5), at_most_once=True, expires_after=60, rate=2,
    )  # fmt: skip
    row = {**registration.row(), "secret": {"S": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}
    put = registered.registration(row, tenant_id="acme", endpoint_id="ep-1", now=NOON)
    assert faults("endpoint", untyped(put["Item"])) == []


@pytest.mark.parametrize("verdict", [Again(NOON), Exhausted()])
def test_what_the_webhook_worker_writes_of_an_attempt_fits(verdict: Any) -> None:
    given = job(nonce="n", correlation_id="c", resent="hand")
    begun = items.claim(given, Claimed(until=1), now=NOON)["Item"]
    assert faults("attempt", untyped(begun)) == []
    reply = Reply(503, error="timeout", body="busy")
    ended = items.result(given, Claimed(until=1), Result(reply, verdict, NOON, NOON + timedelta(seconds=1)))
    names = ended["ExpressionAttributeNames"]
    written = {
        names[f"#{name[1:]}"]: value
        for name, value in ended["ExpressionAttributeValues"].items()
        if f"#{name[1:]}" in names and f"#{name[1:]} = {name}" in ended["UpdateExpression"]
    }
    assert len(written) > 7
    assert faults("attempt", untyped({**begun, **written})) == []


SEEN_BY_NO_SCHEMA = {
    "another minute in `GSI1PK`, long before it is due",
    "another minute in `GSI1PK`, after it is due",
    "written more than five minutes after it was due",
    "`SK` so, and no `GSI1PK`",
    "no `GSI1PK`",
    "no `GSI1SK`",
    "a `rule` that is none",
    "a `timeZone` that is none",
    "the channel `webhook` without `tenantId`",
    "an e-mail address with a name beside it",
    "a `TTL` before it is due",
    "`endpointId` is not that of `SK`",
    "no `url`, or one of plain HTTP",
}
"""Rules across attributes, and what only the clock, a calendar or an address book says."""


def test_what_is_wrong_in_itself_no_schema_takes() -> None:
    for name, made in (("occurrence", REMINDERS), ("endpoint", ENDPOINTS), ("session", SESSIONS)):
        taken = {mistake for mistake, row in made.items() if not faults(name, row)}
        assert taken <= SEEN_BY_NO_SCHEMA, name
