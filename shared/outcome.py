"""How one message's way may end, the two objections a handler may raise, and what an error is called."""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    """Raised by a handler that knows when to try again: `after` seconds from now (0 to 43,200).

    Raises TypeError or ValueError where it is given something else: then the handler has failed like any other.
    """

    def __init__(self, why: str, *, after: float) -> None:
        super().__init__(why)
        self.why = checked_text(why)
        self.after = checked_seconds(after)


class Contended(Later):
    """Somebody else holds this work for at most `after` seconds more.

    Most work ends long before its lease, so the message is looked at again sooner than that, and only as its receipts
    run out is the whole lease waited for: a copy is settled quickly, and a dead holder's work is still taken over.
    """


class Reject(Exception):
    """Raised by a decoder or handler that knows the message can never succeed; `why` must hold no payload.

    Raises TypeError where `why` is not text: an error or an event in its place could quote the payload.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = checked_text(why)


class Unavailable(Exception):
    """Raised by a handler where something that it needs is down or refuses all of us, and a dead letter cannot mend it: the message
    is not at fault, waits or is hidden, and this run does not count. `why` must hold no payload; `code` is a name for logs. (AWS
    calls need none of this: their errors are known by their shape.)

    Raises TypeError where `why` is not text.
    """

    def __init__(self, why: str, *, code: str = "Unavailable", status: int = 503) -> None:
        super().__init__(why)
        self.why = checked_text(why)
        self.response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}


def checked_text(why: object) -> str:
    """The text, with question marks for half characters, which have no bytes. Raises TypeError."""
    if not isinstance(why, str):
        raise TypeError(f"why is text, and not {type(why).__name__}")
    return why.encode(errors="replace").decode()


def checked_seconds(after: object) -> float:
    """A number of seconds that can be waited for. Raises TypeError or ValueError."""
    if isinstance(after, bool) or not isinstance(after, int | float):
        raise TypeError(f"after is a number of seconds, and not {type(after).__name__}")
    if not 0 <= after < math.inf:
        raise ValueError("after is a finite number of seconds, 0 or more")
    return after


def code_of(error: BaseException) -> str:
    """What an error is called in logs and metrics: AWS's code (`AccessDenied`, `ExpiredToken`) where it has one, else its
    class. Known by its shape (botocore's ClientError): this file imports no AWS. Never the text, which may quote a payload.
    """
    code = _code(_answer(error))
    return (code if code.startswith("KMS.") else code.rpartition(".")[2]) or _exhausted(error) or type(error).__name__


def _answer(error: BaseException) -> Mapping[str, Any]:
    """The error answer that botocore made it of; empty where there is none of that form."""
    try:
        response = getattr(error, "response", None)
    except Exception:  # noqa: BLE001  # a property of a class that we do not know
        return {}
    return response if isinstance(response, dict) and isinstance(response.get("Error"), dict) else {}


def _code(answer: Mapping[str, Any]) -> str:
    code = answer["Error"].get("Code") if answer else None
    return code if isinstance(code, str) and re.fullmatch(r"[A-Za-z0-9.]{1,100}", code) else ""


def status_of(error: BaseException) -> int | None:
    """The HTTP status with which AWS refused, 0 where it is not known; None for an error that is not such a refusal. Known by
    its shape, as `code_of`.
    """
    answer = _answer(error)
    if not answer:
        return None
    about = answer.get("ResponseMetadata")
    status = about.get("HTTPStatusCode") if isinstance(about, dict) else None
    return status if isinstance(status, int) else 0


THROTTLED = frozenset(
    {
        "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
        "TooManyRequestsException", "ThrottlingError", "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException", "RequestLimitExceeded", "BandwidthLimitExceeded",
        "LimitExceededException", "SlowDown", "PriorRequestNotComplete", "TransactionInProgressException",
        "EC2ThrottledException", "ReplicatedWriteConflictException", "OverLimit", "TooManyUpdates",
    }
)  # fmt: skip
KEYS_REFUSED = frozenset(
    {
        "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidSecurity",
        "InvalidSignatureException", "InvalidToken", "SignatureDoesNotMatch", "TokenRefreshRequired", "UnrecognizedClientException",
    }
)  # fmt: skip
"""Codes by which a service says that it does not know these keys, or no longer: whatever was asked, and until there are others."""
KEYS_MISSING = frozenset({"CredentialRetrievalError", "NoCredentialsError", "PartialCredentialsError"})
"""What botocore says where it finds no keys to sign with."""
LONGEST_WITHOUT_KEYS = 1.0
"""Seconds between two tries, at most, where it is the keys that are refused: new ones are then used within three of their existing."""
FORBIDDEN = KEYS_REFUSED | frozenset(
    {
        "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized",
        "NotAuthorizedForSourceException", "NotAuthorizedForDetailTypeException", "InvalidAccountIdException",
        "AuthFailure", "AccountProblem", "AllAccessDisabled", "NotSignedUp", "OptInRequired",
        "MissingAuthenticationToken", "RequestExpired", "RequestTimeTooSkewed", "IncompleteSignature",
        "MissingAuthenticationTokenException", "IncompleteSignatureException", "InvalidIdentityToken",
        "KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException",
        "KMSOptInRequired", "NoSuchBucket", "401", "403", "QueueDoesNotExist", "NonExistentQueue",
        "QueueDeletedRecently", "InvalidAddress", "UnsupportedOperation", "UnknownOperationException",
        "PermanentRedirect", "AuthorizationHeaderMalformed", "ForbiddenException", "DisabledException", "KeyUnavailableException",
        "InvalidKeyUsageException", "DecryptionFailure", "InvalidKeyId", "AccountSuspendedException", "SendingPausedException",
        "MailFromDomainNotVerifiedException",
        "TableNotFoundException", "ResourceInUseException",  # botocore's code, 401 and 403, where an answer has no body, as S3's to a HEAD
    }
)  # fmt: skip
"""Codes that speak of our permissions and configuration, whatever was asked: a dead letter cannot mend them."""

UNANSWERED = frozenset({"RequestTimeout", "RequestTimeoutException", "IDPCommunicationError"})
"""Codes by which a service says, with a status of the asker's faults, that a connection was too slow for it."""

NO_TABLE = ("Requested resource not found", "Cannot do operations on a non-existent table")
"""How DynamoDB (and its local edition) begins what it says of a table that is not there."""
ON_ITEMS = frozenset(
    {
        "GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem", "TransactGetItems",
        "TransactWriteItems",
    }
)  # fmt: skip
"""Calls of DynamoDB that find no resource only where their table is missing; elsewhere that may be the fault of what was asked."""
WRONG = frozenset({"ResourceNotFoundException", "ValidationException"})
"""Codes that speak of our configuration where they count as an outage at all."""
KMS_DOWN = frozenset({"DependencyTimeoutException", "InternalException", "KMSInternalException"})
"""Codes by which KMS says that it fails itself; all its others speak of our key, or throttle."""

EXHAUSTED = frozenset(
    {
        errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.ENOBUFS,
        errno.EAGAIN, errno.EADDRNOTAVAIL,
    }
)  # fmt: skip
"""What this machine says where it has no descriptor, disk, memory, process or thread (`EAGAIN`) or port (`EADDRNOTAVAIL`) left for
anybody: no message is at fault, and none can mend it.
"""
NO_THREAD = "can't start new thread"
"""How Python says that this machine has no thread left."""
USED_UP = frozenset(errno.errorcode[number] for number in EXHAUSTED)
"""The names of these."""


def _exhausted(error: BaseException) -> str:
    """What this machine has run out of, by the name of its error (`EMFILE`); empty for any other error."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError):
        number = errno.ENOMEM
    elif isinstance(error, RuntimeError) and error.args == (NO_THREAD,):
        number = errno.EAGAIN
    return errno.errorcode[number] if number in EXHAUSTED and number is not None else ""


def are_keys(code: str) -> bool:
    """Whether a failure with this code is one of our keys."""
    return code.rpartition(".")[2] in KEYS_REFUSED | KEYS_MISSING


def describe_outage(code: str) -> str:
    """What is said of a dependency whose calls fail with this code: it throttles us, refuses us, or is down. Or of this machine."""
    if code in USED_UP:
        return f"has used up what it has ({code})"
    name = code.rpartition(".")[2]
    if name in THROTTLED:
        return f"throttles ({code})"
    is_of_key = code.upper().startswith("KMS") and name not in KMS_DOWN
    refuses = is_of_key or name in FORBIDDEN or name in WRONG
    return f"refuses ({code})" if refuses else f"is down ({code})"


def is_outage(error: BaseException) -> bool:
    """Whether an error says nothing about what was asked: of an AWS call no answer, a fault of theirs, a throttle, somewhere else to
    ask, or what we are not allowed or configured to do; of this machine, that something is used up. Known by its shape, as `code_of`.
    """
    if _exhausted(error):
        return True
    if answer := _answer(error):
        if (status_of(error), getattr(error, "operation_name", None)) == (429, "PostToConnection"):
            return False  # one browser that takes nothing says nothing of the others
        return (
            (status := status_of(error) or 0) >= 500
            or status == 429
            or 300 <= status < 400
            or _is_of_our_making(answer, getattr(error, "operation_name", None))
            or _is_throttled_transaction(answer)
        )
    if _broke_a_parser(error):
        return True
    is_botocores = type(error).__module__ in {"botocore.exceptions", "botocore.parsers", "aiobotocore.response"}
    return is_botocores and type(error).__name__ not in {"ParamValidationError", "ClientError"}


def _broke_a_parser(error: BaseException) -> bool:
    """Whether it was raised while botocore read an answer: of a shape that no service's has."""
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__name__") in {"botocore.parsers", "aiobotocore.parsers"}:
            return True
        traceback = traceback.tb_next
    return False


def _is_of_our_making(answer: Mapping[str, Any], operation: object) -> bool:
    """Every code of KMS speaks of our key, whichever service passes it on."""
    code, message = _code(answer), answer["Error"].get("Message")
    if code == "ResourceNotFoundException":
        return operation in ON_ITEMS or (isinstance(message, str) and message.startswith(NO_TABLE))
    return code.rpartition(".")[2] in THROTTLED | FORBIDDEN | UNANSWERED or code.upper().startswith("KMS")


def _is_throttled_transaction(answer: Mapping[str, Any]) -> bool:
    """Whether some part of a transaction was throttled, and none was refused for what it asks."""
    reasons = answer.get("CancellationReasons")
    if not isinstance(reasons, list):
        return False
    codes = {str(reason.get("Code")) for reason in reasons if isinstance(reason, dict)}
    return not codes.isdisjoint(THROTTLED) and codes <= THROTTLED | {"None", "TransactionConflict"}
