"""SQS in memory: the queues, leases and groups of tests.sqs_server, behind an object that stands where a client stands."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from botocore.parsers import ResponseParserError

from tests.simulation.world.time import EPOCH, SimulatedLoop
from tests.simulation.world.weather import Exchange, Weather, client_error
from tests.sqs_server import sending, settling
from tests.sqs_server.account import ACCOUNT, Account
from tests.sqs_server.call import Call
from tests.sqs_server.clock import Clock
from tests.sqs_server.errors import SqsError
from tests.sqs_server.ledger import Ledger, Reference
from tests.sqs_server.plan import Plan, Refusal
from tests.sqs_server.receiving import Ask, Polls

See = Callable[[str, str, Sequence[Reference], float, dict[str, Any]], None]
"""Called for everything that happens to messages: kind, queue, references, time, more."""


class _VirtualClock(Clock):
    """The server's seconds are the loop's."""

    __slots__ = ("loop",)

    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self.loop = loop

    def now(self) -> float:
        return EPOCH + self.loop.time()

    def skewed(self) -> float:
        return self.now()


class _WatchedLedger(Ledger):
    def __init__(self, clock: Clock, see: See) -> None:
        super().__init__(clock)
        self._see = see

    def add(self, kind: str, queue: str, references: Sequence[Reference], at: float, **more: Any) -> None:
        self._see(kind, queue, references, at - EPOCH, more)


class SimulatedSqs:
    """One account; its dead-letter queues are called `{name}-dlq`."""

    def __init__(self, loop: SimulatedLoop, see: See) -> None:
        self.account = Account(wake=lambda queue: self.polls.wake(queue))  # noqa: PLW0108 - polls come after it
        self.account.url = "http://simulated"
        self.account.clock = _VirtualClock(loop)
        self.account.ledger = _WatchedLedger(self.account.clock, see)
        self.polls = Polls(self.account)
        self.loop = loop

    def create(self, name: str, *, max_receives: int, fifo: bool) -> str:
        """A queue and its dead-letter queue; the name with its ending."""
        ending, more = (".fifo", {"FifoQueue": "true"}) if fifo else ("", {})
        now = self.account.clock.now()
        dead = self.account.create(f"{name}-dlq{ending}", {**more, "MessageRetentionPeriod": "1209600"}, now)
        redrive = {"deadLetterTargetArn": self.account.arn_of(dead), "maxReceiveCount": max_receives}
        attributes = {**more, "RedrivePolicy": orjson.dumps(redrive).decode(), "MessageRetentionPeriod": "1209600"}
        return self.account.create(f"{name}{ending}", attributes, now).name

    def url(self, name: str) -> str:
        return f"{self.account.url}/{ACCOUNT}/{name}"

    def send(self, name: str, params: dict[str, Any]) -> str:
        """As a producer sends, without faults; the message id."""
        now = self.account.clock.now()
        call = Call("SendMessage", name, now, now, lambda _: None, lambda _: None)
        answer = sending.send_message(self.account, {"QueueUrl": self.url(name), **params}, call)
        return str(answer["MessageId"])


class SqsClient:
    """The calls of an SQS client that the adapters use."""

    def __init__(self, sqs: SimulatedSqs, weather: Weather, took: Callable[[str, int], None]) -> None:
        self._sqs = sqs
        self._weather = weather
        self._took = took

    async def receive_message(self, **params: Any) -> Any:
        attempt = params.get("ReceiveRequestAttemptId", "")
        ask = Ask(
            params["QueueUrl"], params["MaxNumberOfMessages"], params["WaitTimeSeconds"], params["VisibilityTimeout"],
            frozenset(params["MessageSystemAttributeNames"]), tuple(params["MessageAttributeNames"]), attempt,
        )  # fmt: skip

        def work(exchange: Exchange) -> None:
            call = self._call("ReceiveMessage", params, exchange)
            answer = self._sqs.polls.receive(ask, call)
            if answer is not None:
                call.answer(answer)
            else:
                exchange.on_gone = call.on_gone

        answer = await self._asked("ReceiveMessage", work)
        for message in (answer.get("Messages") or ()) if isinstance(answer, dict) else ():
            if "ReceiptHandle" in message:
                self._took(message["MessageId"], int(message["ReceiptHandle"].split("+", 2)[1], 16))
        return answer

    async def delete_message_batch(self, **params: Any) -> Any:
        return await self._acted("DeleteMessageBatch", params, settling.delete_message_batch)

    async def change_message_visibility_batch(self, **params: Any) -> Any:
        return await self._acted("ChangeMessageVisibilityBatch", params, settling.change_message_visibility_batch)

    async def send_message(self, **params: Any) -> Any:
        return await self._acted("SendMessage", params, sending.send_message)

    async def send_message_batch(self, **params: Any) -> Any:
        return await self._acted("SendMessageBatch", params, sending.send_message_batch)

    async def _acted(self, action: str, params: dict[str, Any], act: Callable[..., dict[str, Any]]) -> Any:
        def work(exchange: Exchange) -> None:
            call = self._call(action, params, exchange)
            call.answer(orjson.dumps(act(self._sqs.account, params, call)))

        return await self._asked(action, work)

    async def _asked(self, action: str, work: Callable[[Exchange], None]) -> Any:
        def refused_or_done(exchange: Exchange) -> None:
            try:
                work(exchange)
            except SqsError as error:
                exchange.fail(client_error(error.query_code, error.status))

        answer = await self._weather.ask(action, refused_or_done)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _call(self, action: str, params: dict[str, Any], exchange: Exchange) -> Call:
        now = self._sqs.account.clock.now()
        dice, odds = self._weather.dice, self._weather.odds
        plan = None
        if self._weather.strikes(odds.partly):
            plan = Plan()
            error = SqsError("InternalError", "simulated", status=500)
            after = dice.random() < 0.3
            plan.refusals.append(lambda _place, _entry: Refusal(error, after) if dice.random() < 0.5 else None)
        if action == "ReceiveMessage" and odds.echoed:
            plan = plan or Plan()
            plan.echoes = lambda: self._weather.strikes(odds.echoed)
        return Call(
            action,
            params["QueueUrl"],
            now,
            now,
            lambda body: exchange.done(self._shaped(action, body)),
            lambda error: exchange.fail(client_error(error.query_code, error.status)),
            plan,
        )

    def _shaped(self, action: str, body: bytes) -> Any:
        """The answer as a client reads it; now and then something else that came with status 200."""
        answer: dict[str, Any] = {"Successful": [], **orjson.loads(body)} if "Batch" in action else orjson.loads(body)
        if self._weather.strikes(self._weather.odds.odd):
            return odd(action, answer, self._weather.dice)
        return answer


def odd(action: str, answer: dict[str, Any], dice: random.Random) -> Any:
    """An answer of another shape."""
    cut = ResponseParserError("simulated: the answer ended early")
    kinds: list[Any] = [{}, None, "<html>busy</html>", [], cut]
    if action == "ReceiveMessage":
        kinds += [{"Messages": None}]
        if messages := answer.get("Messages"):
            kinds += [{"Messages": [{k: v for k, v in messages[0].items() if k != "Body"}, *messages[1:]]}]
            kinds += [{"Messages": [{k: v for k, v in messages[0].items() if k != "ReceiptHandle"}, *messages[1:]]}]
    elif "Batch" in action:
        kinds += [{"Failed": None, "Successful": None}, {**answer, "Successful": answer["Successful"][1:]}]
    return dice.choice(kinds)
