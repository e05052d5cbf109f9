"""One thing that was looked at, and how AWS's answers become findings a person can act on."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

State = Literal["ok", "warning", "fault"]
"""A warning is worth knowing and nothing breaks; a fault stops messages."""

Answer = TypeVar("Answer")

_REMEDIES: Mapping[str, str] = {
    "AccessDenied": "allow the call to this identity",
    "AccessDeniedException": "allow the call to this identity",
    "UnauthorizedOperation": "allow the call to this identity",
    "403": "allow the call to this identity, or correct the name: S3 says 403 for buckets of others",
    "404": "deploy the messaging stack, or correct the variable",
    "NoSuchBucket": "deploy the messaging stack, or correct the variable",
    "QueueDoesNotExist": "deploy the messaging stack, or correct the variable",
    "ResourceNotFoundException": "deploy the messaging stack, or correct the variable",
    "ExpiredToken": "renew the credentials",
    "ExpiredTokenException": "renew the credentials",
    "InvalidClientTokenId": "correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "UnrecognizedClientException": "correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "SignatureDoesNotMatch": "correct AWS_SECRET_ACCESS_KEY, or the clock of this machine",
}


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it is, what was found there, and what to do about it ("" where nothing is to be done)."""

    what: str
    state: State
    found: str
    remedy: str = ""


class Trouble(Exception):
    """AWS did not answer a question: `code` is its error code, `remedy` what usually mends it."""

    def __init__(self, code: str, remedy: str) -> None:
        super().__init__(code)
        self.code = code
        self.remedy = remedy


async def ask(call: Awaitable[Answer]) -> Answer:
    """The answer to one call. Raises Trouble."""
    try:
        return await call
    except ClientError as error:
        code = short_code(error)
        raise Trouble(code, _REMEDIES.get(code, "see the AWS documentation of this error code")) from error
    except BotoCoreError as error:
        raise Trouble(
            type(error).__name__, "is the endpoint up, and are AWS_REGION and the credentials set?"
        ) from error


async def find_refusal(call: Awaitable[object], *, harmless: frozenset[str]) -> str | None:
    """Whether a call that cannot change anything is permitted: None, or the code of the refusal.

    `harmless` are the codes with which AWS answers once it has let the caller in: that is what they are asked for.
    """
    try:
        await call
    except ClientError as error:
        code = short_code(error)
        return None if code in harmless else code
    except BotoCoreError as error:
        return type(error).__name__
    return None


def short_code(error: ClientError) -> str:
    """The error code without the prefix of the query protocol: AWS.SimpleQueueService.NonExistentQueue is QueueDoesNotExist."""
    code = error.response["Error"]["Code"].rpartition(".")[2].rpartition("#")[2]
    return "QueueDoesNotExist" if code == "NonExistentQueue" else code


def fault(what: str, trouble: Trouble, *, variable: str = "") -> Check:
    """What could not be asked."""
    remedy = trouble.remedy.replace("the variable", variable or "the variable")
    return Check(what, "fault", trouble.code, remedy)
