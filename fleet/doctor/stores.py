"""Tables and buckets: there, shaped as the workers expect, streaming, notifying, and open to this identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleet.doctor.check import Check, Trouble, ask, fault, find_refusal
from fleet.doctor.lifecycle import lifecycle

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_s3 import S3Client

PREFIX = "session-uploads/"
LETTERS = "dead-letters/"

BODIES_KEPT = 30
"""Days for which a body in S3 is kept at least: 14 in a queue, 14 as a dead letter, and some to replay it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a table must look like; `stream` is the variable of its stream's ARN, where it has one."""

    name: str
    keys: tuple[str, ...]
    expires_by: str
    index: bool = False
    stream: str | None = None

    @property
    def variable(self) -> str:
        return f"{self.name.upper()}_TABLE_NAME"


TABLES = (
    Shape("sessions", ("sessionId",), "expiresAt", stream="SESSIONS_STREAM_ARN"),
    Shape("reminders", ("PK", "SK"), "TTL", index=True, stream="REMINDERS_STREAM_ARN"),
    Shape("webhooks", ("PK", "SK"), "TTL", index=True, stream="WEBHOOKS_STREAM_ARN"),
    Shape("ledger", ("key",), "expiresAt"),
)


async def table(dynamodb: DynamoDBClient, shape: Shape, environment: Mapping[str, str]) -> list[Check]:
    """One table, its stream and its time to live."""
    what, name = f"table {shape.name}", environment[shape.variable]
    try:
        described: Any = (await ask(dynamodb.describe_table(TableName=name)))["Table"]
    except Trouble as trouble:
        return [fault(what, trouble, variable=shape.variable)]
    checks = [_shape(what, shape, described), await _time_to_live(dynamodb, shape, name)]
    if shape.stream is not None:
        checks.append(_stream(shape, described, environment.get(shape.stream, "")))
    return checks


async def upload_bucket(s3: S3Client, name: str, queue_arn: str) -> list[Check]:
    """The bucket for uploads, and that it tells the uploads queue."""
    what = "bucket uploads"
    try:
        await ask(s3.head_bucket(Bucket=name))
        answer: Any = await ask(s3.get_bucket_notification_configuration(Bucket=name))
    except Trouble as trouble:
        return [fault(what, trouble, variable="UPLOAD_BUCKET_NAME")]
    own = [one for one in answer.get("QueueConfigurations", []) if one["QueueArn"] == queue_arn]
    return [Check(what, "ok", name), _notification(own)]


async def audit_bucket(s3: S3Client, name: str) -> Check:
    """The bucket of the archive; without s3:ListBucket S3 answers 403 where it should say 404."""
    try:
        found: Any = await ask(s3.list_objects_v2(Bucket=name, Prefix="digests/", MaxKeys=1))
    except Trouble as trouble:
        return fault("bucket audit", trouble, variable="AUDIT_BUCKET_NAME")
    return Check("bucket audit", "ok", "has digests" if found.get("KeyCount") else "no digest yet")


async def claim_check_bucket(s3: S3Client, name: str) -> list[Check]:
    """The bucket of bodies above the queue's limit: one that can be listed, and that forgets neither too early nor never."""
    what = "bucket claim checks"
    try:
        await ask(s3.list_objects_v2(Bucket=name, MaxKeys=1))
    except Trouble as trouble:
        return [fault(what, trouble, variable="CLAIM_CHECK_BUCKET_NAME")]
    remedy = (
        f"let its objects expire, after {BODIES_KEPT} days or more: a message and its dead letter point to one for 28"
    )
    kept = await lifecycle(s3, "lifecycle of claim checks", name, least=BODIES_KEPT, if_never=remedy, if_early=remedy)
    return [Check(what, "ok", name), kept]


async def dead_letter_bucket(s3: S3Client, name: str, *, days: int) -> list[Check]:
    """The bucket of archived dead letters, and whether it forgets them, but not before `days` are over."""
    what = "bucket dlq-archive"
    try:
        await ask(s3.list_objects_v2(Bucket=name, Prefix=LETTERS, MaxKeys=1))
    except Trouble as trouble:
        return [fault(what, trouble, variable="DLQ_ARCHIVE_BUCKET_NAME")]
    kept = await lifecycle(
        s3,
        "lifecycle of dlq-archive",
        name,
        below=LETTERS,
        least=days,
        if_never=f"deploy the messaging stack, or give {LETTERS} a lifecycle rule (an emulator may not keep it)",
        if_early="set DLQ_ARCHIVE_DAYS to {days} at most, or change the rule",
    )
    return [Check(what, "ok", name), kept]


