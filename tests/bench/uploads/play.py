"""The runs: keys through each shape, every recorded shape, the gate's CPU by sample, and races about a gone connection.

The browser's wait is the whole work's (tests/bench/whole).
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote_plus

import orjson
from structlog.testing import capture_logs

from tests.fakes import delivery
from tests.workers.upload_notification.content.samples import MIXED, SAMPLES
from tests.workers.upload_notification.fakes import FakeSessions, finished, row
from tests.workers.upload_notification.world import World, gone
from workers.upload_notification.content.gate import Gate, judge_type
from workers.upload_notification.content.sniff import sniff
from workers.upload_notification.event import PREFIX, decode

BUCKET = "fleet-uploads-dev"
EVENTS = Path(__file__).parents[2] / "events"
SEED = 16
POISON = ("s3-classic-3.0-put", "s3-classic-key-not-utf-8", "s3-classic-several-records-one-bad")
"""Recorded to be refused."""
Say = Callable[[str], None]


def keys(count: int) -> dict[str, Any]:
    """Random keys of any Unicode through each shape: how many came back otherwise, and microseconds of CPU to read one."""
    dice, wrong, shapes, began = random.Random(SEED), 0, 0, time.process_time()
    spent = 0.0
    for _ in range(count):
        key = f"{PREFIX}s1/{_name(dice)}"
        bodies = [*_shapes(key)]
        shapes, began = len(bodies), time.process_time()
        found = [decode(delivery(body), bucket=BUCKET).changes for body in bodies]
        spent += time.process_time() - began
        wrong += sum([change.key for change in changes] != [key] for changes in found)
    return {"keys": count, "shapes": shapes, "wrong": wrong, "us": spent / count / shapes * 1e6}


def recorded() -> dict[str, int]:
    """The recorded messages of S3 and GuardDuty, each as it is and in records of SQS: how many shapes, and how many are not read as they should."""
    files = [each for each in (*EVENTS.glob("s3-*.json"), *EVENTS.glob("guardduty-*.json")) if each.stem not in POISON]
    poison = 0
    for file in files:
        body = file.read_text()
        wrapped = orjson.dumps({"Records": [{"eventSource": "aws:sqs", "body": body}]}).decode()
        found = [decode(delivery(each), bucket=BUCKET) for each in (body, wrapped)]
        poison += sum(bool(each.unreadable) for each in found) + (found[0] != found[1])
    return {"files": 2 * len(files), "poison": poison}


def gate(repetitions: int) -> dict[str, Any]:
    """Microseconds of CPU to know a type and judge it, for each sample its median: the median of all, and the worst; wrong decisions."""
    allowed = Gate(types=tuple(sorted({kind for kind, _ in SAMPLES})))
    costs, wrong = [], 0
    heads = [(kind, data[:4096], False) for kind, data in SAMPLES] + [
        (kind, data[:4096], True) for _, kind, data in MIXED
    ]
    for kind, head, is_mixed in heads:
        found = sniff(head, size=len(head))
        wrong += (found.type, found.is_mixed) != (kind, is_mixed)
        taken = []
        for _ in range(repetitions):
            began = time.process_time_ns()
            judge_type(sniff(head, size=len(head)), allowed)
            taken.append((time.process_time_ns() - began) / 1e3)
        costs.append(median(taken))
    return {"samples": len(heads), "wrong": wrong, "median_us": median(costs), "most_us": max(costs)}


def races(count: int) -> dict[str, Any]:
    """A browser reconnects while its old connection answers 410: posts to it, writes that forget it, and new connections that were lost."""
    dice, found = random.Random(SEED), {"races": count, "posts": 0, "writes": 0, "lost": 0}

    async def race() -> None:
        store = FakeSessions(row(wsConnectionId="old"))
        world = World(store, answers=gone("old"))

        async def reconnect() -> None:
            for _ in range(dice.randrange(8)):
                await asyncio.sleep(0)
            store.rows["s1"]["wsConnectionId"] = "new"

        await asyncio.gather(world.handle(finished()), reconnect())
        old = [connection for connection, _ in world.posts].count("old")
        found["posts"] = max(found["posts"], old)
        found["writes"] = max(found["writes"], store.forgotten)
        found["lost"] += store.rows["s1"].get("wsConnectionId") != "new"

    async def all_of_them() -> None:
        for _ in range(count):
            await race()

    with capture_logs():
        asyncio.run(all_of_them())
    return found


def take(*, quick: bool, say: Say) -> dict[str, Any]:
    """All of it."""
    found: dict[str, Any] = {
        "keys": keys(5_000 if quick else 100_000),
        "recorded": recorded(),
        "gate": gate(20 if quick else 200),
        "gone": races(500 if quick else 10_000),
    }
    for name, each in found.items():
        say(f"uploads, {name}: {each}")
    return found


def _name(dice: random.Random) -> str:
    """Up to 40 characters of any plane; never a path that leads elsewhere, which is refused before its bytes matter."""
    while True:
        points = (dice.choice((dice.randrange(0x20, 0x7F), dice.randrange(0x80, 0xD800), dice.randrange(0xE000, 0x110000)))
                  for _ in range(dice.randrange(1, 40)))  # fmt: skip
        name = "".join(map(chr, points))
        if not {".", ".."} & {*name.split("/")} and not name.endswith("/"):
            return name


def _shapes(key: str) -> Iterator[str]:
    """A notification, the same in an envelope of SNS, and an event of EventBridge."""
    about = {"key": quote_plus(key), "size": 7, "eTag": "e", "sequencer": "05"}
    record = {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
              "eventTime": "2026-11-21T09:00:00.000Z", "s3": {"bucket": {"name": BUCKET}, "object": about}}  # fmt: skip
    classic = orjson.dumps({"Records": [record]}).decode()
    yield classic
    yield orjson.dumps({"Type": "Notification", "MessageId": "m", "TopicArn": "arn", "Message": classic}).decode()
    detail = {"bucket": {"name": BUCKET}, "object": {"key": key, "size": 7, "etag": "e", "sequencer": "05"}}
    yield orjson.dumps(
        {
            "version": "0",
            "id": "1",
            "source": "aws.s3",
            "detail-type": "Object Created",
            "time": "2026-11-21T09:00:00Z",
            "detail": detail,
        }
    ).decode()
