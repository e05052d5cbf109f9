"""StartMessageMoveTask and its companions: dead letters go back to where they came from, as new messages."""

import asyncio
import base64
import uuid
from dataclasses import dataclass
from typing import Any

from tests.sqs_server.account import Account
from tests.sqs_server.call import Call
from tests.sqs_server.errors import SqsError, no_parameter
from tests.sqs_server.fifo import FifoQueue
from tests.sqs_server.message import Message, new_id
from tests.sqs_server.queue import Queue

CHUNK = 100
"""Messages moved between two breaths where no rate is asked for."""
FASTEST = 500
"""Messages a second that SQS takes at most as a rate."""


@dataclass(slots=True, eq=False)
class Task:
    """One task; `started` in milliseconds since the epoch. Without a destination each message goes to its own source."""

    source: Queue
    destination: str
    rate: int
    started: int
    to_move: int
    handle: str = ""
    moved: int = 0
    status: str = "RUNNING"
    reason: str = ""


class MoveTasks:
    def __init__(self, account: Account) -> None:
        self._account = account
        self._tasks: list[Task] = []

    def start(self, account: Account, params: dict[str, Any], call: Call) -> dict[str, Any]:
        source = self._source(params)
        if not account.sources_of(source):
            raise SqsError("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
        destination = params.get("DestinationArn") or ""
        if destination and account.with_arn(destination) is None:
            raise SqsError("ResourceNotFoundException", "The resource that you specified for the DestinationArn parameter "
                           "doesn't exist.")  # fmt: skip
        rate = params.get("MaxNumberOfMessagesPerSecond") or 0
        if not 0 <= rate <= FASTEST:
            raise SqsError("InvalidParameterValue", f"MaxNumberOfMessagesPerSecond must be between 1 and {FASTEST}.")
        if any(task.source is source and task.status in {"RUNNING", "CANCELLING"} for task in self._tasks):
            raise SqsError(
                "InvalidParameterValue",
                "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
            )
        visible, _, _ = source.counts(call.now)
        task = Task(source, destination, rate, int(account.clock.skewed() * 1000), to_move=visible)
        arn = account.arn_of(source)
        task.handle = base64.b64encode(f'{{"taskId":"{uuid.uuid4()}","sourceArn":"{arn}"}}'.encode()).decode()
        self._tasks.append(task)
        asyncio.get_running_loop().call_soon(self._step, task)
        return {"TaskHandle": task.handle}

    def list(self, account: Account, params: dict[str, Any], call: Call) -> dict[str, Any]:
        source = self._source(params)
        found = [task for task in reversed(self._tasks) if task.source.name == source.name]
        return {"Results": [self._describe(task) for task in found[: params.get("MaxResults") or 1]]}

    def cancel(self, account: Account, params: dict[str, Any], call: Call) -> dict[str, Any]:
        task = next((each for each in self._tasks if each.handle == params.get("TaskHandle")), None)
        if task is None or task.status != "RUNNING":
            raise SqsError("ResourceNotFoundException", "Task does not exist.")
        task.status = "CANCELLED"
        return {"ApproximateNumberOfMessagesMoved": task.moved}

    def _source(self, params: dict[str, Any]) -> Queue:
        arn = params.get("SourceArn")
        if not arn:
            raise no_parameter("SourceArn")
        source = self._account.with_arn(arn)
        if source is None:
            raise SqsError(
                "ResourceNotFoundException",
                "The resource that you specified for the SourceArn parameter doesn't exist.",
            )
        return source

    def _describe(self, task: Task) -> dict[str, Any]:
        description: dict[str, Any] = {
            "Status": task.status,
            "SourceArn": self._account.arn_of(task.source),
            "ApproximateNumberOfMessagesMoved": task.moved,
            "ApproximateNumberOfMessagesToMove": task.to_move,
            "StartedTimestamp": task.started,
        }
        if task.status == "RUNNING":
            description["TaskHandle"] = task.handle
        if task.destination:
            description["DestinationArn"] = task.destination
        if task.rate:
            description["MaxNumberOfMessagesPerSecond"] = task.rate
        if task.reason:
            description["FailureReason"] = task.reason
        return description

    def _step(self, task: Task) -> None:
        if task.status != "RUNNING":
            return
        now = self._account.clock.now()
        messages = task.source.waiting(now, 1 if task.rate else CHUNK)
        for message in messages:
            target = self._account.with_arn(task.destination or message.source)
            if target is None or not (task.destination or message.source):
                task.status = "FAILED"
                task.reason = (
                    "AWS.SimpleQueueService.NonExistentQueue" if message.source else "CouldNotDetermineMessageSource"
                )
                return
            self._move(task, message, target, now)
        if not messages:
            task.status = "COMPLETED"
            return
        asyncio.get_running_loop().call_later(1 / task.rate if task.rate else 0, self._step, task)

    def _move(self, task: Task, message: Message, target: Queue, now: float) -> None:
        """A new message with the same content: new id, new time, never received, and retention from the start."""
        old = message.reference
        task.source.depart(message)
        task.moved += 1
        fresh = _renewed(message, target, sent_at=self._account.clock.skewed(), now=now)
        self._account.ledger.add("move", task.source.name, [old], now, to=target.name, new_id=fresh.message_id)
        self._account.ledger.add(
            "send", target.name, [fresh.reference], now, group=fresh.group, delay=0.0, fifo=target.fifo
        )
        target.put(fresh, now)


def _renewed(message: Message, target: Queue, *, sent_at: float, now: float) -> Message:
    system = {key: value for key, value in message.system.items() if key != "DeadLetterQueueSourceArn"}
    system["SentTimestamp"] = str(int(sent_at * 1000))
    if isinstance(target, FifoQueue):
        system["SequenceNumber"] = target.next_sequence()
        system["MessageDeduplicationId"] = message.message_id
    fresh = Message(
        message_id=new_id(),
        body=message.body,
        md5_of_body=message.md5_of_body,
        attributes=message.attributes,
        system=system,
        sent_at=now,
        group=message.group,
    )
    fresh.write()
    return fresh
