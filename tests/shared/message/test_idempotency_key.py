"""The key of an effect: from the business, whatever happened to the message on its way."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.message.dead_letter import letter
from shared.message.delivery import LARGEST_MESSAGE, Attribute
from shared.message.identity import ATTRIBUTE, REPLAY, idempotency_key
from shared.outcome import Dead
from tests.fakes import delivery

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
DEAD = Dead("KeyError", "no such session", "0123456789abcdef")
OBJECT = {"key": "a+b.png", "sequencer": "0055AED6", "versionId": "v1"}
STREAM = {"eventID": "e1", "eventName": "INSERT", "dynamodb": {"Keys": {}}}


def text(content: Any) -> str:
    return orjson.dumps(content).decode()


def s3(*objects: dict[str, Any]) -> str:
    return text({"Records": [{"s3": {"bucket": {"name": "b"}, "object": each}} for each in objects]})


def bus(**fields: Any) -> str:
    return text({"id": "6a7e", "source": "fleet.uploads", "detail-type": "upload.completed", "detail": {}} | fields)


def written(name: str, **content: Any) -> dict[str, Attribute]:
    return {name: Attribute("String", text(content))}


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (text(STREAM), "stream:e1"),
        (bus(detail={"id": "up_1"}), "event:fleet.uploads:upload.completed:up_1"),
        (bus(), "event:fleet.uploads:upload.completed:6a7e"),
        (bus(detail={"id": 5}), "event:fleet.uploads:upload.completed:6a7e"),
        (bus(detail={"id": "up_1", "tenantId": "acme"}), "event:fleet.uploads:upload.completed:acme:up_1"),
        (bus(detail={"id": "a:50%"}), "event:fleet.uploads:upload.completed:a%3A50%25"),
        (s3(OBJECT), "s3:b/a+b.png@v1"),
        (s3({"key": "k", "sequencer": "0055"}), "s3:b/k@0055"),
        (s3({"key": "k", "sequencer": "0055", "versionId": "null"}), "s3:b/k@0055"),
        (text({"Type": "Notification", "Message": text(STREAM)}), "stream:e1"),
    ],
)
def test_the_source_s_own_identity_is_the_key(body: str, key: str) -> None:
    assert idempotency_key(body, {}) == key


def test_tenants_are_never_one_whatever_their_ids_are_written_as() -> None:
    tenants = ["5", 5, 6, 5.5, True, False, "true", "", [5], {"id": 5}, 2**70]
    keys = {idempotency_key(bus(detail={"id": "up_1"}), {})}
    for each in tenants:
        body = json.dumps({"id": "6a7e", "source": "s", "detail-type": "t", "detail": {"id": "up_1", "tenantId": each}})
        keys.add(idempotency_key(body, {}))
    assert len(keys) == len(tenants) + 1


@pytest.mark.parametrize("other", ["eu-west-1:1:table/b", "us-east-1:1:table/a", "eu-west-1:2:table/a"])
def test_records_of_two_tables_are_never_one_whatever_their_event_ids_are(other: str) -> None:
    here, there = (
        text(STREAM | {"eventSourceARN": f"arn:aws:dynamodb:{place}/stream/2026-11-21T00:00:00.000"})
        for place in ("eu-west-1:1:table/a", other)
    )
    assert idempotency_key(here, {}) == "stream:eu-west-1:1:a:e1"
    assert idempotency_key(there, {}) != idempotency_key(here, {})


@pytest.mark.parametrize("arn", [None, 7, "", "arn:aws:sqs:eu-west-1:1:q"])
def test_a_record_that_names_no_table_is_known_by_its_event_id(arn: object) -> None:
    assert idempotency_key(text(STREAM | {"eventSourceARN": arn}), {}) == "stream:e1"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("ObjectCreated:Put", "s3:b/a+b.png@v1"),
        ("s3:ObjectCreated:Copy", "s3:b/a+b.png@v1"),
        ("ObjectRemoved:Delete", "s3:b/a+b.png@v1:ObjectRemoved"),
        ("ObjectTagging:Put", "s3:b/a+b.png@v1:ObjectTagging"),
    ],
)
def test_what_happens_to_a_version_later_is_not_its_creation(name: str, key: str) -> None:
    [record] = orjson.loads(s3(OBJECT))["Records"]
    assert idempotency_key(text({"Records": [record | {"eventName": name}]}), {}) == key


@pytest.mark.parametrize(
    "body",
    ["", "not json", "[]", "{}", s3(), s3(OBJECT, OBJECT), s3({"key": "k"}), text(STREAM | {"dynamodb": 5}), bus(id=5)],
)
def test_what_has_no_identity_is_known_by_its_content(body: str) -> None:
    key = idempotency_key(body, {})
    assert key.startswith("body:")
    assert (key == idempotency_key(body, {}), key == idempotency_key(f"{body} ", {})) == (True, False)


@pytest.mark.parametrize("name", ["idempotency-key", "Idempotency-Key", "idempotency_key"])
def test_a_key_that_the_producer_states_comes_before_what_the_body_tells(name: str) -> None:
    assert idempotency_key(text(STREAM), {name: Attribute("String", "order-7")}) == "order-7"


@pytest.mark.parametrize("attribute", [REPLAY, ATTRIBUTE])
def test_a_key_that_was_written_down_comes_before_all_others(attribute: str) -> None:
    attributes = written(attribute, idempotency_key="order-7") | {"idempotency-key": Attribute("String", "other")}
    assert idempotency_key(text(STREAM), attributes) == "order-7"


@pytest.mark.parametrize(
    "stated", [Attribute("String", "x" * 513), Attribute("String", ""), Attribute("Binary", binary=b"order-7")]
)
def test_a_key_that_cannot_be_one_is_passed_over(stated: Attribute) -> None:
    assert idempotency_key(text(STREAM), {"idempotency-key": stated}) == "stream:e1"


@pytest.mark.parametrize("found", ["not json", "[]", '"x"', '{"idempotency_key": 5}', '{"idempotency_key": ""}'])
def test_a_broken_note_is_passed_over(found: str) -> None:
    assert idempotency_key(text(STREAM), {REPLAY: Attribute("String", found)}) == "stream:e1"


ATTRIBUTES = st.dictionaries(
    st.sampled_from([ATTRIBUTE, REPLAY, "idempotency-key", *(f"own-{number}" for number in range(7))]),
    st.builds(
        Attribute,
        st.just("String"),
        st.fixed_dictionaries(
            {}, optional={"idempotency_key": st.text("abc", max_size=40), "plan_id": st.just("plan-1")}
        ).map(text)
        | st.text("abc", min_size=1, max_size=40),
    ),
    max_size=10,
)


@given(attributes=ATTRIBUTES)
def test_a_burial_never_changes_the_key(attributes: dict[str, Attribute]) -> None:
    dying = delivery(text(STREAM), attributes=attributes)
    dead = letter(dying, DEAD, worker="sample", now=NOW)
    assert idempotency_key(dead.body, dead.attributes) == idempotency_key(dying.body, dying.attributes)


def test_a_replayed_message_that_dies_again_names_its_plan_and_gives_its_note_away() -> None:
    note = written(REPLAY, plan_id="plan-1", replayed_from="m-1", times_replayed=2, idempotency_key="order-7")
    dead = letter(delivery(attributes=note), DEAD, worker="sample", now=NOW)
    failure = orjson.loads(dead.attributes[ATTRIBUTE].text or "")
    assert set(dead.attributes) == {ATTRIBUTE}
    assert (failure["plan_id"], failure["replayed_from"], failure["times_replayed"]) == ("plan-1", "m-1", 2)
    assert failure["idempotency_key"] == "order-7"


@pytest.mark.parametrize(
    "note",
    [
        {REPLAY: '{"plan_id": "p", "edited_from": NESTED}'},
        {ATTRIBUTE: '{"displaced": {"name": NESTED}}'},
        {ATTRIBUTE: '{"displaced": NESTED}'},
    ],
)
def test_what_a_stranger_nested_too_deep_keeps_no_message_from_its_burial(note: dict[str, str]) -> None:
    nested = "[" * 500 + "]" * 500
    given = {name: Attribute("String", each.replace("NESTED", nested)) for name, each in note.items()}
    dead = letter(delivery(attributes=given), DEAD, worker="sample", now=NOW)
    failure = orjson.loads(dead.attributes[ATTRIBUTE].text or "")
    assert (failure["worker"], "edited_from" in failure, "displaced" in failure) == ("sample", False, False)


def test_a_nearly_full_replayed_message_keeps_the_key_longer_than_the_plan() -> None:
    note = written(REPLAY, plan_id="plan-1", replayed_from="m-1", idempotency_key="order-7")
    room = note[REPLAY].size(REPLAY) + 140
    dead = letter(delivery("x" * (LARGEST_MESSAGE - room), attributes=note), DEAD, worker="sample", now=NOW)
    failure = orjson.loads(dead.attributes[ATTRIBUTE].text or "")
    assert ("plan_id" in failure, failure["idempotency_key"]) == (False, "order-7")


def test_the_key_that_the_worker_gives_is_written_down_unless_an_earlier_one_was() -> None:
    stated = {"idempotency-key": Attribute("String", "producer's")}
    dead = letter(delivery(attributes=stated), DEAD, worker="sample", now=NOW, key="worker's")
    assert idempotency_key(dead.body, dead.attributes) == "worker's"
    again = letter(delivery(dead.body, attributes=dead.attributes), DEAD, worker="sample", now=NOW, key="another")
    assert idempotency_key(again.body, again.attributes) == "worker's"
