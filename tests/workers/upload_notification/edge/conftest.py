"""The edge over a table of its own."""

from collections.abc import Iterator

import pytest

from shared.lambda_door.function import CallSandbox
from tests.aws import Aws
from tests.workers.upload_notification.edge.desk import Edge
from workers.upload_notification.client import open_sessions
from workers.upload_notification.edge import calls, socket


@pytest.fixture
def edge(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    table = aws.table_like("sessions")
    environment = {**aws.environment, "SESSIONS_TABLE_NAME": table, "UPLOAD_BUCKET_NAME": "fleet-uploads-dev"}
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    routes = (
        socket.authorize,
        socket.connect,
        socket.disconnect,
        socket.resume,
        calls.open_session,
        calls.read_session,
        calls.make_token,
    )
    sandboxes = {each.__name__: CallSandbox(open_sessions, each, environment) for each in routes}
    yield Edge(aws, table, environment, sandboxes)
    for each in sandboxes.values():
        each.close()
