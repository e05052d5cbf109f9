"""The worker as it is deployed: put together from an environment, fed with what the bucket itself says."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.clients import Clients
from shared.outcome import Later
from shared.settings import SettingsError
from shared.worker import Each, Worker
from tests.aws import Aws
from tests.fakes import delivery
from tests.waiting import until
from tests.workers.upload_notification.scripted_server import Reply, ScriptedServer
from workers.roster import app
from workers.upload_notification.app import APP, open_workers
from workers.upload_notification.event import UploadEvents
from workers.upload_notification.rules import LEASE


@pytest.fixture
def session_id(aws: Aws) -> str:
    """A session that waits for its upload, with a browser at connection `b=`."""
    session_id = uuid.uuid4().hex
    item: dict[str, Any] = {
        "sessionId": {"S": session_id},
        "status": {"S": "AWAITING_SCAN"},
        "expiresAt": {"N": str(int(time.time()) + 600)},
        "wsConnectionId": {"S": "b="},
    }
    aws.dynamodb.put_item(TableName=aws.names["SESSIONS_TABLE_NAME"], Item=item)
    return session_id


@asynccontextmanager
async def opened(aws: Aws, gateway: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Worker[Any]]:
    for name, value in aws.endpoint.environment.items():
        monkeypatch.setenv(name, value)  # boto reads these by itself
    async with (
        gateway.serving("/live") as url,
        Clients(aws.environment) as clients,
        open_workers({**aws.environment, "WS_API_ENDPOINT": url}, clients) as (worker,),
    ):
        yield worker


async def decoded(aws: Aws, worker: Worker[Any], wanted: Callable[[UploadEvents], bool]) -> UploadEvents:
    """What the bucket put on the queue, when it is there."""

    def look() -> UploadEvents | None:
        events = [worker.decode(delivery(body)) for body in aws.bodies(aws.names["UPLOADS_QUEUE_URL"])]
        return next(filter(wanted, events), None)

    found = await until(look, what="the bucket's notification")
    assert found is not None
    return found


def about(session_id: str) -> Callable[[UploadEvents], bool]:
    return lambda event: [change.session_id for change in event.changes] == [session_id]


async def test_from_a_file_in_the_bucket_to_the_browser_and_back(
    aws: Aws, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, key = ScriptedServer([Reply()]), f"session-uploads/{session_id}/a b+%20ü.jpg"
    where: Any = {"TableName": aws.names["SESSIONS_TABLE_NAME"], "Key": {"sessionId": {"S": session_id}}}

    async with opened(aws, gateway, monkeypatch) as worker:
        assert isinstance(worker.do, Each)
        assert worker.limits.timeout < LEASE, "who outlives its lease must be dead, not slow"
        aws.s3.put_object(Bucket=aws.names["UPLOAD_BUCKET_NAME"], Key=key, Body=b"content")
        uploaded = await decoded(aws, worker, about(session_id))
        copies = await asyncio.gather(*(worker.do.handle(uploaded) for _ in range(5)), return_exceptions=True)
        assert all(copy is None or isinstance(copy, Later) for copy in copies)

        found = aws.dynamodb.get_item(**where)["Item"]
        assert (found["status"], found["uploadKey"], found["size"]) == ({"S": "UPLOADED"}, {"S": key}, {"N": "7"})
        assert found["announcedSequencer"] == found["sequencer"]
        ((path, message),) = gateway.calls
        assert path == "/live/@connections/b%3D"
        assert (json.loads(message)["key"], json.loads(message)["etag"]) == (key, found["etag"]["S"])

        aws.s3.delete_object(Bucket=aws.names["UPLOAD_BUCKET_NAME"], Key=key)
        await worker.do.handle(await decoded(aws, worker, about(session_id)))
        await worker.do.handle(uploaded)  # late, and once more: the file is gone

        found = aws.dynamodb.get_item(**where)["Item"]
        assert found["status"] == {"S": "AWAITING_SCAN"}
        assert "uploadKey" not in found
        assert len(gateway.calls) == 1


async def test_a_websocket_api_that_fails_is_asked_once_by_a_run_which_has_time_left_for_the_bus(
    aws: Aws, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, key = ScriptedServer([Reply(500, error="InternalServerErrorException")]), f"session-uploads/{session_id}/a"
    where: Any = {"TableName": aws.names["SESSIONS_TABLE_NAME"], "Key": {"sessionId": {"S": session_id}}}

    async with opened(aws, gateway, monkeypatch) as worker:
        assert isinstance(worker.do, Each)
        aws.s3.put_object(Bucket=aws.names["UPLOAD_BUCKET_NAME"], Key=key, Body=b"content")
        uploaded = await decoded(aws, worker, about(session_id))
        with pytest.raises(ClientError):
            await worker.do.handle(uploaded)
    assert len(gateway.calls) == 1
    assert aws.dynamodb.get_item(**where)["Item"]["announcedTo"] == {"S": "bus"}


def test_the_fleet_knows_the_worker_by_its_name() -> None:
    assert app("upload-notification") is APP
    assert APP.queues == ("uploads",)


async def test_missing_settings_are_named_together() -> None:
    async with Clients({}) as clients:
        with pytest.raises(SettingsError, match=r"UPLOAD_BUCKET_NAME.*EVENT_BUS_NAME.*WS_API_ENDPOINT"):
            async with open_workers({"SESSIONS_TABLE_NAME": "fleet-sessions-dev"}, clients):
                pass
