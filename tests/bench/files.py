"""How many files of this library a message's road touches, in each door: `python -m tests.bench.files`.

Counted are the files of which a function runs between a message's receipt and its end, without telemetry, which only
watches, and without the client that stands below the queue (shared/aws, or botocore's own).
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from shared import App, Clients, Delivery, Each, Worker
from shared.consumer import Pace, Stores, join
from shared.container.poller import Poller
from shared.lambda_door.entry import Sandbox
from shared.sqs.queue import SqsQueue
from shared.telemetry import logging
from tests.lambda_events import lambda_event
from tests.waiting import until

ROOT = Path(__file__).parents[2]
ASIDE = ("shared/telemetry/", "shared/aws/")
MOST_IN_CONTAINER, MOST_IN_LAMBDA = 12, 8
MESSAGES = 20
URL = "http://127.0.0.1:1/000000000000/orders"


class Calls:
    """The library's functions that are called inside `with`, and how often."""

    def __init__(self) -> None:
        self._found: Counter[str] = Counter()

    def __enter__(self) -> Counter[str]:
        sys.setprofile(self._see)
        return self._found

    def __exit__(self, *_error: object) -> None:
        sys.setprofile(None)

    def _see(self, frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(f"{ROOT}/shared/"):
            name = Path(frame.f_code.co_filename).relative_to(ROOT)
            self._found[f"{name} {frame.f_code.co_qualname}"] += 1


def files_of(calls: Counter[str]) -> set[str]:
    """The files of these functions, without what only watches and what stands below the queue."""
    return {function.partition(" ")[0] for function in calls if not function.startswith(ASIDE)}


class Client:
    """What SQS answers: so many messages, `batch` for each receive, and to every delete that it is done."""

    def __init__(self, count: int = MESSAGES, *, batch: int = 1) -> None:
        self.waiting = [message(number) for number in range(count)]
        self._batch = batch
        self.deleted = 0

    async def receive_message(self, **_asked: object) -> dict[str, Any]:
        await asyncio.sleep(0.002)
        given, self.waiting = self.waiting[: self._batch], self.waiting[self._batch :]
        return {"Messages": given} if given else {}

    async def delete_message_batch(self, **asked: Any) -> dict[str, Any]:
        self.deleted += len(asked["Entries"])
        return {"Successful": [{"Id": each["Id"]} for each in asked["Entries"]]}


def message(number: int) -> dict[str, Any]:
    return {
        "MessageId": f"m-{number}",
        "ReceiptHandle": f"r-{number}",
        "Body": "{}",
        "Attributes": {"ApproximateReceiveCount": "1"},
    }


async def handle(_event: Delivery) -> None:
    """Succeeds."""


def worker() -> Worker[Delivery]:
    return Worker(name="bench", queue="orders", decode=lambda each: each, do=Each(handle))


async def in_container() -> set[str]:
    """Polled, handled, deleted; start and drain are not a message's road."""
    client: Any = Client()
    queue = SqsQueue(client, name="orders", url=URL, dead_letter_url=URL)
    poller = Poller(join(worker(), Stores(queue), pace=Pace(wait=0)))
    stop = asyncio.Event()
    running = asyncio.create_task(poller.run(stop))
    await until(lambda: client.deleted > 1, what="the first deletes")
    with Calls() as found:
        await until(lambda: client.deleted == MESSAGES, what="all deletes")
    stop.set()
    await running
    return files_of(found)


def in_lambda() -> set[str]:
    """The second invocation of a sandbox: the first one opens it."""
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        os.environ.setdefault(name, "us-east-1")
    sandbox = Sandbox(App("bench", ("orders",), _Opened), {"ORDERS_QUEUE_URL": URL, "ORDERS_DLQ_URL": f"{URL}-dlq"})
    try:
        event = lambda_event([message(1)], queue_name="orders")
        assert sandbox.invoke(event, remaining=20) == {"batchItemFailures": []}
        with Calls() as found:
            assert sandbox.invoke(event, remaining=20) == {"batchItemFailures": []}
    finally:
        sandbox.close()
    return files_of(found)


class _Opened:
    """The workers of the Lambda door: nothing is opened for them."""

    def __init__(self, _environment: object, _clients: Clients) -> None:
        pass

    async def __aenter__(self) -> tuple[Worker[Delivery], ...]:
        return (worker(),)

    async def __aexit__(self, *_error: object) -> None:
        pass


def describe(door: str, files: Sequence[str], most: int) -> str:
    return "\n".join((f"{door}: {len(files)} files, {most} at most", *(f"  {name}" for name in files)))


def main(write: Callable[[str], object] = sys.stdout.write) -> int:
    """0 where both doors keep their number."""
    logging.configure("critical")
    container, invocation = sorted(asyncio.run(in_container())), sorted(in_lambda())
    write(f"{describe('container', container, MOST_IN_CONTAINER)}\n{describe('Lambda', invocation, MOST_IN_LAMBDA)}\n")
    return 0 if len(container) <= MOST_IN_CONTAINER and len(invocation) <= MOST_IN_LAMBDA else 1


if __name__ == "__main__":
    sys.exit(main())
