"""Both servers and one process that is measured: its queues are filled while it is stopped, and its CPU is read from outside."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.aws_server.running import AwsServer, aws_server
from tests.bench.referee import ROOT, Invalid, cores
from tests.bench.whole.concerns import Concern, environment
from tests.sqs_server.running import ACCESS_KEY, SECRET, SqsServer, sqs_server

LATENCY = 0.005
"""Seconds that each answer takes."""
LONGEST = 120.0
"""Seconds after which a run is given up."""
LATER = frozenset({"reminder-receipts"})
"""Queues whose messages come minutes after what they follow: nobody waits for them."""


@dataclass
class Stage:
    """One worker's process, or the handler by hand, with the servers that it speaks to."""

    concern: Concern
    sqs: SqsServer
    aws: AwsServer
    process: "subprocess.Popen[bytes]"
    urls: Mapping[str, str]
    total: int = 0

    def cpu(self) -> float:
        """CPU seconds of the process, of all its threads, as the kernel's clock of this process tells."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def prepared(self, count: int) -> list[str]:
        """Rows are written; the bodies are to be sent."""
        rows, bodies = self.concern.prepare(self.aws, range(self.total, self.total + count))
        self.total += count
        self.aws.put(self.concern.table, rows)
        return bodies

    def send(self, bodies: Sequence[str]) -> list[str]:
        """Ten at once; the ids of the messages."""
        ids = []
        for start in range(0, len(bodies), 10):
            entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(bodies[start : start + 10])]
            answer: Any = self.sqs.sqs.send_message_batch(QueueUrl=self.urls[self.concern.queue], Entries=entries)  # type: ignore[arg-type]  # whole entries
            ids += [each["MessageId"] for each in answer["Successful"]]
        return ids

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """What happens inside costs the process nothing, and comes to it all at once."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def until_done(self) -> None:
        """Everything that was prepared is handled, and deleted. Raises Invalid."""
        deadline = time.monotonic() + LONGEST
        while True:
            if time.monotonic() > deadline:
                raise Invalid(f"{self.concern.name}: not all came to their end in {LONGEST} s; {self.counted()}")
            if self.process.poll() is not None:
                raise Invalid(f"{self.concern.name}: the process ended with {self.process.returncode}")
            time.sleep(0.02)
            queues = self.sqs.control.stats()["queues"]
            if not any(
                sum(queues[name][kind] for kind in ("visible", "in_flight", "delayed"))
                for name in self.concern.queues
                if name not in LATER
            ):
                break
        done = self.concern.done(self.aws)
        if done != self.total:
            raise Invalid(f"{self.concern.name}: {done} of {self.total} messages were handled; {self.counted()}")

    def counted(self) -> Counter[str]:
        """AWS calls until now, SQS among them."""
        found = Counter(self.aws.calls)
        for each in self.sqs.control.stats()["requests"]:
            found[each["action"]] += each["count"]
        return found


@contextmanager
def stage(
    concern: Concern, command: Sequence[str], *, root: Path = ROOT, more: Mapping[str, str] | None = None
) -> Iterator[Stage]:
    """The servers on one core, the process of the checkout at `root` on the other; all end with the context. `more` of its environment."""
    core, own = cores()
    with (
        sqs_server(prefix=("taskset", "-c", core)) as sqs,
        aws_server(latency=LATENCY, prefix=("taskset", "-c", core)) as aws,
        tempfile.TemporaryFile() as errors,
    ):
        sqs.control.keep_ledger(on=False)
        sqs.control.options(secrets={ACCESS_KEY: SECRET})
        urls = {name: sqs.make_pair(name, VisibilityTimeout=120)[0] for name in concern.queues}
        sqs.control.fault("latency", seconds=LATENCY)
        aws.table(concern.table, *concern.keys)
        variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(root), "AWS_EC2_METADATA_DISABLED": "true",
                     "CONCURRENCY": "100",  # both rounds alike, whatever each worker ships with
                     **sqs.environment, **environment(aws, sqs.endpoint_url, urls), **(more or {})}  # fmt: skip
        process = subprocess.Popen(
            ["taskset", "-c", own, sys.executable, "-m", *command],
            cwd=root, env=variables, stdout=subprocess.DEVNULL, stderr=errors,
        )  # fmt: skip
        try:
            yield Stage(concern, sqs, aws, process, urls)
        except Invalid as fault:
            errors.seek(0)
            raise Invalid(f"{fault} {errors.read().decode()[-2000:]}") from fault
        finally:
            process.kill()
            process.wait()
