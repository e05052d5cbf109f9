"""What SQS answers when it refuses: the shape of the JSON protocol, and the code of the older one in a header."""

QUERY_CODES = {
    "BatchEntryIdsNotDistinct": "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    "BatchRequestTooLong": "AWS.SimpleQueueService.BatchRequestTooLong",
    "EmptyBatchRequest": "AWS.SimpleQueueService.EmptyBatchRequest",
    "InvalidBatchEntryId": "AWS.SimpleQueueService.InvalidBatchEntryId",
    "MessageNotInflight": "AWS.SimpleQueueService.MessageNotInflight",
    "PurgeQueueInProgress": "AWS.SimpleQueueService.PurgeQueueInProgress",
    "QueueDeletedRecently": "AWS.SimpleQueueService.QueueDeletedRecently",
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    "TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
    "UnsupportedOperation": "AWS.SimpleQueueService.UnsupportedOperation",
    "ExpiredTokenException": "ExpiredToken",
    "AccessDeniedException": "AccessDenied",
    "InvalidSignatureException": "SignatureDoesNotMatch",
}
"""Shapes whose code in the query protocol, which botocore shows as `Error.Code`, is spelt otherwise.

Source: the ErrCode constants of the AWS SDKs for `sqs`, a service with the trait awsQueryCompatible.
"""

MODELLED = frozenset(
    """BatchEntryIdsNotDistinct BatchRequestTooLong EmptyBatchRequest InvalidAddress InvalidAttributeName
    InvalidAttributeValue InvalidBatchEntryId InvalidIdFormat InvalidMessageContents InvalidSecurity MessageNotInflight
    OverLimit PurgeQueueInProgress QueueDeletedRecently QueueDoesNotExist QueueNameExists ReceiptHandleIsInvalid
    RequestThrottled ResourceNotFoundException TooManyEntriesInBatchRequest UnsupportedOperation""".split()
)
"""Shapes of the service itself; everything else comes from the layer in front of every AWS service."""


class SqsError(Exception):
    """One refused request or batch entry; `code` is the shape's name in the JSON protocol."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status

    @property
    def is_senders(self) -> bool:
        return self.status < 500

    @property
    def query_code(self) -> str:
        return QUERY_CODES.get(self.code, self.code)

    @property
    def type_name(self) -> str:
        """The `__type` of the answer."""
        return f"com.amazonaws.sqs#{self.code}" if self.code in MODELLED else f"com.amazon.coral.service#{self.code}"


def no_queue() -> SqsError:
    return SqsError("QueueDoesNotExist", "The specified queue does not exist.")


def no_parameter(name: str) -> SqsError:
    return SqsError("MissingParameter", f"The request must contain the parameter {name}.")


def bad_parameter(name: str, value: object, reason: str) -> SqsError:
    return SqsError("InvalidParameterValue", f"Value {value} for parameter {name} is invalid. Reason: {reason}")


def bad_handle(handle: object) -> SqsError:
    return SqsError("ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.')


def gone_from_flight(handle: object) -> SqsError:
    """A handle whose message was deleted, or handed out anew since."""
    return bad_parameter(
        "ReceiptHandle", handle, "Message does not exist or is not available for visibility timeout change."
    )
