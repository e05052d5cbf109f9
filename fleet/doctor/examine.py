"""The whole examination, in the order in which one fault hides the next."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import aiohttp
from botocore.exceptions import BotoCoreError

from fleet.dead_letters.settings import ReplaySettings
from fleet.doctor import beyond, queues, rows, stores
from fleet.doctor.check import Check, Trouble, ask, fault
from fleet.doctor.deployed import Stage, deployed
from shared.clients import Clients
from shared.configuration.stored import read_environment
from shared.settings import SettingsError, read_settings, variable
from workers import roster
from workers.reminder_dispatch.schedule import zones

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_sqs import SQSClient

EXPO = "https://exp.host/--/api/v2/push/send"

QUEUES = tuple(dict.fromkeys(queue for name in roster.WORKERS for queue in roster.app(name).queues))
OUTPUTS = (
    *(f"{variable(queue)}_{kind}_URL" for queue in QUEUES for kind in ("QUEUE", "DLQ")),
    *(shape.variable for shape in stores.TABLES),
    "EVENTS_UNDELIVERED_QUEUE_URL",
    "EVENT_BUS_NAME",
    "UPLOAD_BUCKET_NAME",
    "AUDIT_BUCKET_NAME",
    "DLQ_ARCHIVE_BUCKET_NAME",
)
"""What the messaging stack names; what else workers are told, a deployed stage has told them itself."""
NAMES = (*OUTPUTS, "WS_API_ENDPOINT", "EMAIL_SENDER")


async def examine(
    environment: Mapping[str, str], clients: Clients, stage: Stage | None = None, *, every_row: bool = False
) -> list[Check]:
    """Look at everything that `environment`, and what is stored for it, names; with `stage` at what its stacks made instead of at
    workers that would run here, and with `every_row` at what producers wrote. Where nothing answers at all, the rest is not asked.
    """
    try:
        environment = await read_environment(environment)
    except SettingsError as error:
        return [Check("environment", "fault", str(error), "correct this parameter or secret, or who may read it")]
    checks = [
        _variables(environment, OUTPUTS if stage else NAMES),
        Check("time zones", "ok", f"tzdata {zones.VERSION}"),
    ]
    if stage is None:
        checks += await _workers(environment, clients)
    async with aiohttp.ClientSession() as http:
        if url := environment.get("AWS_ENDPOINT_URL"):
            checks.append(await beyond.check_reachable(http, "endpoint", url, variable="AWS_ENDPOINT_URL"))
        if checks[-1].state == "fault" and checks[-1].what == "endpoint":
            return checks
        checks.append(identity := await _identity(clients))
        if identity.state == "fault":
            return checks
        if stage is not None:
            checks += await deployed(stage, clients)
        given = {name: value for name, value in environment.items() if value}
        for part in (_queues, _stores, _bus):
            checks += await part(given, clients)
        if every_row:
            checks += await rows.wrong_rows(await clients.open("dynamodb"), given)
        if stage is not None:  # who looks is not the worker, nor where the worker is
            return checks
        broken = {check.what for check in checks if check.state == "fault"}
        return checks + await _permissions(given, clients, broken) + await _outside(given, clients, http)


def _variables(environment: Mapping[str, str], names: Sequence[str]) -> Check:
    if missing := [name for name in names if not environment.get(name)]:
        remedy = "set them from the outputs of the messaging stack, or use --env-file .fleet/dev.env"
        return Check("environment", "fault", f"missing: {', '.join(missing)}", remedy)
    return Check("environment", "ok", f"{len(names)} variables")


async def _workers(environment: Mapping[str, str], clients: Clients) -> list[Check]:
    """Put every worker together, as its door would, and take it apart again; nothing is received."""
    checks = []
    for name in roster.WORKERS:
        try:
            async with roster.app(name).open_workers(environment, clients) as opened:
                checks.append(Check(f"worker {name}", "ok", f"reads {', '.join(one.queue for one in opened)}"))
        except SettingsError as error:
            checks.append(Check(f"worker {name}", "fault", str(error).partition(": ")[2], "correct these variables"))
        except BotoCoreError as error:
            checks.append(Check(f"worker {name}", "fault", str(error), "set AWS_DEFAULT_REGION and the credentials"))
    return checks


async def _identity(clients: Clients) -> Check:
    try:
        answer: Any = await ask((await clients.open("sts")).get_caller_identity())
    except Trouble as trouble:
        return fault("credentials", trouble)
    return Check("credentials", "ok", answer["Arn"])


async def _queues(environment: Mapping[str, str], clients: Clients) -> list[Check]:
    sqs: SQSClient = await clients.open("sqs")
    checks = []
    for name in QUEUES:
        if {f"{variable(name)}_QUEUE_URL", f"{variable(name)}_DLQ_URL"} <= environment.keys():
            checks += await queues.queue(sqs, name, environment)
    if url := environment.get("EVENTS_UNDELIVERED_QUEUE_URL"):
        checks.append(await queues.check_dead_letters(sqs, url))
    return checks


async def _stores(environment: Mapping[str, str], clients: Clients) -> list[Check]:
    dynamodb, s3 = await clients.open("dynamodb"), await clients.open("s3")
    checks = []
    for shape in stores.TABLES:
        if shape.variable in environment:
            checks += await stores.table(dynamodb, shape, environment)
    if bucket := environment.get("UPLOAD_BUCKET_NAME"):
        checks += await stores.upload_bucket(s3, bucket, await _arn(environment, clients, "uploads"))
    if bucket := environment.get("AUDIT_BUCKET_NAME"):
        checks.append(await stores.audit_bucket(s3, bucket))
    if bucket := environment.get("CLAIM_CHECK_BUCKET_NAME"):
        checks += await stores.claim_check_bucket(s3, bucket)
    if bucket := environment.get("DLQ_ARCHIVE_BUCKET_NAME"):
        checks += await _archive(s3, bucket, environment)
    return checks


async def _permissions(environment: Mapping[str, str], clients: Clients, broken: Collection[str]) -> list[Check]:
    """Whether this identity may do what workers do, to what is there."""
    sqs, dynamodb = await clients.open("sqs"), await clients.open("dynamodb")
    urls = {name: environment.get(f"{variable(name)}_QUEUE_URL") for name in QUEUES if f"queue {name}" not in broken}
    tables = {shape: environment.get(shape.variable) for shape in stores.TABLES if f"table {shape.name}" not in broken}
    return [
        *[await queues.permissions(sqs, name, url) for name, url in urls.items() if url],
        *[await stores.permissions(dynamodb, shape, name) for shape, name in tables.items() if name],
    ]


async def _archive(s3: S3Client, bucket: str, environment: Mapping[str, str]) -> list[Check]:
    try:
        days = read_settings(ReplaySettings, environment).dlq_archive_days
    except SettingsError as error:
        return [Check("bucket dlq-archive", "fault", str(error).partition(": ")[2], "correct these variables")]
    return await stores.dead_letter_bucket(s3, bucket, days=days)


async def _bus(environment: Mapping[str, str], clients: Clients) -> list[Check]:
    events = await clients.open("events")
    checks = []
    if bus := environment.get("EVENT_BUS_NAME"):
        checks += await beyond.bus(events, bus, await _arn(environment, clients, "webhook-events"))
    ticks, audit = [await _arn(environment, clients, name) for name in ("reminder-ticks", "audit")]
    return [*checks, await beyond.schedule(events, ticks), await beyond.digests(events, audit)]


async def _outside(environment: Mapping[str, str], clients: Clients, http: aiohttp.ClientSession) -> list[Check]:
    checks = []
    if endpoint := environment.get("WS_API_ENDPOINT"):
        url = endpoint if "://" in endpoint else f"https://{endpoint}"
        there = await beyond.check_reachable(http, "WebSocket API", url, variable="WS_API_ENDPOINT")
        if there.state == "ok":
            there = await beyond.websockets(await clients.open("apigatewaymanagementapi", endpoint_url=url))
        checks.append(there)
    if address := environment.get("EMAIL_SENDER"):
        checks.append(await beyond.sender(await clients.open("ses"), address))
    push = environment.get("EXPO_PUSH_URL", EXPO)
    return [*checks, await beyond.check_reachable(http, "push server", push, variable="EXPO_PUSH_URL")]


async def _arn(environment: Mapping[str, str], clients: Clients, queue: str) -> str:
    """A queue's ARN, "" where it cannot be asked: its own check has said why."""
    url = environment.get(f"{variable(queue)}_QUEUE_URL")
    if not url:
        return ""
    try:
        call = (await clients.open("sqs")).get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        answer: Any = await ask(call)
    except Trouble:
        return ""
    return str(answer["Attributes"]["QueueArn"])
