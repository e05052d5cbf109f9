"""What the fleet asks beside SQS, served on one port: the ledger's table, the bucket for bodies, the bus. Each can be down."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson
from aiohttp import web

from tests.soak.table import Table

LEDGER, BODIES, BUS = "ledger", "bodies", "bus"
"""Dependencies, as an outage names them."""


@dataclass(slots=True)
class Services:
    """What is stored, and what is down: that answers every call with 503. `events` are those put on the bus."""

    table: Table = field(default_factory=Table)
    objects: dict[str, bytes] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    refused: int = 0
    endpoint: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """What a worker's process needs to find them, above the one endpoint of SQS."""
        return {f"AWS_ENDPOINT_URL_{name}": self.endpoint for name in ("DYNAMODB", "S3", "EVENTBRIDGE")} | {
            "LEDGER_TABLE_NAME": "ledger"
        }

    async def answer(self, request: web.Request) -> web.Response:
        service, _, action = request.headers.get("X-Amz-Target", "").partition(".")
        dependency = {"DynamoDB_20120810": LEDGER, "AWSEvents": BUS}.get(service, BODIES)
        if dependency in self.down:
            self.refused += 1
            return _unavailable(dependency)
        if dependency == BODIES:
            return self._object(request.path)
        asked = orjson.loads(await request.read())
        if dependency == LEDGER:
            status, answer = self.table.ask(action, asked, consumer=_consumer(request))
        else:
            status, answer = self._put(asked["Entries"])
        return web.Response(status=status, body=orjson.dumps(answer), content_type="application/x-amz-json-1.0")

    def _object(self, path: str) -> web.Response:
        """S3 gives each object an ETag; what does not is no answer of S3."""
        found = self.objects.get(path.rpartition("/")[2])
        if found is None:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>", content_type="text/xml")
        return web.Response(body=found, content_type="text/plain", headers={"ETag": '"1"'})

    def _put(self, entries: list[dict[str, str]]) -> tuple[int, dict[str, object]]:
        self.events += [each["Detail"] for each in entries]
        return 200, {"FailedEntryCount": 0, "Entries": [{"EventId": str(len(self.events))} for _ in entries]}


def _consumer(request: web.Request) -> str:
    """Who asks, where its AWS_SDK_UA_APP_ID says so."""
    return request.headers.get("User-Agent", "").rpartition(" app/")[2]


def _unavailable(dependency: str) -> web.Response:
    if dependency == BODIES:
        return web.Response(status=503, text="<Error><Code>SlowDown</Code></Error>", content_type="text/xml")
    answer = b'{"__type": "ServiceUnavailable", "message": "down"}'
    return web.Response(status=503, body=answer, content_type="application/x-amz-json-1.0")


@asynccontextmanager
async def served() -> AsyncIterator[Services]:
    """Serve them on a free port of this machine."""
    services = Services()
    web_app = web.Application()
    web_app.router.add_route("*", "/{path:.*}", services.answer)
    runner = web.AppRunner(web_app, access_log=None, logger=logging.getLogger("quiet"))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        services.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield services
    finally:
        await runner.cleanup()
