"""What a table of throughput does not show: a quiet queue, and an idle one."""

import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.bodies import QUEUE, body, nonces
from tests.bench.referee import started
from tests.bench.work import Task
from tests.sqs_server.running import SqsServer


def _task(server: SqsServer, contestant: str, count: int, folder: str, *, ledger: bool = False) -> Task:
    server.control.reset()
    server.control.keep_ledger(on=ledger)
    url = server.make(QUEUE, VisibilityTimeout=300)
    result = str(Path(folder) / "result")
    return Task(contestant, url, server.endpoint_url, count, 1, "production", "job", 0.0, result)


def _requests(server: SqsServer) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in server.control.stats()["requests"]:
        found[row["action"]] = found.get(row["action"], 0) + row["count"]
    return found


def quiet(server: SqsServer, contestant: str, *, seconds: float, rate: int = 100) -> dict[str, Any]:
    """`rate` messages a second, one by one; requests of the consumer for each, and how many were done in time."""
    count = int(seconds * rate)
    with TemporaryDirectory() as folder:
        task = _task(server, contestant, count, folder, ledger=True)
        with started(server, task, "consume"):
            time.sleep(3.0)
            before = _requests(server)
            begun = time.monotonic()
            for place, nonce in enumerate(nonces(count)):
                server.sqs.send_message(QueueUrl=task.url, MessageBody=body("job", nonce))
                time.sleep(max(0.0, begun + (place + 1) / rate - time.monotonic()))
            deadline = time.monotonic() + 10
            while not Path(task.result).exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.5)
            after = _requests(server)
        calls = sum(after[name] - before.get(name, 0) for name in after if name != "SendMessage")
        waits = _waits(server)
        return {"contestant": contestant, "messages": count, "requests": calls, "requests_per_message": calls / count,
                "handled": Path(task.result).exists(), "median_ms": median(waits) * 1000,
                "p99_ms": sorted(waits)[int(len(waits) * 0.99)] * 1000}  # fmt: skip


def _waits(server: SqsServer) -> list[float]:
    """Seconds from each message's send to its first receive, by the server's own clock."""
    sent: dict[str, float] = {}
    waits: dict[str, float] = {}
    for line in server.control.ledger():
        if line["kind"] == "send":
            sent[line["message_id"]] = line["at"]
        elif line["kind"] == "receive" and line["message_id"] in sent:
            waits.setdefault(line["message_id"], line["at"] - sent[line["message_id"]])
    return [*waits.values()]


def idle(server: SqsServer, contestant: str, *, seconds: float) -> dict[str, Any]:
    """Requests a minute over an empty queue."""
    with TemporaryDirectory() as folder:
        task = _task(server, contestant, 1, folder)
        with started(server, task, "consume"):
            time.sleep(5.0)
            before = sum(_requests(server).values())
            time.sleep(seconds)
            calls = sum(_requests(server).values()) - before
    return {"contestant": contestant, "seconds": seconds, "requests": calls, "per_minute": calls / seconds * 60}
