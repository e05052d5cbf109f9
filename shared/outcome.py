"""How one message's way may end, the two objections a handler may raise, and what an error is called."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.backoff import Backoff


@dataclass(frozen=True, slots=True)
class Done:
    """The work is done, now or before: the message may leave the queue."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The message stays hidden for `after` seconds; None asks for `backoff` (the worker's own, where that is None) after the
    `run`-th run. `counts`: whether this was one of the runs after which a message is buried.
    """

    why: str
    after: float | None = None
    counts: bool = True
    run: int = 1
    backoff: Backoff | None = None


@dataclass(frozen=True, slots=True)
class Dead:
    """The message will never succeed as it is: it is buried in the dead-letter queue with this reason.

    `error_type` is a class name, `message` a short text without payload, `fingerprint` 16 hex digits that stay the
    same for the same fault, `stack` the bounded frames of our own code (file:function:line), innermost last.
    """

    error_type: str
    message: str
    fingerprint: str
    stack: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stalled:
    """A dependency is down, or refuses all of us: the message is not at fault, and this run does not count.

    `unless_kept` is what becomes of it where it cannot wait in hand: at its last receipt SQS would move it, without a reason.
    """

    why: str
    unless_kept: Dead | None = None


Outcome = Done | Retry | Dead | Stalled


class Later(Exception):
    """Raised by a handler that knows when to try again: `after` seconds from now (0 to 43,200)."""

    def __init__(self, why: str, *, after: float) -> None:
        super().__init__(why)
        self.why = why
        self.after = after


class Contended(Later):
    """Somebody else holds this work for at most `after` seconds more.

    Most work ends long before its lease, so the message is looked at again sooner than that, and only as its receipts
    run out is the whole lease waited for: a copy is settled quickly, and a dead holder's work is still taken over.
    """


class Reject(Exception):
    """Raised by a decoder or handler that knows the message can never succeed; `why` must hold no payload."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def code_of(error: BaseException) -> str:
    """What an error is called in logs and metrics: AWS's code (`AccessDenied`, `ExpiredToken`) where it has one, else its
    class. Known by its shape (botocore's ClientError): this file imports no AWS. Never the text, which may quote a payload.
    """
    response = getattr(error, "response", None)
    fault = response.get("Error") if isinstance(response, dict) else None
    code = fault.get("Code") if isinstance(fault, dict) else None
    named = isinstance(code, str) and re.fullmatch(r"[A-Za-z0-9.]{1,100}", code)
    return str(code).rpartition(".")[2] if named else type(error).__name__


def status_of(error: BaseException) -> int | None:
    """The HTTP status with which AWS refused, 0 where it is not known; None for an error that is not such a refusal. Known by
    its shape, as `code_of`.
    """
    response = getattr(error, "response", None)
    if not isinstance(response, dict) or not isinstance(response.get("Error"), dict):
        return None
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "SlowDown",
        "PriorRequestNotComplete",
        "TransactionInProgressException",
        "EC2ThrottledException",
    }
)
FORBIDDEN = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "NotAuthorized",
        "NotAuthorizedForSourceException",
        "NotAuthorizedForDetailTypeException",
        "InvalidAccountIdException",
        "AuthFailure",
        "OptInRequired",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "InvalidAccessKeyId",
        "MissingAuthenticationToken",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "IncompleteSignature",
        "KMSAccessDeniedException",
        "KMS.DisabledException",
        "NoSuchBucket",
        "QueueDoesNotExist",
    }
)
"""Codes that speak of our permissions and configuration, whatever was asked: a dead letter cannot mend them."""


def is_outage(error: BaseException) -> bool:
    """Whether an error of an AWS call says nothing about what was asked: no answer, a fault of theirs, a throttle, or what we
    are not allowed or configured to do. Known by its shape, as `code_of`.
    """
    status = status_of(error)
    if status is not None:
        return status >= 500 or status == 429 or code_of(error) in THROTTLED | FORBIDDEN
    module = type(error).__module__
    return module == "botocore.exceptions" and type(error).__name__ not in {"ParamValidationError", "ClientError"}
