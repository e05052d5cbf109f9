"""`python -m tests.bench.contestant load|consume`: one contestant in a process of its own, told by BENCH_TASK."""

import importlib
import sys
from typing import Any

import boto3

from tests.bench.bodies import QUEUE, body, nonces
from tests.bench.work import Task, Work


def load(task: Task, contestant: object) -> None:
    """Put the messages into the queue as this contestant's own sender would write them."""
    envelope = getattr(contestant, "envelope", None)
    client: Any = boto3.client("sqs", endpoint_url=task.endpoint)
    entries: list[dict[str, str]] = []
    for nonce in nonces(task.count):
        text = body(task.kind, nonce)
        entries.append({"Id": str(len(entries)), "MessageBody": envelope(text, QUEUE) if envelope else text})
        if len(entries) == 10:
            client.send_message_batch(QueueUrl=task.url, Entries=entries)
            entries = []
    if entries:
        client.send_message_batch(QueueUrl=task.url, Entries=entries)


def main() -> None:
    task = Task.given()
    contestant = importlib.import_module(f"tests.bench.contestants.{task.contestant}")
    if sys.argv[1] == "load":
        load(task, contestant)
    else:
        contestant.consume(Work(task, tells=not task.contestant.startswith("fleet")))


if __name__ == "__main__":
    main()
