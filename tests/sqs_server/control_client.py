"""The control port as Python calls: at once for tests, and from a loop for handlers that report their effects."""

import asyncio
import http.client
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, Self

import orjson

from tests.sqs_server.faults import Rule


class ControlError(Exception):
    """The control port refused what it was asked."""


class Controls:
    """Each call opens a connection of its own, so that any thread may use it."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, method: str, path: str, content: Any = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request(method, path, None if content is None else orjson.dumps(content))
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ControlError(body.decode())
        return body

    def _json(self, method: str, path: str, content: Any = None) -> Any:
        return orjson.loads(self.ask(method, path, content))

    def fault(self, kind: str, *actions: str, **parts: Any) -> str:
        """Put a rule in force (see `faults.Rule`); the name under which it can be taken back."""
        rule = Rule(kind, actions=actions, **parts)
        return str(self._json("POST", "/faults", asdict(rule))["name"])

    def heal(self, name: str | None = None) -> None:
        """Take one rule back, or all."""
        self.ask("DELETE", f"/faults?name={name}" if name else "/faults")

    def faults(self) -> list[dict[str, Any]]:
        """All rules, with how often each met a request and fired."""
        return list(self._json("GET", "/faults"))

    def advance(self, seconds: float) -> None:
        """Let that much time pass for leases, delays, deduplication and retention."""
        self.ask("POST", "/clock", {"advance": seconds})

    def skew(self, seconds: float) -> None:
        """Let the server's clock differ from everybody else's by so much."""
        self.ask("POST", "/clock", {"skew": seconds})

    def recreate(self, queue: str, *, gone_for: float = 0.0) -> None:
        """Delete a queue, by its name, and create it anew, empty, after so many seconds."""
        self.ask("POST", "/recreate", {"queue": queue, "gone_for": gone_for})

    def hang_up(self) -> int:
        """Reset every open connection; how many there were."""
        return int(self._json("POST", "/hang-up", {})["connections"])

    def effect(self, message_id: str, phase: str, *, key: str = "", **more: Any) -> None:
        """Report what a handler does: `started`, `ended` or `failed`."""
        self.ask("POST", "/effect", {"message_id": message_id, "phase": phase, "key": key, **more})

    def ledger(self, start: int = 0) -> list[dict[str, Any]]:
        """Everything that happened, in order, as `checker` reads it."""
        return [orjson.loads(line) for line in self.ask("GET", f"/ledger?start={start}").splitlines()]

    def keep_ledger(self, *, on: bool) -> None:
        self.ask("POST", "/ledger", {"on": on})

    def clear_ledger(self) -> None:
        self.ask("DELETE", "/ledger")

    def requests(self) -> list[tuple[str, dict[str, Any]]]:
        """Action and content of every request, in order; kept only with `options(keep_requests=True)`."""
        return [(each["action"], each["asked"]) for each in self._json("GET", "/requests")]

    def batches(self, action: str) -> list[list[dict[str, Any]]]:
        """The entries of every request of a batch action, kept like all requests."""
        return [asked["Entries"] for done, asked in self.requests() if done == action]

    def stats(self) -> dict[str, Any]:
        return dict(self._json("GET", "/stats"))

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """Every message in a queue, by its name, without receiving it."""
        return list(self._json("GET", f"/messages?queue={queue}"))

    def options(self, **changes: Any) -> dict[str, Any]:
        """Change `account.Options`; what they are now."""
        return dict(self._json("POST", "/options", changes))

    def reset(self) -> None:
        """No queues, no faults, an empty ledger, and the right time."""
        self.ask("POST", "/reset", {})


class AsyncControl:
    """One kept connection: `async with AsyncControl(port) as control`. `of(...)` runs any call of Controls beside the
    loop; `effect` is made for handlers, in their thousands.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.at_once = Controls(port)

    @classmethod
    def from_environment(cls) -> Self:
        """For a worker's process, which `SqsServer.environment` tells where to report."""
        return cls(int(os.environ["SQS_CONTROL_URL"].rpartition(":")[2]))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._close()

    async def effect(self, message_id: str, phase: str, *, key: str = "", **more: Any) -> None:
        """Report what a handler does: `started`, `ended` or `failed`; it is in the ledger when this returns."""
        await self.ask("POST", "/effect", {"message_id": message_id, "phase": phase, "key": key, **more})

    @asynccontextmanager
    async def handling(self, message_id: str, *, key: str = "", **more: Any) -> AsyncIterator[None]:
        """Report one run of a handler: that it started, and that it ended or failed."""
        run = uuid.uuid4().hex
        await self.effect(message_id, "started", key=key, run=run, **more)
        try:
            yield
        except BaseException:
            await self.effect(message_id, "failed", key=key, run=run, **more)
            raise
        await self.effect(message_id, "ended", key=key, run=run, **more)

    async def fault(self, kind: str, *actions: str, **parts: Any) -> str:
        return await asyncio.to_thread(self.at_once.fault, kind, *actions, **parts)

    async def heal(self, name: str | None = None) -> None:
        await asyncio.to_thread(self.at_once.heal, name)

    async def advance(self, seconds: float) -> None:
        await asyncio.to_thread(self.at_once.advance, seconds)

    async def recreate(self, queue: str, *, gone_for: float = 0.0) -> None:
        await asyncio.to_thread(self.at_once.recreate, queue, gone_for=gone_for)

    async def ledger(self, start: int = 0) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self.at_once.ledger, start)

    async def stats(self) -> dict[str, Any]:
        return await asyncio.to_thread(self.at_once.stats)

    async def messages(self, queue: str) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self.at_once.messages, queue)

    async def ask(self, method: str, path: str, content: Any) -> bytes:
        async with self._turn:
            try:
                status, answer = await self._exchange(method, path, orjson.dumps(content))
            except BaseException:
                self._close()  # an answer that nobody has read would be taken for the next one
                raise
        if status != b"200":
            raise ControlError(answer.decode())
        return answer

    async def _exchange(self, method: str, path: str, body: bytes) -> tuple[bytes, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(f"{method} {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        return head.split(b" ", 2)[1], await reader.readexactly(length)

    def _close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
