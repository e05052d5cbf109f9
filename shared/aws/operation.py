"""Which calls are fast, and what the body and the answer of each are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote
from uuid import uuid4

import orjson

from shared.aws.answers.expected import Expected
from shared.aws.shapes import reader, writer

if TYPE_CHECKING:
    from botocore.model import OperationModel

FAST: dict[str, dict[str, str]] = {
    "sqs": {
        "receive_message": "ReceiveMessage",
        "delete_message_batch": "DeleteMessageBatch",
        "change_message_visibility_batch": "ChangeMessageVisibilityBatch",
        "send_message_batch": "SendMessageBatch",
        "send_message": "SendMessage",
    },
    "dynamodb": {
        "get_item": "GetItem",
        "query": "Query",
        "put_item": "PutItem",
        "update_item": "UpdateItem",
        "delete_item": "DeleteItem",
        "batch_get_item": "BatchGetItem",
        "batch_write_item": "BatchWriteItem",
        "transact_get_items": "TransactGetItems",
        "transact_write_items": "TransactWriteItems",
    },
    "events": {"put_events": "PutEvents"},
    "secretsmanager": {"get_secret_value": "GetSecretValue"},
    "sesv2": {"send_email": "SendEmail"},
    "apigatewaymanagementapi": {"post_to_connection": "PostToConnection"},
}
"""Methods of botocore's clients that are called all day, by service."""

REPEATING = frozenset({"DeleteMessageBatch", "ChangeMessageVisibilityBatch"})
"""Calls whose answers are nearly always the same bytes: ten entries, all of them carried out."""
WAITING = frozenset({"ReceiveMessage"})
"""Calls that are held open by the server: they have connections of their own, so that nothing waits behind them."""


NO_SEGMENTS = frozenset({"", ".", ".."})
"""Values that would make another path of it."""


class Parts(NamedTuple):
    """What a call says: its body, and the last segment of its path where that is the call's own."""

    body: bytes
    segment: str = ""


class Operation:
    """One call of one service, by botocore's model."""

    def __init__(self, model: OperationModel) -> None:
        untyped: Any = model  # the stubs know less than it has
        self.name: str = untyped.name
        self.waits = self.name in WAITING
        self.expected = Expected(model)
        self._segment = next((name for name, each in untyped.input_shape.members.items() if _is_segment(each)), None)
        self._payload = untyped.input_shape.serialization.get("payload")
        self._write = None if self._segment else writer(untyped.input_shape)
        self._read = reader(untyped.output_shape) if untyped.output_shape else None
        self._repeats = self.name in REPEATING
        self._proven = b""
        """The last answer that was found to be one, and in which nothing is read as something else."""
        self._tokens: list[str] = untyped.idempotent_members
        self._decides = {each.name: each.member_name for each in untyped.context_parameters}
        self._names_inside = bool(untyped.operation_context_parameters)

    def complete(self, asked: dict[str, Any]) -> dict[str, Any]:
        """With the idempotency token that botocore would add: one for all attempts of this call."""
        for name in self._tokens:
            asked.setdefault(name, str(uuid4()))
        return asked

    def parts(self, asked: dict[str, Any]) -> Parts | None:
        """What the request says. None where only botocore knows what to make of it: what it would refuse, and a resource
        by its ARN or another endpoint, which may change where the request goes.
        """
        if self._write is None:
            return self._parts_of_post(asked)
        for kind, member in self._decides.items():
            value = asked.get(member)
            if value is not None and (kind != "ResourceArn" or str(value).startswith("arn:")):
                return None
        try:
            body = orjson.dumps(self._write(asked))
        except (ValueError, KeyError, TypeError):
            return None
        return None if self._names_inside and b'"arn:' in body else Parts(body)

    def _parts_of_post(self, asked: dict[str, Any]) -> Parts | None:
        segment, payload = asked.get(self._segment or ""), asked.get(self._payload)
        if len(asked) != 2 or not isinstance(segment, str) or segment in NO_SEGMENTS or not isinstance(payload, bytes):
            return None
        try:
            return Parts(payload, quote(segment, safe="-._~"))
        except UnicodeEncodeError:
            return None

    def answer(self, content: bytes) -> dict[str, Any] | None:
        """A whole answer as botocore gives it, without ResponseMetadata. None where it has another shape, or is not an answer."""
        if self._read is None:
            return {} if self.expected.is_met_by_body(content) else None
        if self._repeats and content == self._proven:
            proven: dict[str, Any] = orjson.loads(content)
            return proven
        try:
            read = orjson.loads(content)
            found: dict[str, Any] | None = self._read(read) if self.expected.is_met_by_json(read) else None
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        if self._repeats and found is not None and found == orjson.loads(content):
            self._proven = content
        return found


def _is_segment(member: Any) -> bool:
    """Whether a value stands in the path."""
    return bool(member.serialization.get("location") == "uri")
