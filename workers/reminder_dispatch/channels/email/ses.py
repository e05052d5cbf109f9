"""A reminder as an e-mail, by Amazon SES (API v2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from workers.reminder_dispatch.channels.channel import BY_GATEWAY, Accepted, Answer, Busy, Lost, Misconfigured, Refused
from workers.reminder_dispatch.channels.email.letter import content_of
from workers.reminder_dispatch.channels.email.tags import tags_of
from workers.reminder_dispatch.event import ReminderDue
from workers.reminder_dispatch.schedule.occurrence import Content

_PASSING = {"Throttling", "ThrottlingException", "TooManyRequestsException", "LimitExceededException"}
_PASSING |= {"ServiceUnavailable", "InternalFailure", "RequestTimeout"}
_ODD_ANSWER = "OddAnswer"
"""The code of a success that is no answer of SES's, as docs/aws-calls.md has it."""


async def mail(
    content: Content,
    event: ReminderDue,
    *,
    send: Callable[..., Awaitable[Mapping[str, Any]]],
    sender: str | None,
    configuration_set: str | None = None,
) -> Answer:
    """Send an occurrence's message by `send`, SES's SendEmail. An error of SES's own becomes an answer, none is raised.

    SES drops what exceeds the rate or the daily quota and says when to come back only by the error's name
    (https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html). What names an account, a sender, a
    configuration set or a permission asks for a person; a rejected message (content, address, template) is final.
    """
    if sender is None:
        return Misconfigured("EMAIL_SENDER is not set")
    by = {"ConfigurationSetName": configuration_set} if configuration_set else {}
    try:
        sent = await send(
            FromEmailAddress=sender,
            Destination={"ToAddresses": [content.email or ""]},
            Content=content_of(content.title, content.body, content.data, content.mail),
            EmailTags=tags_of(event),
            **by,
        )
    except (EndpointConnectionError, ConnectTimeoutError):
        return Busy("no connection to SES")
    except ClientError as error:
        return _judge(error)
    except BotoCoreError:
        return Lost("no answer from SES")
    return Accepted(sent["MessageId"])


def _judge(error: ClientError) -> Answer:
    fault = error.response.get("Error", {})
    code, text = fault.get("Code", "no code"), fault.get("Message", "")
    if code == _ODD_ANSWER:  # whoever wrote it may have handed the mail on
        return Lost("unreadable answer from SES")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _PASSING or status >= 500:
        return Busy(f"SES: {code}", unsure=status in BY_GATEWAY)
    if _is_of_the_message(code, text):
        return Refused(f"SES: {code}")
    return Misconfigured(f"SES: {code}")


def _is_of_the_message(code: str, text: str) -> bool:
    """Whether only this message is refused; other names are about the account, and other things that are not found are ours."""
    match code:
        case "BadRequestException":
            return True
        case "MessageRejected":
            return "not verified" not in text
        case "NotFoundException":
            return "template" in text.lower()
        case _:
            return False
