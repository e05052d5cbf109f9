"""The peer: `python -m tests.bench.whole.by_hand CONCERN`, aioboto3 handlers as one writes them first, with the workers' own calls.

Sixteen pollers, ten messages a receive, all ten at once, one delete for them: and no lease, no retry, no time limit, no dead letter,
no log line, no span, no metric. What a worker does beside its calls is what it costs more than this.
"""

import asyncio
import hashlib
import hmac
import os
import sys
import time
from base64 import b64encode
from contextlib import AsyncExitStack
from typing import Any

import aioboto3
import aiohttp
import orjson
from aiobotocore.config import AioConfig

POLLERS = 16
KEY = {"read": b"secret"}
Handle = Any


class ByHand:
    """The clients, and a handler for the ten messages of one receive of each queue."""

    def __init__(self, clients: dict[str, Any], session: aiohttp.ClientSession) -> None:
        self.sqs, self.dynamodb, self.events = clients["sqs"], clients["dynamodb"], clients["events"]
        self.gateway = clients["apigatewaymanagementapi"]
        self.session = session
        self.table = {name: os.environ[f"{name.upper()}_TABLE_NAME"] for name in ("sessions", "webhooks", "reminders")}

    async def uploads(self, bodies: list[Any]) -> None:
        await asyncio.gather(*(self._upload(record) for body in bodies for record in body["Records"]))

    async def _upload(self, record: Any) -> None:
        about = record["s3"]["object"]
        session_id = about["key"].split("/")[1]
        where: Any = {"TableName": self.table["sessions"], "Key": {"sessionId": {"S": session_id}}}
        found = await self.dynamodb.update_item(
            **where,
            UpdateExpression="SET #status = :uploaded, uploadKey = :key, #size = :size, etag = :etag, sequencer = :order,"
            " uploadedAt = :at, announceUntil = :until REMOVE announcedSequencer",
            ConditionExpression="attribute_exists(sessionId) AND #status IN (:open, :uploaded)",
            ExpressionAttributeNames={"#status": "status", "#size": "size"},
            ExpressionAttributeValues={
                ":uploaded": {"S": "UPLOADED"}, ":open": {"S": "AWAITING_SCAN"}, ":key": {"S": about["key"]},
                ":size": {"N": str(about["size"])}, ":etag": {"S": about["eTag"]}, ":order": {"S": about["sequencer"]},
                ":at": {"S": record["eventTime"]}, ":until": {"N": str(int(time.time()) + 20)},
            },
            ReturnValues="ALL_NEW",
        )  # fmt: skip
        row = found["Attributes"]
        message = {"type": "upload.completed", "sessionId": session_id, "key": about["key"], "size": about["size"]}
        await self.gateway.post_to_connection(ConnectionId=row["wsConnectionId"]["S"], Data=orjson.dumps(message))
        detail = orjson.dumps({**message, "tenantId": row["tenantId"]["S"]}).decode()
        entry = {"Source": "uploads", "DetailType": "upload.completed", "Detail": detail, "EventBusName": "fleet"}
        await self.events.put_events(Entries=[entry])
        await self.dynamodb.update_item(
            **where,
            UpdateExpression="SET announcedSequencer = :order REMOVE announceUntil",
            ConditionExpression="sequencer = :order",
            ExpressionAttributeValues={":order": {"S": about["sequencer"]}},
        )

    async def webhook_events(self, bodies: list[Any]) -> None:
        await asyncio.gather(*(self._fan_out(body["detail"]) for body in bodies))

    async def _fan_out(self, detail: Any) -> None:
        found = await self.dynamodb.query(
            TableName=self.table["webhooks"],
            KeyConditionExpression="PK = :pk AND begins_with(SK, :endpoint)",
            ExpressionAttributeValues={":pk": {"S": f"TENANT#{detail['tenantId']}"}, ":endpoint": {"S": "ENDPOINT#"}},
        )
        jobs = [
            {"tenant": detail["tenantId"], "endpoint": item["endpointId"]["S"], "detail": detail}
            for item in found["Items"]
        ]
        entries = [{"Id": str(place), "MessageBody": orjson.dumps(job).decode()} for place, job in enumerate(jobs)]
        await self.sqs.send_message_batch(QueueUrl=os.environ["WEBHOOK_DELIVERIES_QUEUE_URL"], Entries=entries)

    async def webhook_deliveries(self, bodies: list[Any]) -> None:
        await asyncio.gather(*(self._deliver(body) for body in bodies))

    async def _deliver(self, job: Any) -> None:
        table, detail = self.table["webhooks"], job["detail"]
        key = {"PK": {"S": f"TENANT#{job['tenant']}"}, "SK": {"S": f"ENDPOINT#{job['endpoint']}"}}
        endpoint = (await self.dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True))["Item"]
        attempt = {"PK": {"S": f"DELIVERY#{detail['id']}#{job['endpoint']}"}, "SK": {"S": "ATTEMPT#0001"}}
        await self.dynamodb.put_item(
            TableName=table,
            Item={**attempt, "status": {"S": "SENDING"}, "startedAt": {"N": str(time.time())}},
            ConditionExpression="attribute_not_exists(PK)",
        )
        data, at = orjson.dumps(detail), str(int(time.time()))
        text = f"{detail['id']}.{at}.".encode() + data
        sign = b64encode(hmac.digest(KEY["read"], text, hashlib.sha256)).decode()
        headers = {"webhook-id": detail["id"], "webhook-timestamp": at, "webhook-signature": f"v1,{sign}"}
        async with self.session.post(endpoint["url"]["S"], data=data, headers=headers) as response:
            await response.read()
        await self.dynamodb.update_item(
            TableName=table,
            Key=attempt,
            UpdateExpression="SET #status = :done, httpStatus = :code",
            ConditionExpression="#status = :sending",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={
                ":done": {"S": "DELIVERED"}, ":sending": {"S": "SENDING"}, ":code": {"N": str(response.status)},
            },
        )  # fmt: skip

    async def reminders(self, bodies: list[Any]) -> None:
        rows = await asyncio.gather(*(self._claim(body) for body in bodies))
        notes = [
            {"to": row["tokens"]["L"][0]["S"], "title": row["title"]["S"], "body": row["body"]["S"]} for row in rows
        ]
        keys = [{"PK": {"S": f"TOKEN#{note['to']}"}, "SK": {"S": "DEAD"}} for note in notes]
        await self.dynamodb.batch_get_item(RequestItems={self.table["reminders"]: {"Keys": keys}})
        async with self.session.post(os.environ["EXPO_PUSH_URL"], json=notes) as response:
            await response.json()
        await asyncio.gather(*(self._move(row, "SENT", "SENDING") for row in rows))

    async def _claim(self, body: Any) -> Any:
        key = {"PK": {"S": f"REMINDER#{body['reminderId']}"}, "SK": {"S": f"AT#{body['dueAt']}"}}
        found = await self.dynamodb.get_item(TableName=self.table["reminders"], Key=key, ConsistentRead=True)
        await self._move(found["Item"], "SENDING", "PENDING")
        return found["Item"]

    async def _move(self, row: Any, status: str, before: str) -> None:
        await self.dynamodb.update_item(
            TableName=self.table["reminders"],
            Key={"PK": row["PK"], "SK": row["SK"]},
            UpdateExpression="SET #status = :status",
            ConditionExpression="#status = :before",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":status": {"S": status}, ":before": {"S": before}},
        )


