"""A worker on the source queue, with an independent ledger of effects; a shim can renew what AWS renews on every move."""

import threading
import time
from collections.abc import Callable
from typing import Any, Self

from shared.message.dead_letter import letter
from shared.message.delivery import Delivery, from_poll
from shared.message.identity import ATTRIBUTE, REPLAY, idempotency_key
from shared.outcome import Dead
from tests.fleet.dead_letters.conftest import Ground
from tests.fleet.dead_letters.fakes import NOW

SHIM = "shim"


class Worker:
    """Handles each message once per idempotency key, or, `broken` (all, or by their body), parks it again as the fleet does.

    With `renew`, every message is first sent anew: MessageId, SentTimestamp and receive count are never those of before.
    """

    def __init__(self, ground: Ground, *, broken: bool | Callable[[str], bool] = False, renew: bool = False) -> None:
        self._ground, self._renew = ground, renew
        self._breaks = broken if callable(broken) else lambda _: broken
        self.effects: set[str] = set()
        self.handled = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def until_handled(self, count: int) -> None:
        deadline = time.monotonic() + 15
        while self.handled < count and time.monotonic() < deadline:
            self._stop.wait(0.05)

    def _work(self) -> None:
        sqs: Any = self._ground.aws.session.client("sqs", endpoint_url=self._ground.aws.url)
        source = self._ground.source
        while not self._stop.is_set():
            answer = sqs.receive_message(
                QueueUrl=source,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=1,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
            for each in answer.get("Messages", []):
                attributes = each.get("MessageAttributes", {})
                if self._renew and SHIM not in attributes:
                    renewed = {**attributes, SHIM: {"DataType": "String", "StringValue": "renewed"}}
                    sqs.send_message(QueueUrl=source, MessageBody=each["Body"], MessageAttributes=renewed)
                else:
                    self._handle(sqs, from_poll(each, queue="webhooks", received_at=0.0))
                sqs.delete_message(QueueUrl=source, ReceiptHandle=each["ReceiptHandle"])

    def _handle(self, sqs: Any, delivery: Delivery) -> None:
        self.handled += 1
        if not self._breaks(delivery.body):
            self.effects.add(idempotency_key(delivery.body, delivery.attributes))
            return
        dead = letter(delivery, Dead("ConnectTimeout", "again", "0" * 16), worker="webhook-delivery", now=NOW)
        assert REPLAY not in dead.attributes
        envelope = {"DataType": "String", "StringValue": dead.attributes[ATTRIBUTE].text}
        sqs.send_message(QueueUrl=self._ground.dead, MessageBody=dead.body, MessageAttributes={ATTRIBUTE: envelope})
