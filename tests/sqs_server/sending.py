"""SendMessage and SendMessageBatch."""

import hashlib
from typing import Any

import orjson

from tests.sqs_server.account import Account
from tests.sqs_server.batch import carried_out, checked_entries
from tests.sqs_server.call import Call
from tests.sqs_server.content import LARGEST_CALL, attributes_md5, checked_attributes, checked_body, md5, too_long
from tests.sqs_server.errors import SqsError, bad_parameter, no_parameter
from tests.sqs_server.fifo import FifoQueue
from tests.sqs_server.message import Message, new_message
from tests.sqs_server.queue import Queue

SENDER = "AIDAIENQZJOLO23YVJ4VO"
LONGEST_DELAY = 900
LONGEST_ID = 128
FAILURE = "fleet-failure"
"""The attribute in which a dead letter says which message it was."""


def send_message(account: Account, params: dict[str, Any], call: Call) -> dict[str, Any]:
    queue = account.at(params.get("QueueUrl"))
    return _send(account, queue, params, call.now)


def send_message_batch(account: Account, params: dict[str, Any], call: Call) -> dict[str, Any]:
    queue = account.at(params.get("QueueUrl"))
    entries = checked_entries(params, of="SendMessageBatch")
    size = sum(_size(entry) for entry in entries)
    if size > LARGEST_CALL:
        raise SqsError(
            "BatchRequestTooLong",
            f"Batch requests cannot be longer than {LARGEST_CALL} bytes. You have sent {size} bytes.",
        )
    return carried_out(entries, lambda entry: _send(account, queue, entry, call.now), call.plan)


def _size(entry: dict[str, Any]) -> int:
    size = len(str(entry.get("MessageBody", "")).encode())
    attributes = entry.get("MessageAttributes")
    if not attributes:
        return size
    try:
        return size + checked_attributes(attributes)
    except SqsError:
        return size  # the entry itself will fail, and for that reason


def _send(account: Account, queue: Queue, params: dict[str, Any], now: float) -> dict[str, Any]:
    settings = queue.settings
    encoded = checked_body(params.get("MessageBody"), limit=settings.largest)
    attributes = params.get("MessageAttributes") or {}
    if attributes and len(encoded) + checked_attributes(attributes) > settings.largest:
        raise too_long(settings.largest)
    delay = _delay(queue, params)
    trace = _trace(params)
    group = _group(queue, params)
    system = {"SenderId": SENDER, "SentTimestamp": str(int(account.clock.skewed() * 1000))}
    if group is not None:
        system["MessageGroupId"] = group
    if trace:
        system["AWSTraceHeader"] = trace["StringValue"]
    answer = {"MD5OfMessageBody": ""}
    if attributes:
        answer["MD5OfMessageAttributes"] = attributes_md5(attributes)
    if trace:
        answer["MD5OfMessageSystemAttributes"] = attributes_md5({"AWSTraceHeader": trace})
    if isinstance(queue, FifoQueue):
        key, system["MessageDeduplicationId"] = _deduplication(queue, params, encoded, group)
        if (before := queue.sent_before(key, now)) is not None:
            queue.ledger.add("deduplicated", queue.name, [(before.message_id, 0)], now)
            return {
                **answer,
                "MD5OfMessageBody": md5(encoded),
                "MessageId": before.message_id,
                "SequenceNumber": before.sequence,
            }
        answer["SequenceNumber"] = system["SequenceNumber"] = queue.next_sequence()
        message = _put(queue, params, encoded, attributes=attributes, system=system, group=group, now=now, delay=delay)
        queue.remember(key, message, now)
    else:
        message = _put(queue, params, encoded, attributes=attributes, system=system, group=group, now=now, delay=delay)
    answer["MessageId"], answer["MD5OfMessageBody"] = message.message_id, message.md5_of_body
    return answer


def _put(
    queue: Queue,
    params: dict[str, Any],
    encoded: bytes,
    *,
    attributes: dict[str, Any],
    system: dict[str, str],
    group: str | None,
    now: float,
    delay: float,
) -> Message:
    message = new_message(
        params["MessageBody"], encoded=encoded, attributes=attributes, system=system, sent_at=now, group=group
    )
    queue.ledger.add("send", queue.name, [message.reference], now, **_details(queue, attributes, group, delay))
    queue.put(message, now, delay=delay)
    return message


def _details(queue: Queue, attributes: dict[str, Any], group: str | None, delay: float) -> dict[str, Any]:
    """What the ledger keeps of a send; of a dead letter also which message it buries."""
    kept = {"group": group, "delay": delay, "fifo": queue.fifo}
    if (failure := attributes.get(FAILURE)) is not None:
        try:
            kept["buries"] = orjson.loads(failure["StringValue"])["original_message_id"]
        except (KeyError, TypeError, ValueError):
            return kept
    return kept


def _delay(queue: Queue, params: dict[str, Any]) -> float:
    asked = params.get("DelaySeconds")
    if asked is None:
        return queue.settings.delay
    if queue.fifo:
        if asked:
            raise bad_parameter(
                "DelaySeconds", asked, "The request include parameter that is not valid for this queue type."
            )
        return queue.settings.delay
    if not isinstance(asked, int) or not 0 <= asked <= LONGEST_DELAY:
        raise bad_parameter("DelaySeconds", asked, "DelaySeconds must be >= 0 and <= 900.")
    return float(asked)


def _trace(params: dict[str, Any]) -> dict[str, str] | None:
    given = params.get("MessageSystemAttributes") or {}
    for name, value in given.items():
        if name != "AWSTraceHeader" or value.get("DataType") != "String" or not value.get("StringValue"):
            raise bad_parameter("MessageSystemAttributes", name, "Only AWSTraceHeader of type String is supported.")
    found: dict[str, str] | None = given.get("AWSTraceHeader")
    return found


def _group(queue: Queue, params: dict[str, Any]) -> str | None:
    group = params.get("MessageGroupId")
    if group is None or group == "":
        if queue.fifo:
            raise no_parameter("MessageGroupId")
        return None
    if not isinstance(group, str) or len(group) > LONGEST_ID:
        raise bad_parameter("MessageGroupId", group, "MessageGroupId can only include alphanumeric and punctuation "
                            "characters. 1 to 128 in length.")  # fmt: skip
    return group


def _deduplication(queue: FifoQueue, params: dict[str, Any], encoded: bytes, group: str | None) -> tuple[str, str]:
    """The key under which the queue remembers this send, and the deduplication id itself."""
    name = params.get("MessageDeduplicationId")
    if not name:
        if not queue.settings.deduplicates_content:
            raise SqsError(
                "InvalidParameterValue",
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
                "explicitly",
            )
        name = hashlib.sha256(encoded).hexdigest()
    return (f"{group}\0{name}" if queue.settings.deduplicates_in_group else name), name
