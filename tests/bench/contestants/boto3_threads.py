"""boto3 in eight threads, deletes in batches."""

import threading

import boto3
from botocore.config import Config

from tests.bench.work import Work

THREADS = 8


def consume(work: Work) -> None:
    client = boto3.client("sqs", endpoint_url=work.task.endpoint, config=Config(max_pool_connections=THREADS))
    threads = [threading.Thread(target=_poll, args=(work, client)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _poll(work: Work, client: object) -> None:
    receive, delete = client.receive_message, client.delete_message_batch  # type: ignore[attr-defined]  # boto3 makes them
    while True:
        answer = receive(
            QueueUrl=work.task.url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=20,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        messages = answer.get("Messages", [])
        for message in messages:
            work.handle(message["Body"])
        if messages:
            entries = [{"Id": each["MessageId"], "ReceiptHandle": each["ReceiptHandle"]} for each in messages]
            delete(QueueUrl=work.task.url, Entries=entries)
