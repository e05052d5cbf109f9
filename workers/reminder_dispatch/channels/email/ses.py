"""A reminder as an e-mail, by Amazon SES."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from workers.reminder_dispatch.channels.channel import Accepted, Answer, Busy, Lost, Misconfigured, Refused
from workers.reminder_dispatch.schedule.occurrence import Content

if TYPE_CHECKING:
    from types_aiobotocore_ses import SESClient

_PASSING = {"Throttling", "ThrottlingException", "TooManyRequestsException", "LimitExceededException"}
_PASSING |= {"ServiceUnavailable", "InternalFailure", "RequestTimeout"}
_FINAL = {"InvalidParameterValue", "InvalidParameterCombination", "ValidationError"}


async def mail(content: Content, *, client: SESClient, sender: str | None) -> Answer:
    """Send one plain-text message. An error of SES's own becomes an answer, none is raised.

    SES drops what exceeds the rate or the daily quota and says when to come back only by the error's name
    (https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html). What names an account, a sender or
    a permission asks for a person; a rejected message (content, address) is final.
    """
    if sender is None:
        return Misconfigured("EMAIL_SENDER is not set")
    try:
        sent = await client.send_email(
            Source=sender,
            Destination={"ToAddresses": [content.email or ""]},
            Message={
                "Subject": {"Data": content.title, "Charset": "UTF-8"},
                "Body": {"Text": {"Data": content.body, "Charset": "UTF-8"}},
            },
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
    if code in _PASSING or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
        return Busy(f"SES: {code}")
    if code in _FINAL or (code == "MessageRejected" and "not verified" not in text):
        return Refused(f"SES: {code}")
    return Misconfigured(f"SES: {code}")
