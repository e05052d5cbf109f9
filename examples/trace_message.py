"""One message's story: an order is sent to the worker of worker.py, and `fleet trace` tells what became of it.

    fleet run --app worker:APP > worker.log &
    python trace_message.py order-42 worker.log

The correlation id that it is sent with stands in each line that is logged of it, in what it causes, and in its dead letter.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import boto3

ENDS = re.compile("message_(done|hidden|buried)")
"""How the line begins that says what came of a message."""


def send(order: dict[str, object], correlation: str) -> str:
    """Put it into the queue; its message id."""
    sqs = boto3.client("sqs")
    url = os.environ["POINTS_QUEUE_URL"]
    sent = sqs.send_message(
        QueueUrl=url,
        MessageBody=json.dumps(order),
        MessageAttributes={"correlation-id": {"DataType": "String", "StringValue": correlation}},
    )
    return sent["MessageId"]


def wait_for(log: Path, message_id: str, seconds: float = 30.0) -> None:
    """Until the worker has said how it ended."""
    ends = time.monotonic() + seconds
    while not any(message_id in line and ENDS.search(line) for line in log.read_text().splitlines()):
        if time.monotonic() > ends:
            sys.exit(f"nothing is said of {message_id} in {log}: does the worker run, and does it log there?")
        time.sleep(0.2)


def main(order_id: str, log: str) -> None:
    """Send, wait, and tell."""
    message_id = send({"id": order_id, "customer": "ada", "cents": 1250}, correlation=order_id)
    wait_for(Path(log), message_id)
    dead = os.environ["POINTS_DLQ_URL"].rpartition("/")[2]
    command = [sys.executable, "-m", "fleet.cli", "trace", order_id, "--log", log, "--dlq", dead]
    subprocess.run(command, check=True)  # noqa: S603  its arguments are a list, and no shell reads them


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
