"""Queues on the server, the one handler that every case is played with, and what can be seen of both from outside."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from shared.message.delivery import Delivery
from shared.worker import Worker
from tests.made import make_worker
from tests.sqs_server.checker import Findings, check
from tests.sqs_server.entries import Entry, read
from tests.sqs_server.running import SqsServer
from tests.waiting import until

Work = Callable[[Delivery], Awaitable[object] | None]


def itself(delivery: Delivery) -> Delivery:
    """Decodes nothing, so that the handler sees ids; `malformed` bodies are unreadable."""
    if delivery.body.startswith("malformed"):
        raise ValueError("not what this worker reads")
    return delivery


class Gate:
    """Closed until it is opened, whichever loop and thread waits for it."""

    def __init__(self) -> None:
        self._opened = threading.Event()

    def open(self) -> None:
        self._opened.set()

    async def passed(self) -> None:
        await until(self._opened.is_set, seconds=60, what="the gate's opening")


class Stage:
    """One queue pair and one worker of it. `started` and `ended` list bodies in the order of events."""

    def __init__(self, server: SqsServer) -> None:
        self.server = server
        self.control = server.control
        self.started: list[str] = []
        self.started_at: list[float] = []
        self.ended: list[str] = []
        self.cut: list[str] = []
        self.running = 0
        self.most_running = 0
        self.work: dict[str, Work] = {}
        self.otherwise: Work | None = None
        self.queue = self.dead = self.url = self.dead_url = ""
        self.more: dict[str, str] = {}

    def queues(self, name: str = "uploads", *, receives: int = 5, **attributes: object) -> None:
        stem, dot, fifo = name.partition(".")
        self.queue, self.dead = name, f"{stem}-dlq{dot}{fifo}"
        self.url, self.dead_url = self.server.make_pair(name, receives=receives, **attributes)

    @property
    def environment(self) -> dict[str, str]:
        urls = {"UPLOADS_QUEUE_URL": self.url, "UPLOADS_DLQ_URL": self.dead_url}
        return {**self.server.environment, **urls, **self.more}

    def worker(self, **options: Any) -> Worker[Delivery]:
        return make_worker(**{"handle": self.handle, "decode": itself, **options})

    def send(self, *bodies: str, group: str | None = None, **more: Any) -> None:
        fifo = self.queue.endswith(".fifo")
        for start in range(0, len(bodies), 10):
            entries: list[Any] = [
                {"Id": str(place), "MessageBody": body, **more}
                | ({"MessageGroupId": group} if group else {})
                | ({"MessageDeduplicationId": body} if fifo else {})
                for place, body in enumerate(bodies[start : start + 10])
            ]
            answer = self.server.sqs.send_message_batch(QueueUrl=self.url, Entries=entries)
            assert not answer.get("Failed")

    async def handle(self, delivery: Delivery) -> object:
        """The one handler of both doors: tells the server's ledger what it does, and does what the case wants."""
        body = delivery.body
        self.started.append(body)
        self.started_at.append(time.monotonic())
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            async with self._report_phases(delivery):
                work = self.work.get(body, self.otherwise)
                doing = work(delivery) if work is not None else None
                result = await doing if doing is not None else None
            self.ended.append(body)
            return result
        except asyncio.CancelledError:
            self.cut.append(body)
            raise
        finally:
            self.running -= 1

    @asynccontextmanager
    async def _report_phases(self, delivery: Delivery) -> Any:
        run = f"{delivery.receipt_handle[:40]}-{len(self.started)}"
        await asyncio.to_thread(self.control.effect, delivery.message_id, "started", run=run)
        try:
            yield
        except BaseException:
            self.control.effect(delivery.message_id, "failed", run=run)
            raise
        await asyncio.to_thread(self.control.effect, delivery.message_id, "ended", run=run)

    # -- what is seen from outside

    def left(self) -> list[dict[str, Any]]:
        return self.control.messages(self.queue)

    def buried(self) -> list[dict[str, Any]]:
        return self.control.messages(self.dead)

    def entries(self, *kinds: str) -> list[Entry]:
        """What happened to this queue, in order."""
        every = [each for each in read(self.control.ledger()) if each.queue == self.queue]
        return [each for each in every if not kinds or each.kind in kinds]

    def effects(self, phase: str) -> list[Entry]:
        """What handlers reported: `started`, `ended` or `failed`."""
        return [each for each in read(self.control.ledger()) if each.kind == "effect" and each.more["phase"] == phase]

    def requests(self, action: str) -> list[Entry]:
        return [each for each in self.entries("request") if each.more["action"] == action]

    def findings(self) -> Findings:
        return check(self.control.ledger(), tolerance=0.05)

    async def empty(self, *, seconds: float = 30.0) -> None:
        await until(lambda: not self.left(), seconds=seconds, what="the empty queue")

    async def seen(self, kind: str, count: int = 1, *, seconds: float = 30.0) -> list[Entry]:
        """Wait for entries of the ledger."""
        return await until(
            lambda: found if len(found := self.entries(kind)) >= count else None,
            seconds=seconds,
            what=f"{count} {kind}",
        )


async def never(predicate: Callable[[], object], *, seconds: float) -> None:
    """Look all the time; fail as soon as it happens."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert not predicate()
        await asyncio.sleep(0.02)


def failing(error: BaseException, *, times: int = 1_000_000) -> Work:
    """Raises this error the first so many times, and then works."""
    left = [times]

    def work(_delivery: Delivery) -> None:
        if left[0]:
            left[0] -= 1
            raise error

    return work
