"""What kind of dead letter this is, whether it can be sent again, where to, and why not; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

import orjson

from fleet.dead_letters.model.letter import RESTORED, DeadLetter, reason_of

Shape = Literal[
    "sqs",
    "eventbridge-rule",
    "eventbridge-bus",
    "scheduler",
    "lambda-async",
    "lambda-stream",
    "pipe-stream",
    "sns",
    "unknown",
]
SHAPES: tuple[str, ...] = get_args(Shape)

STREAM_KEEPS = timedelta(hours=24)
"""How long a DynamoDB stream holds its records."""

ERROR_ATTRIBUTES = frozenset(
    """
    RULE_ARN TARGET_ARN ERROR_CODE ERROR_MESSAGE EXHAUSTED_RETRY_CONDITION RETRY_ATTEMPTS SCHEDULE_ARN SCHEDULED_TIME
    EXECUTION_ID EXECUTION_TIME IS_PAYLOAD_TRUNCATED RequestID ErrorCode ErrorMessage
    """.split()
)
"""What AWS writes on the letters that it parks; none of it goes back to a target."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What feeds this dead-letter queue: ARNs of queues whose redrive policy names it, and logical names of the fleet."""

    queue_arn: str = ""
    sources: tuple[str, ...] = ()
    named: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where the records of a failed stream batch still are: both sequence numbers belong to it."""

    stream: str
    shard: str
    start: str
    end: str
    size: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What can be done with a letter. `destination` is an ARN, or "" where only `--to` can name one; `topic` is the ARN
    of the SNS topic that it came through. `unreadable`: no message can be made of it, also not for `--to`.
    """

    shape: Shape
    replayable: bool
    destination: str = ""
    why_not: str = ""
    error_code: str = ""
    pointer: Pointer | None = None
    topic: str = ""
    unreadable: bool = False


def standing(letter: DeadLetter, *, now: datetime, origin: Origin) -> Standing:
    """Judge one letter by its required keys and attributes; unknown keys are ignored."""
    if reason_of(letter) is not None or letter.moved_from or letter.written(RESTORED).get("moved_from"):
        return _from_sqs(letter, origin)
    body = _json(letter.body)
    if isinstance(body.get("DDBStreamBatchInfo"), dict):
        return _pointer(body, body["DDBStreamBatchInfo"], now)
    if {"failedMessages", "busArn"} <= body.keys() or {"failedMessages", "subscriberArn"} <= body.keys():
        return _from_new_bus(body)
    return _failed_invocation(body) or _parked_by_aws(letter, body) or _unknown(body)


TEST_EVENT = "s3:TestEvent is not a failure, S3 sent it to test a notification: archive or purge it"


def _parked_by_aws(letter: DeadLetter, body: Mapping[str, Any]) -> Standing | None:
    if letter.text("SCHEDULE_ARN"):
        return _to_target(letter, "scheduler")
    if letter.text("RULE_ARN"):
        return _to_target(letter, "eventbridge-rule")
    if body.get("Type") == "Notification" and body.get("TopicArn"):
        return _from_topic(letter, body)
    if letter.text("RequestID") and letter.text("ErrorCode"):
        why = "the letter does not name its function: give it with --to arn:aws:lambda:..."
        return Standing("lambda-async", replayable=True, why_not=why, error_code=letter.text("ErrorCode"))
    return None


def _failed_invocation(body: Mapping[str, Any]) -> Standing | None:
    """The record of an on-failure destination, which names the function; a function's dead-letter queue does not."""
    match body:
        case {"requestContext": {"functionArn": str(function), **context}}:
            failed = body.get("responsePayload")
            named = failed.get("errorType") if isinstance(failed, dict) else None
            code = str(named or context.get("condition") or "")
            if "requestPayload" not in body or not is_reachable(function):
                why = "the record holds no event, or names no function"
                return Standing("lambda-async", replayable=False, why_not=why, error_code=code)
            return Standing("lambda-async", replayable=True, destination=function, error_code=code)
        case _:
            return None


def _unknown(body: Mapping[str, Any]) -> Standing:
    if _is_test_event(body):
        return Standing("unknown", replayable=False, why_not=TEST_EVENT)
    return Standing("unknown", replayable=False, why_not="unrecognised letter: name its destination with --to")


def is_sendable_by_hand(standing: Standing) -> bool:
    """True where `--to` is enough: the letter holds the whole message."""
    if standing.unreadable:
        return False
    return standing.replayable or (standing.shape == "unknown" and standing.why_not != TEST_EVENT)


def arn_name(arn: str) -> str:
    """The last part of an ARN."""
    return re.split("[:/]", arn)[-1]


def _from_sqs(letter: DeadLetter, origin: Origin) -> Standing:
    if _is_test_event(_json(letter.body)):
        return Standing("sqs", replayable=False, why_not=TEST_EVENT)
    reason = reason_of(letter)
    restored = str(letter.written(RESTORED).get("moved_from") or "")
    claims = {_source(reason.source_queue, origin)} if reason is not None else set[str]()
    claims |= {restored} if restored else set()
    if (moved_from := letter.moved_from) or (len(claims) > 1 and "" not in claims):
        if against := sorted(claims - {moved_from, ""}):
            seen = f"SQS moved it from {arn_name(moved_from)}" if moved_from else "its attributes contradict each other"
            why = f"{seen}, and the letter says {' and '.join(map(arn_name, against))}: name its destination with --to"
            return Standing("sqs", replayable=True, why_not=why)
        return Standing("sqs", replayable=True, destination=moved_from)
    found = max(claims, default="")
    if found and origin.sources and found not in origin.sources:
        names = ", ".join(map(arn_name, origin.sources))
        if reason is not None and not restored and len(origin.sources) == 1 and reason.source_queue not in origin.named:
            why = f"the letter says {arn_name(found)}, which nobody here knows; {names} alone feeds this queue"
            return Standing("sqs", replayable=True, destination=origin.sources[0], why_not=why)
        why = f"the letter says {arn_name(found)}, and this queue is fed by {names}: name its destination with --to"
        return Standing("sqs", replayable=True, why_not=why)
    why = "" if found else "its source queue is not known here: name it with --to"
    return Standing("sqs", replayable=True, destination=found, why_not=why)


