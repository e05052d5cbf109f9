"""A container's process stays inside of its 512 MiB, whatever legal messages its queues hold."""

import asyncio
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.message.pointer import MARK, Pointer
from shared.settings import variable
from tests.aws import Aws
from tests.waiting import until
from workers import roster

pytestmark = pytest.mark.slow

log = logging.getLogger(__name__)

MEBIBYTE = 1_048_576
CONTAINER = 512 * MEBIBYTE
SPARE = 64 * MEBIBYTE
EVENTS = Path(__file__).parents[1] / "events"


def queues(*daily: str) -> list[Any]:
    """Every queue with its worker; those that are not named where there is half an hour only."""
    return [
        pytest.param(worker, queue, id=queue, marks=() if queue in daily else pytest.mark.long)
        for worker in roster.WORKERS
        for queue in roster.app(worker).queues
    ]


def filled(head: str, tail: str, *, item: str, size: int) -> str:
    """As many items as make a body of `size` bytes."""
    return head + item * ((size - len((head + tail).encode())) // len(item)) + tail


FAULTY = [
    filled('{"x":[', "[]]}", item="[],", size=MEBIBYTE),
    filled('{"x":[', "{}]}", item='{"":0},', size=MEBIBYTE),
    filled('{"source":"scheduler","dynamodb":{},"x":[', "1]}", item="1.5,", size=MEBIBYTE),
    filled('{"x":', "", item="[", size=MEBIBYTE),
    filled('{"x":"\N{PARTY POPPER}', '"}', item="a", size=MEBIBYTE - 8),
]
"""Legal for SQS, and each with every field of a job missing."""


def legal(queue: str, item: str, size: int) -> str:
    """The largest that the queue's decoder takes whole."""
    match queue:
        case "webhook-events":
            head = (EVENTS / "bus-upload-completed.json").read_text().rstrip()
            return filled(head[: head.rindex("}", 0, -1)] + ',"more":[', "0]}}", item=item, size=size)
        case "audit":
            record = json.loads((EVENTS / "stream-insert.json").read_text())
            record["dynamodb"]["NewImage"]["more"] = {"L": "HERE"}
            head, tail = json.dumps(record).split('"HERE"')
            return filled(head + "[", '{"S":""}]' + tail, item=item, size=size)
        case _:
            return filled('{"x":[', "0]}", item=item, size=size)


class Weighed:
    """One worker's process, its queues on the emulator."""

    def __init__(self, aws: Aws, worker: str) -> None:
        self.aws, self.worker, self.bucket = aws, worker, aws.bucket()
        self.urls = {queue: aws.queue(queue) for queue in roster.app(worker).queues}
        dead = {f"{variable(queue)}_DLQ_URL": aws.queue(f"{queue}-dead") for queue in self.urls}
        own = {f"{variable(queue)}_QUEUE_URL": url for queue, url in self.urls.items()}
        self.environment = {**os.environ, **aws.environment, **own, **dead, "HEALTH_PORT": "0", "LOG_LEVEL": "warning"}
        self.environment |= {"CLAIM_CHECK_BUCKET_NAME": self.bucket, "POLL_WAIT_SECONDS": "1"}
        self.environment |= {"WS_API_ENDPOINT": aws.url, "AUDIT_HASH_KEYS": "k:" + "QUFB" * 11}

    def send(self, queue: str, body: str, **more: Any) -> None:
        self.aws.sqs.send_message(QueueUrl=self.urls[queue], MessageBody=body, **more)

    def point(self, queue: str, body: str, *, times: int) -> None:
        """Messages whose body lies in S3, all the same one."""
        self.aws.s3.put_object(Bucket=self.bucket, Key="large", Body=body.encode())
        pointer = Pointer(self.bucket, "large", len(body.encode()))
        mark = {MARK: {"DataType": "Number", "StringValue": pointer.mark.text}}
        for _ in range(times):
            self.send(queue, pointer.body, MessageAttributes=mark)

    async def peak(self, queue: str) -> int:
        """Bytes that the process had at most when its queue is empty."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.behaviours.weighed_worker",
            self.worker,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            await until(
                lambda: process.returncode is not None or self._is_empty(queue), seconds=240, what="the empty queue"
            )
            process.send_signal(signal.SIGTERM)
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        [line] = [line for line in output.decode().splitlines() if line.startswith("peak ")]
        return int(line.split()[1])

    async def fits(self, queue: str) -> None:
        peak = await self.peak(queue)
        log.info("%s: %d MiB", queue, peak // MEBIBYTE)  # shown with --log-cli-level=info
        assert peak < CONTAINER - SPARE

    def _is_empty(self, queue: str) -> bool:
        names: list[Any] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.aws.sqs.get_queue_attributes(QueueUrl=self.urls[queue], AttributeNames=names)
        return not any(map(int, answer["Attributes"].values()))


@pytest.mark.guarantee("M4")
@pytest.mark.parametrize(("worker", "queue"), queues("audit", "uploads"))
async def test_faulty_messages_of_the_largest_size_fit_the_container(aws: Aws, worker: str, queue: str) -> None:
    weighed = Weighed(aws, worker)
    for body in FAULTY * 6:
        weighed.send(queue, body)
    await weighed.fits(queue)


@pytest.mark.guarantee("M4")
@pytest.mark.parametrize(("worker", "queue"), queues("uploads"))
async def test_ten_pointers_to_one_body_of_60_mib_fit_the_container(aws: Aws, worker: str, queue: str) -> None:
    weighed = Weighed(aws, worker)
    weighed.point(queue, legal(queue, '{"S":"%s"},' % ("a" * 100), 60 * MEBIBYTE), times=10)
    await weighed.fits(queue)


@pytest.mark.guarantee("M4")
@pytest.mark.parametrize(("worker", "queue"), [("webhook-delivery", "webhook-events"), ("audit-archive", "audit")])
async def test_dense_messages_that_are_taken_whole_fit_the_container(aws: Aws, worker: str, queue: str) -> None:
    weighed = Weighed(aws, worker)
    body = legal(queue, '{"S":""},', MEBIBYTE)
    for number in range(20):
        weighed.send(queue, body.replace('"eventID": "', f'"eventID": "{number}'))
    await weighed.fits(queue)
