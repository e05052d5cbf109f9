"""taskiq with taskiq-aio-sqs, its receiver as the command line runs it."""

import asyncio
import os

from taskiq import TaskiqMessage  # type: ignore[import-not-found]  # only in the peers' environment
from taskiq.formatters.proxy_formatter import ProxyFormatter  # type: ignore[import-not-found]  # as above
from taskiq.receiver import Receiver  # type: ignore[import-not-found]  # as above
from taskiq_aio_sqs import SQSBroker  # type: ignore[import-not-found]  # as above

from tests.bench.bodies import QUEUE
from tests.bench.work import Work

_formatter = ProxyFormatter(SQSBroker(QUEUE))


def envelope(text: str, _queue: str) -> str:
    message = TaskiqMessage(task_id="0" * 32, task_name="order", labels={}, labels_types={}, args=[text], kwargs={})
    return str(_formatter.dumps(message).message, "utf-8")


def consume(work: Work) -> None:
    asyncio.run(_consume(work))


async def _consume(work: Work) -> None:
    broker = SQSBroker(
        QUEUE,
        endpoint_url=work.task.endpoint,
        region_name=os.environ["AWS_REGION"],
        aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        wait_time_seconds=20,
        max_number_of_messages=10,
    )

    @broker.task(task_name="order")  # type: ignore[untyped-decorator]  # as above
    async def order(text: str) -> None:
        await work.handle_async(text)

    broker.is_worker_process = True
    await broker.startup()
    await Receiver(broker, max_async_tasks=100, max_prefetch=50, run_startup=False).listen(asyncio.Event())
