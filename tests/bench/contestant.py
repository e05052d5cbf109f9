"""`python -m tests.bench.contestant load|consume`: one contestant in a process of its own, given by BENCH_TASK."""

import importlib
import json
import sys
from typing import Any

import boto3

from tests.bench.bodies import QUEUE, body, nonces
from tests.bench.work import Task, Work


def load(task: Task, contestant: object) -> None:
    """Put the messages into the queue as this contestant's own sender would write them."""
    envelope = getattr(contestant, "envelope", None)
    client: Any = boto3.client("sqs", endpoint_url=task.endpoint)
    numbers = nonces(task.count)
    ids: dict[int, str] = {}
    for start in range(0, len(numbers), 10):
        texts = [(nonce, body(task.kind, nonce)) for nonce in numbers[start : start + 10]]
        entries = [
            {"Id": str(nonce), "MessageBody": envelope(text, QUEUE) if envelope else text} for nonce, text in texts
        ]
        answer = client.send_message_batch(QueueUrl=task.url, Entries=entries)
        ids |= {int(each["Id"]): each["MessageId"] for each in answer["Successful"]}
    if task.proof:
        task.ids.write_text(json.dumps(ids))


def main() -> None:
    task = Task.given()
    contestant = importlib.import_module(f"tests.bench.contestants.{task.contestant}")
    if sys.argv[1] == "load":
        load(task, contestant)
    else:
        contestant.consume(Work(task, tells=not task.contestant.startswith("fleet")))


if __name__ == "__main__":
    main()
