"""What anybody who reaches the APIs may send: each is refused in the words that are documented, and none is an error of ours."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.lambda_door.function import CallSandbox
from tests.workers.upload_notification.edge.desk import Edge, knock, of_connection
from workers.upload_notification.client import open_sessions
from workers.upload_notification.edge import socket

IDS = ["", "x" * 3_000, "\ud800", "ü" * 2_000, "../x", "a\0b", "%", "s/1"]


def effect(answer: dict[str, Any]) -> str:
    return str(answer["policyDocument"]["Statement"][0]["Effect"])


def test_an_id_that_no_session_has_is_nobodys(edge: Edge) -> None:
    for session_id in IDS:
        headers = {"authorization": "Bearer guess"}
        about: dict[str, Any] = {"pathParameters": {"sessionId": session_id}, "headers": headers}
        assert edge.http("read_session", about)[0] == 404
        assert edge.http("make_token", about)[0] == 404
        assert effect(edge("authorize", knock(session_id, "guess"))) == "Deny"
        assert edge("connect", of_connection(session_id, "c="))["statusCode"] == 403
        assert edge("disconnect", of_connection(session_id, "c="))["statusCode"] == 200
        assert edge("resume", of_connection(session_id, "c=", '{"action": "resume"}'))["statusCode"] == 404


def test_a_secret_that_is_none_opens_nothing(edge: Edge) -> None:
    session_id = edge.opened()["sessionId"]
    for secret in ("Bearer \ud800", "Bearer " + "x" * 9_000, "bearer", "Basic x", "Bearer  "):
        about = {"pathParameters": {"sessionId": session_id}, "headers": {"authorization": secret}}
        assert edge.http("read_session", about)[0] == 404
        assert edge.http("make_token", about)[0] == 404
        assert effect(edge("authorize", knock(session_id, secret))) == "Deny"


BODIES: list[Any] = [
    {"body": "no JSON"},
    {"body": "[]"},
    {"body": '{"a": ' * 500},
    {"body": json.dumps({"name": "\ud800"})},
    {"body": '"\ud800"'},
    {"body": "!", "isBase64Encoded": True},
    {"body": base64.b64encode(b"\xff\xfe").decode(), "isBase64Encoded": True},
    {"body": "x" * 20_000},
    {"body": json.dumps({"seconds": 10**30})},
    {"body": json.dumps({"maxBytes": -1})},
    {"body": json.dumps({"allowedTypes": ["image/png"] * 2})},
    {"body": json.dumps({"tenantId": "a\nb"})},
    *({"body": json.dumps({"name": name})} for name in ("..", "../a", "a/../b", "a/", "a\nb", "x" * 2_000, "${filename}")),
    *({"body": json.dumps({"name": name})} for name in ("a ${filename}", "${filename}.png")),
    *({"body": json.dumps({"name": "a", "contentType": kind})} for kind in ("png", "image/png\r\nx: y", "image/*", "ü/x")),
    {"body": json.dumps({"name": "a", "contentType": "image/svg+xml", "allowedTypes": ["image/*"]})},
]  # fmt: skip


def test_an_opening_that_cannot_be_is_refused_and_nothing_is_written(edge: Edge) -> None:
    for event in BODIES:
        assert edge.http("open_session", event)[0] == 400, event
    assert edge.aws.dynamodb.scan(TableName=edge.table)["Count"] == 0


def test_a_word_that_is_none_is_answered_so(edge: Edge) -> None:
    session = edge.opened()["sessionId"]
    words = ("", "no JSON", "{}", '{"action": "resume", "lastSequencer": 7}', '"\ud800"', '{"a":' * 500)
    for body in words:
        assert edge("resume", of_connection(session, "c=", body))["statusCode"] == 400


@pytest.mark.slow
def test_of_many_who_come_with_one_token_one_is_let_in(edge: Edge) -> None:
    opened = edge.opened()
    event = knock(opened["sessionId"], opened["token"])
    environment = edge.environment
    doors = [CallSandbox(open_sessions, socket.authorize, environment) for _ in range(8)]
    try:
        with ThreadPoolExecutor(8) as pool:
            effects = [effect(answer) for answer in pool.map(lambda door: door.invoke(event), doors)]
    finally:
        for door in doors:
            door.close()
    assert sorted(effects) == ["Allow"] + ["Deny"] * 7


def test_a_token_is_of_its_session_and_dies_with_it(edge: Edge) -> None:
    mine, theirs = edge.opened(), edge.opened()
    assert effect(edge("authorize", knock(theirs["sessionId"], mine["token"]))) == "Deny"
    row = edge.row(mine["sessionId"])
    edge.put(row | {"expiresAt": {"N": "1700000000"}})
    assert effect(edge("authorize", knock(mine["sessionId"], mine["token"]))) == "Deny"
    assert edge("connect", of_connection(mine["sessionId"], "c="))["statusCode"] == 403
    about = {
        "pathParameters": {"sessionId": mine["sessionId"]},
        "headers": {"authorization": f"Bearer {mine['secret']}"},
    }
    assert edge.http("make_token", about)[0] == 409
    assert edge.http("read_session", about)[1]["status"] == "EXPIRED"


def test_a_stranger_who_knows_a_connection_id_disconnects_nobody(edge: Edge) -> None:
    mine, theirs = edge.opened()["sessionId"], edge.opened()["sessionId"]
    edge("connect", of_connection(mine, "mine="))
    edge("disconnect", of_connection(theirs, "mine="))
    edge("disconnect", of_connection(mine, "old="))
    assert edge.row(mine)["wsConnectionId"] == {"S": "mine="}
