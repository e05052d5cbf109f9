"""CPU of a Lambda entry for each record: ours and Powertools' BatchProcessor, over the same event of ten.

Run in the peers' environment with `powertools`, in the project's own with `fleet`. Reading the body with pydantic is the
application's; `own_us_per_record` is without it.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from tests.bench.bodies import body, nonce_of, nonces

ROUNDS = 2_000
ARN = "arn:aws:sqs:us-east-1:000000000000:orders"


def event() -> dict[str, Any]:
    attributes = {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": "1795000000000",
        "SenderId": "AIDAEXAMPLE",
        "ApproximateFirstReceiveTimestamp": "1795000000001",
    }
    records = [
        {
            "messageId": f"m-{place}",
            "receiptHandle": f"r-{place}",
            "body": body("job", nonce),
            "attributes": attributes,
            "messageAttributes": {},
            "md5OfBody": "",
            "eventSource": "aws:sqs",
            "eventSourceARN": ARN,
            "awsRegion": "us-east-1",
        }
        for place, nonce in enumerate(nonces(10))
    ]
    return {"Records": records}


def fleet() -> Callable[[dict[str, Any]], Any]:
    from collections.abc import AsyncIterator, Mapping  # noqa: PLC0415  # measured processes import what they use
    from contextlib import asynccontextmanager  # noqa: PLC0415  # measured processes import what they use

    from shared.app import App  # noqa: PLC0415  # measured processes import what they use
    from shared.clients import Clients  # noqa: PLC0415  # measured processes import what they use
    from shared.lambda_door import entry  # noqa: PLC0415  # measured processes import what they use
    from shared.worker import Each, Worker  # noqa: PLC0415  # measured processes import what they use

    async def handle(_nonce: int) -> None:
        """Nothing: the door's own cost is asked for."""

    @asynccontextmanager
    async def open_workers(
        _environment: Mapping[str, str], _clients: Clients
    ) -> AsyncIterator[tuple[Worker[Any], ...]]:
        yield (Worker(name="bench", queue="orders", decode=lambda each: nonce_of("job", each.body), do=Each(handle)),)

    environment = {"ORDERS_QUEUE_URL": "http://127.0.0.1:1/000000000000/orders", "ORDERS_DLQ_URL": "x"}
    door = entry.make_lambda_handler(App("bench", ("orders",), open_workers), {**environment, "LOG_LEVEL": "warning"})
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 30_000)
    return lambda given: door(given, context)


def powertools() -> Callable[[dict[str, Any]], Any]:
    from aws_lambda_powertools.utilities.batch import (  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415  # of the peers
        BatchProcessor,
        EventType,
        process_partial_response,
    )

    processor = BatchProcessor(event_type=EventType.SQS)

    def handle(record: Any) -> None:
        nonce_of("job", record.body)

    return lambda given: process_partial_response(given, handle, processor, None)


def main() -> None:
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    handler = {"fleet": fleet, "powertools": powertools}[sys.argv[1]]()
    given = event()
    answer = handler(given)
    for _ in range(ROUNDS // 10):
        handler(given)
    started = time.process_time()
    for _ in range(ROUNDS):
        answer = handler(given)
    seconds = time.process_time() - started
    reading = time.process_time()
    for _ in range(ROUNDS):
        for each in given["Records"]:
            nonce_of("job", each["body"])
    own = (seconds - (time.process_time() - reading)) / ROUNDS / 10 * 1e6
    if answer != {"batchItemFailures": []}:
        raise SystemExit(f"not all records were handled: {answer}")
    told = {"contestant": sys.argv[1], "us_per_record": seconds / ROUNDS / 10 * 1e6, "own_us_per_record": own}
    print(json.dumps(told))  # noqa: T201  # read by the bench


if __name__ == "__main__":
    main()
