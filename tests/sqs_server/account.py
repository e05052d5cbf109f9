"""All queues of the one account that this server plays, by name, URL and ARN."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.sqs_server.clock import Clock
from tests.sqs_server.errors import SqsError, no_queue
from tests.sqs_server.fifo import FifoQueue
from tests.sqs_server.ledger import Ledger
from tests.sqs_server.message import Message
from tests.sqs_server.queue import Queue
from tests.sqs_server.queue_settings import QueueSettings, checked, settings_of

ACCOUNT = "000000000000"
REGION = "us-east-1"
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


@dataclass(slots=True)
class Options:
    """What differs from a server that is as AWS is. `strict` refuses old receipt handles; `secrets` by access key id
    switches the check of signatures on; `recreate_after` seconds a deleted queue's name stays taken; `keep_requests`
    keeps what is asked, word for word, in the ledger.
    """

    strict: bool = False
    in_flight_limit: int = 120_000
    recreate_after: float = 60.0
    secrets: dict[str, str] = field(default_factory=dict)
    keep_requests: bool = False


class Account:
    """Queues, their ledger and clock. `wake` is called with queues whose waiting receives should look again."""

    def __init__(self, *, wake: Callable[[Queue], None], options: Options | None = None) -> None:
        self.clock = Clock()
        self.ledger = Ledger(self.clock)
        self.options = options or Options()
        self.url = ""
        self.queues: dict[str, Queue] = {}
        self.deleted: dict[str, float] = {}
        self._wake = wake
        self._by_url: dict[str, Queue] = {}

    # -- names

    def url_of(self, queue: Queue) -> str:
        return f"{self.url}/{ACCOUNT}/{queue.name}"

    def arn_of(self, queue: Queue) -> str:
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue.name}"

    def at(self, url: Any) -> Queue:
        """The queue of a request, by its URL or its bare name. Raises where there is none."""
        queue = self._by_url.get(url)
        if queue is None:
            if not isinstance(url, str) or not url:
                raise SqsError("MissingParameter", "The request must contain the parameter QueueUrl.")
            queue = self.named(url.rstrip("/").rsplit("/", 1)[-1])
            self._by_url[url] = queue
        return queue

    def named(self, name: Any) -> Queue:
        queue = self.queues.get(name)
        if queue is None:
            raise no_queue()
        return queue

    def with_arn(self, arn: str) -> Queue | None:
        return self.queues.get(arn.rsplit(":", 1)[-1])

    def sources_of(self, queue: Queue) -> list[Queue]:
        """The queues for which this one is the dead-letter queue."""
        arn = self.arn_of(queue)
        return [each for each in self.queues.values() if each.settings.dead_letter_arn == arn]

    # -- life and death

    def create(self, name: Any, attributes: Mapping[str, Any], now: float) -> Queue:
        """A new queue, or the one of this name where it has these attributes."""
        if (found := self.queues.get(name)) is not None:
            if any(found.settings.given.get(key) != value for key, value in checked(attributes).items()):
                raise SqsError(
                    "QueueNameExists",
                    "A queue already exists with the same name and a different value for attributes.",
                )
            return found
        if now < self.deleted.get(name, 0.0) + self.options.recreate_after:
            raise SqsError(
                "QueueDeletedRecently", "You must wait 60 seconds after deleting a queue before you can create another "
                "with the same name.",
            )  # fmt: skip
        fifo = attributes.get("FifoQueue") == "true"
        _check_name(name, fifo=fifo)
        return self._add(name, settings_of(attributes, fifo=fifo), fifo=fifo)

    def _add(self, name: str, settings: QueueSettings, *, fifo: bool) -> Queue:
        kind = FifoQueue if fifo else Queue
        queue = kind(name, settings, self.ledger, wake=self._wake, redrive=self._redrive, strict=self.options.strict)
        self.queues[name] = queue
        self._by_url.clear()
        return queue

    def delete(self, queue: Queue, now: float) -> None:
        queue.purge(now, kind="dropped")
        del self.queues[queue.name]
        self.deleted[queue.name] = now
        self._by_url.clear()
        self._wake(queue)

    def revive(self, queue: Queue) -> Queue:
        """An empty queue of the same name and attributes; handles of the old one are worth nothing."""
        return self._add(queue.name, queue.settings, fifo=queue.fifo)

    def _redrive(self, source: Queue, message: Message, now: float) -> bool:
        target = self.with_arn(source.settings.dead_letter_arn)
        if target is None:
            return False
        source.depart(message)
        self.ledger.add("redrive", source.name, [message.reference], now, to=target.name)
        message.system["DeadLetterQueueSourceArn"] = self.arn_of(source)
        message.write()
        message.twins.clear()
        target.put(message, now)
        return True


def _check_name(name: Any, *, fifo: bool) -> None:
    stem = name.removesuffix(".fifo") if isinstance(name, str) else ""
    if not stem or len(name) > 80 or set(stem) - NAME_CHARACTERS:
        raise SqsError(
            "InvalidParameterValue",
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        )
    if name.endswith(".fifo") != fifo:
        raise SqsError("InvalidParameterValue", "The name of a FIFO queue can only end with '.fifo'.")
