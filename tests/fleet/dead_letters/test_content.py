"""What a letter becomes: a message again, a line of JSON, or a picture for people who may not read it."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.dead_letters.body_check import NotMended, check, logical
from fleet.dead_letters.model import record, redaction
from fleet.dead_letters.model.letter import RESTORED
from fleet.dead_letters.model.plan.mark import LENGTH, verified
from fleet.dead_letters.model.plan.outgoing import Unsendable, copy, has_room, parcel
from shared.message.dead_letter import done_mark, letter, replay_mark
from shared.message.delivery import LARGEST_MESSAGE, Attribute
from shared.message.identity import ATTRIBUTE, REPLAY, idempotency_key
from shared.outcome import Dead
from tests.fakes import delivery
from tests.fleet.dead_letters import fakes, letters
from tests.fleet.dead_letters.fakes import NOW, envelope


def test_a_replayed_message_carries_its_key_and_where_it_came_from() -> None:
    dead = fakes.letter('{"a": 1}', id="m-7", attributes={ATTRIBUTE: envelope(idempotency_key="order-7"), "mine": "1"})
    made = parcel(dead, shape="sqs", plan_id="p-1")
    lineage = orjson.loads(made.attributes[REPLAY].text or "")
    assert len(lineage.pop("seal")) == LENGTH
    assert {*made.attributes} == {"mine", REPLAY}
    assert lineage == {
        "version": 1,
        "idempotency_key": "order-7",
        "plan_id": "p-1",
        "replayed_from": "m-7",
        "times_replayed": 1,
    }
    assert replay_mark(made.attributes) == done_mark("p-1", "m-7")


def test_a_message_that_dies_again_remembers_its_replays_and_keeps_its_key() -> None:
    dead = fakes.letter('{"a": 1}', id="m-7", attributes={ATTRIBUTE: envelope(idempotency_key="order-7")})
    for times in (1, 2):
        made = parcel(dead, shape="sqs", plan_id=f"p-{times}", mended='{"a": 2}', seal_key=b"key")
        again = letter(
            delivery(made.body, message_id=f"new-{times}", attributes=made.attributes),
            Dead("OSError", "again", "0" * 16),
            worker="w",
            now=NOW,
        )
        dead = verified(fakes.letter(again.body, id=f"dead-{times}", attributes=dict(again.attributes)), key=b"key")
        result = dead.written(ATTRIBUTE)
        assert (result["times_replayed"], result["plan_id"], result["idempotency_key"]) == (
            times,
            f"p-{times}",
            "order-7",
        )
        assert result["edited_from"]
        assert REPLAY not in dead.attributes


def test_a_displaced_attribute_is_put_back_and_no_room_means_no_lineage() -> None:
    ten = {f"n-{number}": Attribute("String", "x" * 20) for number in range(9)} | {
        "z": Attribute("Binary", binary=b"\x00")
    }
    buried = letter(delivery(attributes=ten), Dead("E", "", "0" * 16), worker="w", now=NOW)
    made = parcel(fakes.letter(buried.body, attributes=dict(buried.attributes)), shape="sqs", plan_id="p")
    assert made.attributes == ten
    full = fakes.letter("x" * (LARGEST_MESSAGE - 10))
    assert REPLAY not in parcel(full, shape="sqs", plan_id="p").attributes


def test_a_mended_letter_without_room_for_its_key_is_not_sent() -> None:
    """Its work would be done under another key, and once more where it had been done."""
    ten = {f"n-{number}": "x" for number in range(10)}
    with pytest.raises(Unsendable, match="its mended body would have another"):
        parcel(fakes.letter('{"n": 1}', attributes=ten), shape="sqs", plan_id="p", mended='{"n": 2}')
    keyed = {**ten, "n-9": "x"}
    del keyed["n-0"]
    keyed["idempotency-key"] = "order-7"
    made = parcel(fakes.letter('{"n": 1}', attributes=keyed), shape="sqs", plan_id="p", mended='{"n": 2}')
    assert (made.body, REPLAY in made.attributes) == ('{"n": 2}', False)
    assert not has_room(fakes.letter(attributes=ten), shape="sqs")
    assert has_room(fakes.letter(attributes={ATTRIBUTE: envelope()}), shape="sqs")


def test_a_stranger_named_fleet_replay_stays_on_a_letter_that_is_buried() -> None:
    buried = letter(
        delivery(attributes={REPLAY: Attribute("String", "mine")}), Dead("E", "", "0" * 16), worker="w", now=NOW
    )
    assert buried.attributes[REPLAY].text == "mine"


def test_a_copy_keeps_even_the_reason() -> None:
    dead = fakes.letter(attributes={ATTRIBUTE: envelope(), RESTORED: "{}"})
    assert copy(dead).attributes == dead.attributes


@pytest.mark.parametrize(
    ("body", "attributes", "key"),
    [
        ("{}", {"idempotency-key": "mine"}, "mine"),
        ("{}", {REPLAY: '{"idempotency_key": "first"}', "idempotency-key": "mine"}, "first"),
        ("{}", {ATTRIBUTE: '{"idempotency_key": "told"}'}, "told"),
        (letters.bus_event("t")[0], {}, "event:shop:order.placed:t1:order-42"),
        ('{"source": "s", "detail-type": "d", "id": "e-1", "detail": {}}', {}, "event:s:d:e-1"),
        ('{"eventID": "e", "dynamodb": {}}', {}, "stream:e"),
        ('{"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "k", "sequencer": "1"}}}]}', {}, "s3:b/k@1"),
        ('{"Type": "Notification", "Message": "{\\"eventID\\": \\"e\\", \\"dynamodb\\": {}}"}', {}, "stream:e"),
        ("not json", {"idempotency-key": ""}, "body:3485f6c728b56b30f8b2bd5c3b0cb1a4"),
    ],
)
def test_the_idempotency_key_comes_from_who_knows_it_best(body: str, attributes: dict[str, str], key: str) -> None:
    found = idempotency_key(body, {name: Attribute("String", text) for name, text in attributes.items()})
    assert found == key or (key.startswith("body:") and found.startswith("body:") and len(found) == len(key))


@given(body=st.text(), attribute=st.text(), other=st.text())
def test_every_message_has_a_key_that_depends_on_nothing_but_its_content(body: str, attribute: str, other: str) -> None:
    given = {REPLAY: Attribute("String", attribute), ATTRIBUTE: Attribute("String", other)}
    assert 1 <= len(idempotency_key(body, given)) <= 512
    assert idempotency_key(body, given) == idempotency_key(body, dict(given))


@given(
    body=st.text(st.characters(exclude_categories=["Cs"])),
    binary=st.binary(),
    text=st.text(st.characters(exclude_categories=["Cs"])),
)
def test_a_record_is_read_back_to_the_byte(body: str, binary: bytes, text: str) -> None:
    dead = fakes.letter(
        body, moved_from="arn:x", group="g", attributes={"b": Attribute("Binary", binary=binary), "t": text}
    )
    assert record.read(record.line(dead)) == dead or record.read(record.line(dead)).attributes == dead.attributes


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"id": "x"}', "null"])
def test_a_line_that_is_no_record_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        record.read(line)


def test_a_body_that_a_script_wrote_as_json_means_that_json() -> None:
    result = {**record.document(fakes.letter("{}")), "body": {"a": 1}}
    assert record.read(orjson.dumps(result)).body == '{"a":1}'


OTHER_NAMES = st.text().filter(lambda name: name.lower() not in redaction.SHOWN)


@given(
    st.recursive(
        st.text(min_size=6) | st.integers(10**6, 10**18),
        lambda inner: st.lists(inner) | st.dictionaries(OTHER_NAMES, inner),
    )
)
def test_no_text_of_a_body_survives_redaction_at_any_depth(content: object) -> None:
    shown = redaction.body(orjson.dumps({"anything": content}).decode())
    for word in texts(content):
        assert word not in shown or word in "[text,  characters][number]" or word in ("anything", "characters")


def texts(content: object) -> list[str]:
    match content:
        case str():
            return [content] if len(content) > 12 else []
        case dict():
            return [each for value in content.values() for each in texts(value)]
        case list():
            return [each for value in content for each in texts(value)]
        case _:
            return []


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert redaction.printable("a\x1b[31m\u202e\x07ü\n") == "a\\x1b[31m\\u202e\\x07ü\n"


@pytest.mark.parametrize(
    ("queue", "name"),
    [
        ("fleet-reminder-ticks-dev", "reminder-ticks"),
        ("fleet-reminder-receipts-dev", "reminder-receipts"),
        ("fleet-reminders-dev", "reminders"),
        ("fleet-webhook-deliveries-dev", "webhook-deliveries"),
        ("uploads", "uploads"),
        ("orders", None),
    ],
)
def test_a_queue_is_known_by_its_name(queue: str, name: str | None) -> None:
    assert logical(queue) == name


def test_a_mended_body_is_read_by_the_worker_of_its_queue() -> None:
    assert check('{"reminderId": "r-1", "dueAt": "2026-11-21T09:00:00Z"}', queue="fleet-reminders-dev")
    assert check('{"Event": "s3:TestEvent"}', queue="fleet-uploads-dev")
    assert not check("[1]", queue="orders")
    for body, queue in (("{}", "fleet-uploads-dev"), ("{", "orders"), ("{}", "fleet-webhook-deliveries-dev")):
        with pytest.raises(NotMended):
            check(body, queue=queue)


@pytest.mark.parametrize(
    ("text", "gist"),
    [
        ("ClientError AccessDenied", "ClientError AccessDenied"),
        ("endpoint ep-77 answered 410 for ada@example.com", "endpoint # answered # for #"),
        ("no column 'Ada Lovelace' in \"orders of 7\"", "no column # in #"),
        ("two\nlines\x1b[K", "two lines\\x1b[K"),
        ("word " * 100, ("word " * 24).strip()),
    ],
)
def test_the_gist_of_a_reason_holds_no_number_no_id_and_nothing_quoted(text: str, gist: str) -> None:
    assert redaction.gist(text).strip() == gist
