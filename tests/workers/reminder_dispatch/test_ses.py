"""E-mail by SES v2: the real adapter at the emulator, and every error name at an endpoint that answers with it."""

import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aioboto3
import pytest
from aiobotocore.config import AioConfig
from aiohttp import web

from shared.clients import Clients
from tests.aws import Aws
from tests.shared.aws.contract.answers import Odd, whole
from tests.shared.aws.contract.stub import stub
from tests.workers.reminder_dispatch.fakes import due, row
from workers.reminder_dispatch.channels.channel import Accepted, Answer, Busy, Lost, Misconfigured, Refused
from workers.reminder_dispatch.channels.email.ses import mail
from workers.reminder_dispatch.schedule.occurrence import Content, Malformed, read_content

UNSUBSCRIBE = "https://example.com/stop?who=a%40b&t=1,2"


def letter(**attributes: Any) -> Content:
    return read_content(
        row(channel="email", email="anna@example.com", title="Tee ☕", body="Es ist Zeit.", **attributes)
    )


class Asked:
    """SES's SendEmail, which keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    async def send(self, **asked: Any) -> dict[str, str]:
        self.asked = asked
        return {"MessageId": "m-1"}


@pytest.fixture
def sender(aws: Aws) -> str:
    address = f"{uuid.uuid4().hex}@fleet.example"
    aws.session.client("ses", endpoint_url=aws.url).verify_email_identity(EmailAddress=address)
    return address


async def test_an_email_is_accepted_with_its_message_id(aws: Aws, sender: str) -> None:
    async with aws.open("sesv2") as client:
        answer = await mail(letter(mail={"unsubscribe": UNSUBSCRIBE}), due(), send=client.send_email, sender=sender)
    assert isinstance(answer, Accepted)
    assert answer.ticket


async def test_the_processes_own_client_sends_it_too(aws: Aws, sender: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws.endpoint.environment.items():
        monkeypatch.setenv(name, value)  # boto reads these by itself
    async with Clients(aws.environment) as clients:
        send = (await clients.open("sesv2", attempts=1)).send_email
        answers = [
            await mail(letter(), due(), send=send, sender=sender) for _ in range(2)
        ]  # by botocore, and then without
    assert all(isinstance(answer, Accepted) for answer in answers)


async def test_a_template_is_filled_with_the_reminders_data_and_one_that_is_not_there_is_this_reminders_fault(
    aws: Aws, sender: str
) -> None:
    name = f"tea-{uuid.uuid4().hex}"
    async with aws.open("sesv2") as client:
        await client.create_email_template(
            TemplateName=name, TemplateContent={"Subject": "{{title}}", "Text": "{{body}} {{cup}}"}
        )
        made = letter(mail={"template": name}, data={"cup": "green"})
        assert isinstance(await mail(made, due(), send=client.send_email, sender=sender), Accepted)
        gone = letter(mail={"template": f"{name}-gone"})
        assert await mail(gone, due(), send=client.send_email, sender=sender) == Refused("SES: NotFoundException")


async def test_a_template_has_title_and_body_beside_the_data_which_goes_before_them() -> None:
    ses = Asked()
    made = letter(mail={"template": "tea"}, data={"body": "Now.", "cups": 2})
    await mail(made, due(), send=ses.send, sender="fleet@example.com", configuration_set="reminders")
    template = ses.asked["Content"]["Template"]
    assert json.loads(template["TemplateData"]) == {"title": "Tee ☕", "body": "Now.", "cups": 2}
    assert (template["TemplateName"], ses.asked["ConfigurationSetName"]) == ("tea", "reminders")


@pytest.mark.parametrize(("kind", "fields"), [("Simple", {}), ("Template", {"template": "tea"})])
async def test_its_reader_unsubscribes_by_one_click(kind: str, fields: dict[str, str]) -> None:
    ses = Asked()
    await mail(letter(mail={"unsubscribe": UNSUBSCRIBE, **fields}), due(), send=ses.send, sender="fleet@example.com")
    assert ses.asked["Content"][kind]["Headers"] == [
        {"Name": "List-Unsubscribe", "Value": f"<{UNSUBSCRIBE}>"},
        {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"unsubscribe": "http://example.com/stop"},
        {"unsubscribe": "mailto:stop@example.com"},
        {"unsubscribe": "https://"},
        {"unsubscribe": "https://example.com/a b"},
        {"unsubscribe": "https://example.com/>\r\nBcc: x@example.com"},
        {"unsubscribe": "https://example.com/stop\n"},
        {"unsubscribe": "https://exämple.com/stop"},
        {"unsubscribe": "https://example.com/" + "x" * 870},
        {"template": ""},
        {"templat": "tea"},
    ],
)
def test_what_no_header_holds_and_what_is_misspelt_ends_the_row_with_the_fields_name(wrong: dict[str, str]) -> None:
    with pytest.raises(Malformed, match=rf"^mail\.{next(iter(wrong))}: "):
        letter(mail=wrong)


async def test_without_a_sender_a_person_is_asked_for() -> None:
    assert await mail(letter(), due(), send=Asked().send, sender=None) == Misconfigured("EMAIL_SENDER is not set")


@asynccontextmanager
async def answering(status: int, body: str, *, kind: str = "", drop: bool = False) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        if drop and request.transport is not None:
            request.transport.abort()
        headers = {"x-amzn-ErrorType": kind} if kind else {}
        return web.Response(status=status, text=body, content_type="application/json", headers=headers)

    application = web.Application()
    application.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client_of(service: str, url: str) -> AsyncIterator[Any]:
    """A client that asks once: what is tried again is not this adapter's business."""
    session = aioboto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    config = AioConfig(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=2, read_timeout=2)
    async with session.client(service, endpoint_url=url, config=config) as client:  # type: ignore[call-overload]  # a name from a test
        yield client


