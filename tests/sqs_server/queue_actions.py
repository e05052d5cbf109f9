"""What is asked of queues themselves: their creation, attributes, names, and end."""

from typing import Any

from tests.sqs_server.account import Account
from tests.sqs_server.call import Call
from tests.sqs_server.errors import SqsError, no_parameter
from tests.sqs_server.queue import Queue
from tests.sqs_server.queue_settings import COUNTS, EVERY

PURGE_PAUSE = 60.0
"""Seconds for which SQS purges, and refuses to purge again."""


def create_queue(account: Account, params: dict[str, Any], call: Call) -> dict[str, Any]:
    name = params.get("QueueName")
    if not name:
        raise no_parameter("QueueName")
    queue = account.create(name, params.get("Attributes") or {}, call.now)
    return {"QueueUrl": account.url_of(queue)}


def delete_queue(account: Account, params: dict[str, Any], call: Call) -> dict[str, Any]:
    account.delete(account.at(params.get("QueueUrl")), call.now)
    return {}


def get_queue_url(account: Account, params: dict[str, Any], call: Call) -> dict[str, Any]:
    return {"QueueUrl": account.url_of(account.named(params.get("QueueName")))}


def get_queue_attributes(account: Account, params: dict[str, Any], call: Call) -> dict[str, Any]:
    queue = account.at(params.get("QueueUrl"))
    names = params.get("AttributeNames") or []
    for name in names:
        if name not in EVERY:
            raise SqsError("InvalidAttributeName", f"Unknown Attribute {name}.")
    queue.sweep(call.now)
    found = {
        **queue.settings.given,
        **dict(zip(COUNTS, map(str, queue.counts(call.now)), strict=True)),
        "CreatedTimestamp": str(int(queue.created_at)),
        "LastModifiedTimestamp": str(int(queue.modified_at)),
        "QueueArn": account.arn_of(queue),
    }
    chosen = found if "All" in names else {name: found[name] for name in names if name in found}
    return {"Attributes": chosen} if chosen else {}


def set_queue_attributes(account: Account, params: dict[str, Any], call: Call) -> dict[str, Any]:
    queue = account.at(params.get("QueueUrl"))
    attributes = params.get("Attributes")
    if not attributes:
        raise no_parameter("Attributes")
    if attributes.get("FifoQueue", queue.settings.given.get("FifoQueue")) != queue.settings.given.get("FifoQueue"):
        raise SqsError("InvalidAttributeName", "Unknown Attribute FifoQueue.")
    queue.settings.change(attributes)
    queue.modified_at = account.clock.skewed()
    return {}


def list_queues(account: Account, params: dict[str, Any], call: Call) -> dict[str, Any]:
    prefix = params.get("QueueNamePrefix") or ""
    found = [queue for name, queue in sorted(account.queues.items()) if name.startswith(prefix)]
    return _page(account, found, params, "QueueUrls")


def list_dead_letter_source_queues(account: Account, params: dict[str, Any], call: Call) -> dict[str, Any]:
    found = account.sources_of(account.at(params.get("QueueUrl")))
    return {"queueUrls": [], **_page(account, found, params, "queueUrls")}


def _page(account: Account, queues: list[Queue], params: dict[str, Any], member: str) -> dict[str, Any]:
    start = int(params.get("NextToken") or 0)
    size = params.get("MaxResults") or 1_000
    page = queues[start : start + size]
    answer: dict[str, Any] = {member: [account.url_of(queue) for queue in page]} if page else {}
    if params.get("MaxResults") and start + size < len(queues):
        answer["NextToken"] = str(start + size)
    return answer


def purge_queue(account: Account, params: dict[str, Any], call: Call) -> dict[str, Any]:
    queue = account.at(params.get("QueueUrl"))
    if call.now < queue.purged_at + PURGE_PAUSE:
        raise SqsError(
            "PurgeQueueInProgress", f"Only one PurgeQueue operation on {queue.name} is allowed every 60 seconds."
        )
    queue.purged_at = call.now
    queue.purge(call.now)
    return {}
