"""An address that bounced, or whose reader complained, gets no e-mail any more, whichever reminder names it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from shared import Reject
from tests.fakes import FakeSender, delivery
from tests.workers.reminder_dispatch.fakes import NOON, World, due, row, world
from tests.workers.reminder_dispatch.test_receipts import Expo
from workers.reminder_dispatch.channels.channel import Misconfigured
from workers.reminder_dispatch.receipts.event import decode_receipts
from workers.reminder_dispatch.receipts.handler import Ports, look_up
from workers.reminder_dispatch.receipts.suppressed import Suppressed
from workers.reminder_dispatch.rules import DEAD_FOR
from workers.reminder_dispatch.table.keys import address_key

EVENTS = Path(__file__).parents[2] / "events"


def said(name: str, **detail: Mapping[str, Any]) -> str:
    """What SES put on the bus; `detail` changes what is in its bounce or complaint."""
    event = orjson.loads((EVENTS / f"{name}.json").read_bytes())
    for part, changed in detail.items():
        event["detail"][part] |= changed
    return orjson.dumps(event).decode()


async def hear(of: World, body: str) -> None:
    ports = Ports(of.store, Expo(), FakeSender(), lambda: of.at)
    assert await look_up([decode_receipts(delivery(body))], ports=ports) == [None]


def letter(name: str, address: str = "anna@example.com") -> dict[str, Any]:
    return row(name, channel="email", email=address)


@pytest.mark.parametrize("name", ["ses-bounce", "ses-complaint"])
async def test_no_later_reminder_goes_to_an_address_of_which_ses_says_so(name: str) -> None:
    of = world(letter("r1"), letter("r2", "ANNA@example.com"), letter("r3", "bob@example.com"))
    await of.dispatch(due("r1"))
    await hear(of, said(name))
    await of.dispatch(due("r2"), due("r3"))
    ended = of.store[due("r2")]
    assert (ended["status"], ended["reason"]) == ("FAILED", "suppressed: bounced or complained before")
    assert [content.email for content in of.mails] == ["anna@example.com", "bob@example.com"]
    assert of.asked_again() == [], "not tried again"
    assert of.store.rows[address_key("anna@example.com")]["TTL"] == int((NOON + DEAD_FOR).timestamp())


async def test_an_address_that_is_registered_anew_gets_e_mail_again() -> None:
    of = world(letter("r1"))
    await hear(of, said("ses-bounce"))
    assert await of.store.revive(address_key("Anna@example.com"), at=of.at, forget_at=1)
    await of.dispatch(due("r1"))
    assert of.store[due("r1")]["status"] == "SENT"


@pytest.mark.parametrize(("name", "after"), [("ses-bounce", "SENT"), ("ses-complaint", "FAILED")])
async def test_a_late_bounce_of_an_older_mail_says_nothing_of_who_registered_since(name: str, after: str) -> None:
    of = world(letter("r1"))
    of.later(days=1)
    await of.store.revive(address_key("anna@example.com"), at=of.at, forget_at=1)
    of.later(days=1)
    await hear(of, said(name))
    await of.dispatch(due("r1"))
    assert of.store[due("r1")]["status"] == after, "but a complaint counts whenever its mail was sent"


@pytest.mark.parametrize(
    "mail",
    [
        {"timestamp": "yesterday"},
        {"timestamp": 7},
        {"timestamp": "2026-11-21T12:00:00"},
        {"timestamp": "0001-01-01T00:00:00+14:00"},
    ],
)
async def test_a_bounce_that_does_not_say_when_its_mail_was_sent_counts(mail: Mapping[str, Any]) -> None:
    of = world(letter("r1"))
    await hear(of, said("ses-bounce", mail=mail))
    await of.dispatch(due("r1"))
    assert of.store[due("r1")]["status"] == "FAILED"


@pytest.mark.parametrize(
    "body",
    [
        said("ses-bounce", bounce={"bounceType": "Transient", "bounceSubType": "MailboxFull"}),
        said("ses-bounce", bounce={"bounceType": "Undetermined"}),
        said("ses-complaint", complaint={"complaintFeedbackType": "not-spam"}),
    ],
)
async def test_what_passes_suppresses_nobody(body: str) -> None:
    of = world(letter("r1"))
    await hear(of, body)
    await of.dispatch(due("r1"))
    assert of.store[due("r1")]["status"] == "SENT"


async def test_a_suppressed_address_says_nothing_of_the_channel() -> None:
    of = world(letter("r1", "bob@example.com"), letter("r2"), answers=[Misconfigured("SES: AccessDenied")])
    await hear(of, said("ses-bounce"))
    await of.dispatch(due("r1"))
    of.later(seconds=6)
    await of.dispatch(due("r2"))
    assert of.store[due("r2")]["status"] == "FAILED"
    assert of.gates.why_not("reminders/email") is None, "the probe's turn is the next one's"
    assert of.gates.why_not("reminders/email") == "SES: AccessDenied"


def test_an_address_in_the_form_of_a_header_is_the_address() -> None:
    body = said(
        "ses-bounce",
        bounce={"bouncedRecipients": [{"emailAddress": '"Anna" <anna@example.com>'}, {"emailAddress": "?"}]},
    )
    found = decode_receipts(delivery(body))
    assert isinstance(found, Suppressed)
    assert (found.addresses, found.why) == (("anna@example.com",), "bounce")


def test_another_event_of_ses_is_refused() -> None:
    with pytest.raises(Reject, match="neither a bounce nor a complaint"):
        decode_receipts(delivery('{"source": "aws.ses", "detail": {"eventType": "Send"}}'))


def test_a_key_tells_no_address() -> None:
    assert "anna" not in address_key("anna@example.com").pk
