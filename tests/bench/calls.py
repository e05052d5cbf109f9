"""How many Python functions of this library run for one message on its usual path: `python -m tests.bench.calls`; with `lines` behind it
without spans and metrics, with `none` without log lines as well.

The usual path: a container, ten messages for each receive, first receipts, no ledger, no groups, a handler that succeeds, and the
telemetry of production. Exact, and so comparable where CPU times are not: the clock is virtual, and what a run of 500 messages
takes more than one of 250 is what the messages take. A coroutine counts each time it runs on.
"""

import asyncio
import io
import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import botocore.session

from shared.aws.operation import Operation
from shared.consumer import Clocks, Pace, Stores, join
from shared.container.poller import Poller
from shared.sqs.queue import SqsQueue
from shared.telemetry import logging, tracing
from tests.bench.files import ASIDE, URL, Calls, Client, message, worker
from tests.bench.work import keep_metrics, nowhere
from tests.virtual_time import clock, virtual
from tests.waiting import until

MOST = {"road": 38.9, "telemetry": 21.5, "wire": 2.0}
"""Calls for a message, by part: from the receipt to the delete, what is logged and measured of it, and its share of reading a
receive's answer and writing a delete.
"""
BATCH = 10


async def consumed(count: int) -> Counter[str]:
    """The calls of a container's consumer from its start to its end, with so many messages."""
    client: Any = Client(count, batch=BATCH)
    queue = SqsQueue(client, name="orders", url=URL, dead_letter_url=URL, clock=clock)
    poller = Poller(join(worker(), Stores(queue), pace=Pace(wait=0), clocks=Clocks(monotonic=clock, lease=clock)))
    stop = asyncio.Event()
    with Calls() as found:
        running = asyncio.create_task(poller.run(stop))
        await until(lambda: client.deleted == count, what="all deletes")
        stop.set()
        await running
    return found


def of_the_client() -> Counter[str]:
    """The calls for one answer to a receive, and for one delete."""
    model = botocore.session.get_session().get_service_model("sqs")
    receive, delete = (Operation(model.operation_model(name)) for name in ("ReceiveMessage", "DeleteMessageBatch"))
    answer = json.dumps({"Messages": [message(number) for number in range(BATCH)]}).encode()
    entries = [{"Id": str(place), "ReceiptHandle": f"r-{place}"} for place in range(BATCH)]
    with Calls() as found:
        assert receive.answer(answer) is not None
        assert delete.parts({"QueueUrl": URL, "Entries": entries}) is not None
    return found


def per_message() -> dict[str, dict[str, float]]:
    """Calls for each message, by part and function."""
    random.seed(1)  # which traces are kept
    more = virtual(consumed(500))
    more.subtract(virtual(consumed(250)))
    parts: dict[str, dict[str, float]] = {name: {} for name in MOST}
    for name, count in more.items():
        if count:
            parts["telemetry" if name.startswith(ASIDE) else "road"][name] = count / 250
    parts["wire"] = {name: count / BATCH for name, count in of_the_client().items()}
    return parts


def main(write: Callable[[str], object] = sys.stdout.write, *, profile: str = "all") -> int:
    """0 where no part takes more calls than it may."""
    logging.configure("warning" if profile == "none" else "info", stream=io.BytesIO())
    if profile == "all":
        tracing.configure({}, service="bench", exporter=nowhere())
        keep_metrics()
    found = per_message()
    sums = {part: sum(functions.values()) for part, functions in found.items()}
    for part, functions in found.items():
        write(f"{part}: {sums[part]:.1f} calls for a message, {MOST[part]} at most\n")
        for name, count in sorted(functions.items(), key=lambda each: -each[1]):
            write(f"  {count:5.2f} {name}\n")
    return 0 if all(sums[part] <= most for part, most in MOST.items()) else 1


if __name__ == "__main__":
    sys.exit(main(profile="".join(sys.argv[1:]) or "all"))
