import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.outcome import Reject
from tests.fakes import delivery
from tests.workers.webhook_delivery.fakes import NOON
from workers.webhook_delivery.event import DeliveryJob, Published, delivery_job, event_id, published

EVENTS = Path(__file__).parents[2] / "events"


def read(name: str) -> Published:
    return published(delivery((EVENTS / name).read_text(), queue="webhook-events"))


def test_a_bus_event_becomes_a_standard_webhooks_payload() -> None:
    event = read("bus-upload-completed.json")
    detail = json.loads((EVENTS / "bus-upload-completed.json").read_text())["detail"]
    assert event.event_id == event_id("tenant-1", "fleet.uploads", "upload.completed", detail["id"])
    assert (event.event_type, event.tenant_id) == ("upload.completed", "tenant-1")
    assert json.loads(event.payload) == {
        "type": "upload.completed",
        "timestamp": "2026-11-21T09:00:00Z",
        "data": detail,
    }


def test_a_payload_keeps_the_text_of_the_detail() -> None:
    assert read("bus-foreign-without-own-id.json").payload == (
        '{"type":"order.paid","timestamp":"2026-11-21T09:00:00Z",'
        '"data":{ "z": 1, "a": { "later": true, "earlier": null }, "tenantId": "tenant-1", "price": 10.5 }}'
    )


CARRIED = (
    r'{"n":[18446744073709551616,1.10,0.12345678901234567890,1e400,-0.0,1E+2],"s":"cut \ud83d\u00e9/\/",'
    '"a":1, "a" :\t2,\n"b":{ } ,"é":"☃\u2028","tenantId":"tenant-1","id":"order-42"}'
)


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_bytes_of_the_detail_are_carried_as_they_were_published(wrapped: bool) -> None:  # noqa: FBT001
    body = (
        '{"id":"b-1","detail-type":"order.placed","source":"shop","time":"2026-11-21T09:00:00Z",'
        f'"detail" : {CARRIED} ,"region":"r"}}'
    )
    event = published(delivery(json.dumps({"Type": "Notification", "Message": body}) if wrapped else body))
    assert event.payload == f'{{"type":"order.placed","timestamp":"2026-11-21T09:00:00Z","data":{CARRIED}}}'
    sent = DeliveryJob(
        eventId=event.event_id,
        eventType=event.event_type,
        tenantId=event.tenant_id,
        endpointId="e",
        attempt=1,
        payload=event.payload,
        firstAttemptAt=NOON,
        notBefore=NOON,
    )
    assert delivery_job(delivery(sent.body())).payload == event.payload


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("18446744073709551616", "18446744073709551617"),
        ("1.10", "1.1"),
        ("1e400", "1e401"),
        ("1", '"1"'),
        ("[1]", "[[1]]"),
        ('{"a":1,"a":2}', '{"a":3,"a":2}'),
    ],
)
def test_two_details_of_which_a_reader_makes_the_same_have_two_fingerprints(one: str, other: str) -> None:
    body = '{"id":"b","detail-type":"t","source":"s","time":"2026-11-21T09:00:00Z","detail":{"tenantId":"t","x":%s}}'
    assert published(delivery(body % one)).fingerprint != published(delivery(body % other)).fingerprint


def test_a_whole_number_of_any_size_is_an_id() -> None:
    body = '{"id":"b","detail-type":"t","source":"s","time":"2026-11-21T09:00:00Z","detail":{"tenantId":"t","id":%s}}'
    ids = {published(delivery(body % each)).event_id for each in (2**64, 2**64 + 1, f'"{2**64}"')}
    assert len(ids) == 3


def test_the_same_business_event_put_twice_has_the_same_id_and_the_same_payload() -> None:
    body = json.loads((EVENTS / "bus-upload-completed.json").read_text())
    again = body | {"id": "99999999-05d4-b198-2fde-7ededc63b103", "time": "2026-11-21T10:00:00Z"}
    assert published(delivery(json.dumps(again))) == published(delivery(json.dumps(body)))


@pytest.mark.parametrize("occurred_at", [None, 5, "yesterday", "2026-11-21T09:00:00"])
def test_an_unusable_time_of_the_business_gives_way_to_the_time_of_the_bus(occurred_at: object) -> None:
    body = json.loads((EVENTS / "bus-upload-completed.json").read_text())
    body["detail"]["occurredAt"] = occurred_at
    assert json.loads(published(delivery(json.dumps(body))).payload)["timestamp"] == "2026-11-21T09:00:05Z"


def test_an_event_without_an_id_of_its_own_goes_by_the_id_of_the_bus() -> None:
    again = json.loads((EVENTS / "bus-foreign-without-own-id.json").read_text()) | {"id": "another"}
    assert published(delivery(json.dumps(again))).event_id != read("bus-foreign-without-own-id.json").event_id


def test_an_id_unfit_for_a_header_is_hashed_and_stays_the_same_however_often_the_event_is_put() -> None:
    body = json.loads((EVENTS / "bus-id-with-dots.json").read_text())
    again = json.dumps({**body, "id": "another-id-of-the-bus"})
    event_id = read("bus-id-with-dots.json").event_id
    assert published(delivery(again)).event_id == event_id
    assert "." not in event_id


@pytest.mark.parametrize("own", ["a.b", "a b", "é", "x" * 65, "a\n", "../x", "a\r\nx: 1", "\ud83d", 1001])
def test_every_id_becomes_one_that_is_fit_for_a_header(own: str | int) -> None:
    kind, hashed = event_id("t", "s", "d", own)[:4], event_id("t", "s", "d", own)[4:]
    assert (kind, len(hashed), hashed.isalnum()) == ("msg_", 64, True)


