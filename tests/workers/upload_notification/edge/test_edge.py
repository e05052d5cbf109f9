"""What a browser calls, as API Gateway hands it to the functions; the session's row is on the emulator."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from shared import SettingsError
from shared.lambda_door.function import CallSandbox
from tests.workers.upload_notification.edge.desk import ARN, Edge, knock, of_connection
from tests.workers.upload_notification.fakes import finished
from workers.upload_notification import announcement
from workers.upload_notification.client import open_sessions
from workers.upload_notification.client.state import state_of
from workers.upload_notification.edge import calls
from workers.upload_notification.rules import Session
from workers.upload_notification.store.updates import typed


def with_secret(session_id: str, secret: str) -> dict[str, Any]:
    return {"pathParameters": {"sessionId": session_id}, "headers": {"authorization": f"Bearer {secret}"}}


def allows(answer: Mapping[str, Any]) -> bool:
    [statement] = answer["policyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("execute-api:Invoke", ARN)
    return bool(statement["Effect"] == "Allow")


def test_a_browsers_whole_way(edge: Edge) -> None:
    opened = edge.opened(allowedTypes=["image/*"], maxBytes=1000, name="a.png", contentType="image/png")
    session, secret = opened["sessionId"], opened["secret"]
    assert opened["form"]["fields"]["key"] == f"session-uploads/{session}/a.png"
    let_in = edge("authorize", knock(session, opened["token"]))
    assert allows(let_in)
    assert let_in["context"] == {"sessionId": session}
    assert not allows(edge("authorize", knock(session, opened["token"]))), "a token admits once"
    assert edge("connect", of_connection(session, "one="))["statusCode"] == 200
    assert edge.row(session)["wsConnectionId"] == {"S": "one="}
    status, token = edge.http("make_token", with_secret(session, secret))
    assert (status, allows(edge("authorize", knock(session, token["token"])))) == (201, True)
    assert edge("connect", of_connection(session, "two="))["statusCode"] == 200
    assert edge("disconnect", of_connection(session, "one="))["statusCode"] == 200
    assert edge.row(session)["wsConnectionId"] == {"S": "two="}, "a late $disconnect forgets its own connection alone"
    edge("disconnect", of_connection(session, "two="))
    status, state = edge.http("read_session", with_secret(session, secret))
    assert (status, state["status"], state["allowedTypes"]) == (200, "AWAITING_SCAN", ["image/*"])
    assert not state.keys() & {"secretHash", "connectHash", "wsConnectionId"}


def test_a_browser_that_was_away_hears_what_it_missed_and_nothing_twice(edge: Edge) -> None:
    session = edge.opened()["sessionId"]
    upload = finished(session_id=session, version="v1")
    told = announcement.message(upload, Session(session, status="COMPLETE", content_type="image/png"))
    resumed = json.dumps({"action": "resume", "lastSequencer": ""})

    def answer(body: str) -> dict[str, Any]:
        return dict(json.loads(edge("resume", of_connection(session, "one=", body))["body"]))

    assert answer(resumed)["type"] == "session.unchanged"
    file = {"status": "COMPLETE", "uploadKey": upload.key, "size": 7, "etag": upload.etag, "versionId": "v1"}
    file |= {"sequencer": upload.order, "uploadedAt": "2026-11-21T12:00:00.000Z", "contentType": "image/png"}
    row = edge.row(session) | {name: typed(value) for name, value in file.items()}
    edge.put(row)
    assert answer(resumed)["type"] == "session.unchanged", "nobody was told of it yet: its announcement comes by itself"
    edge.put({**row, "announcedSequencer": {"S": upload.order}})
    assert answer(resumed) == json.loads(told)
    seen = json.dumps({"action": "resume", "lastSequencer": upload.order})
    assert answer(seen)["type"] == "session.unchanged"
    edge.put(
        {
            **row,
            "status": {"S": "REJECTED"},
            "reason": {"S": "threats_found"},
            "announcedSequencer": {"S": upload.order},
        }
    )
    assert answer(json.dumps(json.loads(seen) | {"lastStatus": "COMPLETE"}))["reason"] == "threats_found"
    assert answer(json.dumps(json.loads(seen) | {"lastStatus": "REJECTED"}))["type"] == "session.unchanged"
    ended = {"status": {"S": "EXPIRED"}, "reason": {"S": "closed"}}
    edge.put({**row, **ended, "announcedSequencer": {"S": upload.order}})
    missed = answer(resumed)
    assert (missed["type"], missed["status"]) == ("upload.completed", "UPLOADED"), "as it was announced"
    assert "reason" not in missed
    assert answer(seen)["type"] == "session.expired"
    edge.put({**row, "etag": {"S": ""}, "announcedSequencer": {"S": upload.order}})
    assert answer(resumed)["etag"] == "", "some stores give none"
    edge.put({**row, **ended})
    assert answer(resumed)["type"] == "session.expired", "nobody will be told of it"
    for unreadable in ("", "[]", '{"action": "other"}', "{"):
        assert answer(unreadable)["type"] == "resume.unreadable"
    assert json.loads(edge("resume", of_connection("nobody", "one=", resumed))["body"])["type"] == "session.gone"


@pytest.mark.parametrize("query", [None, {}, {"sessionId": "", "token": ""}, {"sessionId": "s"}, {"token": "t"}])
def test_without_a_session_and_a_token_nobody_is_let_in(edge: Edge, query: dict[str, str] | None) -> None:
    assert not allows(edge("authorize", {"methodArn": ARN, "queryStringParameters": query}))


def test_a_connection_of_a_session_that_is_gone_is_refused(edge: Edge) -> None:
    assert edge("connect", of_connection(uuid.uuid4().hex, "one="))["statusCode"] == 403


def test_whoever_guesses_is_not_told_whether_the_id_or_the_secret_is_wrong(edge: Edge) -> None:
    session = edge.opened()["sessionId"]
    answers = [
        edge.http(route, {**with_secret(whose, "guessed"), "headers": headers})
        for route in ("read_session", "make_token")
        for whose in (session, "nobody")
        for headers in ({"authorization": "Bearer guessed"}, {"authorization": "Basic x"}, {})
    ]
    assert {json.dumps(each) for each in answers} == {json.dumps(answers[0])}
    assert answers[0][0] == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"maxBytes": "many"}', "maxBytes"),
        ('{"allowedTypes": ["photos"]}', "allowedTypes"),
        ('{"seconds": 0}', "seconds"),
        ('{"unheard": 1}', "unheard"),
        ('{"name": "../b"}', "name"),
        ("[]", "body"),
        ("{", "body"),
        (json.dumps({"name": "x" * 20_000}), "body"),
    ],
)
def test_a_session_that_cannot_be_so_is_refused_with_the_fields_name(edge: Edge, body: str, field: str) -> None:
    status, said = edge.http("open_session", {"body": body})
    assert (status, said["field"]) == (400, field)


def test_the_tenant_is_the_one_that_the_callers_token_claims(edge: Edge) -> None:
    context = {"authorizer": {"jwt": {"claims": {"tenantId": "acme"}}}}
    status, opened = edge.http("open_session", {"body": "{}", "requestContext": context})
    assert (status, edge.row(opened["sessionId"])["tenantId"]) == (201, {"S": "acme"})
    status, said = edge.http("open_session", {"body": '{"tenantId": "other"}', "requestContext": context})
    assert (status, said["field"]) == (400, "tenantId")
    nobody: dict[str, Any] = {"authorizer": {"jwt": {"claims": {}}}}
    status, opened = edge.http("open_session", {"body": "{}", "requestContext": nobody})
    assert "tenantId" not in edge.row(opened["sessionId"])


def test_what_fails_is_logged_by_its_kind_and_raised(capsys: pytest.CaptureFixture[str]) -> None:
    sandbox = CallSandbox(open_sessions, calls.read_session, {})
    with pytest.raises(SettingsError, match="SESSIONS_TABLE_NAME"):
        sandbox.invoke(with_secret("s", "secret"))
    sandbox.close()
    line = json.loads(capsys.readouterr().out)
    assert (line["event"], line["route"], line["error_type"]) == ("call_failed", "read_session", "SettingsError")


@pytest.mark.parametrize("event", [None, [], "text", 7])
def test_what_is_no_event_is_refused_with_a_clear_error(event: object) -> None:
    with pytest.raises(TypeError, match="no JSON object"):
        CallSandbox(open_sessions, calls.read_session, {}).invoke(event)


def test_a_state_past_its_time_is_expired_whatever_the_row_says() -> None:
    row = {"sessionId": {"S": "s"}, "status": {"S": "UPLOADED"}, "expiresAt": {"N": "1795266000.0"}}
    assert state_of(row, at=1795265999).status == "UPLOADED"
    shown = state_of({**row, "createdAt": {"N": "17"}}, at=1795266000)
    assert (shown.status, shown.document["createdAt"]) == ("EXPIRED", 17)
    held = {"announcedTo": {"S": "bus"}}
    assert state_of(row | held, at=1795266000).status == "UPLOADED", "its verdict was told, and is about to be written"
