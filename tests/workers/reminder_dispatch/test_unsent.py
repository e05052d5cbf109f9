"""An e-mail that SES took and then did not send says so on its row."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.fakes import FakeSender, delivery
from tests.workers.reminder_dispatch.fakes import World, due, row, world
from tests.workers.reminder_dispatch.test_receipts import Expo
from workers.reminder_dispatch.channels.email.tags import occurrence_of, tags_of
from workers.reminder_dispatch.receipts.event import decode_receipts
from workers.reminder_dispatch.receipts.handler import Ports, look_up

EVENT: dict[str, Any] = orjson.loads((Path(__file__).parents[2] / "events" / "ses-rendering-failure.json").read_bytes())


def said(kind: str, tags: dict[str, list[str]]) -> str:
    detail = EVENT["detail"]
    return orjson.dumps(
        EVENT | {"detail": detail | {"eventType": kind, "mail": detail["mail"] | {"tags": tags}}}
    ).decode()


def given_back(reminder_id: str) -> dict[str, list[str]]:
    """As SES words the tags of SendEmail in its events, among its own."""
    tags = {each["Name"]: [each["Value"]] for each in tags_of(due(reminder_id))}
    return {"ses:configuration-set": ["reminders"], **tags}


async def hear(of: World, body: str) -> None:
    ports = Ports(of.store, Expo(), FakeSender(), lambda: of.at)
    assert await look_up([decode_receipts(delivery(body))], ports=ports) == [None]


@pytest.mark.parametrize("kind", ["Rendering Failure", "Reject"])
async def test_what_ses_did_not_send_stands_on_the_row(kind: str) -> None:
    of = world(row("r1", channel="email", email="anna@example.com"))
    await of.dispatch(due("r1"))
    await hear(of, said(kind, given_back("r1")))
    ended = of.store[due("r1")]
    assert (ended["status"], ended["receipt"], ended["receiptReason"]) == ("SENT", "RECEIPT_FAILED", f"SES: {kind}")
    assert of.asked_again() == []


@pytest.mark.parametrize(
    "tags", [{}, {"fleet-due": ["soon"], "fleet-reminder-0": ["cjE"]}, {"fleet-reminder-0": ["?"]}]
)
async def test_a_mail_of_somebody_else_changes_nothing(tags: dict[str, list[str]]) -> None:
    of = world(row("r1", channel="email", email="anna@example.com"))
    before = dict(of.store[due("r1")])
    await hear(of, said("Rendering Failure", tags))
    assert of.store[due("r1")] == before


@pytest.mark.parametrize("reminder_id", ["r1", "tee ☕ #1/=", "x" * 512, "☕" * 512])
def test_every_id_goes_through_tags_and_comes_back(reminder_id: str) -> None:
    tags = tags_of(due(reminder_id))
    values = [each["Value"] for each in tags]
    assert all(0 < len(value) <= 255 and set(value) <= LEGAL for value in values)
    assert len(tags) <= 50
    assert occurrence_of({each["Name"]: [each["Value"]] for each in tags}) == due(reminder_id)


LEGAL = {*"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.@"}