def test_the_webhook_id_is_made_as_documented() -> None:
    digest = hashlib.sha256(b'["acme","shop","order.placed","order-42"]').hexdigest()
    assert event_id("acme", "shop", "order.placed", "order-42") == f"msg_{digest}"


def test_tenant_source_type_and_id_each_make_another_identity() -> None:
    parts: list[tuple[str, str, str, str | int]] = [
        ("acme", "shop", "order.placed", "1001"),
        ("bolt", "shop", "order.placed", "1001"),
        ("acme", "till", "order.placed", "1001"),
        ("acme", "shop", "order.shipped", "1001"),
        ("acme", "shop", "order.placed", "1002"),
        ("acme", "shop", "order.placed", 1001),
        ("acme", "shop.order", "placed", "1001"),
        ("ac", "meshop", "order.placed", "1001"),
    ]
    assert len({event_id(*each) for each in parts}) == len(parts)


@pytest.mark.parametrize(("own", "same"), [("1001", True), (1001, True), (None, False), (True, False), (1.5, False)])
def test_an_id_is_a_text_or_a_whole_number_and_else_the_bus_s_own(own: object, same: bool) -> None:  # noqa: FBT001
    body = json.loads((EVENTS / "bus-upload-completed.json").read_text())
    body["detail"]["id"] = own
    first, again = (published(delivery(json.dumps(body | {"id": each}))).event_id for each in ("b-1", "b-2"))
    assert (first == again) is same


def test_the_fingerprint_is_of_what_the_business_says_and_of_nothing_that_a_repetition_changes() -> None:
    body = json.loads((EVENTS / "bus-upload-completed.json").read_text())
    del body["detail"]["occurredAt"]
    turned = dict(reversed(body["detail"].items()))
    again = published(delivery(json.dumps(body | {"time": "2026-11-21T10:00:00Z", "detail": turned}, indent=2)))
    first = published(delivery(json.dumps(body)))
    body["detail"]["size"] += 1
    assert first.payload != again.payload
    assert first.fingerprint == again.fingerprint != published(delivery(json.dumps(body))).fingerprint


def test_an_event_without_a_tenant_is_rejected() -> None:
    with pytest.raises(Reject):
        read("bus-without-tenant.json")


@pytest.mark.parametrize("tenant", [None, "", 7, ["t"], "t" * 257])
def test_a_tenant_that_cannot_be_a_key_is_rejected(tenant: object) -> None:
    body = json.loads((EVENTS / "bus-upload-completed.json").read_text())
    body["detail"]["tenantId"] = tenant
    with pytest.raises(Reject):
        published(delivery(json.dumps(body)))


def test_an_event_without_a_type_is_rejected() -> None:
    body = json.loads((EVENTS / "bus-upload-completed.json").read_text()) | {"detail-type": ""}
    with pytest.raises(Reject):
        published(delivery(json.dumps(body)))


@pytest.mark.parametrize(
    "body", ["", "no json", "[]", '{"detail": {}}', '{"detail": NaN}', '{"detail":' + '{"a":' * 50_000, "{} {}"]
)
def test_a_body_that_is_not_a_bus_event_is_refused(body: str) -> None:
    with pytest.raises((Reject, ValidationError)):
        published(delivery(body))


def job() -> DeliveryJob:
    return delivery_job(delivery((EVENTS / "webhook-job.json").read_text(), queue="webhook-deliveries"))


def test_a_job_is_read_and_written_without_loss() -> None:
    assert delivery_job(delivery(job().body())) == job()
    assert job().not_before == datetime(2026, 11, 21, 9, 0, 5, 250_000, tzinfo=UTC)


def test_a_job_can_carry_every_character_that_a_payload_can_hold() -> None:
    odd = job().model_copy(update={"payload": "\ufffe\uffff\u2028\x7f\U0001f600\n\\ufffe"})
    assert not {"\ufffe", "\uffff"} & set(odd.body())
    assert delivery_job(delivery(odd.body())) == odd


def test_a_job_keeps_its_payload_byte_for_byte_over_every_attempt() -> None:
    first = job()
    later = first
    for hours in range(9):
        later = delivery_job(delivery(later.next(first.not_before + timedelta(hours=hours), nonce="n-1").body()))
    assert later.payload == first.payload == json.loads((EVENTS / "webhook-job.json").read_text())["payload"]
    assert later.attempt == first.attempt + 9
    assert later.first_attempt_at == first.first_attempt_at


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("eventId", "msg.1"),
        ("eventId", "msg_1\n"),
        ("tenantId", ""),
        ("endpointId", ""),
        ("attempt", 0),
        ("attempt", 10_000),
        ("notBefore", "2026-11-21T09:00:00"),
        ("notBefore", "soon"),
        ("payload", None),
    ],
)
def test_a_job_that_cannot_be_carried_out_is_refused(field: str, value: object) -> None:
    body = json.loads((EVENTS / "webhook-job.json").read_text()) | {field: value}
    with pytest.raises(ValidationError):
        delivery_job(delivery(json.dumps(body)))


def test_a_job_without_payload_is_refused() -> None:
    with pytest.raises(ValidationError):
        delivery_job(delivery((EVENTS / "webhook-job-without-payload.json").read_text()))


def test_an_exhausted_delivery_is_an_event_like_any_other() -> None:
    assert read("bus-webhook-exhausted.json").event_type == "webhook.exhausted"


def test_payloads_do_not_show_in_a_repr() -> None:
    assert "☃" not in repr(job())
    assert "session-1" not in repr(read("bus-upload-completed.json"))
