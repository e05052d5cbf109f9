"""The servers, and as many reminder workers as a run wants: real processes that are started, killed and counted."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any

from infra.resources.queue import MAX_RECEIVES
from tests.aws_server.running import AwsServer, aws_server
from tests.bench.referee import ROOT, Invalid
from tests.bench.whole.concerns import REMINDERS, environment
from tests.bench.whole.stage import LATENCY
from tests.sqs_server.running import SqsServer, sqs_server
from workers.reminder_dispatch.event import occurrence
from workers.reminder_dispatch.queued import due_message
from workers.reminder_dispatch.table.attributes import typed
from workers.reminder_dispatch.table.keys import minute_text

QUEUES = ("reminders", "reminder-ticks", "reminder-receipts")
PER_SECOND = 600
"""What Expo takes of a project."""
PAGE = 500
"""Rows of one write: the server has no limit of 25."""


@dataclass
class Crew:
    """`urls` of the queues by their names."""

    sqs: SqsServer
    aws: AwsServer
    urls: Mapping[str, str]
    errors: IO[bytes]
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    spent: float = 0.0

    def start(self, count: int, *, share: int) -> None:
        """So many processes more, with the settings that the worker ships with; `share` of Expo's rate for each."""
        variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "AWS_EC2_METADATA_DISABLED": "true",
                     **self.sqs.environment, **environment(self.aws, self.sqs.endpoint_url, self.urls),
                     "EXPO_PER_SECOND": str(share)}  # fmt: skip
        command = [sys.executable, "-m", "fleet.cli", "run", "reminder-dispatch"]
        for _ in range(count):
            self.processes.append(
                subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, stderr=self.errors)
            )

    def kill(self, which: int) -> None:
        """End one by kill -9."""
        process = self.processes.pop(which)
        self.spent += _cpu(process)
        process.kill()
        process.wait()

    def cpu(self) -> float:
        """CPU seconds of all processes, also of those that were killed."""
        return self.spent + sum(map(_cpu, self.processes))

    def put(self, rows: Sequence[Mapping[str, Any]]) -> None:
        client = self.aws.client("dynamodb")
        for start in range(0, len(rows), PAGE):
            puts = [{"PutRequest": {"Item": dict(typed(each))}} for each in rows[start : start + PAGE]]
            client.batch_write_item(RequestItems={REMINDERS: puts})

    def send(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """A message for each row into the queue of what is due, in its tenant's share."""
        made = [due_message(occurrence(row["reminderId"], datetime.fromisoformat(row["dueAt"])), row) for row in rows]
        for start in range(0, len(made), 10):
            entries = [
                {"Id": str(place), "MessageBody": each.body} | ({"MessageGroupId": each.group} if each.group else {})
                for place, each in enumerate(made[start : start + 10])
            ]
            self.sqs.sqs.send_message_batch(QueueUrl=self.urls["reminders"], Entries=entries)  # type: ignore[arg-type]  # whole entries

    def tick(self) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        body = f'{{"source":"scheduler","time":"{at}"}}'
        self.sqs.sqs.send_message(QueueUrl=self.urls["reminder-ticks"], MessageBody=body)

    def waiting(self) -> int:
        """How many processes wait for a tick."""
        return int(self.sqs.control.stats()["queues"]["reminder-ticks"]["open_polls"])

    def queued(self, name: str) -> int:
        """Messages that are there, out and delayed."""
        found = self.sqs.control.stats()["queues"][name]
        return sum(int(found[kind]) for kind in ("visible", "in_flight", "delayed"))

    def statuses(self) -> dict[str, int]:
        return self.aws.values(REMINDERS, "status")

    def until(self, holds: Callable[[], bool], *, within: float, what: str) -> None:
        """Raises Invalid after `within` seconds, or where a process ended by itself."""
        deadline = time.monotonic() + within
        while not holds():
            if (ended := [each for each in self.processes if each.poll() is not None]) or time.monotonic() > deadline:
                self.errors.seek(0)
                said = self.errors.read().decode()[-2_000:]
                raise Invalid(f"{what}: {len(ended)} ended, not in {within} s; {self.statuses()}; {said}")
            time.sleep(0.2)


def _cpu(process: "subprocess.Popen[bytes]") -> float:
    return time.clock_gettime((~process.pid << 3) | 2)


@contextmanager
def crew(*, visibility: int = 180) -> Iterator[Crew]:
    """Servers with an empty table, 5 ms an answer; no process yet. All end with the context. `visibility` in seconds."""
    with (
        sqs_server() as sqs,
        aws_server(latency=LATENCY, pushes_per_second=PER_SECOND) as aws,
        tempfile.TemporaryFile() as errors,
    ):
        sqs.control.keep_ledger(on=False)
        urls = {name: sqs.make_pair(name, receives=MAX_RECEIVES, VisibilityTimeout=visibility)[0] for name in QUEUES}
        aws.table(REMINDERS, "PK", "SK")
        made = Crew(sqs, aws, urls, errors)
        made.put([{"PK": "TICK", "SK": "CURSOR", "minute": minute_text(datetime.now(UTC))}])
        sqs.control.fault("latency", seconds=LATENCY)
        try:
            yield made
        finally:
            for process in made.processes:
                process.kill()
                process.wait()
