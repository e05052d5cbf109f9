"""From a request's bytes to an answer's: which action, which faults, whose work, and what the client gets to see."""

import asyncio
import itertools
import sys
import traceback
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import orjson

from tests.sqs_server import queue_actions, sending, settling
from tests.sqs_server.account import Account, Options
from tests.sqs_server.call import Call
from tests.sqs_server.errors import SqsError
from tests.sqs_server.faults import Rules
from tests.sqs_server.move_tasks import MoveTasks
from tests.sqs_server.plan import Ending, Plan
from tests.sqs_server.queue import Queue
from tests.sqs_server.receiving import Ask, Polls, ask_of
from tests.sqs_server.signatures import access_key, check_signature, check_time
from tests.sqs_server.wire import Connection, header, response

Action = Callable[[Account, dict[str, Any], Call], dict[str, Any]]
TARGET = b"amazonsqs."
RECEIVE = "ReceiveMessage"


class Service:
    """The SQS of one account, as its connections see it."""

    def __init__(self, options: Options | None = None) -> None:
        self.account = Account(wake=self._wake, options=options)
        self.polls = Polls(self.account)
        self.rules = Rules()
        self.connections: set[Connection] = set()
        tasks = MoveTasks(self.account)
        self._actions: dict[str, Action] = {
            "SendMessage": sending.send_message,
            "SendMessageBatch": sending.send_message_batch,
            "DeleteMessage": settling.delete_message,
            "DeleteMessageBatch": settling.delete_message_batch,
            "ChangeMessageVisibility": settling.change_message_visibility,
            "ChangeMessageVisibilityBatch": settling.change_message_visibility_batch,
            "CreateQueue": queue_actions.create_queue,
            "DeleteQueue": queue_actions.delete_queue,
            "GetQueueUrl": queue_actions.get_queue_url,
            "GetQueueAttributes": queue_actions.get_queue_attributes,
            "SetQueueAttributes": queue_actions.set_queue_attributes,
            "ListQueues": queue_actions.list_queues,
            "ListDeadLetterSourceQueues": queue_actions.list_dead_letter_source_queues,
            "PurgeQueue": queue_actions.purge_queue,
            "StartMessageMoveTask": tasks.start,
            "ListMessageMoveTasks": tasks.list,
            "CancelMessageMoveTask": tasks.cancel,
        }
        self._names = {name.lower().encode(): name for name in (*self._actions, RECEIVE)}
        self._numbers = itertools.count(1)
        self._second = 0
        self._date = ""

    def serve(self, connection: Connection, head: bytes, lower: bytes, body: bytes) -> None:
        """Take one request: at once, or after the time that a fault puts before it."""
        account = self.account
        now = account.clock.now()
        action = self._names.get(header(lower, lower, b"x-amz-target").removeprefix(TARGET), "")
        exchange = Exchange(self, connection)
        call = Call(action, "", now, now, exchange.answer, exchange.refuse)
        exchange.call = call
        try:
            if not action:
                raise SqsError("UnknownOperationException", "The requested operation is not known.")  # noqa: TRY301  # one door for all refusals
            if account.options.keep_requests:
                account.ledger.asked.append((action, body))
            asked: Ask | dict[str, Any] = ask_of(body) if action == RECEIVE else orjson.loads(body)
            url = asked.url if isinstance(asked, Ask) else asked.get("QueueUrl")
            call.queue = str(url or "").rpartition("/")[2]
            if account.options.secrets:
                check_signature(head, lower, body, account.options.secrets)
            if account.clock.skew:
                check_time(head, lower, account.clock.skewed())
        except SqsError as error:
            exchange.refuse(error)
            return
        except (orjson.JSONDecodeError, AttributeError, TypeError):
            exchange.refuse(SqsError("SerializationException", "The request is not JSON object of the right shape."))
            return
        if self.rules.running:
            content = {} if isinstance(asked, Ask) else asked
            call.plan = self.rules.plan(action, call.queue, access_key(head, lower), content)
            if call.plan is not None and call.plan.before:
                asyncio.get_running_loop().call_later(call.plan.before, self._work, exchange, asked)
                return
        self._work(exchange, asked)

    def _work(self, exchange: "Exchange", asked: Ask | dict[str, Any]) -> None:
        call = exchange.call
        plan = call.plan
        if plan is not None:
            call.now = self.account.clock.now()
            if plan.instead is not None:
                exchange.end(plan.instead, plan)
                return
            if plan.error is not None:
                exchange.refuse(plan.error)
                return
        try:
            if isinstance(asked, Ask):
                answer = self.polls.receive(asked, call)
                if answer is None:
                    exchange.connection.on_gone = exchange.gone
                    return
            else:
                answer = orjson.dumps(self._actions[call.action](self.account, asked, call))
        except SqsError as error:
            exchange.refuse(error)
            return
        except Exception as error:  # noqa: BLE001  # a fault of the server must not look like one of its client
            traceback.print_exception(error, file=sys.stderr)
            exchange.refuse(SqsError("InternalFailure", f"{type(error).__name__}: {error}", status=500))
            return
        exchange.answer(answer)

    def headers(self) -> bytes:
        """What every answer carries."""
        second = int(self.account.clock.skewed())
        if second != self._second:
            self._second, self._date = second, formatdate(second, usegmt=True)
        return (
            f"x-amzn-RequestId: {next(self._numbers):08x}-5a5a-5a5a-8a5a-5a5a5a5a5a5a\r\nDate: {self._date}\r\n"
            "Content-Type: application/x-amz-json-1.0\r\n"
        ).encode()

    def _wake(self, queue: Queue) -> None:
        self.polls.wake(queue)


class Exchange:
    """A request and the answer that it is owed."""

    __slots__ = ("_service", "call", "connection")

    call: Call

    def __init__(self, service: Service, connection: Connection) -> None:
        self._service = service
        self.connection = connection

    def answer(self, body: bytes) -> None:
        self._finish("ok", 200, body, b"")

    def refuse(self, error: SqsError) -> None:
        body = orjson.dumps({"__type": error.type_name, "message": error.message})
        fault = "Sender" if error.is_senders else "Receiver"
        self._finish(error.code, error.status, body, f"x-amzn-query-error: {error.query_code};{fault}\r\n".encode())

    def gone(self) -> None:
        """The client has hung up while it waited."""
        self.call.on_gone()
        self._service.account.ledger.request(self.call, "gone")

    def end(self, ending: Ending, plan: Plan, whole: bytes = b"", *, done: bool = False) -> None:
        """Give the client less than an answer."""
        outcome = f"{ending.name.lower()} {'after' if done else 'instead of'} the work"
        self._service.account.ledger.request(self.call, outcome)
        self.connection.on_gone = None
        match ending:
            case Ending.RESET:
                self.connection.reset()
            case Ending.CUT:
                self.connection.cut(whole[:-5])
            case Ending.SILENCE:
                asyncio.get_running_loop().call_later(plan.silence, self.connection.reset)

    def _finish(self, outcome: str, status: int, body: bytes, more: bytes) -> None:
        call, service = self.call, self._service
        whole = response(status, body, service.headers() + more)
        plan = call.plan
        if plan is not None and plan.then is not None and outcome == "ok":
            self.end(plan.then, plan, whole, done=True)
            return
        service.account.ledger.request(call, outcome)
        if plan is not None and plan.after:
            self.connection.on_gone = None
            asyncio.get_running_loop().call_later(plan.after, self.connection.reply, whole)
        else:
            self.connection.reply(whole)
