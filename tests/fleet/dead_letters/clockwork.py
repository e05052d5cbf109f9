"""Dead letters on a server whose clock a test can turn, and real processes that die where they are told to."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.message.delivery import Attribute, from_poll
from shared.message.identity import ATTRIBUTE, idempotency_key
from tests.fleet.dead_letters.fakes import envelope
from tests.fleet.dead_letters.forked import Ended, Fork, forked
from tests.sqs_server.running import SqsServer, sqs_server

SHIM = "shim"


@dataclass
class Ledger:
    """What a worker did, independent of the tool: effects by business key. It does one effect for one idempotency key."""

    effects: Counter[str] = field(default_factory=Counter)
    handled: int = 0
    _done: set[str] = field(default_factory=set)

    def handle(self, body: str, attributes: dict[str, Attribute]) -> None:
        self.handled += 1
        key = idempotency_key(body, attributes)
        if key not in self._done:
            self._done.add(key)
            self.effects[str(json.loads(body)["order"])] += 1


@dataclass
class Clockwork:
    """A source queue with its dead-letter queue, by URL, and the commands let loose on them."""

    server: SqsServer
    fork: Fork
    home: Path
    source: str
    dead: str

    @property
    def name(self) -> str:
        return self.dead.rpartition("/")[2]

    @property
    def environment(self) -> dict[str, str]:
        return {
            **self.server.environment,
            "DLQ_AUDIT_LOG": str(self.home / "audit.jsonl"),
            "DLQ_LAST_LOOK_SECONDS": "0",
            "DLQ_SETTLE_SECONDS": "0.2",
            "DLQ_ACTOR": "tester",
            "DLQ_PLAN_KEY": "the key of these tests",
        }

    def __call__(self, *arguments: str, exits: int | None = 0, **options: Any) -> Ended:
        ended = self.fork(*arguments, environment=self.environment, **options)
        assert exits is None or ended.status == exits, (ended.status, ended.stdout, ended.stderr)
        return ended

    def park(self, letters: int, *, groups: int = 1, padding: int = 0) -> None:
        """Letters of the fleet, numbered, as many kinds of errors as `groups`; bodies grow by `padding` characters."""
        filling = {"padding": "x" * padding} if padding else {}
        for start in range(0, letters, 10):
            entries: list[Any] = [
                {
                    "Id": str(number),
                    "MessageBody": json.dumps({"order": number, **filling}),
                    "MessageAttributes": {
                        ATTRIBUTE: {
                            "DataType": "String",
                            "StringValue": envelope(error_type=f"Error{number % groups}").text,
                        }
                    },
                }
                for number in range(start, min(start + 10, letters))
            ]
            assert "Failed" not in self.server.sqs.send_message_batch(QueueUrl=self.dead, Entries=entries)

    def counts(self, url: str = "") -> tuple[int, int]:
        """Visible, and in flight."""
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found: Any = self.server.sqs.get_queue_attributes(QueueUrl=url or self.dead, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def work(self, ledger: Ledger, *, renew: bool = False) -> None:
        """Handle all that is in the source queue. With `renew`, every message is sent anew before: its MessageId,
        SentTimestamp and receive count are never those with which it left the dead-letter queue.
        """
        sqs: Any = self.server.sqs
        while True:
            answer = sqs.receive_message(
                QueueUrl=self.source,
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
            messages = answer.get("Messages", [])
            if not messages:
                return
            old = [each for each in messages if renew and SHIM not in each.get("MessageAttributes", {})]
            if old:
                sqs.send_message_batch(QueueUrl=self.source, Entries=[_renewed(each) for each in old])
            for each in messages:
                if each not in old:
                    delivery = from_poll(each, queue="webhooks", received_at=0.0)
                    ledger.handle(delivery.body, dict(delivery.attributes))
            entries = [{"Id": each["MessageId"], "ReceiptHandle": each["ReceiptHandle"]} for each in messages]
            sqs.delete_message_batch(QueueUrl=self.source, Entries=entries)


def _renewed(message: Any) -> dict[str, Any]:
    attributes = {**message.get("MessageAttributes", {}), SHIM: {"DataType": "String", "StringValue": "renewed"}}
    return {"Id": message["MessageId"], "MessageBody": message["Body"], "MessageAttributes": attributes}


@contextmanager
def clockwork(home: Path, *, retention: int = 14 * 86_400) -> Iterator[Clockwork]:
    """A server and a process that forks, for as long as the block lasts. The server refuses old receipt handles."""
    with sqs_server(strict=True) as server, forked(home) as fork:
        source, dead = server.make_pair("webhooks", receives=3)
        kept = {"MessageRetentionPeriod": str(retention)}
        server.sqs.set_queue_attributes(QueueUrl=dead, Attributes=kept)  # type: ignore[arg-type]  # literals
        yield Clockwork(server, fork, home, source, dead)
