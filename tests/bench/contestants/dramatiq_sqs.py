"""dramatiq with dramatiq_sqs, eight worker threads."""

import base64
import threading

import dramatiq  # type: ignore[import-not-found]  # only in the peers' environment
from dramatiq_sqs import SQSBroker  # type: ignore[import-not-found]  # as above

from tests.bench.work import Work

THREADS = 8


def envelope(text: str, queue: str) -> str:
    message = dramatiq.Message(queue_name=queue, actor_name="order", args=(text,), kwargs={}, options={})
    return base64.b64encode(message.encode()).decode()


def consume(work: Work) -> None:
    broker = SQSBroker(endpoint_url=work.task.endpoint)
    dramatiq.set_broker(broker)
    queue = work.task.url.rpartition("/")[2]
    dramatiq.actor(work.handle, actor_name="order", queue_name=queue, broker=broker)
    worker = dramatiq.Worker(broker, worker_threads=THREADS, worker_timeout=20_000)
    worker.start()
    threading.Event().wait()
