"""What people and other systems do to a deployed stage, each under a name of its own, with the real command and clients."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3

from fleet.dev.deploy import deploy
from fleet.dev.emulators.ministack import Endpoint, ministack
from infra.resources.compute.table import WORKERS
from shared.message.dead_letter import letter
from shared.message.identity import ATTRIBUTE
from shared.outcome import Reject
from shared.road.failure.verdict import dead
from tests.fakes import delivery
from tests.workers.webhook_delivery.fakes import job
from workers.webhook_delivery.rules import Claimed, Exhausted, Reply, Result
from workers.webhook_delivery.store import items

PROJECT = "people"
CUSTOMER = ("--url", "https://hooks.shop.example/", "--event-type", "*")


class Stage:
    """A deployed stage on an emulator of its own, whose calls are recorded."""

    def __init__(self, endpoint: Endpoint, names: Mapping[str, str], home: Path) -> None:
        self.endpoint = endpoint
        self.names = names
        self._home = home

    def client(self, service: str) -> Any:
        made = boto3.Session(
            self.endpoint.access_key_id, self.endpoint.secret_access_key, region_name=self.endpoint.region
        )
        return made.client(service, endpoint_url=self.endpoint.url)  # type: ignore[call-overload]  # one of many names

    def fleet(self, who: str, *arguments: str, ends: int = 0, **settings: str) -> str:
        """Run the command as this role, with these variables besides; what it printed."""
        given = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        given |= {**self.endpoint.environment, "AWS_SDK_UA_APP_ID": who, "HOME": str(self._home), "COLUMNS": "300"}
        given |= {"DLQ_PLAN_KEY": "k" * 44, "NO_COLOR": "1", **settings}
        command = [sys.executable, "-m", "fleet.cli", "--stage", "dev", "--project", PROJECT, *arguments]
        done = subprocess.run(
            command, check=False, cwd=self._home, env=given, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == ends, f"fleet {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def bury(self, queue: str, count: int) -> None:
        """Letters as a worker writes them."""
        for number in range(count):
            dying = delivery(json.dumps({"id": number}), queue=queue, attempt=5)
            made = letter(dying, dead(Reject("no such order"), worker="any"), worker="any", now=datetime.now(UTC))
            self.client("sqs").send_message(
                QueueUrl=self.names[f"{queue.upper().replace('-', '_')}_DLQ_URL"],
                MessageBody=dying.body,
                MessageAttributes={ATTRIBUTE: {"DataType": "String", "StringValue": made.attributes[ATTRIBUTE].text}},
            )


@contextmanager
def stage(home: Path, calls: Path) -> Iterator[Stage]:
    """Deploy the messaging stack on an emulator that writes all calls to a file."""
    with ministack(log=home / "emulator.log", calls=calls) as endpoint:
        yield Stage(endpoint, deploy(endpoint, project=PROJECT), home)


def read(stage: Stage, who: str = "reader") -> None:
    """What somebody does who only looks."""
    stage.bury("uploads", 2)
    stage.fleet(who, "dlq", "ls")
    stage.fleet(who, "dlq", "ls", DLQ_QUEUES="all")
    stage.fleet(who, "workers")
    for words in ("archive verify", "doctor"):
        stage.fleet(who, *words.split(), ends=1)  # an archive without a digest, a stage without functions
    stage.client("sqs").send_message(QueueUrl=stage.names["EVENTS_UNDELIVERED_QUEUE_URL"], MessageBody="{}")
    stage.fleet(who, "dlq", "list", f"{PROJECT}-events-undelivered-dev")
    first = json.loads(stage.fleet(who, "dlq", "list", "uploads", "--json").splitlines()[0])
    stage.fleet(who, "dlq", "show", "uploads", first["id"])


def operate(stage: Stage) -> None:
    """Letters go each way there is: back, away and back again; workers are told to wait."""

    def run(*words: str) -> None:
        stage.fleet("fleet-operator", *words)

    read(stage, "fleet-operator")
    sure = ("--yes", "--reason", "a story")
    for worker in WORKERS:
        for source in worker.sources:
            stage.bury(source.queue, 1)
            run("dlq", "plan", source.queue, "--watch", "0", "-o", f"{source.queue}-plan")
            run("dlq", "replay", f"{source.queue}-plan", *sure)
    stage.bury("audit", 2)
    run("dlq", "archive", "audit", *sure)
    run("dlq", "restore", "audit", *sure)
    webhooks_again(stage)
    stage.fleet("fleet-operator", "doctor", "--rows", ends=1)  # as without, and no row is wrong
    for command in ("sweep", "recompute"):
        run("reminders", command)
    run("pause", "webhook-delivery", "--no-wait")
    run("resume", "webhook-delivery", "--no-wait")


def webhooks_again(stage: Stage) -> None:
    """What failed at a customer's endpoint is looked at, sent again, and its payload forgotten."""
    table, dynamodb = stage.names["WEBHOOKS_TABLE_NAME"], stage.client("dynamodb")
    stage.fleet("producer", "webhooks", "endpoint", "add", *CUSTOMER, "--id", "ep-1", "--tenant", "acme")
    failed, now = job(endpoint_id="ep-1", tenant_id="acme"), datetime.now(UTC)
    claimed = Claimed(until=0)
    dynamodb.put_item(TableName=table, **items.claim(failed, claimed, now=now))
    result = items.result(failed, claimed, Result(Reply(500), Exhausted(), now, now))
    dynamodb.update_item(TableName=table, **result)
    at = ("--endpoint", "ep-1", "--tenant", "acme")
    for words in (
        ("deliveries", *at),
        ("show", "msg_1", *at),
        ("resend", "msg_1", *at),
        ("recover", *at, "--since", "1h", "--yes"),
        ("expunge", "msg_1", "--tenant", "acme", "--yes"),
    ):
        stage.fleet("fleet-operator", "webhooks", *words)


