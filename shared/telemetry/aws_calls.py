"""Spans of AWS calls, named and attributed as OpenTelemetry's instrumentation of botocore 0.66 does, on whichever road one goes.

https://github.com/open-telemetry/opentelemetry-python-contrib/tree/main/instrumentation/opentelemetry-instrumentation-botocore
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opentelemetry import trace

from shared.telemetry import names, tracing

if TYPE_CHECKING:
    from opentelemetry.trace import Span

UNTRACED = frozenset({"ReceiveMessage"})
"""Calls without a span here: a poll has its own, `receive <queue>`, and one that brought nothing is not worth one."""

REQUEST_ID, RETRIES, STATUS = "aws.request_id", "retry_attempts", "http.status_code"
SECRET = "aws.secretsmanager.secret.arn"  # noqa: S105  # the name of an attribute
ANY_SECRET = "arn:aws:secretsmanager:"  # noqa: S105  # how its ARN begins

ASKED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "ConsistentRead": ("aws.dynamodb.consistent_read", bool),
    "ProjectionExpression": ("aws.dynamodb.projection", str),
    "ScanIndexForward": ("aws.dynamodb.scan_forward", bool),
    "IndexName": ("aws.dynamodb.index_name", str),
    "Limit": ("aws.dynamodb.limit", int),
    "Select": ("aws.dynamodb.select", str),
    "Segment": ("aws.dynamodb.segment", int),
    "TotalSegments": ("aws.dynamodb.total_segments", int),
}
READS = frozenset({"GetItem", "Query", "Scan"})
"""Calls of DynamoDB whose parameters are attributes."""
ON_TABLES = READS | {"PutItem", "UpdateItem", "DeleteItem", "BatchGetItem", "BatchWriteItem"}
"""Calls of DynamoDB whose tables are named; the instrumentation knows nothing of transactions."""


class TracedClient:
    """Stands where a client stands, fast or aiobotocore's: each call has a span, `DynamoDB.GetItem`, as kind CLIENT.

    Of an error the span has its type, as all spans of this library, and neither text nor traceback, which may quote a payload.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._operations: Mapping[str, str] = client.meta.method_to_api_mapping

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        operation = self._operations.get(name)
        if operation is None or operation in UNTRACED:
            return found
        call = partial(self._call, operation, found)
        setattr(self, name, call)  # found at once from now on
        return call

    def get_paginator(self, name: str) -> Any:
        """The client's own, each of whose pages is a call."""
        paginator = self._client.get_paginator(name)
        paginator._method = getattr(self, name)  # noqa: SLF001
        return paginator

    async def _call(self, operation: str, method: Callable[..., Any], **asked: Any) -> Any:
        meta = self._client.meta
        name = f"{meta.service_model.service_id}.{operation}"
        with tracing.calling(name, attributes_of(meta, operation, asked)) as span:
            try:
                answer = await method(**asked)
            except Exception as error:
                _tell_answer(span, getattr(error, "response", None))
                raise
            if span.is_recording():
                _tell_answer(span, answer)
                _tell_found(span, operation, answer)
            return answer


def attributes_of(meta: Any, operation: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What is known before a call, of its service and of what it asks; `meta` is botocore's of the client."""
    model = meta.service_model
    found: dict[str, Any] = {
        "rpc.system": "aws-api",
        "rpc.service": str(model.service_id),
        "rpc.method": operation,
        "cloud.region": meta.region_name,
    }
    endpoint = urlsplit(meta.endpoint_url)
    found |= {"server.address": endpoint.hostname, "server.port": endpoint.port or 443}
    match model.service_name:
        case "dynamodb":
            found |= _of_table(endpoint.netloc, operation, asked)
        case "sqs" if url := asked.get("QueueUrl"):
            found |= {"aws.queue_url": url, "messaging.system": "aws.sqs", "messaging.url": url}
            found["messaging.destination"] = url.rpartition("/")[2]
        case "secretsmanager" if str(asked.get("SecretId", "")).startswith(ANY_SECRET):
            found[SECRET] = asked["SecretId"]
    return found


def _of_table(peer: str, operation: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"db.system": "dynamodb", "db.operation": operation, "net.peer.name": peer}
    if operation in ON_TABLES:
        tables = (asked["TableName"],) if "TableName" in asked else tuple(asked.get("RequestItems", ()))
        found["aws.dynamodb.table_names"] = tables
    if operation in READS:
        found |= {name: turn(asked[given]) for given, (name, turn) in ASKED.items() if asked.get(given) is not None}
    return found


def tell_request_id(request_id: str | None) -> None:
    """On the span of the call under way: fast answers have no ResponseMetadata that would say it."""
    if request_id is not None:
        trace.get_current_span().set_attributes({REQUEST_ID: request_id, RETRIES: 0, STATUS: 200})


def _tell_answer(span: Span, answer: object) -> None:
    metadata = answer.get("ResponseMetadata") if isinstance(answer, dict) else None
    if not isinstance(metadata, dict):
        return
    fields = {REQUEST_ID: "RequestId", RETRIES: "RetryAttempts", STATUS: "HTTPStatusCode"}
    span.set_attributes({name: metadata[given] for name, given in fields.items() if metadata.get(given) is not None})


def _tell_found(span: Span, operation: str, answer: Mapping[str, Any]) -> None:
    if (used := answer.get("ConsumedCapacity")) is not None and operation in ON_TABLES:
        each = used if isinstance(used, list) else [used]
        span.set_attribute("aws.dynamodb.consumed_capacity", [json.dumps(one) for one in each])
    if operation == "Scan":
        counts = {"aws.dynamodb.count": "Count", "aws.dynamodb.scanned_count": "ScannedCount"}
        span.set_attributes({name: answer[given] for name, given in counts.items() if answer.get(given) is not None})
    sent = {"SendMessage": [answer], "SendMessageBatch": answer.get("Successful") or []}.get(operation, [])
    if sent and sent[0].get("MessageId"):
        span.set_attribute(names.MESSAGE_ID, sent[0]["MessageId"])
    if operation == "GetSecretValue" and answer.get("ARN"):
        span.set_attribute(SECRET, answer["ARN"])
