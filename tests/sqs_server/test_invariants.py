"""Random lives of queues: whatever is done to them, they lose nothing, count rightly, and keep their order."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.sqs_server.clock import Clock
from tests.sqs_server.errors import SqsError
from tests.sqs_server.fifo import FifoQueue
from tests.sqs_server.ledger import Ledger
from tests.sqs_server.message import Message, State, new_message
from tests.sqs_server.queue import Queue
from tests.sqs_server.queue_settings import settings_of


class Life:
    """One queue, driven by dice; time passes only when the dice say so."""

    def __init__(self, *, fifo: bool, seed: int) -> None:
        self.dice = random.Random(seed)
        self.now = 1_000.0
        kind = FifoQueue if fifo else Queue
        self.queue = kind(
            "q", settings_of({}, fifo=fifo), Ledger(Clock()), wake=lambda _queue: None, redrive=lambda *_moved: False
        )
        self.sent: list[str] = []
        self.deleted: list[str] = []
        self.handles: list[str] = []

    def step(self) -> None:
        move = self.dice.choice([self.send, self.send, self.receive, self.receive, self.delete, self.change, self.wait])
        move()
        counts = self.queue.counts(self.now)
        assert min(counts) >= 0
        assert sum(counts) == len(self.sent) - len(self.deleted)

    def send(self) -> None:
        number = len(self.sent)
        message = new_message(
            str(number),
            encoded=b"x",
            attributes={},
            system={},
            sent_at=self.now,
            group=self.dice.choice("abc") if self.queue.fifo or self.dice.random() < 0.5 else None,
        )
        self.sent.append(message.message_id)
        self.queue.put(message, self.now, delay=0.0 if self.queue.fifo else self.dice.choice([0.0, 0.0, 5.0]))

    def receive(self) -> list[Message]:
        flying = {each.message_id for each in self.messages() if each.state is State.IN_FLIGHT}
        busy = {each.group for each in self.messages() if each.state is State.IN_FLIGHT}
        echo = (lambda: self.dice.random() < 0.2) if not self.queue.fifo else None
        echoed = bool(self.queue._echoes)
        taken = self.queue.take(self.dice.randint(1, 10), self.dice.choice([1.0, 10.0, 30.0]), self.now, echo=echo)
        self.handles += [self.queue.handle(each).decode() for each in taken]
        if self.queue.fifo:
            self.in_order(taken, busy)
        elif not echoed:
            assert not flying & {each.message_id for each in taken}
        return taken

    def in_order(self, taken: list[Message], busy: set[str | None]) -> None:
        for group in {each.group for each in taken}:
            assert group not in busy
            here = [each.number for each in taken if each.group == group]
            everyone = [each.number for each in self.messages() if each.group == group]
            assert here == everyone[: len(here)]

    def delete(self) -> None:
        self.queue.promote(self.now)
        if self.handles:
            (message_id, _), done, _ = self.queue.delete(self.dice.choice(self.handles), self.now)
            if done:
                self.deleted.append(message_id)

    def change(self) -> None:
        if self.handles:
            try:
                self.queue.change(self.dice.choice(self.handles), self.dice.choice([0, 0, 20]), self.now)
            except SqsError as error:
                assert error.code in {"MessageNotInflight", "InvalidParameterValue"}  # noqa: PT017  # either is right

    def wait(self) -> None:
        self.now += self.dice.choice([0.5, 5.0, 40.0])

    def messages(self) -> Iterator[Message]:
        self.queue.promote(self.now)
        return iter(self.queue.messages.values())

    def drain(self) -> None:
        """Wait for every lease, and delete everything."""
        for _ in range(len(self.sent) + 1):
            self.now += 50
            for message in self.queue.take(10, 30.0, self.now):
                self.queue.delete(self.queue.handle(message).decode(), self.now)
                self.deleted.append(message.message_id)


@pytest.mark.parametrize("fifo", [False, True])
@settings(max_examples=examples(60), deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_queue_hands_out_everything_and_deletes_each_message_once(*, fifo: bool, seed: int) -> None:
    life = Life(fifo=fifo, seed=seed)
    for _ in range(80):
        life.step()
    life.drain()
    assert sorted(life.deleted) == sorted(life.sent)
    assert life.queue.counts(life.now) == (0, 0, 0)
