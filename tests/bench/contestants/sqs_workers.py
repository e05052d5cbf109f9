"""sqs-workers, a raw queue: one thread, deletes in batches."""

import boto3
from sqs_workers import RawQueue, SQSEnv  # type: ignore[import-not-found]  # only in the peers' environment

from tests.bench.work import Work


def consume(work: Work) -> None:
    endpoint = work.task.endpoint
    environment = SQSEnv(
        sqs_client=boto3.client("sqs", endpoint_url=endpoint), sqs_resource=boto3.resource("sqs", endpoint_url=endpoint)
    )
    queue = environment.queue(work.task.url.rpartition("/")[2], RawQueue)
    queue.connect_raw_processor(lambda message: work.handle(message.body))
    queue.process_queue(wait_second=20)
