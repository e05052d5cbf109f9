"""Queues: there, joined to their dead-letter queues, kept long enough, and open to the workers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fleet.doctor.check import Check, State, Trouble, ask, fault, find_refusal
from shared.settings import variable
from shared.worker import Limits

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

NO_HANDLE = "AQEBdoctor"
"""No message has this receipt handle: the calls that take one change nothing and still ask for permission."""

NOBODY_HOME = frozenset({"ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight", "InvalidIdFormat"})


async def queue(sqs: SQSClient, name: str, environment: Mapping[str, str]) -> list[Check]:
    """The logical queue `name` and its dead-letter queue."""
    url_variable, dead_variable = f"{variable(name)}_QUEUE_URL", f"{variable(name)}_DLQ_URL"
    try:
        own = await _attributes(sqs, environment[url_variable])
    except Trouble as trouble:
        return [fault(f"queue {name}", trouble, variable=url_variable)]
    try:
        dead = await _attributes(sqs, environment[dead_variable])
    except Trouble as trouble:
        return [_own(name, own), fault(f"dead letters of {name}", trouble, variable=dead_variable)]
    return [_own(name, own), _redrive(name, own, dead), _dead(name, own, dead)]


async def check_dead_letters(sqs: SQSClient, url: str) -> Check:
    """The queue of events that EventBridge could not deliver."""
    what = "queue events-undelivered"
    try:
        waiting = int((await _attributes(sqs, url))["ApproximateNumberOfMessages"])
    except Trouble as trouble:
        return fault(what, trouble, variable="EVENTS_UNDELIVERED_QUEUE_URL")
    if waiting:
        remedy = "read their error attributes: a rule's target refuses events"
        return Check(what, "warning", f"{waiting} events were not delivered", remedy)
    return Check(what, "ok", "empty")


async def _attributes(sqs: SQSClient, url: str) -> Mapping[str, str]:
    answer: Any = await ask(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]))
    attributes: Mapping[str, str] = answer["Attributes"]
    return attributes


def _own(name: str, own: Mapping[str, str]) -> Check:
    if not own.get("Policy"):
        remedy = "docs/deploy.md, Changed by hand: the messaging stack gives each queue a policy"
        return Check(f"queue {name}", "fault", "no policy: S3 and rules are refused, and others are not", remedy)
    waiting, in_hand = own["ApproximateNumberOfMessages"], own["ApproximateNumberOfMessagesNotVisible"]
    return Check(f"queue {name}", "ok", f"{waiting} waiting, {in_hand} in hand")


def _redrive(name: str, own: Mapping[str, str], dead: Mapping[str, str]) -> Check:
    what = f"redrive of {name}"
    policy = json.loads(own.get("RedrivePolicy", "{}"))
    if policy.get("deadLetterTargetArn") != dead["QueueArn"]:
        found = policy.get("deadLetterTargetArn", "no redrive policy")
        return Check(what, "fault", found, f"deploy the messaging stack: it must name {dead['QueueArn']}")
    count = int(policy["maxReceiveCount"])
    wanted = Limits().max_receives
    if count < wanted:
        remedy = f"raise maxReceiveCount to {wanted}: SQS moves a message without a reason, also one that only waited"
        return Check(what, "fault", f"after {count} receipts", remedy)
    return Check(what, "ok", f"after {count} receipts")


def _dead(name: str, own: Mapping[str, str], dead: Mapping[str, str]) -> Check:
    kept, source = int(dead["MessageRetentionPeriod"]), int(own["MessageRetentionPeriod"])
    what, letters = f"dead letters of {name}", int(dead["ApproximateNumberOfMessages"])
    if kept <= source:
        remedy = "keep dead letters longer than the queue keeps messages: their age counts from the first send"
        return Check(what, "fault", f"kept {kept // 86_400} days, the queue's own {source // 86_400}", remedy)
    state: State = "warning" if letters else "ok"
    remedy = "read the reason in their attribute fleet-failure" if letters else ""
    return Check(what, state, f"{letters} letters, kept {kept // 86_400} days", remedy)


async def permissions(sqs: SQSClient, name: str, url: str) -> Check:
    """Whether this identity may do with the queue's messages what its worker does; a handle that nobody has changes nothing."""
    what = f"permissions on {name}"
    extend = sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=NO_HANDLE, VisibilityTimeout=0)
    delete = sqs.delete_message(QueueUrl=url, ReceiptHandle=NO_HANDLE)
    calls = {"sqs:ChangeMessageVisibility": extend, "sqs:DeleteMessage": delete}
    refused = {
        action: code for action, call in calls.items() if (code := await find_refusal(call, harmless=NOBODY_HOME))
    }
    if refused:
        listed = ", ".join(f"{action}: {code}" for action, code in refused.items())
        return Check(what, "fault", listed, f"allow {', '.join(refused)} to this identity")
    return Check(what, "ok", "may extend and delete")
