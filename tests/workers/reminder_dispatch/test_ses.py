"""E-mail by SES: the real adapter at the emulator, and every error name at an endpoint that answers with it."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aioboto3
import boto3
import pytest
from aiobotocore.config import AioConfig
from aiohttp import web

from tests.aws import Aws
from tests.workers.reminder_dispatch.fakes import row
from workers.reminder_dispatch.channels.channel import Accepted, Answer, Busy, Lost, Misconfigured, Refused
from workers.reminder_dispatch.channels.email.ses import mail
from workers.reminder_dispatch.schedule.occurrence import Content, read_content


def letter() -> Content:
    return read_content(row(channel="email", email="anna@example.com", title="Tee ☕", body="Es ist Zeit."))


async def test_an_email_is_accepted_with_its_message_id(aws: Aws) -> None:
    sender = f"{uuid.uuid4().hex}@fleet.example"
    ses = aws.session.client("ses", endpoint_url=aws.url)
    ses.verify_email_identity(EmailAddress=sender)
    async with aws.open("ses") as client:
        answer = await mail(letter(), client=client, sender=sender)
    assert isinstance(answer, Accepted)
    assert answer.ticket


async def test_without_a_sender_a_person_is_asked_for() -> None:
    nobody: Any = None
    assert await mail(letter(), client=nobody, sender=None) == Misconfigured("EMAIL_SENDER is not set")


@asynccontextmanager
async def answering(status: int, body: str, *, drop: bool = False) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        if drop and request.transport is not None:
            request.transport.abort()
        return web.Response(status=status, text=body, content_type="text/xml")

    application = web.Application()
    application.router.add_post("/", answer)
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


def fault(code: str, text: str = "no") -> str:
    return (
        '<ErrorResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>{text}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    )


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, fault("Throttling", "Maximum sending rate exceeded."), Busy("SES: Throttling")),
        (400, fault("Throttling", "Daily message quota exceeded."), Busy("SES: Throttling")),
        (400, fault("ThrottlingException"), Busy("SES: ThrottlingException")),
        (503, fault("ServiceUnavailable"), Busy("SES: ServiceUnavailable")),
        (500, fault("Whatever"), Busy("SES: Whatever")),
        (400, fault("MessageRejected", "Address blacklisted."), Refused("SES: MessageRejected")),
        (400, fault("InvalidParameterValue", "Illegal address"), Refused("SES: InvalidParameterValue")),
        (400, fault("MessageRejected", "Email address is not verified."), Misconfigured("SES: MessageRejected")),
        (400, fault("MailFromDomainNotVerifiedException"), Misconfigured("SES: MailFromDomainNotVerifiedException")),
        (400, fault("AccountSendingPausedException"), Misconfigured("SES: AccountSendingPausedException")),
        (403, fault("AccessDenied"), Misconfigured("SES: AccessDenied")),
    ],
)
async def test_every_error_of_ses_means_one_thing(status: int, body: str, expected: Answer) -> None:
    async with answering(status, body) as url, client_of("ses", url) as client:
        assert await mail(letter(), client=client, sender="fleet@example.com") == expected


async def test_a_dropped_connection_is_a_lost_request() -> None:
    async with answering(200, "", drop=True) as url, client_of("ses", url) as client:
        assert await mail(letter(), client=client, sender="fleet@example.com") == Lost("no answer from SES")


async def test_no_connection_sends_no_request() -> None:
    async with answering(200, "") as url:
        pass
    async with client_of("ses", url) as client:
        assert await mail(letter(), client=client, sender="fleet@example.com") == Busy("no connection to SES")


def test_the_service_is_one_that_boto_knows() -> None:
    assert "ses" in boto3.Session().get_available_services()
