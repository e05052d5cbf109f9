"""How the demo sees effects: it looks at rows, at what the stand-ins received, at the archive and the dead letters."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, assert_never

import aiohttp
import orjson
from botocore.exceptions import BotoCoreError, ClientError

from fleet.dev.demo import cast
from fleet.dev.demo.report import DeadLetter
from fleet.dev.demo.story import Story
from fleet.dev.stand_ins import server
from fleet.dev.stand_ins.remembered import received
from workers.reminder_dispatch.table.keys import key_of

Look = Callable[[], Awaitable[None]]

OFTEN, NOW_AND_THEN = 0.15, 0.5
"""Seconds between two looks: at what a latency is measured by (which may be too long by as much), and at the rest."""

REASON = "fleet-failure"
"""The message attribute in which a dead letter carries its reason."""


@dataclass(slots=True)
class Watch:
    """Looks at one running story; what it has gathered is what the report is made of."""

    story: Story
    webhooks: list[Mapping[str, Any]] = field(default_factory=list)
    pushes: list[Mapping[str, Any]] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    records: list[Mapping[str, Any]] = field(default_factory=list)
    archived: set[str] = field(default_factory=set)

    async def keep_looking(self, files: Sequence[cast.File], appointments: Sequence[cast.Appointment]) -> None:
        """Look at everything until cancelled."""
        looks: list[tuple[Look, float]] = [
            (self.receiver, OFTEN),
            (self.expo, OFTEN),
            (self.archive, OFTEN),
            (lambda: self.sessions(files), NOW_AND_THEN),
            (lambda: self.reminders(appointments), NOW_AND_THEN),
            (self.dead_letters, NOW_AND_THEN),
            (self.gone_endpoint, NOW_AND_THEN),
        ]
        async with asyncio.TaskGroup() as group:
            for look, every in looks:
                group.create_task(_again_and_again(look, every))

    async def sessions(self, files: Sequence[cast.File]) -> None:
        """Each session whose file has not been noticed yet: does it say what it must, of the very key and size?"""
        for file in files:
            last = ("uploads", file.session_id, *(["forgotten"] if file.browser == "left before" else []))
            if not self.story.board.has_seen(last):
                row = await self.row("SESSIONS_TABLE_NAME", {"sessionId": {"S": file.session_id}})
                said = tuple(row.get(name, {}).get("S") for name in ("status", "reason", "uploadKey"))
                if (*said, row.get("size", {}).get("N")) == (file.status, file.reason, file.key, str(file.size)):
                    self.story.board.saw(("uploads", file.session_id))
                    if "wsConnectionId" not in row:
                        self.story.board.saw(("uploads", file.session_id, "forgotten"))

    async def reminders(self, appointments: Sequence[cast.Appointment]) -> None:
        for each in appointments:
            if not self.story.board.has_seen(("reminders", each.reminder_id)):
                row = await self.reminder(each)
                said = (row.get("status", {}).get("S"), row.get("reason", {}).get("S"))
                if said == (("PENDING", each.waits) if each.waits else ("SENT", None)):
                    self.story.board.saw(("reminders", each.reminder_id))
            waits = each.rule and not self.story.board.has_seen(("reminders", each.reminder_id, "next"))
            if waits and await self.next_due(each):
                self.story.board.saw(("reminders", each.reminder_id, "next"))

    async def receiver(self) -> None:
        """Webhooks: what the customers' endpoints got, with the signature checked."""
        found = await self._received(server.WEBHOOKS)
        self.webhooks = [each for each in found if each["endpoint"].endswith(f"/{self.story.run}")]
        for each in self.webhooks:
            data = (each["payload"] or {}).get("data", {})
            subject = data.get("sessionId") or data.get("reminderId") or data.get("run") or ""
            customer = next(one for one in (*cast.customers(), cast.DOWN) if each["endpoint"].startswith(one.path))
            if each["status"] == 200 and each["fault"] is None:
                self.story.board.saw(("webhooks", customer.name, subject), each["received_at"])

    async def expo(self) -> None:
        self.pushes = await self._received(server.EXPO)
        for each in self.pushes:
            reminder = each["to"].removeprefix("ExponentPushToken[").removesuffix("]")
            self.story.board.saw(("pushes", reminder), each["received_at"])

    async def archive(self) -> None:
        """Objects that are new in the audit bucket, and the rows in them."""
        bucket, s3 = self.story.name("AUDIT_BUCKET_NAME"), self.story.tools.s3
        async for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="table="):
            for key in [found["Key"] for found in page.get("Contents", []) if found["Key"] not in self.archived]:
                body = await (await s3.get_object(Bucket=bucket, Key=key))["Body"].read()
                self.archived.add(key)
                for line in gzip.decompress(body).splitlines():
                    self.records.append(record := orjson.loads(line))
                    self.story.board.saw(("archived rows", record["table"], *_key_values(record)))

    async def dead_letters(self) -> None:
        """Letters of this run in the dead-letter queue of uploads. Looking is receiving: they are put back at once."""
        url = self.story.name("UPLOADS_DLQ_URL")
        found = await self.story.tools.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
        )
        for message in found.get("Messages", []):
            attributes: Mapping[str, Any] = message.get("MessageAttributes", {})
            reason = attributes.get(REASON, {}).get("StringValue")
            if reason and self.story.run in message["Body"] and not self.letters:
                self.letters.append(_letter(orjson.loads(reason)))
                self.story.board.saw(("dead letters", self.story.run))

    async def gone_endpoint(self) -> None:
        endpoint = await self.endpoint(cast.customers()[-1])
        if endpoint.get("enabled") == {"BOOL": False}:
            self.story.board.saw(("webhooks", "gone", self.story.run))

    async def endpoint(self, customer: cast.Customer) -> Mapping[str, Any]:
        key = cast.endpoint_key(customer, run=self.story.run, tenant=self.story.tenant)
        return await self.row("WEBHOOKS_TABLE_NAME", key)

    async def reminder(self, each: cast.Appointment) -> Mapping[str, Any]:
        key = key_of(each.reminder_id, each.due_at)
        return await self.row("REMINDERS_TABLE_NAME", {"PK": {"S": key.pk}, "SK": {"S": key.sk}})

    def deliveries(self, each: cast.Appointment) -> int | None:
        """How often a reminder arrived; None where nobody counts."""
        match each.channel:
            case "push":
                return [push["to"] for push in self.pushes].count(each.token)
            case "webhook":
                data = [(got["payload"] or {}).get("data", {}) for got in self.webhooks if got["status"] == 200]
                return [one.get("reminderId") for one in data].count(each.reminder_id)
            case "email":
                return None
            case other:
                assert_never(other)

    async def next_due(self, each: cast.Appointment) -> str | None:
        """When a recurring reminder comes again, by the row of its next occurrence."""
        key = key_of(each.reminder_id, each.due_at)
        found = await self.story.tools.dynamodb.query(
            TableName=self.story.name("REMINDERS_TABLE_NAME"),
            KeyConditionExpression="PK = :pk AND SK > :sk",
            ExpressionAttributeValues={":pk": {"S": key.pk}, ":sk": {"S": key.sk}},
            ConsistentRead=True,
        )
        return next((item["dueAt"]["S"] for item in found["Items"] if item["status"]["S"] == "PENDING"), None)

    async def row(self, variable: str, key: cast.Item) -> Mapping[str, Any]:
        """A row as it is now; empty where there is none."""
        found = await self.story.tools.dynamodb.get_item(
            TableName=self.story.name(variable), Key=key, ConsistentRead=True
        )
        return found.get("Item", {})

    async def _received(self, stand_in: str) -> list[Mapping[str, Any]]:
        return await received(self.story.tools.http, f"{self.story.fleet.stand_ins_url}{stand_in}")


async def _again_and_again(look: Look, every: float) -> None:
    while True:
        with suppress(ClientError, BotoCoreError, aiohttp.ClientError):  # what stays unseen will be named as missing
            await look()
        await asyncio.sleep(every)


def _key_values(record: Mapping[str, Any]) -> list[str]:
    keys = record["keys"]
    return [keys[name]["S"] for name in ("sessionId", "PK", "SK") if name in keys]


def _letter(reason: Mapping[str, Any]) -> DeadLetter:
    return DeadLetter(
        queue=str(reason["source_queue"]),
        worker=str(reason["worker"]),
        error_type=str(reason["error_type"]),
        message=str(reason["message"]),
        attempts=int(reason["attempts"]),
    )
