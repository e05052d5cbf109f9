"""That a container lives, and what troubles it: written into the ledger table each minute, and read by `fleet workers`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import structlog

from shared.outcome import code_of

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

log = structlog.get_logger()

EVERY = 60.0
"""Seconds between two heartbeats: one write unit each, 0.06 $ a container and month."""
SOON = 5.0
"""Seconds between the first two: at the first no queue was polled yet, and its health checks say so."""
SILENT = 2.5 * EVERY
"""Seconds after which a process that was not heard of has ended, or hangs, or cannot reach the table."""
FORGOTTEN = 3600.0
"""Seconds after which a silent process is taken out by the next heartbeat of another one."""
ENDED_KEPT = 600.0
"""The same for one that said that it ended."""
LAST_WORD = 0.2
"""Seconds that a leaving process takes for saying so; a table that does not answer keeps nobody."""
MOST_FAULTS, LONGEST_FAULT = 8, 200
LIVES = "process "
"""How the attributes begin that hold a process's heartbeat."""


@dataclass(frozen=True, slots=True)
class Beat:
    """What a process (`host:pid`) said of itself at `at`; both times are epoch seconds, 0.0 where nothing was done yet. `faults` are the
    words of its health checks: open breakers, polls that fail, the drain. `has_ended` is the last word of one that left by itself.
    """

    process: str
    at: float
    version: str
    done_at: float = 0.0
    faults: tuple[str, ...] = ()
    has_ended: bool = False


class Heartbeats:
    """Heartbeats in the ledger table, one item for each worker: `heartbeat#{worker}`."""

    def __init__(self, client: DynamoDBClient, *, table: str) -> None:
        self._client = client
        self._table = table

    async def beat(self, worker: str, beat: Beat, *, gone: tuple[str, ...] = ()) -> tuple[Beat, ...]:
        """Write one down, take out those that are `gone`, and answer with all that are there now."""
        names = {f"#gone{number}": f"{LIVES}{each}" for number, each in enumerate(gone)}
        removed = f" REMOVE {', '.join(names)}" if names else ""
        written = await self._client.update_item(
            TableName=self._table,
            Key=_key(worker),
            UpdateExpression=f"SET #own = :own, #expires = :expires{removed}",
            ExpressionAttributeNames={"#own": f"{LIVES}{beat.process}", "#expires": "expiresAt", **names},
            ExpressionAttributeValues={
                ":own": _written(beat),
                ":expires": {"N": str(int(beat.at + 24 * FORGOTTEN))},
            },
            ReturnValues="ALL_NEW",
        )
        return beats_of(written.get("Attributes", {}))

    async def read(self, worker: str) -> tuple[Beat, ...]:
        """The newest heartbeat of each process, the newest first."""
        found = await self._client.get_item(TableName=self._table, Key=_key(worker))
        return beats_of(found.get("Item", {}))


async def keep(
    worker: str,
    tell: Callable[[], Beat],
    write: Callable[..., Awaitable[tuple[Beat, ...]]],
    *,
    every: float = EVERY,
) -> None:
    """Write what `tell` says until cancelled. A table that does not answer is one warning, and costs no message anything."""
    gone: tuple[str, ...] = ()
    failed, rest = "", min(SOON, every)
    while True:
        try:
            beat = tell()
            there = await write(worker, beat, gone=gone)
            gone = tuple(each.process for each in there if beat.at - each.at > _kept(each))
            failed = ""
        except Exception as error:
            report = log.debug if failed == code_of(error) else log.warning
            failed = code_of(error)
            report("heartbeat_not_written", worker=worker, error_type=failed)
        await asyncio.sleep(rest)
        rest = every


async def leave(worker: str, last: Beat, write: Callable[..., Awaitable[tuple[Beat, ...]]]) -> None:
    """Say that this process ends; where that cannot be said in time it will be shown as silent."""
    try:
        async with asyncio.timeout(LAST_WORD):
            await write(worker, replace(last, faults=(), has_ended=True))
    except Exception as error:
        log.info("heartbeat_not_ended", worker=worker, error_type=code_of(error))


def told(process: str, *, environment: Mapping[str, str], done_at: float, faults: tuple[str, ...]) -> Beat:
    """A heartbeat of this moment; its version is OTEL_RESOURCE_ATTRIBUTES' `service.version`, else the package's."""
    short = tuple(each[:LONGEST_FAULT] for each in faults[:MOST_FAULTS])
    return Beat(process, time.time(), _version(environment), done_at, short)


def beats_of(item: Mapping[str, Any]) -> tuple[Beat, ...]:
    """An item in DynamoDB's form, the newest first; what is no heartbeat is passed over."""
    found = [
        _read(name.removeprefix(LIVES), value["M"])
        for name, value in item.items()
        if name.startswith(LIVES) and "N" in value.get("M", {}).get("at", {})
    ]
    return tuple(sorted(found, key=lambda each: -each.at))


def _written(beat: Beat) -> Any:
    return {
        "M": {
            "at": {"N": f"{beat.at:.3f}"},
            "doneAt": {"N": f"{beat.done_at:.3f}"},
            "version": {"S": beat.version},
            "faults": {"L": [{"S": each} for each in beat.faults]},
            "ended": {"BOOL": beat.has_ended},
        }
    }


def _read(process: str, fields: Mapping[str, Any]) -> Beat:
    return Beat(
        process,
        float(fields["at"]["N"]),
        str(fields.get("version", {}).get("S", "")),
        float(fields.get("doneAt", {}).get("N", 0)),
        tuple(str(each.get("S", "")) for each in fields.get("faults", {}).get("L", [])),
        bool(fields.get("ended", {}).get("BOOL", False)),
    )


def _kept(beat: Beat) -> float:
    return ENDED_KEPT if beat.has_ended else FORGOTTEN


def _version(environment: Mapping[str, str]) -> str:
    """https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/"""
    pairs = (each.partition("=") for each in environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","))
    given = {name.strip(): value.strip() for name, _, value in pairs}
    try:
        return given.get("service.version") or version("sqs-worker-fleet")
    except PackageNotFoundError:
        return "unknown"


def _key(worker: str) -> Any:
    return {"key": {"S": f"heartbeat#{worker}"}}
