"""A handler and everything around it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from shared.bus import BusEntry
from tests.workers.upload_notification.fakes import NOON, FakeSessions
from workers.upload_notification.event import Change, UploadEvents, UploadFinished, UploadScanned
from workers.upload_notification.gateway import ApiGateway
from workers.upload_notification.handler import handle
from workers.upload_notification.ports import Absent, Answer, Gone, Head, Ports, Posted
from workers.upload_notification.scans import ScanPolicy


@dataclass
class World:
    """A handler and everything around it; `answers` says what a post to a connection is answered with,
    `api` asks there instead.

    `content` is what the object holds, `heads` the uploads that were looked at, `posts` are the calls, `messages` what browsers took.
    """

    store: FakeSessions
    answers: Callable[[str], Answer] = lambda _connection: Posted()
    api: ApiGateway | None = None
    content: bytes | Absent = b""
    time: datetime = NOON
    unknown_scan: ScanPolicy = "reject"
    checksum: str = ""
    asked: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    heads: list[UploadFinished] = field(default_factory=list)
    posts: list[tuple[str, bytes]] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    events: list[Mapping[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    async def post(self, connection_id: str, data: bytes) -> Answer:
        await asyncio.sleep(0)
        self.posts.append((connection_id, data))
        answer = await self.api.post(connection_id, data) if self.api else self.answers(connection_id)
        if answer == Posted():
            self.messages.append(orjson.loads(data))
        return answer

    async def head(self, upload: UploadFinished) -> Head | Absent:
        await asyncio.sleep(0)
        self.heads.append(upload)
        return self.content if isinstance(self.content, Absent) else Head(self.content[:4096])

    async def ask_checksum(self, upload: UploadFinished) -> str:
        await asyncio.sleep(0)
        self.asked.append(upload.key)
        return self.checksum

    async def quarantine(self, upload: UploadFinished | UploadScanned) -> None:
        await asyncio.sleep(0)
        self.quarantined.append(upload.key)

    async def put_event(self, entry: BusEntry) -> None:
        await asyncio.sleep(0)
        self.events.append(orjson.loads(entry.detail))

    async def handle(self, *told: Change | UploadScanned, event: UploadEvents | None = None) -> None:
        changes = tuple(each for each in told if not isinstance(each, UploadScanned))
        scans = tuple(each for each in told if isinstance(each, UploadScanned))
        await handle(event or UploadEvents(changes, scans), ports=self.ports())

    def ports(self) -> Ports:
        return Ports(
            store=self.store,
            post=self.post,
            head=self.head,
            checksum=self.ask_checksum,
            quarantine=self.quarantine,
            unknown_scan=self.unknown_scan,
            put_event=self.put_event,
            count=lambda outcome: self.counts.update([outcome]),
            now=lambda: self.time,
        )


def scripted(*answers: Answer) -> Callable[[str], Answer]:
    """Answers in this order, whichever the connection."""
    coming = iter(answers)
    return lambda _connection: next(coming)


def gone(*connections: str) -> Callable[[str], Answer]:
    return lambda connection: Gone() if connection in connections else Posted()
