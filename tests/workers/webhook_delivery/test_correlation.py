"""What an event is about goes with its deliveries, and is never what makes it another event."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeSender, delivery
from tests.workers.webhook_delivery.fakes import NOON, FakeStore, endpoint
from tests.workers.webhook_delivery.test_fan_out import spread
from workers.webhook_delivery.event import delivery_job, published
from workers.webhook_delivery.rules import Claimed
from workers.webhook_delivery.signing.request import signed
from workers.webhook_delivery.store import items

EVENT = (Path(__file__).parents[2] / "events/bus-upload-completed.json").read_text()


async def test_the_events_correlation_id_goes_with_its_jobs_to_row_and_header() -> None:
    body = json.loads(EVENT)
    body["detail"]["correlationId"] = "s-7f3a"
    sender = FakeSender()
    store = FakeStore()
    store.add(endpoint(), "upload.*")
    await spread(store, sender, published(delivery(json.dumps(body))))
    [message] = sender.sent
    job = delivery_job(delivery(message.body))
    assert job.correlation_id == job.next(NOON, nonce="n-1").correlation_id == "s-7f3a"
    row = items.claim(job, Claimed(until=0), now=NOON)["Item"]
    assert row["correlationId"] == {"S": "s-7f3a"}
    headers = signed(endpoint(), message_id="msg_1", at=NOON, body=b"{}", correlation_id=job.correlation_id).headers
    assert headers["x-correlation-id"] == "s-7f3a"


def test_what_brought_an_event_about_does_not_make_it_another_one() -> None:
    body = json.loads(EVENT)
    plain = published(delivery(EVENT))
    found = []
    for correlated in ("s-1", "s-2"):
        body["detail"] = {**body["detail"], "correlationId": correlated}
        found.append(published(delivery(json.dumps(body))))
    assert {each.fingerprint for each in found} == {plain.fingerprint}
    assert [each.correlation_id for each in found] == ["s-1", "s-2"]


@pytest.mark.parametrize("odd", [None, 7, "two words", "line\nfeed", "x" * 257])
def test_what_cannot_be_a_header_is_no_correlation_id(odd: Any) -> None:
    body = json.loads(EVENT)
    body["detail"]["correlationId"] = odd
    assert published(delivery(json.dumps(body))).correlation_id == ""


@pytest.mark.parametrize("odd", [None, 7, "two words", "line\nfeed", "a\r\nx-admin: yes", "x" * 257])
async def test_a_job_that_somebody_else_wrote_brings_no_other_header_either(odd: Any) -> None:
    sender, store = FakeSender(), FakeStore()
    store.add(endpoint(), "upload.*")
    await spread(store, sender, published(delivery(EVENT)))
    written = {**json.loads(sender.sent[0].body), "correlationId": odd}
    assert delivery_job(delivery(json.dumps(written))).correlation_id == ""


def test_a_customers_own_header_of_that_name_stands() -> None:
    own = endpoint(headers=(("X-Correlation-Id", "theirs"),))
    headers = signed(own, message_id="msg_1", at=NOON, body=b"{}", correlation_id="ours").headers
    assert {name: value for name, value in headers.items() if name.lower() == "x-correlation-id"} == {
        "X-Correlation-Id": "theirs"
    }
