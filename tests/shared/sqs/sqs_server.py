"""A hand-written SQS on a loopback port that fails what a test tells it to: no emulator refuses entries on demand."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aioboto3
import orjson
from aiobotocore.config import AioConfig
from aiohttp import web

QUEUE = "/123456789012/deliveries"


def never(_call: str, _entry: dict[str, Any]) -> str:
    return ""


@dataclass
class SqsServer:
    """Speaks the JSON protocol of SQS. `calls` keeps every request in order; `refuse` answers an error code, or "", for
    each entry of a batch; `fail` answers an error code, or "", for a whole call; `messages` are handed out once.
    """

    port: int = 0
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    refuse: Callable[[str, dict[str, Any]], str] = never
    fail: Callable[[str, dict[str, Any]], str] = never
    connections: Callable[[], int] = int

    @property
    def queue_url(self) -> str:
        return f"http://127.0.0.1:{self.port}{QUEUE}"

    @property
    def entries(self) -> list[list[dict[str, Any]]]:
        """The entries of each batch call."""
        return [request["Entries"] for _, request in self.calls if "Entries" in request]

    def client(self) -> AbstractAsyncContextManager[Any]:
        session = aioboto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
        config = AioConfig(retries={"mode": "standard", "max_attempts": 1})
        opened: AbstractAsyncContextManager[Any] = session.client(
            "sqs", endpoint_url=f"http://127.0.0.1:{self.port}", config=config
        )
        return opened

    async def answer(self, request: web.Request) -> web.Response:
        call = request.headers["X-Amz-Target"].removeprefix("AmazonSQS.")
        asked = orjson.loads(await request.read())
        self.calls.append((call, asked))
        if code := self.fail(call, asked):
            return _json({"__type": f"com.amazonaws.sqs#{code}", "message": code}, status=400)
        return _json(self._carried_out(call, asked))

    def _carried_out(self, call: str, asked: dict[str, Any]) -> dict[str, Any]:
        match call:
            case "ReceiveMessage":
                taken = self.messages[: asked["MaxNumberOfMessages"]]
                del self.messages[: len(taken)]
                return {"Messages": taken} if taken else {}
            case "SendMessage":
                return {"MessageId": "m", "MD5OfMessageBody": ""}
            case _:
                codes = {entry["Id"]: self.refuse(call, entry) for entry in asked["Entries"]}
                failed = [
                    {"Id": name, "Code": code, "SenderFault": False, "Message": code}
                    for name, code in codes.items()
                    if code
                ]
                done = [
                    {"Id": name, "MessageId": name, "MD5OfMessageBody": ""} for name, code in codes.items() if not code
                ]
                return {"Successful": done, "Failed": failed}


@asynccontextmanager
async def sqs_server() -> AsyncIterator[SqsServer]:
    """Serve while the context is open."""
    server = SqsServer()
    application = web.Application(client_max_size=2**24)
    application.router.add_post("/{path:.*}", server.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.port = runner.addresses[0][1]
        server.connections = lambda: len(runner.server.connections) if runner.server else 0
        yield server
    finally:
        await runner.cleanup()


def _json(content: dict[str, Any], *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/x-amz-json-1.0")