def _shape(what: str, shape: Shape, described: Mapping[str, Any]) -> Check:
    keys = tuple(key["AttributeName"] for key in described["KeySchema"])
    indexes = {index["IndexName"] for index in described.get("GlobalSecondaryIndexes", [])}
    remedy = "deploy the messaging stack: this is another table"
    if keys != shape.keys:
        return Check(what, "fault", f"its key is {', '.join(keys)}", remedy)
    if shape.index and "GSI1" not in indexes:
        return Check(what, "fault", "it has no index GSI1", remedy)
    if described["TableStatus"] not in {"ACTIVE", "UPDATING"}:
        return Check(what, "fault", described["TableStatus"], "wait until it is ACTIVE")
    return Check(what, "ok", described["TableStatus"])


async def _time_to_live(dynamodb: DynamoDBClient, shape: Shape, name: str) -> Check:
    what = f"time to live of {shape.name}"
    try:
        answer: Any = (await ask(dynamodb.describe_time_to_live(TableName=name)))["TimeToLiveDescription"]
    except Trouble as trouble:
        return Check(what, "warning", trouble.code, trouble.remedy)
    if answer.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"} and answer.get("AttributeName") == shape.expires_by:
        return Check(what, "ok", shape.expires_by)
    remedy = f"enable it for {shape.expires_by}; without it old rows stay for ever (an emulator may not know it)"
    return Check(what, "warning", "not enabled", remedy)


def _stream(shape: Shape, described: Mapping[str, Any], expected: str) -> Check:
    what = f"stream of {shape.name}"
    view = described.get("StreamSpecification", {}).get("StreamViewType")
    if view != "NEW_AND_OLD_IMAGES":
        remedy = "the archive needs both images: set StreamViewType NEW_AND_OLD_IMAGES"
        return Check(what, "fault", view or "no stream", remedy)
    if expected and described.get("LatestStreamArn") != expected:
        remedy = f"the stream was switched off and on: correct {shape.stream}, and make a new pipe"
        return Check(what, "fault", "another stream than configured", remedy)
    return Check(what, "ok", view)


async def permissions(dynamodb: DynamoDBClient, shape: Shape, name: str) -> Check:
    """An update whose condition never holds: refused for its condition where writing is permitted, and changes nothing."""
    what = f"permissions on {shape.name}"
    call = dynamodb.update_item(
        TableName=name,
        Key={key: {"S": "fleet-doctor"} for key in shape.keys},
        UpdateExpression="SET doctor = :here",
        ConditionExpression="attribute_exists(#key) AND attribute_not_exists(#key)",
        ExpressionAttributeNames={"#key": shape.keys[0]},
        ExpressionAttributeValues={":here": {"BOOL": True}},
    )
    refusal = await find_refusal(call, harmless=frozenset({"ConditionalCheckFailedException"}))
    if refusal:
        return Check(what, "fault", f"dynamodb:UpdateItem: {refusal}", "allow dynamodb:UpdateItem to this identity")
    return Check(what, "ok", "may write")


def _notification(configured: Sequence[Mapping[str, Any]]) -> Check:
    what, remedy = (
        "notification of uploads",
        "deploy the messaging stack: it sends created, removed and expired objects",
    )
    kinds = {event.removeprefix("s3:").partition(":")[0] for one in configured for event in one["Events"]}
    prefixes = {
        rule["Value"]
        for one in configured
        for rule in one.get("Filter", {}).get("Key", {}).get("FilterRules", [])
        if rule["Name"].lower() == "prefix"
    }
    if not kinds >= {"ObjectCreated", "ObjectRemoved", "LifecycleExpiration"}:
        return Check(what, "fault", f"only {', '.join(sorted(kinds)) or 'nothing'} for the uploads queue", remedy)
    if prefixes != {PREFIX}:
        return Check(what, "fault", f"below {', '.join(sorted(prefixes)) or 'everything'}", remedy)
    return Check(what, "ok", f"created, removed and expired below {PREFIX}")
