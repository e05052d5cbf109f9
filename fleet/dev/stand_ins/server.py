"""What emulators lack, played by one small server: the stream pipe, Expo, SES v2, a webhook receiver, the WebSocket gateway.

Development only. On AWS, EventBridge Pipes, Expo, the customers and API Gateway do it.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any, Literal

import structlog
from aiohttp import web
from pydantic import BeforeValidator, Field, SecretStr

from fleet.dev.stand_ins.edge import Edge
from fleet.dev.stand_ins.expo_server import ExpoServer
from fleet.dev.stand_ins.form_post import FormPost
from fleet.dev.stand_ins.pages import closed_to_other_pages
from fleet.dev.stand_ins.remembered import LARGEST_BODY
from fleet.dev.stand_ins.ses_server import SesServer
from fleet.dev.stand_ins.stream_pipe import StreamPipe
from fleet.dev.stand_ins.webhook_receiver import WebhookReceiver
from fleet.dev.stand_ins.websocket_gateway import WebSocketGateway
from shared.clients import Clients
from shared.settings import Settings, SettingsError, read_settings
from shared.telemetry import logging
from workers.upload_notification.client import open_sessions

log = structlog.get_logger()

EXPO, SES, WEBHOOKS, GATEWAY = "/expo", "/ses", "/webhooks", "/gateway"
"""Where each stand-in is mounted; GATEWAY takes the place of an API Gateway stage."""


def _pairs(given: Any) -> Any:
    return [part.strip().split(":") for part in given.split(",")] if isinstance(given, str) else given


class StandInSettings(Settings):
    """Read from the environment; port 0 takes any free port, `fleet_listener` is a socket that was handed on. `stand_ins_pipes` are
    the pipes beside those to the archive, TABLE:QUEUE, several with commas between them.
    """

    stand_ins_host: str = "127.0.0.1"
    stand_ins_port: int = Field(default=8090, ge=0, le=65535)
    fleet_listener: int | None = None
    stand_ins_webhook_secret: SecretStr = SecretStr("whsec_bWFkZS1mb3ItZGV2ZWxvcG1lbnQtYW5kLWtub3duLXRvLWFsbA==")
    expo_access_token: SecretStr | None = None
    sessions_table_name: str = Field(description="the DynamoDB table of upload sessions")
    reminders_table_name: str = Field(description="the DynamoDB table of reminders")
    webhooks_table_name: str = Field(description="the DynamoDB table of endpoints and deliveries")
    audit_queue_url: str = Field(description="the URL of the queue audit")
    upload_bucket_name: str | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    stand_ins_pipes: Annotated[
        tuple[tuple[Literal["sessions", "reminders", "webhooks"], str], ...], BeforeValidator(_pairs)
    ] = ()
    log_level: str = "info"

    @property
    def roads(self) -> tuple[tuple[str, str], ...]:
        """Each table whose stream is pumped, and the queue that it is pumped to."""
        tables = {
            "sessions": self.sessions_table_name,
            "reminders": self.reminders_table_name,
            "webhooks": self.webhooks_table_name,
        }
        to_archive = ((table, "audit") for table in tables.values())
        return (*to_archive, *((tables[table], queue) for table, queue in self.stand_ins_pipes))

    def forms(self, s3: Callable[[], Awaitable[Any]]) -> FormPost | None:
        """Who takes the forms that the edge hands out; None without a bucket, or without the keys that sign them."""
        bucket, key, secret = self.upload_bucket_name, self.aws_access_key_id, self.aws_secret_access_key
        return FormPost(bucket, key, secret.get_secret_value(), s3) if bucket and key and secret else None


async def run(environment: Mapping[str, str]) -> int:
    """Serve until SIGTERM or SIGINT. Raises SettingsError."""
    settings = read_settings(StandInSettings, environment)
    logging.configure(settings.log_level)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        clients = await stack.enter_async_context(Clients(environment))
        streams = await clients.open("dynamodbstreams")
        pipes = [StreamPipe(table, streams, await clients.sender(queue)) for table, queue in settings.roads]
        sessions = await stack.enter_async_context(open_sessions(environment))
        edge = Edge(sessions, settings.forms(lambda: clients.open("s3")))
        url = await stack.enter_async_context(serving(settings, pipes=pipes, edge=edge))
        log.info("stand_ins_ready", url=url)
        await stop.wait()
        log.info("stand_ins_stopping")
    return 0


@asynccontextmanager
async def serving(settings: StandInSettings, *, pipes: Sequence[StreamPipe], edge: Edge) -> AsyncIterator[str]:
    """Run every stand-in inside the block; yields the server's base URL."""
    token = settings.expo_access_token
    together = application(
        ExpoServer(token.get_secret_value() if token else None),
        SesServer(),
        WebhookReceiver(settings.stand_ins_webhook_secret.get_secret_value()),
        WebSocketGateway(edge),
    )
    runner = web.AppRunner(together, access_log=None, shutdown_timeout=1.0)
    pumps = [asyncio.create_task(pipe.run()) for pipe in pipes]
    try:
        await runner.setup()
        try:
            await _site(runner, settings).start()
        except OSError as error:
            names, why = "STAND_INS_HOST, STAND_INS_PORT", error.strerror or type(error).__name__
            raise SettingsError(
                f"set or mend these environment variables: {names}: cannot listen there ({why})"
            ) from error
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


def _site(runner: web.AppRunner, settings: StandInSettings) -> web.BaseSite:
    if settings.fleet_listener is not None:
        return web.SockSite(runner, socket.socket(fileno=settings.fleet_listener))
    return web.TCPSite(runner, settings.stand_ins_host, settings.stand_ins_port)


def application(
    expo: ExpoServer, ses: SesServer, webhooks: WebhookReceiver, gateway: WebSocketGateway
) -> web.Application:
    """One server for all: /expo, /ses, /webhooks, /gateway, and /livez, /readyz for whoever watches over it."""
    together = web.Application(client_max_size=LARGEST_BODY, middlewares=[closed_to_other_pages])
    together.router.add_get("/livez", _well)
    together.router.add_get("/readyz", _well)
    together.add_subapp(EXPO, expo.application())
    together.add_subapp(SES, ses.application())
    together.add_subapp(WEBHOOKS, webhooks.application())
    together.add_subapp(GATEWAY, gateway.application())
    return together


async def _well(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})
