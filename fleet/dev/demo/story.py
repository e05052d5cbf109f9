"""What the demo does: sessions, browsers, uploads, endpoints, reminders, ticks, and one message that nobody can use."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from fleet.dev.demo import cast
from fleet.dev.demo.board import Board, Effect
from fleet.dev.stand_ins import server
from shared.settings import variable
from workers.reminder_dispatch.table.keys import minute_text

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_events import EventBridgeClient
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_sqs import SQSClient

    from fleet.dev.dev import Fleet

TO_BROWSER = "upload PUT to browser message"
TO_WEBHOOK = "upload PUT to webhook received"
TO_PUSH = "tick to push received"
TO_REMINDER_WEBHOOK = "tick to reminder's webhook received"
TO_ARCHIVE = "row written to row archived"

PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Tools:
    """Clients of the emulated AWS, and one for everything else that speaks HTTP."""

    dynamodb: DynamoDBClient
    s3: S3Client
    sqs: SQSClient
    events: EventBridgeClient
    http: aiohttp.ClientSession


def _new_name() -> str:
    """A run's own name. Letters only: the archive takes long numbers for telephone numbers, and hides them."""
    return "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz") for _ in range(6))


@dataclass(slots=True)
class Story:
    """One run. `tenant` and every id in it are new, so that runs on one emulator do not meet.

    While `measured`, what is caused counts for the latency of its hops.
    """

    fleet: Fleet
    tools: Tools
    board: Board
    folder: Path
    run: str = field(default_factory=_new_name)
    measured: bool = True
    browser_messages: int = 0
    _readers: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def tenant(self) -> str:
        return f"demo-{self.run}"

    def name(self, key: str) -> str:
        """A queue URL, table, bucket or bus of this fleet, by its variable."""
        return self.fleet.environment[key]

    async def unsettled(self, queue: str, *, in_hand: bool = False) -> int:
        """Messages of a logical queue that somebody has received and not settled, or those that wait as well."""
        counts: list[Any] = ["ApproximateNumberOfMessagesNotVisible"]
        counts += [] if in_hand else ["ApproximateNumberOfMessages"]
        url = self.name(f"{variable(queue)}_QUEUE_URL")
        answer = await self.tools.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)
        return sum(int(count) for count in answer["Attributes"].values())

    def hang_up(self) -> None:
        """Stop reading what browsers are sent."""
        for reader in self._readers:
            reader.cancel()

    async def register(self) -> None:
        """Three endpoints of one customer. Every one of them is a changed row that must be archived."""
        now, secret = datetime.now(UTC), self.fleet.webhook_secret
        for customer in cast.customers():
            url = f"{self.fleet.stand_ins_url}{server.WEBHOOKS}{customer.path}/{self.run}"
            item = cast.endpoint_item(customer, run=self.run, tenant=self.tenant, url=url, secret=secret, now=now)
            await self._put("WEBHOOKS_TABLE_NAME", item, f"endpoint {customer.name}", item["PK"]["S"], item["SK"]["S"])
        gone = Effect(("webhooks", "gone", self.run), "endpoint 'gone' disabled after its 410")
        self.board.expect(gone)

    async def open_sessions(self, files: Sequence[cast.File]) -> None:
        """A session for each file, and a real WebSocket where somebody watches."""
        for file in files:
            item = cast.session_item(file, tenant=self.tenant, now=datetime.now(UTC))
            await self._put("SESSIONS_TABLE_NAME", item, f"session of '{file.name}'", file.session_id)
        await asyncio.gather(*(self._watch(file) for file in files if file.browser != "nobody watching"))

    async def upload(self, files: Sequence[cast.File]) -> None:
        """Write each file to disk and upload it."""
        for file in files:
            self._expect_of(file)
        await asyncio.gather(*(self._upload(file) for file in files))

    async def remind(self, appointments: Sequence[cast.Appointment]) -> None:
        """Store reminders that are due, then let the schedule tick three times, as at-least-once delivery may."""
        for each in appointments:
            item = cast.reminder_item(each, tenant=self.tenant, now=datetime.now(UTC))
            what = f"reminder by {each.channel}"
            await self._put("REMINDERS_TABLE_NAME", item, what, item["PK"]["S"], item["SK"]["S"])
            self._expect_reminder(each)
        for each in appointments:
            self.board.caused(("pushes", each.reminder_id), ("webhooks", "healthy", each.reminder_id))
        for _ in range(3):
            await self._tick()

    async def catch_up(self) -> None:
        """A fleet that never ticked looks through an hour of minutes first; let it do that before anything is timed."""
        present = minute_text(datetime.now(UTC))
        caught_up = Effect(("reminders", "cursor"), "the first tick, up to this minute")
        self.board.expect(caught_up)
        await self._tick()
        while await self._cursor() < present:  # noqa: ASYNC110 - a row tells nobody that it has changed
            await asyncio.sleep(PAUSE)
        self.board.saw(caught_up.key)

    async def send_nonsense(self) -> None:
        """One message that no S3 ever sent; it must be buried with the reason, and nothing else must suffer."""
        self.board.expect(
            Effect(("dead letters", self.run), "the malformed message in the dead-letter queue of uploads")
        )
        body = orjson.dumps({"this is": "no S3 notification", "run": self.run}).decode()
        await self.tools.sqs.send_message(QueueUrl=self.name("UPLOADS_QUEUE_URL"), MessageBody=body)

    async def _cursor(self) -> str:
        key: cast.Item = {"PK": {"S": "TICK"}, "SK": {"S": "CURSOR"}}
        found = await self.tools.dynamodb.get_item(TableName=self.name("REMINDERS_TABLE_NAME"), Key=key)
        return found.get("Item", {}).get("minute", {}).get("S", "")

    async def _tick(self) -> None:
        """What the schedule rule sends each minute."""
        tick = {"source": "scheduler", "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        await self.tools.sqs.send_message(
            QueueUrl=self.name("REMINDER_TICKS_QUEUE_URL"), MessageBody=orjson.dumps(tick).decode()
        )

    async def _put(self, table_key: str, item: cast.Item, what: str, *keys: str) -> None:
        """Write a row, and expect it in the archive."""
        table = self.name(table_key)
        effect = Effect(("archived rows", table, *keys), f"{what} in the archive", self._hop(TO_ARCHIVE))
        self.board.expect(effect)
        self.board.caused(effect.key)
        await self.tools.dynamodb.put_item(TableName=table, Item=item)

    async def _watch(self, file: cast.File) -> None:
        url = f"{self.fleet.browser_url}?sessionId={file.session_id}"
        socket = await self.tools.http.ws_connect(url)
        if file.browser == "left before":
            await socket.close()
        else:
            self._readers.append(asyncio.create_task(self._read(file, socket)))

    async def _read(self, file: cast.File, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            event: Any = orjson.loads(message.data)
            told = tuple(event.get(name) for name in ("key", "size", "status", "reason"))
            if told == (file.key, file.size, file.status, file.reason):
                self.browser_messages += 1
                self.board.saw(("browser messages", file.session_id))

    def _hop(self, name: str) -> str | None:
        return name if self.measured else None

    def _expect_of(self, file: cast.File) -> None:
        name, session = f"'{file.name}'", file.session_id
        self.board.expect(Effect(("uploads", session), f"session of {name} marked {file.status}"))
        if file.has_tenant:
            self.board.expect(
                Effect(("webhooks", "healthy", session), f"webhook for {name} at 'healthy'", self._hop(TO_WEBHOOK)),
                Effect(("webhooks", "fails twice", session), f"webhook for {name} at 'fails twice', at the third try"),
            )
        if file.browser == "notified":
            key = ("browser messages", session)
            self.board.expect(Effect(key, f"browser message for {name}", self._hop(TO_BROWSER)))
        if file.browser == "left before":
            self.board.expect(Effect(("uploads", session, "forgotten"), f"closed connection forgotten for {name}"))

    def _expect_reminder(self, each: cast.Appointment) -> None:
        what = f"{each.channel} reminder {each.reminder_id}"
        if each.waits:
            self.board.expect(Effect(("reminders", each.reminder_id), f"{what} put off: {each.waits}"))
            return
        self.board.expect(Effect(("reminders", each.reminder_id), f"{what} marked SENT"))
        if each.channel == "push":
            self.board.expect(Effect(("pushes", each.reminder_id), f"{what} at Expo", self._hop(TO_PUSH)))
        if each.channel == "webhook":
            key = ("webhooks", "healthy", each.reminder_id)
            self.board.expect(Effect(key, f"{what} at 'healthy'", self._hop(TO_REMINDER_WEBHOOK)))
        if each.rule is not None:
            self.board.expect(Effect(("reminders", each.reminder_id, "next"), f"next occurrence of {what}"))

    async def _upload(self, file: cast.File) -> None:
        path = self.folder / f"{file.session_id}.bin"
        content = secrets.token_bytes(file.size) if file.content is None else file.content
        await asyncio.to_thread(path.write_bytes, content)
        bucket = self.name("UPLOAD_BUCKET_NAME")
        if file.size > cast.PART:
            await self._upload_in_parts(bucket, file, path)
            return
        if file.draft is not None:
            await self.tools.s3.put_object(Bucket=bucket, Key=file.key, Body=file.draft)
        self._uploading(file)
        made = await self.tools.s3.put_object(
            Bucket=bucket, Key=file.key, Body=await asyncio.to_thread(path.read_bytes)
        )
        if file.scan is not None:
            await self._scanned(file, bucket, made["ETag"].strip('"'), made.get("VersionId"))

    async def _scanned(self, file: cast.File, bucket: str, etag: str, version: str | None) -> None:
        """What GuardDuty says comes by the rule `upload-scans`; nobody else may put an event of AWS on a bus, so it is sent to its end."""
        said = cast.scan_result(file, bucket=bucket, etag=etag, version=version, now=datetime.now(UTC))
        await self.tools.sqs.send_message(
            QueueUrl=self.name("UPLOADS_QUEUE_URL"), MessageBody=orjson.dumps(said).decode()
        )

    async def _upload_in_parts(self, bucket: str, file: cast.File, path: Path) -> None:
        s3, parts = self.tools.s3, list[Any]()
        upload = (await s3.create_multipart_upload(Bucket=bucket, Key=file.key))["UploadId"]
        content = await asyncio.to_thread(path.read_bytes)
        for number, start in enumerate(range(0, file.size, cast.PART), start=1):
            part = await s3.upload_part(
                Bucket=bucket, Key=file.key, UploadId=upload, PartNumber=number, Body=content[start : start + cast.PART]
            )
            parts.append({"PartNumber": number, "ETag": part["ETag"]})
        self._uploading(file)
        await s3.complete_multipart_upload(
            Bucket=bucket, Key=file.key, UploadId=upload, MultipartUpload={"Parts": parts}
        )

    def _uploading(self, file: cast.File) -> None:
        """The call that finishes the upload is being sent: from here on every hop is timed."""
        self.board.caused(("browser messages", file.session_id), ("webhooks", "healthy", file.session_id))


@asynccontextmanager
async def tools(fleet: Fleet) -> AsyncIterator[Tools]:
    """Open the clients with the endpoint's own credentials, whatever this process's environment says."""
    import aioboto3

    endpoint = fleet.ground.endpoint
    session = aioboto3.Session(
        aws_access_key_id=endpoint.access_key_id,
        aws_secret_access_key=endpoint.secret_access_key,
        region_name=endpoint.region,
    )
    async with AsyncExitStack() as stack:
        dynamodb = session.client("dynamodb", endpoint_url=endpoint.url_of("dynamodb"))
        s3 = session.client("s3", endpoint_url=endpoint.url_of("s3"))
        sqs = session.client("sqs", endpoint_url=endpoint.url_of("sqs"))
        events = session.client("events", endpoint_url=endpoint.url_of("events"))
        yield Tools(
            await stack.enter_async_context(dynamodb),
            await stack.enter_async_context(s3),
            await stack.enter_async_context(sqs),
            await stack.enter_async_context(events),
            await stack.enter_async_context(aiohttp.ClientSession()),
        )
