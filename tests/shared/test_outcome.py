"""What a handler may say when it objects, and which errors of AWS say nothing about what was asked."""

import math
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ParamValidationError
from botocore.session import get_session

from shared.outcome import Contended, Later, Reject, code_of, is_outage


def refused(
    code: str, *, message: str = "no", operation: str = "PutObject", status: int = 400, **more: Any
) -> ClientError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(answer, operation)  # type: ignore[arg-type]  # a shorter answer than the stubs ask for


def cancelled(*codes: str) -> ClientError:
    reasons = [{"Code": code, "Message": "no"} for code in codes]
    return refused("TransactionCanceledException", operation="TransactWriteItems", CancellationReasons=reasons)


@pytest.mark.parametrize("why", [None, 5, b"text", ValueError("quotes a payload"), ["a"]])
def test_an_objection_says_why_in_text(why: Any) -> None:
    with pytest.raises(TypeError):
        Reject(why)
    with pytest.raises(TypeError):
        Later(why, after=1)


def test_half_a_character_in_an_objection_becomes_a_question_mark() -> None:
    assert Reject("\ud800 is gone").why == Later("\ud800 is gone", after=1).why == "? is gone"


@pytest.mark.parametrize("kind", [Later, Contended])
@pytest.mark.parametrize("after", ["5", None, True, 5j, math.nan, math.inf, -math.inf, -1, -0.1])
def test_who_wants_to_be_asked_again_says_in_how_many_seconds(kind: type[Later], after: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        kind("busy", after=after)


@pytest.mark.parametrize("after", [0, 0.5, 43_200])
def test_any_time_from_now_on_can_be_waited_for(after: float) -> None:
    assert Later("busy", after=after).after == after


@pytest.mark.parametrize(
    "code",
    """
    ThrottlingException SlowDown LimitExceededException ReplicatedWriteConflictException AccessDenied ExpiredToken
    NoSuchBucket TableNotFoundException ResourceInUseException AWS.SimpleQueueService.NonExistentQueue
    KMSNotFoundException KMSDisabledException KMSInvalidStateException KMSThrottlingException KMSAccessDeniedException
    KMS.DisabledException KMS.NotFoundException KmsThrottled KmsDisabled KmsOptInRequired
    OverLimit AWS.SimpleQueueService.QueueDeletedRecently InvalidAddress UnsupportedOperation UnknownOperationException
    PermanentRedirect DisabledException KeyUnavailableException DecryptionFailure InvalidKeyId TooManyUpdates
    AccountSuspendedException SendingPausedException MailFromDomainNotVerifiedException ForbiddenException
    """.split(),
)
def test_a_throttle_and_a_wrong_configuration_say_nothing_about_what_was_asked(code: str) -> None:
    assert is_outage(refused(code))


@pytest.mark.parametrize(
    "code", ["ValidationException", "ConditionalCheckFailedException", "NoSuchKey", "TransactionConflictException"]
)
def test_other_codes_speak_of_what_was_asked(code: str) -> None:
    assert not is_outage(refused(code))
    assert is_outage(refused(code, status=500))
    assert is_outage(refused(code, status=429))


def test_a_call_without_an_answer_is_an_outage_and_one_that_was_never_made_is_not() -> None:
    assert is_outage(ConnectTimeoutError(endpoint_url="http://127.0.0.1"))
    assert not is_outage(ParamValidationError(report="no"))
    assert not is_outage(ValueError())


@pytest.mark.parametrize("operation", ["GetItem", "TransactWriteItems", "Query"])
def test_a_missing_table_is_our_configuration(operation: str) -> None:
    assert is_outage(refused("ResourceNotFoundException", operation=operation))


def test_a_missing_table_is_known_by_its_message_too() -> None:
    assert is_outage(refused("ResourceNotFoundException", message="Requested resource not found: Table: t not found"))


def test_what_another_service_does_not_find_may_be_the_fault_of_what_was_asked() -> None:
    assert not is_outage(refused("ResourceNotFoundException", message="Rule r does not exist.", operation="PutTargets"))


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (("None", "ThrottlingError"), True),
        (("ProvisionedThroughputExceeded", "TransactionConflict"), True),
        (("ThrottlingError", "ConditionalCheckFailed"), False),
        (("ThrottlingError", "ValidationError"), False),
        (("ConditionalCheckFailed", "None"), False),
        (("TransactionConflict",), False),
        ((), False),
    ],
)
def test_a_transaction_is_throttled_where_a_part_of_it_is_and_none_is_refused(
    codes: tuple[str, ...],
    expected: bool,  # noqa: FBT001  # as listed
) -> None:
    assert is_outage(cancelled(*codes)) is expected


