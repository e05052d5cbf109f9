"""One dead letter of every shape, as AWS writes it: body and message attributes."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

Golden = tuple[str, Mapping[str, str]]

TABLE_STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-11-21T00:00:00.000"

TOPIC = "arn:aws:sns:us-east-1:000000000000:orders"


def bus_event(target: str) -> Golden:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html"""
    event = {
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": "order.placed",
        "source": "shop",
        "account": "000000000000",
        "time": "2026-11-21T09:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {"id": "order-42", "tenantId": "t1"},
    }
    return json.dumps(event, indent=1), {
        "RULE_ARN": "arn:aws:events:us-east-1:000000000000:rule/shop/webhook-events",
        "TARGET_ARN": target,
        "ERROR_CODE": "NO_PERMISSIONS",
        "ERROR_MESSAGE": "The target does not allow it.",
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
        "RETRY_ATTEMPTS": "185",
    }


def scheduled(target: str) -> Golden:
    """https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html"""
    return '{"remind": "r-1"}', {
        "SCHEDULE_ARN": "arn:aws:scheduler:us-east-1:000000000000:schedule/default/reminders",
        "TARGET_ARN": target,
        "ERROR_CODE": "AWS.SimpleQueueService.NonExistentQueue",
        "ERROR_MESSAGE": "The specified queue does not exist.",
        "EXECUTION_ID": "ad06616e51cdf74a",
        "EXHAUSTED_RETRY_CONDITION": "MaximumEventAgeInSeconds",
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": "0",
        "SCHEDULED_TIME": "2026-11-21T09:00:00Z",
    }


def bus_record() -> Golden:
    """An EventBridge custom bus subscriber's letter: ids, no event."""
    record = {
        "version": "1.0",
        "busArn": "arn:aws:events:us-east-1:000000000000:event-bus/shop",
        "subscriberArn": "arn:aws:events:us-east-1:000000000000:subscriber/shop/audit",
        "targetArn": "arn:aws:lambda:us-east-1:000000000000:function:audit",
        "errorCode": "TARGET_ERROR",
        "errorMessage": "timeout",
        "exhaustedRetryCondition": "MaximumRetryAttempts",
        "retryAttempts": 3,
        "failedMessages": [{"eventId": "e-1", "timestamp": "2026-11-21T09:00:00Z", "targetRequestId": "r-1"}],
    }
    return json.dumps(record), {}


def stream_pointer(
    *, hours_old: float = 1.0, by: str = "requestContext", stream: str = TABLE_STREAM, **batch: Any
) -> Golden:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html, or that of a pipe (`by="context"`)."""
    written = (datetime.now(UTC) - timedelta(hours=hours_old)).isoformat().replace("+00:00", "Z")
    record = {
        by: {"condition": "RetryAttemptsExhausted", "approximateInvokeCount": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": written,
        "DDBStreamBatchInfo": {
            "shardId": "shardId-00000001573689847184-864758bb",
            "startSequenceNumber": "800000000003126276362",
            "endSequenceNumber": "800000000003126276362",
            "approximateArrivalOfFirstRecord": written,
            "approximateArrivalOfLastRecord": written,
            "batchSize": 1,
            "streamArn": stream,
            **batch,
        },
    }
    return json.dumps(record), {}


def invocation() -> Golden:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq"""
    return '{"order": 7}', {
        "RequestID": "a5d6a8c0-9b0f-4b33-a2a5-6a7c8e1f2b3c",
        "ErrorCode": "200",
        "ErrorMessage": "division by zero",
    }


def invocation_record(function: str, event: str = '{"order": 7}') -> Golden:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html"""
    record = {
        "version": "1.0",
        "timestamp": "2026-11-21T09:00:00.000Z",
        "requestContext": {
            "requestId": "e4b46cbf-b738-xmpl-8880-a18cdf61200e",
            "functionArn": f"{function}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": "EVENT",
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorType": "ValueError", "errorMessage": "no such order"},
    }
    return json.dumps(record).replace('"EVENT"', event), {}


def notification(topic: str = TOPIC) -> Golden:
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html"""
    result = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": topic,
        "Message": '{"order": 7}',
        "Timestamp": "2026-11-21T09:00:00.000Z",
        "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-east-1:000000000000:orders:c9135db0-26c4",
    }
    return json.dumps(result), {"RequestID": "r-1", "ErrorCode": "403", "ErrorMessage": "no permission"}


def typed(attributes: Mapping[str, str]) -> dict[str, Any]:
    return {name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()}