@pytest.mark.parametrize(
    ("status", "code", "text", "expected"),
    [
        (429, "TooManyRequestsException", "Maximum sending rate exceeded.", Busy("SES: TooManyRequestsException")),
        (400, "LimitExceededException", "Daily message quota exceeded.", Busy("SES: LimitExceededException")),
        (400, "ThrottlingException", "no", Busy("SES: ThrottlingException")),
        (503, "ServiceUnavailable", "no", Busy("SES: ServiceUnavailable")),
        (500, "Whatever", "no", Busy("SES: Whatever")),
        (504, "Whatever", "no", Busy("SES: Whatever", unsure=True)),
        (400, "MessageRejected", "Address blacklisted.", Refused("SES: MessageRejected")),
        (400, "BadRequestException", "Illegal address", Refused("SES: BadRequestException")),
        (404, "NotFoundException", "Template tea does not exist", Refused("SES: NotFoundException")),
        (404, "NotFoundException", "Configuration set <r> does not exist.", Misconfigured("SES: NotFoundException")),
        (400, "MessageRejected", "Email address is not verified.", Misconfigured("SES: MessageRejected")),
        (400, "MailFromDomainNotVerifiedException", "no", Misconfigured("SES: MailFromDomainNotVerifiedException")),
        (400, "AccountSuspendedException", "no", Misconfigured("SES: AccountSuspendedException")),
        (400, "SendingPausedException", "no", Misconfigured("SES: SendingPausedException")),
        (403, "AccessDeniedException", "no", Misconfigured("SES: AccessDeniedException")),
    ],
)
async def test_every_error_of_ses_means_one_thing(status: int, code: str, text: str, expected: Answer) -> None:
    async with answering(status, json.dumps({"message": text}), kind=code) as url, client_of("sesv2", url) as client:
        assert await mail(letter(), due(), send=client.send_email, sender="fleet@example.com") == expected


async def test_a_dropped_connection_is_a_lost_request() -> None:
    async with answering(200, "", drop=True) as url, client_of("sesv2", url) as client:
        assert await mail(letter(), due(), send=client.send_email, sender="fleet@example.com") == Lost(
            "no answer from SES"
        )


async def test_no_connection_sends_no_request() -> None:
    async with answering(200, "") as url:
        pass
    async with client_of("sesv2", url) as client:
        assert await mail(letter(), due(), send=client.send_email, sender="fleet@example.com") == Busy(
            "no connection to SES"
        )


@pytest.mark.parametrize("calls", ["fast", "aioboto3"])
async def test_a_success_that_cannot_be_read_may_have_been_a_mail(calls: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    good = Odd(whole(b'{"MessageId": "m-1"}'))
    async with stub(good) as serving, Clients({**os.environ, "AWS_CALLS": calls}) as clients:
        send = (await clients.open("sesv2", endpoint_url=serving.url, attempts=1)).send_email
        assert await mail(letter(), due(), send=send, sender="fleet@example.com") == Accepted("m-1")
        for odd in (b"<html>maintenance</html>", b"{}", b'{"MessageId": nu', b'{"MessageId": null}', b""):
            serving.now = Odd(whole(odd))
            answer = await mail(letter(), due(), send=send, sender="fleet@example.com")
            assert answer == Lost("unreadable answer from SES"), odd
