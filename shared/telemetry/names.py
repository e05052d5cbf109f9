"""Names from OpenTelemetry's messaging conventions, version 1.44 (status: development), in one place."""

SYSTEM = "messaging.system"
AWS_SQS = "aws_sqs"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
DESTINATION = "messaging.destination.name"
MESSAGE_ID = "messaging.message.id"
BATCH_COUNT = "messaging.batch.message_count"
ERROR_TYPE = "error.type"
OTHER_ERROR = "_OTHER"  # the conventions' word for an error whose type is not recorded

PROCESS_DURATION = "messaging.process.duration"
CONSUMED = "messaging.client.consumed.messages"
SENT = "messaging.client.sent.messages"

DWELL = "fleet.message.dwell"
LAST_SUCCESS = "fleet.last_success_epoch"
IS_FIRST = "fleet.first_receipt"
SETTLED = "fleet.settled"
OUTCOME = "fleet.outcome"
WORKER = "fleet.worker"
REASON = "fleet.reason"
