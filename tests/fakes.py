"""Hand-written stand-ins for the ports of shared/, as strict as the real ones; both sit the same contract tests."""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.message.dead_letter import Letter
from shared.message.delivery import Attribute, Delivery
from shared.sqs.batches import BATCH, Refused
from shared.sqs.sender import Message


def delivery(body: str = "{}", *, queue: str = "uploads", **fields: object) -> Delivery:
    """A delivery with what a test does not care about filled in."""
    plain = Delivery(queue=queue, message_id="m-1", receipt_handle="r-1", body=body)
    return replace(plain, **fields)  # type: ignore[arg-type]  # the test names real fields


@dataclass(eq=False)
class Stored:
    """One message in the fake queue; `hidden_until` on the queue's clock."""

    message_id: str
    body: str
    hidden_until: float
    group: str | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    receipts: int = 0
    handle: str = ""
    deleted: bool = False


class FakeQueue:
    """An SQS queue in memory: long polls, visibility, receipt handles that go stale, receive counts; as a FIFO queue it
    hands out nothing of a group of which something is in flight.

    Faults are put in by the test: `fail_receive`, `fail_delete` and `fail_extend` are called before the work and may
    raise; `refuse` is asked for each entry of a batch and answers an error code or "".
    """

    def __init__(self, clock: Callable[[], float], *, name: str = "uploads", fifo: bool = False) -> None:
        self._clock = clock
        self._fifo = fifo
        self.name = name
        self.messages: list[Stored] = []
        self.letters: list[Letter] = []
        self.calls: list[tuple[str, int]] = []
        self.open_polls = 0
        self.most_open_polls = 0
        self.fail_receive: Callable[[], None] = _nothing
        self.fail_delete: Callable[[], None] = _nothing
        self.fail_extend: Callable[[], None] = _nothing
        self.fail_bury: Callable[[], None] = _nothing
        self.refuse: Callable[[str, Delivery], str] = lambda _call, _delivery: ""
        self._handles = itertools.count(1)
        self._arrived = asyncio.Event()

    def put(self, *bodies: str, delay: float = 0.0, group: str | None = None) -> list[Stored]:
        """Send messages, visible after `delay` seconds."""
        start = len(self.messages)
        added = [
            Stored(f"m-{start + place}", body, hidden_until=self._clock() + delay, group=group)
            for place, body in enumerate(bodies, start=1)
        ]
        self.messages += added
        self._arrived.set()
        return added

    @property
    def left(self) -> list[Stored]:
        """Messages that are still in the queue, hidden or not."""
        return [message for message in self.messages if not message.deleted]

    def visible(self) -> list[Stored]:
        """What a receive may hand out."""
        now = self._clock()
        blocked = {each.group for each in self.left if self._fifo and each.hidden_until > now}
        return [each for each in self.left if each.hidden_until <= now and each.group not in blocked]

    async def receive(self, *, limit: int, wait: int, visibility: int) -> list[Delivery]:
        assert 1 <= limit <= BATCH, "SQS hands out one to ten messages"
        self.calls.append(("receive", limit))
        self.fail_receive()
        self.open_polls += 1
        self.most_open_polls = max(self.most_open_polls, self.open_polls)
        try:
            await self._until_visible(self._clock() + wait)
        finally:
            self.open_polls -= 1
        return [self._hand_out(message, visibility) for message in self.visible()[:limit]]

    async def delete(self, deliveries: Sequence[Delivery]) -> list[Refused]:
        assert deliveries, "SQS answers an empty batch with an error"
        self.calls.append(("delete", len(deliveries)))
        self.fail_delete()
        refused = []
        for each in deliveries:
            code = self.refuse("delete", each) or self._staleness(each)
            if code:
                refused.append(Refused(each, code, lost=code == "ReceiptHandleIsInvalid"))
            else:
                self._stored(each).deleted = True
        return refused

    async def extend(self, deliveries: Sequence[Delivery], *, seconds: float) -> list[Refused]:
        return self._change("extend", dict.fromkeys(deliveries, seconds))

    async def release(self, seconds: Mapping[Delivery, float]) -> list[Refused]:
        return self._change("release", seconds)

    def _change(self, call: str, seconds: Mapping[Delivery, float]) -> list[Refused]:
        assert seconds, "SQS answers an empty batch with an error"
        self.calls.append((call, len(seconds)))
        self.fail_extend()
        refused = []
        for each, patience in seconds.items():
            code = self.refuse(call, each) or self._staleness(each)
            if code:
                refused.append(Refused(each, code, lost=code == "ReceiptHandleIsInvalid"))
            else:
                self._stored(each).hidden_until = self._clock() + patience
        self._arrived.set()
        return refused

    async def bury(self, letter: Letter) -> None:
        self.calls.append(("bury", 1))
        self.fail_bury()
        self.letters.append(letter)

    def count(self, call: str) -> int:
        return sum(1 for name, _ in self.calls if name == call)

    async def _until_visible(self, deadline: float) -> None:
        while not self.visible():
            moments = [message.hidden_until for message in self.left]
            nap = min([deadline, *moments]) - self._clock()
            if self._clock() >= deadline:
                return
            self._arrived.clear()
            try:
                async with asyncio.timeout(max(nap, 0.001)):
                    await self._arrived.wait()
            except TimeoutError:
                continue

    def _hand_out(self, message: Stored, visibility: float) -> Delivery:
        message.receipts += 1
        message.handle = f"handle-{next(self._handles)}"
        message.hidden_until = self._clock() + visibility
        return Delivery(
            queue=self.name,
            message_id=message.message_id,
            receipt_handle=message.handle,
            body=message.body,
            attempt=message.receipts,
            group=message.group,
            attributes=message.attributes,
            received_at=self._clock(),
        )

    def _staleness(self, each: Delivery) -> str:
        message = self._stored(each)
        fresh = not message.deleted and message.handle == each.receipt_handle and message.hidden_until > self._clock()
        return "" if fresh else "ReceiptHandleIsInvalid"

    def _stored(self, each: Delivery) -> Stored:
        return next(message for message in self.messages if message.message_id == each.message_id)


class FakeSender:
    """Keeps what was sent; `fail` is called first and may raise."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.fail: Callable[[], None] = _nothing

    async def __call__(self, messages: Sequence[Message]) -> None:
        self.fail()
        self.sent += messages


def _nothing() -> None:
    """No fault."""
