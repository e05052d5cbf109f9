"""The edge's functions, each through a sandbox of its own, and the events that API Gateway hands them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.lambda_door.function import CallSandbox
from tests.aws import Aws
from workers.upload_notification.client import Sessions

ARN = "arn:aws:execute-api:eu-central-1:111122223333:api/prod/$connect"


@dataclass
class Edge:
    """Each route through a sandbox of its own, as on Lambda; `rows` writes past them."""

    aws: Aws
    table: str
    environment: Mapping[str, str]
    sandboxes: dict[str, CallSandbox[Sessions]]

    def __call__(self, name: str, event: Mapping[str, Any]) -> dict[str, Any]:
        return self.sandboxes[name].invoke(event)

    def http(self, name: str, event: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        answer = self(name, event)
        assert answer["headers"] == {"content-type": "application/json", "cache-control": "no-store"}
        return answer["statusCode"], json.loads(answer["body"])

    def opened(self, **asked: Any) -> dict[str, Any]:
        status, document = self.http("open_session", {"body": json.dumps(asked)})
        assert status == 201
        return document

    def row(self, session_id: str) -> dict[str, Any]:
        found = self.aws.dynamodb.get_item(TableName=self.table, Key={"sessionId": {"S": session_id}})
        return dict(found.get("Item", {}))

    def put(self, row: Mapping[str, Any]) -> None:
        self.aws.dynamodb.put_item(TableName=self.table, Item=dict(row))


def knock(session_id: str, token: str) -> dict[str, Any]:
    return {"methodArn": ARN, "queryStringParameters": {"sessionId": session_id, "token": token}}


def of_connection(session_id: str, connection_id: str, body: str | None = None) -> dict[str, Any]:
    context = {"connectionId": connection_id, "authorizer": {"sessionId": session_id}}
    return {"requestContext": context, "body": body}
