"""The stack `edge`: who may call what, and functions that may do what their calls do and nothing else."""

from collections.abc import Mapping
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.infra.template import ACCOUNT, Template, stack
from workers.upload_notification.client import Opening, Refused, Sessions
from workers.upload_notification.edge import calls, functions, socket

TABLE = f"arn:aws:dynamodb:eu-central-1:{ACCOUNT}:table/fleet-sessions-dev"
ROUTES = {
    "open-session": "POST /sessions",
    "read-session": "GET /sessions/{sessionId}",
    "make-token": "POST /sessions/{sessionId}/tokens",
    "connect": "$connect",
    "disconnect": "$disconnect",
    "resume": "resume",
}


def edge(**given: str) -> Template:
    return stack("edge", WebOrigins=given.pop("WebOrigins", ""), **given)


def stem(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def allowed(name: str) -> dict[str, Any]:
    """Actions of the function's role, by what they are allowed on."""
    [policy] = edge().properties(f"Edge{stem(name)}Role")["Policies"]
    found: dict[str, Any] = {}
    for each in policy["PolicyDocument"]["Statement"]:
        for action in each["Action"]:
            assert action not in found
            found[action] = each["Resource"]
    return found


class Recorder:
    """DynamoDB, as far as the routes go: what was asked of it, about one session that is there."""

    class exceptions:  # noqa: N801  as botocore names it
        class ConditionalCheckFailedException(Exception):
            """The condition did not hold."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.row = row
        self.asked: set[str] = set()
        self.refuses = False

    def _said(self, action: str) -> dict[str, Any]:
        self.asked.add(f"dynamodb:{action}")
        if self.refuses and action != "GetItem":
            raise self.exceptions.ConditionalCheckFailedException
        return {"Item": dict(self.row)}

    async def get_item(self, **_: Any) -> dict[str, Any]:
        return self._said("GetItem")

    async def put_item(self, **_: Any) -> dict[str, Any]:
        return self._said("PutItem")

    async def update_item(self, **_: Any) -> dict[str, Any]:
        return self._said("UpdateItem")


OPENING = Opening(session_id="s", secret="s" * 40)
EVENT = {
    "methodArn": "arn",
    "queryStringParameters": {"sessionId": "s", "token": "t"},
    "pathParameters": {"sessionId": "s"},
    "headers": {"authorization": f"Bearer {OPENING.secret}"},
    "requestContext": {"connectionId": "c", "authorizer": {"sessionId": "s"}},
    "body": '{"action": "resume"}',
}


@pytest.mark.parametrize(
    ("name", "route"),
    [
        ("open-session", calls.open_session),
        ("read-session", calls.read_session),
        ("make-token", calls.make_token),
        ("authorize", socket.authorize),
        ("connect", socket.connect),
        ("disconnect", socket.disconnect),
        ("resume", socket.resume),
    ],
)
async def test_a_functions_role_permits_the_calls_that_it_makes_and_no_other(name: str, route: Any) -> None:
    now = datetime.now(UTC)
    event = EVENT | ({"body": "{}"} if name == "open-session" else {})
    asked: set[str] = set()
    for refuses in (False, True):
        recorder = Recorder(OPENING.row(now))
        recorder.refuses = refuses
        client: Any = recorder
        with suppress(Refused) if refuses else nullcontext():
            await route(event, Sessions(client, table="t", now=lambda: now))
        asked |= recorder.asked
    permitted = allowed(name)
    assert {action for action in permitted if action.startswith("dynamodb:")} == asked
    assert all(permitted[action] == [TABLE] for action in asked)
    beside = {"ssm:GetParametersByPath", "logs:CreateLogStream", "logs:PutLogEvents"}
    beside |= {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}
    signed = {"s3:PutObject"} if name == "open-session" else set()
    assert permitted.keys() - asked == beside | signed
    if signed:
        assert permitted["s3:PutObject"] == ["arn:aws:s3:::fleet-uploads-dev/session-uploads/*"]


def test_each_route_goes_to_its_own_function_which_only_its_own_api_may_call() -> None:
    template = edge()
    routes = template.resources("AWS::ApiGatewayV2::Route")
    found = {each["Properties"]["RouteKey"]: each["Properties"]["Target"] for each in routes.values()}
    assert found == {key: f"integrations/{stem(name)}Integration" for name, key in ROUTES.items()}
    for name in (*ROUTES, "authorize"):
        assert hasattr(functions, name.replace("-", "_"))
        function = template.properties(f"Edge{stem(name)}Function")
        assert function["Handler"].endswith(f"edge.functions.{name.replace('-', '_')}")
        assert function["Role"] == f"Edge{stem(name)}Role.Arn"
        permission = template.properties(f"{stem(name)}Permission")
        api = "SessionsApi" if name in {"open-session", "read-session", "make-token"} else "BrowsersApi"
        assert permission["SourceArn"] == f"arn:aws:execute-api:eu-central-1:{ACCOUNT}:{api}/*"
        assert permission["FunctionName"] == f"Edge{stem(name)}Function"


def test_nobody_opens_a_session_without_a_token_or_a_permission() -> None:
    for given, expected in (
        ({}, ("AWS_IAM", None)),
        ({"JwtIssuer": "https://id.example"}, ("JWT", "SessionsAuthorizer")),
    ):
        opens = edge(**given).properties("OpenSessionRoute")
        assert (opens["AuthorizationType"], opens.get("AuthorizerId")) == expected
    connect = edge().properties("ConnectRoute")
    assert (connect["AuthorizationType"], connect["AuthorizerId"]) == ("CUSTOM", "BrowsersAuthorizer")
    authorizer = edge().properties("BrowsersAuthorizer")
    assert authorizer["IdentitySource"] == [f"route.request.querystring.{name}" for name in ("sessionId", "token")]


def test_pages_of_no_origin_call_unless_it_is_named() -> None:
    assert "CorsConfiguration" not in edge().properties("SessionsApi")
    cors = edge(WebOrigins="https://app.example").properties("SessionsApi")["CorsConfiguration"]
    assert cors["AllowOrigins"] == "https://app.example"


def test_its_outputs_are_what_the_other_stacks_ask_for() -> None:
    outputs = {name: each["Value"] for name, each in edge().outputs().items()}
    assert outputs["WebSocketApi"] == "BrowsersApi/browsers"
    assert outputs["WsApiEndpoint"].startswith("BrowsersApi.execute-api.eu-central-1.")
    assert outputs["WsApiEndpoint"].endswith("/browsers")


def test_both_apis_say_429_before_a_flood_costs_anything() -> None:
    for name in ("SessionsStage", "BrowsersStage"):
        assert edge().properties(name)["DefaultRouteSettings"] == {
            "ThrottlingBurstLimit": 200,
            "ThrottlingRateLimit": 100,
        }
