"""Spans of AWS calls: OpenTelemetry's names for them, the same on both roads, and none unless they are asked for."""

from functools import cache
from typing import Any

import pytest

from tests.shared.telemetry.alone import report_of
from tests.shared.telemetry.traced_calls import CANARY, QUEUE

ANSWERED = {"aws.request_id": "r-1", "http.status_code": 200, "retry_attempts": 0}


@cache
def spans(calls: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = report_of("traced_calls", TELEMETRY_DETAIL="full", AWS_CALLS=calls)
    return found


def about(service: str, method: str, **more: Any) -> dict[str, Any]:
    usual = {"rpc.system": "aws-api", "rpc.service": service, "rpc.method": method, "cloud.region": "eu-west-1"}
    return usual | {name.replace("__", "."): value for name, value in more.items()}


def table(method: str, **more: Any) -> dict[str, Any]:
    return about("DynamoDB", method, db__system="dynamodb", db__operation=method, **more)


def queue(method: str, **more: Any) -> dict[str, Any]:
    url = {"aws.queue_url": QUEUE, "messaging.url": QUEUE, "messaging.system": "aws.sqs"}
    return about("SQS", method, messaging__destination="orders", **more) | url


EXPECTED = {
    "DynamoDB.GetItem": table("GetItem", aws__dynamodb__table_names=["t"], aws__dynamodb__consistent_read=True),
    "DynamoDB.BatchGetItem": table(
        "BatchGetItem",
        aws__dynamodb__table_names=["t"],
        aws__dynamodb__consumed_capacity=['{"TableName": "t", "CapacityUnits": 0.5}'],
    ),
    "DynamoDB.TransactWriteItems": table("TransactWriteItems"),
    "DynamoDB.Query": table(
        "Query", aws__dynamodb__table_names=["t"], aws__dynamodb__index_name="by-id", aws__dynamodb__limit=5
    ),
    "DynamoDB.Scan": table(
        "Scan",
        aws__dynamodb__table_names=["t"],
        aws__dynamodb__segment=0,
        aws__dynamodb__total_segments=2,
        aws__dynamodb__count=3,
        aws__dynamodb__scanned_count=9,
    ),
    "SQS.SendMessage": queue("SendMessage", messaging__message__id="m-1"),
    "EventBridge.PutEvents": about("EventBridge", "PutEvents"),
    "Secrets Manager.GetSecretValue": about(
        "Secrets Manager", "GetSecretValue", aws__secretsmanager__secret__arn="arn:s"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("calls", ["", "aioboto3"])
@pytest.mark.parametrize("name", EXPECTED)
def test_a_call_has_the_span_that_the_instrumentation_of_botocore_gives_it(name: str, calls: str) -> None:
    found = [each for each in spans(calls) if each["name"] == name and each["status"] == "UNSET"]
    assert len(found) == 2
    for each in found:
        port = each["attributes"].pop("server.port")
        assert each["attributes"].pop("net.peer.name", f"127.0.0.1:{port}") == f"127.0.0.1:{port}"
        assert each["attributes"].pop("server.address") == "127.0.0.1"
        assert each["kind"] == "CLIENT"
        assert each["attributes"] == EXPECTED[name] | ANSWERED


@pytest.mark.parametrize("calls", ["", "aioboto3"])
def test_a_refused_call_tells_status_and_type_and_no_text(calls: str) -> None:
    refused = [each for each in spans(calls) if each["status"] == "ERROR"]
    assert [each["name"] for each in refused] == ["DynamoDB.GetItem"] * 2
    for each in refused:
        told = {"error.type": "ConditionalCheckFailedException", "http.status_code": 400, "aws.request_id": "r-1"}
        assert told.items() <= each["attributes"].items()
        assert each["events"] == 0
    assert CANARY not in str(spans(calls))


@pytest.mark.parametrize("calls", ["", "aioboto3"])
def test_a_poll_has_no_second_span(calls: str) -> None:
    assert not [each for each in spans(calls) if "Receive" in each["name"]]


@pytest.mark.slow
def test_there_are_none_unless_all_detail_is_asked_for() -> None:
    assert report_of("traced_calls", OTEL_TRACES_SAMPLER="always_on") == []
