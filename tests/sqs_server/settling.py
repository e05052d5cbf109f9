"""DeleteMessage and ChangeMessageVisibility, alone and in batches."""

from typing import Any

from tests.sqs_server.account import Account
from tests.sqs_server.batch import carried_out, checked_entries
from tests.sqs_server.call import Call
from tests.sqs_server.errors import bad_handle, bad_parameter, no_parameter
from tests.sqs_server.ledger import Reference
from tests.sqs_server.queue import LONGEST_LEASE, Queue


def delete_message(account: Account, params: dict[str, Any], call: Call) -> dict[str, Any]:
    deletes = Deletes(account.at(params.get("QueueUrl")), call, strict=account.options.strict)
    try:
        return deletes.one(params)
    finally:
        deletes.write_down()


def delete_message_batch(account: Account, params: dict[str, Any], call: Call) -> dict[str, Any]:
    queue = account.at(params.get("QueueUrl"))
    entries = checked_entries(params, of="DeleteMessageBatch")
    deletes = Deletes(queue, call, strict=account.options.strict)
    answer = carried_out(entries, deletes.one, call.plan)
    deletes.write_down()
    return answer


class Deletes:
    """The deletes of one call, which become one entry of the ledger."""

    def __init__(self, queue: Queue, call: Call, *, strict: bool) -> None:
        self._queue = queue
        self._call = call
        self._now = call.now
        self._strict = strict
        self._done: list[Reference] = []
        self._live: list[bool] = []
        self._ignored: list[Reference] = []
        self._forgotten: list[Reference] = []
        queue.promote(call.now)

    def one(self, entry: dict[str, Any]) -> dict[str, Any]:
        handle = entry.get("ReceiptHandle")
        if not handle:
            raise no_parameter("ReceiptHandle")
        plan = self._call.plan
        if plan is not None and plan.forgets is not None and plan.forgets():
            self._forgotten.append(self._queue.reference(handle))
            return {}
        reference, done, live = self._queue.delete(handle, self._now)
        if done:
            self._done.append(reference)
            self._live.append(live)
            return {}
        self._ignored.append(reference)
        if self._queue.fifo:
            if self._queue.is_here(handle):
                raise bad_parameter("ReceiptHandle", handle, "The receipt handle has expired.")
        elif self._strict:
            raise bad_handle(handle)
        return {}

    def write_down(self) -> None:
        ledger, name, now, asked = self._queue.ledger, self._queue.name, self._call.now, self._call.arrived
        if self._done:
            ledger.add("delete", name, self._done, now, live=self._live, asked=asked)
        if self._ignored:
            ledger.add("delete_ignored", name, self._ignored, now, asked=asked)
        if self._forgotten:
            ledger.add("delete_forgotten", name, self._forgotten, now, asked=asked)


def change_message_visibility(account: Account, params: dict[str, Any], call: Call) -> dict[str, Any]:
    return _change(account.at(params.get("QueueUrl")), params, call)


def change_message_visibility_batch(account: Account, params: dict[str, Any], call: Call) -> dict[str, Any]:
    queue = account.at(params.get("QueueUrl"))
    entries = checked_entries(params, of="ChangeMessageVisibilityBatch")
    return carried_out(entries, lambda entry: _change(queue, entry, call), call.plan)


def _change(queue: Queue, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    handle, seconds = entry.get("ReceiptHandle"), entry.get("VisibilityTimeout")
    if not handle:
        raise no_parameter("ReceiptHandle")
    if seconds is None:
        raise no_parameter("VisibilityTimeout")
    if not isinstance(seconds, int) or not 0 <= seconds <= LONGEST_LEASE:
        raise bad_parameter("VisibilityTimeout", seconds, "Must be between 0 and 43200.")
    reference = queue.change(handle, seconds, call.now)
    if seconds:
        queue.ledger.add("extend", queue.name, [reference], call.now, until=call.now + seconds, asked=call.arrived)
    else:
        queue.ledger.add("release", queue.name, [reference], call.now, asked=call.arrived)
    return {}