async def poll(sqs: Any, url: str, handle: Handle) -> None:
    while True:
        answer = await sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20)
        messages = answer.get("Messages", [])
        if messages:
            await handle([orjson.loads(each["Body"]) for each in messages])
            entries = [
                {"Id": str(place), "ReceiptHandle": each["ReceiptHandle"]} for place, each in enumerate(messages)
            ]
            await sqs.delete_message_batch(QueueUrl=url, Entries=entries)


async def main(queues: list[str]) -> None:
    session: Any = aioboto3.Session()
    config = AioConfig(max_pool_connections=200)
    endpoints = {"apigatewaymanagementapi": os.environ["WS_API_ENDPOINT"]}
    async with AsyncExitStack() as stack, aiohttp.ClientSession() as http:
        names = ("sqs", "dynamodb", "events", "apigatewaymanagementapi")
        clients = {
            name: await stack.enter_async_context(session.client(name, endpoint_url=endpoints.get(name), config=config))
            for name in names
        }
        by_hand = ByHand(clients, http)
        async with asyncio.TaskGroup() as group:
            for queue in queues:
                stem = queue.replace("-", "_")
                for _ in range(POLLERS):
                    group.create_task(
                        poll(clients["sqs"], os.environ[f"{stem.upper()}_QUEUE_URL"], getattr(by_hand, stem))
                    )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
