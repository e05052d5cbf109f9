"""`python -m tests.bench.webhooks.spread ENDPOINTS`: one event to so many endpoints of one tenant: seconds, and MiB that it adds.

The worker's own fan-out, rows of the table and payload of 20 kB; table and queue are in this process, 5 ms a call. One JSON line.
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from shared import Message
from tests.fakes import delivery
from tests.workers.webhook_delivery.fakes import endpoint
from tests.workers.webhook_delivery.table import row
from workers.webhook_delivery.event import Published, job_or_event
from workers.webhook_delivery.fan_out import fan_out
from workers.webhook_delivery.rules import STANDARD_WEBHOOKS, Page
from workers.webhook_delivery.store.endpoint_items import PAGE, page
from workers.webhook_delivery.store.shared_reads import FRESH, SharedReads, recent_pages

LATENCY = 0.005
PAYLOAD = json.dumps({"type": "order.placed", "timestamp": "2026-11-21T12:00:00Z", "data": {"text": "a" * 20_000}})


class Ground:
    """So many endpoints, and a queue that counts what it gets and keeps the event that is to go on."""

    def __init__(self, endpoints: int) -> None:
        self.endpoints = endpoints
        self.sent = 0
        self.goes_on: list[Published] = [
            Published(eventId="msg_1", eventType="order.placed", tenantId="tenant-1", payload=PAYLOAD)
        ]

    async def read(self, _tenant_id: str, after: str) -> Page:
        await asyncio.sleep(LATENCY)
        first = int(after.rpartition("-")[2]) + 1 if after else 0
        last = min(first + PAGE, self.endpoints)
        items: list[Any] = [row(endpoint(f"endpoint-{number:06d}"), "order.*") for number in range(first, last)]
        more = {"LastEvaluatedKey": items[-1]} if last < self.endpoints else {}
        return page({"Items": items, **more})

    async def send(self, messages: Sequence[Message]) -> None:
        await asyncio.sleep(LATENCY)
        for each in messages:
            carried = job_or_event(delivery(each.body)) if '"after"' in each.body[-400:] else None
            if isinstance(carried, Published):
                self.goes_on.append(carried)
            else:
                self.sent += 1


async def keep(_: Published) -> None:
    """Nowhere."""


async def spread(endpoints: int) -> dict[str, float]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    few = Ground(100)  # what the first one loads is not the fan-out's
    await _run(few)
    ground, before, begun, cpu = Ground(endpoints), _mib(), time.monotonic(), time.process_time()
    await _run(ground)
    assert ground.sent == endpoints
    took = time.monotonic() - begun
    return {"endpoints": endpoints, "seconds": took, "cpu": time.process_time() - cpu, "mib": _mib() - before}


async def _run(ground: Ground) -> None:
    subscriptions = recent_pages(SharedReads(ground.read), fresh=FRESH)
    while ground.goes_on:
        await fan_out(
            ground.goes_on.pop(),
            subscriptions=subscriptions,
            keep=keep,
            send=ground.send,
            schedule=STANDARD_WEBHOOKS,
            now=lambda: datetime.now(UTC),
        )


def _mib() -> float:
    """The peak so far. Not getrusage's, which a process inherits from whoever started it."""
    [line] = [each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(spread(int(sys.argv[1])))) + "\n")