@pytest.mark.parametrize(
    "more",
    [
        {"ResponseMetadata": None},
        {"ResponseMetadata": "text"},
        {"ResponseMetadata": {"HTTPStatusCode": "500"}},
        {"ResponseMetadata": {}},
        {"CancellationReasons": "text"},
        {"CancellationReasons": [None, {"Code": ["ThrottlingError"]}, {}]},
        {"Error": {"Code": "ResourceNotFoundException", "Message": None}},
        {"Error": {"Code": None}},
        {"Error": None},
    ],
)
def test_a_response_of_a_strange_form_is_not_an_outage(more: dict[str, Any]) -> None:
    class StrangeError(Exception):
        def __init__(self) -> None:
            self.response = {"Error": {"Code": "x"}, **more}

    assert not is_outage(StrangeError())
    assert code_of(StrangeError())


def test_a_response_that_cannot_be_read_is_none() -> None:
    class StrangeError(Exception):
        @property
        def response(self) -> object:
            raise RuntimeError("it was never sent")

    assert not is_outage(StrangeError())
    assert code_of(StrangeError()) == "StrangeError"


OF_WHAT_WAS_ASKED = {
    "sqs": """
        InvalidMessageContents TooManyEntriesInBatchRequest EmptyBatchRequest BatchEntryIdsNotDistinct BatchRequestTooLong
        InvalidBatchEntryId InvalidIdFormat ReceiptHandleIsInvalid MessageNotInflight InvalidAttributeName
        """,
    "dynamodb": """
        ConditionalCheckFailedException ItemCollectionSizeLimitExceededException TransactionConflictException
        TransactionCanceledException IdempotentParameterMismatchException
        """,
    "events": "",
    "s3": """
        NoSuchKey InvalidObjectState InvalidRequest InvalidWriteOffset TooManyParts EncryptionTypeMismatch NoSuchUpload
        BucketAlreadyExists BucketAlreadyOwnedByYou ObjectAlreadyInActiveTierError ObjectNotInActiveTierError
        """,
    "sesv2": "MessageRejected NotFoundException BadRequestException",
    "apigatewaymanagementapi": "GoneException PayloadTooLargeException LimitExceededException",  # the last of a browser whose buffer is full
}
"""Every other error that a service's model has for the calls of workers speaks of the service, or of our rights and settings."""
CALLS = {
    "sqs": "SendMessage SendMessageBatch ReceiveMessage DeleteMessage DeleteMessageBatch ChangeMessageVisibility "
    "ChangeMessageVisibilityBatch GetQueueAttributes GetQueueUrl",
    "dynamodb": "GetItem PutItem UpdateItem DeleteItem Query BatchGetItem BatchWriteItem TransactWriteItems",
    "events": "PutEvents",
    "s3": "GetObject PutObject HeadObject DeleteObjects ListObjectsV2 CopyObject",
    "sesv2": "SendEmail",
    "apigatewaymanagementapi": "PostToConnection",
}


@pytest.mark.parametrize("service", CALLS)
def test_of_every_error_that_aws_has_for_our_calls_it_is_known_whose_it_is(service: str) -> None:
    model = get_session().get_service_model(service)
    known = set(OF_WHAT_WAS_ASKED[service].split())
    for call in CALLS[service].split():
        for shape in model.operation_model(call).error_shapes:
            error = shape.metadata.get("error", {})
            status = error.get("httpStatusCode", 500 if shape.name.startswith("Internal") else 400)
            for code in {error.get("code", shape.name), shape.name}:
                assert is_outage(refused(code, status=status, operation=call)) is (
                    code.rpartition(".")[2] not in known
                ), code