def register(stage: Stage) -> None:
    """The life of an endpoint, by whoever registers customers."""
    for words in (
        ("add", *CUSTOMER, "--id", "main"),
        ("list",),
        ("show", "main"),
        ("rotate", "main"),
        ("disable", "main", "--reason", "a story"),
        ("enable", "main"),
        ("remove", "main", "--yes"),
    ):
        stage.fleet("producer", "webhooks", "endpoint", *words, "--tenant", "shop")


def upload(stage: Stage) -> None:
    """The life of a session, by whoever opens them for browsers; the form's keys are the producer's own."""
    for words in (
        ("open", "--id", "mine"),
        ("form", "mine", "a.png"),
        ("show", "mine"),
        ("close", "mine"),
        ("watch", "mine"),
    ):
        stage.fleet("producer", "sessions", *words)


def produce(stage: Stage) -> None:
    """Rows, files and events, as docs/data-model.md describes them."""
    os.environ["AWS_SDK_UA_APP_ID"] = "producer"
    try:
        for table, key in (("SESSIONS", {"sessionId"}), ("REMINDERS", {"PK", "SK"}), ("WEBHOOKS", {"PK", "SK"})):
            item = {name: {"S": uuid.uuid4().hex} for name in key}
            stage.client("dynamodb").put_item(TableName=stage.names[f"{table}_TABLE_NAME"], Item=item)
        stage.client("s3").put_object(Bucket=stage.names["UPLOAD_BUCKET_NAME"], Key="session-uploads/s/a", Body=b"a")
        entry = {"EventBusName": stage.names["EVENT_BUS_NAME"], "Source": "shop", "DetailType": "any", "Detail": "{}"}
        assert stage.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
    finally:
        del os.environ["AWS_SDK_UA_APP_ID"]
    register(stage)
    upload(stage)
    remind(stage)


def remind(stage: Stage) -> None:
    """The life of a reminder, by whoever schedules it; one that is due at once is queued by who wrote it."""
    soon = (datetime.now(UTC) + timedelta(seconds=60)).isoformat()
    wanted = ("--channel", "email", "--email", "ada@example.com", "--title", "Tea", "--at")
    tenant = ("--tenant", "acme")
    made = json.loads(stage.fleet("producer", "reminders", "schedule", *tenant, *wanted, soon, "--json"))
    for words in (("list",), ("show", made["reminder_id"]), ("cancel", made["reminder_id"])):
        stage.fleet("producer", "reminders", *words, *tenant)
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    stage.fleet("producer", "reminders", "reschedule", made["reminder_id"], *tenant, *wanted, later)
    stage.fleet("producer", "reminders", "unsuppress", "--email", "ada@example.com", ends=3)
