"""Bodies and answers of the fast calls are botocore's, for whatever a caller or a service may say."""

import base64
import json
import string
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zlib import crc32

import botocore.session
import pytest
from aiobotocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from shared.aws.answers.expected import REQUIRED
from shared.aws.fast_client import has_its_checksum
from shared.aws.operation import FAST, NO_SEGMENTS, Operation
from shared.aws.shapes import reader, writer
from tests.bench.files import Calls

CALLS = [(service, action) for service, actions in FAST.items() for action in actions.values()]
LEAST = 3
"""Levels of a value below which it is left out where it may be."""

texts = some.text(string.printable + "éü𝄞\u2028", min_size=1, max_size=12)


@cache
def model(service: str, action: str) -> Any:
    return botocore.session.get_session().get_service_model(service).operation_model(action)


@cache
def operation(service: str, action: str) -> Operation:
    return Operation(model(service, action))


def values(shape: Any, *, answer: bool, depth: int = 0) -> some.SearchStrategy[Any]:  # noqa: C901, PLR0911  # a row for each kind of shape
    """What may stand where the shape stands: in a call as botocore takes it, in an answer as JSON has it."""

    def inner(part: Any) -> some.SearchStrategy[Any]:
        return values(part, answer=answer, depth=depth + 1)

    def later(name: str) -> some.SearchStrategy[Any]:
        return some.deferred(lambda: inner(shape.members[name]))

    match shape.type_name:
        case "structure":
            optional = [name for name in shape.members if name not in shape.required_members]
            deep = optional if depth < LEAST else [name for name in optional if is_flat(shape.members[name])]
            return some.fixed_dictionaries(
                {name: inner(shape.members[name]) for name in shape.required_members},
                optional={name: later(name) for name in deep},
            )
        case "list":
            return some.lists(inner(shape.member), min_size=shape.metadata.get("min", 0), max_size=2)
        case "map":
            return some.dictionaries(
                inner(shape.key), inner(shape.value), min_size=shape.metadata.get("min", 0), max_size=2
            )
        case "string":
            return some.text(string.printable + "éü𝄞", min_size=max(1, shape.metadata.get("min", 0)), max_size=40)
        case "integer" | "long":
            return some.integers(1, 10)
        case "boolean":
            return some.booleans()
        case "double":
            return some.floats(0, 100)
        case "blob":
            return some.binary(max_size=20).map(lambda raw: base64.b64encode(raw).decode() if answer else raw)
        case "timestamp":
            seconds = some.integers(0, 4_000_000_000)
            return seconds if answer else seconds.map(lambda each: datetime.fromtimestamp(each, UTC))
    raise AssertionError(shape.type_name)


def is_flat(shape: Any) -> bool:
    return shape.type_name not in {"structure", "list", "map"}


@pytest.mark.parametrize(("service", "action"), CALLS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=some.data())
def test_a_body_says_what_botocores_says(service: str, action: str, data: some.DataObject) -> None:
    asked = data.draw(values(model(service, action).input_shape, answer=False))
    parts = operation(service, action).parts(asked)
    if parts is None:  # left to botocore, which a random name may bring about: an ARN, another endpoint
        assert "EndpointId" in asked or "arn:" in str(asked) or asked.get("ConnectionId") in NO_SEGMENTS
        return
    assert not ParamValidator().validate(asked, model(service, action).input_shape).has_errors()
    made = create_serializer(protocol(service, action), include_validation=False)
    whole = made.serialize_to_request(asked, model(service, action))
    assert said(parts.body) == said(whole["body"])
    assert whole["url_path"].endswith(parts.segment)


def protocol(service: str, action: str) -> str:
    return str(model(service, action).service_model.resolved_protocol)


def said(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


@pytest.mark.parametrize(("service", "action"), CALLS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=some.data())
async def test_an_answer_is_read_as_botocore_reads_it(service: str, action: str, data: some.DataObject) -> None:
    shape = model(service, action).output_shape
    least = {name: kind() for name, kind in REQUIRED.get(action, {}).items()}
    content = json.dumps(least | data.draw(values(shape, answer=True))).encode() if shape else b""
    assert operation(service, action).answer(content) == await parsed(service, action, content)


async def parsed(service: str, action: str, content: bytes) -> Any:
    response = {"headers": {}, "status_code": 200, "body": content, "context": {"operation_name": action}}
    found = await create_parser(protocol(service, action)).parse(response, model(service, action).output_shape)
    del found["ResponseMetadata"]
    return found


ODD_ANSWERS = [
    b'{"Item": {"a": {"S": null}}}', b'{"Item": {"a": null}}', b'{"Else": 1}', b'{"Item": {"a": {"B": "eA=="}}}',
    b'{"Item": {"a": {"NULL": true}, "s": {"SS": ["b", "a"]}, "bs": {"BS": ["eA==", ""]}, "m": {"M": {"l": {"L": [{"B": ""}]}}}}}',
    b'{"Item": {"n": {"N": "1.50"}, "new": {"Q": 1}}}', b"{}", b'{"Item": {}}',
]  # fmt: skip


@pytest.mark.parametrize("content", ODD_ANSWERS)
async def test_an_odd_answer_is_read_as_botocore_reads_it_or_left_to_it(content: bytes) -> None:
    found = operation("dynamodb", "GetItem").answer(content)
    assert found is None or found == await parsed("dynamodb", "GetItem", content)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"[]", b"null", b'{"Item": null}', b'{"Item": []}', b'{"Item": {"a": {"B": 7}}}', b'{"Item": {'],
)
def test_an_answer_of_another_shape_is_not_read(content: bytes) -> None:
    assert operation("dynamodb", "GetItem").answer(content) is None


