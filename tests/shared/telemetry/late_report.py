"""A sandbox whose handler will not be cut and whose collector does not answer: how long before the timeout it reports."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from shared.app import App
from shared.clients import Clients
from shared.lambda_door.entry import Sandbox
from shared.worker import Worker
from tests.lambda_events import lambda_event
from tests.made import make_worker

REMAINING = 2.0
URL = "http://127.0.0.1:9/123456789012/uploads"
MESSAGES = [{"MessageId": f"m-{number}", "ReceiptHandle": f"r-{number}", "Body": "stubborn"} for number in range(20)]


async def handle(_event: object) -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(3)


@asynccontextmanager
async def open_workers(_environment: Mapping[str, str], _clients: Clients) -> AsyncIterator[tuple[Worker[Any], ...]]:
    yield (make_worker(decode=lambda each: each, handle=handle, timeout=100),)


def tell() -> dict[str, object]:
    environment = {**os.environ, "UPLOADS_QUEUE_URL": URL, "UPLOADS_DLQ_URL": f"{URL}-dlq", "LOG_LEVEL": "error"}
    sandbox = Sandbox(App("sample", ("uploads",), open_workers), environment)
    sandbox.invoke({"Records": []}, remaining=30)  # a cold start may take longer than this invocation has
    started = time.monotonic()
    report = sandbox.invoke(lambda_event(MESSAGES, queue_name="uploads"), remaining=REMAINING)
    return {"left": REMAINING - (time.monotonic() - started), "reported": len(report["batchItemFailures"])}


if __name__ == "__main__":
    cut = tell()
    sys.stdout.write(json.dumps(cut))
    sys.stdout.flush()
    os._exit(0)