def _source(name: str, origin: Origin) -> str:
    """The ARN of the queue that an envelope calls `name`: by its very name, by the fleet's own, or the only one there is."""
    exact = [arn for arn in origin.sources if name and arn_name(arn) == name]
    if exact:
        return exact[0]
    if name in origin.named:
        return origin.named[name]
    alike = [arn for arn in origin.sources if name and f"-{name}-" in f"-{arn_name(arn)}-"]
    if len(alike) == 1:
        return alike[0]
    only = origin.sources[0] if len(origin.sources) == 1 else ""
    return f"{only.rpartition(':')[0]}:{name}" if only and name else only  # it says another one: a contradiction


def _to_target(letter: DeadLetter, shape: Literal["scheduler", "eventbridge-rule"]) -> Standing:
    target, code = letter.text("TARGET_ARN"), letter.text("ERROR_CODE")
    if letter.text("IS_PAYLOAD_TRUNCATED").lower() == "true":
        return Standing(
            shape, replayable=False, why_not="the input was truncated: run the schedule again", error_code=code
        )
    if not target:
        return Standing(shape, replayable=True, why_not="it names no TARGET_ARN: give --to", error_code=code)
    if not is_reachable(target):
        why = f"its target is neither a queue nor a function ({arn_name(target)}): give --to"
        return Standing(shape, replayable=True, why_not=why, error_code=code)
    return Standing(shape, replayable=True, destination=target, error_code=code)


def is_reachable(arn: str) -> bool:
    """True for a queue or a Lambda function."""
    return re.fullmatch(r"arn:aws[a-z-]*:(sqs:[^:]*:[^:]*:[^:]+|lambda:[^:]*:[^:]*:function:.+)", arn) is not None


def _from_new_bus(body: Mapping[str, Any]) -> Standing:
    bus = arn_name(str(body.get("busArn") or "")) or "its bus"
    why = f"holds event ids only, no event: start a replay from the event archive of {bus}"
    return Standing("eventbridge-bus", replayable=False, why_not=why, error_code=str(body.get("errorCode") or ""))


def _from_topic(letter: DeadLetter, body: Mapping[str, Any]) -> Standing:
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html: only the unsubscribe link names the
    subscription, and nothing names its endpoint; `topics.routed` asks SNS for it.
    """
    found = re.search(r"SubscriptionArn=(arn:[^&\s]+)", str(body.get("UnsubscribeURL") or ""))
    seen = f" of {arn_name(str(body['TopicArn']))}, subscription {arn_name(found[1])}" if found else ""
    why = f"give the subscription's endpoint{seen} with --to; the topic itself would reach every subscriber"
    topic = str(body["TopicArn"])
    return Standing("sns", replayable=True, why_not=why, error_code=letter.text("ErrorCode"), topic=topic)


def _pointer(body: Mapping[str, Any], batch: Mapping[str, Any], now: datetime) -> Standing:
    context = body.get("requestContext") or body.get("context")
    shape: Shape = "lambda-stream" if isinstance(body.get("requestContext"), dict) else "pipe-stream"
    code = str(context.get("condition") or "") if isinstance(context, dict) else ""
    size = batch.get("batchSize")
    stream, shard, start, end = (
        str(batch.get(name) or "") for name in ("streamArn", "shardId", "startSequenceNumber", "endSequenceNumber")
    )
    pointer = Pointer(stream, shard, start, end, size=size if isinstance(size, int) else 0)
    written = _instant(batch.get("approximateArrivalOfFirstRecord") or body.get("timestamp"))
    if written is None or not all((pointer.stream, pointer.shard, pointer.start, pointer.end)):
        return Standing(shape, replayable=False, why_not="pointer is incomplete", error_code=code, pointer=pointer)
    if not _STREAM.fullmatch(stream) or not all(map(_SEQUENCE.fullmatch, (start, end))):
        why = "pointer is malformed: it names no stream of a table, or no sequence numbers"
        return Standing(shape, replayable=False, why_not=why, error_code=code, pointer=pointer)
    if now - written >= STREAM_KEEPS:
        why = f"pointer expired: the stream held its records until {(written + STREAM_KEEPS).isoformat()}"
        return Standing(shape, replayable=False, why_not=why, error_code=code, pointer=pointer)
    left = int((written + STREAM_KEEPS - now).total_seconds() // 60)
    why = (
        f"pointer only: records {pointer.start} to {pointer.end} of {pointer.shard} can be read again for "
        f"{left // 60} h {left % 60} min; name the queue that takes them with --to"
    )
    return Standing(shape, replayable=True, why_not=why, error_code=code, pointer=pointer)


_STREAM = re.compile(r"arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]*:table/[^/]+/stream/.+")


_SEQUENCE = re.compile(r"[0-9]{1,40}")


def _instant(given: Any) -> datetime | None:
    """In UTC; None where it is not a time with a zone, or one at the end of the calendar."""
    try:
        found = datetime.fromisoformat(str(given))
        return found.astimezone(UTC) if found.tzinfo is not None and 1971 < found.year < 9000 else None
    except (ValueError, OverflowError):
        return None


def _is_test_event(body: Mapping[str, Any]) -> bool:
    return body.get("Event") == "s3:TestEvent"


def _json(body: str) -> Mapping[str, Any]:
    try:
        found = orjson.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