KEY = {"id": {"S": "x"}}
LEFT = [
    {"TableName": "t"}, {"TableName": "t", "Key": None}, {"TableName": "t", "Key": KEY, "Elsewhere": 1},
    {"TableName": "arn:aws:dynamodb:eu-west-1:123456789012:table/t", "Key": KEY}, {"TableName": 7, "Key": KEY},
    {"TableName": "t", "Key": {"id": {"B": "a text"}}}, {"TableName": "", "Key": KEY}, {"TableName": "\ud83d", "Key": KEY},
    {"TableName": "t", "Key": {"id": {"SS": {"a", "b"}}}},
]  # fmt: skip


@pytest.mark.parametrize("asked", LEFT)
def test_parameters_of_another_kind_are_left_to_botocore(asked: dict[str, Any]) -> None:
    assert operation("dynamodb", "GetItem").parts(asked) is None
    assert operation("dynamodb", "GetItem").parts({"TableName": "t", "Key": KEY}) is not None


@pytest.mark.parametrize("limit", [0, -1])
def test_a_number_below_its_least_is_left_to_botocore_which_refuses_it(limit: int) -> None:
    asked = {"TableName": "t", "KeyConditionExpression": "id = :id", "Limit": limit}
    assert operation("dynamodb", "Query").parts(asked) is None
    assert operation("dynamodb", "Query").parts(asked | {"Limit": 1}) is not None


def test_a_local_time_is_left_to_botocore() -> None:
    entry = {"Source": "s", "DetailType": "d", "Detail": "{}", "Time": datetime(2026, 11, 26)}  # noqa: DTZ001
    assert operation("events", "PutEvents").parts({"Entries": [entry]}) is None


def test_a_transaction_has_one_token_for_all_its_attempts() -> None:
    asked = operation("dynamodb", "TransactWriteItems").complete({"TransactItems": []})
    token = asked["ClientRequestToken"]
    assert operation("dynamodb", "TransactWriteItems").complete(asked)["ClientRequestToken"] == token
    assert token != operation("dynamodb", "TransactWriteItems").complete({})["ClientRequestToken"]


@given(content=some.binary(max_size=50))
def test_an_answer_that_changed_on_its_way_is_seen(content: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\nX-Amz-Crc32: {crc32(content)}\r\nServer: x".encode()
    assert has_its_checksum(head, content)
    assert not has_its_checksum(head, content + b" ")
    assert has_its_checksum(b"HTTP/1.1 200 OK", content)


def test_the_same_answer_once_more_is_another_object_with_the_same_entries() -> None:
    delete, content = operation("sqs", "DeleteMessageBatch"), b'{"Successful":[{"Id":"0"}],"Failed":[]}'
    first, second, third = (delete.answer(content) for _ in range(3))
    assert first == second == third == {"Successful": [{"Id": "0"}], "Failed": []}
    assert second is not third


@pytest.mark.parametrize("content", [b"null", b"{", b'{"Successful":"all"}', b'{"status":"ok"}'])
def test_an_answer_of_another_shape_is_not_read_the_second_time_either(content: bytes) -> None:
    delete = operation("sqs", "DeleteMessageBatch")
    assert [delete.answer(content), delete.answer(content)] == [None, None]


def test_what_is_left_out_of_an_answer_is_left_out_each_time() -> None:
    content = b'{"Successful":[{"Id":"0","New":1}],"Failed":null}'
    delete = operation("sqs", "DeleteMessageBatch")
    assert [delete.answer(content), delete.answer(content)] == [{"Successful": [{"Id": "0"}]}] * 2


def test_attributes_that_are_written_as_they_are_cost_no_call_each() -> None:
    shapes = model("dynamodb", "PutItem")
    write, read = writer(shapes.input_shape), reader(shapes.output_shape)
    item = {f"name{number}": {"S": "a"} for number in range(100)}
    with Calls() as found:
        assert write({"TableName": "orders", "Item": item})["Item"] == item
        assert read({"Attributes": item})["Attributes"] == item
    assert sum(found.values()) < 10
