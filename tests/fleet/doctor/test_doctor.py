"""The doctor finds a sound fleet sound, and names each fault with what to do about it."""

import json
import os
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from botocore.exceptions import ClientError
from click.testing import CliRunner

from fleet.cli import fleet
from fleet.cli.doctor import table
from fleet.dev.deploy import session
from fleet.dev.dev import SENDER, Ground, worker_environment
from fleet.dev.emulators.ministack import free_port
from fleet.dev.stand_ins.expo_server import ExpoServer
from fleet.dev.stand_ins.server import application
from fleet.dev.stand_ins.ses_server import SesServer
from fleet.dev.stand_ins.webhook_receiver import WebhookReceiver
from fleet.dev.stand_ins.websocket_gateway import WebSocketGateway
from fleet.doctor import beyond, queues, stores
from fleet.doctor.check import Check
from fleet.doctor.examine import examine
from fleet.doctor.lifecycle import lifecycle
from shared.clients import Clients
from tests.aws import Aws
from tests.fleet.dev.stand_ins.test_limits import Anybody

DENIED = {"Effect": "Deny", "Principal": "*", "Action": "sqs:PurgeQueue", "Resource": "*"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [DENIED]})


@asynccontextmanager
async def stand_ins(port: int) -> AsyncIterator[None]:
    gateway = WebSocketGateway(Anybody())
    runner = web.AppRunner(application(ExpoServer(), SesServer(), WebhookReceiver("whsec_eA=="), gateway))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


def whole(aws: Aws, port: int) -> dict[str, str]:
    """The environment of a fleet that lacks nothing."""
    client = session(aws.endpoint).client("ses", endpoint_url=aws.endpoint.url_of("ses"))
    client.verify_email_identity(EmailAddress=SENDER)
    return worker_environment(Ground(aws.endpoint, aws.names), port=port)


def faults(checks: list[Check]) -> dict[str, str]:
    return {check.what: check.found for check in checks if check.state == "fault"}


async def examined(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> list[Check]:
    for name in environment:
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, environment[name])  # where boto looks
    async with Clients(environment) as clients:
        return await examine(environment, clients)


async def test_a_fleet_that_lacks_nothing_has_no_fault(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    async with stand_ins(port):
        checks = await examined(whole(aws, port), monkeypatch)
    assert faults(checks) == {}
    assert {"credentials", "queue uploads", "stream of sessions", "notification of uploads"} <= {
        check.what for check in checks
    }
    assert all(check.remedy for check in checks if check.state != "ok")


async def test_what_is_missing_is_named_and_the_rest_is_still_looked_at(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    environment = whole(aws, port)
    for name in ("UPLOADS_QUEUE_URL", "AUDIT_HASH_KEYS", "EVENT_BUS_NAME"):
        del environment[name]
    environment["SESSIONS_TABLE_NAME"] = "no-such-table"
    environment["WS_API_ENDPOINT"] = "127.0.0.1:9"
    async with stand_ins(port):
        found = faults(await examined(environment, monkeypatch))
    assert found["environment"] == "missing: UPLOADS_QUEUE_URL, EVENT_BUS_NAME"
    assert "AUDIT_HASH_KEYS" in found["worker audit-archive"]
    assert found["table sessions"] == "ResourceNotFoundException"
    assert "WebSocket API" in found
    assert "notification of uploads" in found
    assert "queue audit" not in found


async def test_a_secret_that_is_named_is_read_as_a_worker_reads_it(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    environment = whole(aws, port)
    kept: Any = aws.session.client("secretsmanager", endpoint_url=aws.endpoint.url_of("secretsmanager"))
    made = kept.create_secret(Name=f"doctor-{uuid.uuid4().hex}", SecretString=environment.pop("AUDIT_HASH_KEYS"))
    async with stand_ins(port):
        assert faults(await examined(environment | {"AUDIT_HASH_KEYS_SECRET_ARN": made["ARN"]}, monkeypatch)) == {}
    [unread] = await examined(environment | {"AUDIT_HASH_KEYS_SECRET_ARN": "no-such-secret"}, monkeypatch)
    assert unread.found == "AUDIT_HASH_KEYS_SECRET_ARN: the secret cannot be read (ResourceNotFoundException)"


async def test_nothing_more_is_asked_where_nothing_answers(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = whole(aws, 9) | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    checks = await examined(environment, monkeypatch)
    assert checks[-1].what == "endpoint"
    assert "AWS_ENDPOINT_URL" in checks[-1].remedy


async def test_a_queue_whose_letters_would_be_lost_is_a_fault(aws: Aws) -> None:
    dead = aws.queue("dead", MessageRetentionPeriod="345600")
    arn = aws.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 99})
    joined = aws.queue("joined", MessageRetentionPeriod="345600", RedrivePolicy=redrive, Policy=POLICY)
    alone = aws.queue("alone", Policy=POLICY)
    async with aws.open("sqs") as sqs:
        found = await queues.queue(sqs, "uploads", {"UPLOADS_QUEUE_URL": joined, "UPLOADS_DLQ_URL": dead})
        assert faults(found) == {
            "redrive of uploads": "after 99 receipts",
            "dead letters of uploads": "kept 4 days, the queue's own 4",
        }
        assert [check.remedy.partition(":")[0] for check in found if check.what == "redrive of uploads"] == [
            "raise maxReceiveCount to 100"
        ]
        found = await queues.queue(sqs, "uploads", {"UPLOADS_QUEUE_URL": alone, "UPLOADS_DLQ_URL": dead})
        assert faults(found)["redrive of uploads"] == "no redrive policy"
        found = await queues.queue(sqs, "uploads", {"UPLOADS_QUEUE_URL": aws.queue("bare"), "UPLOADS_DLQ_URL": dead})
        assert faults(found)["queue uploads"] == "no policy: S3 and rules are refused, and others are not"
        found = await queues.queue(sqs, "uploads", {"UPLOADS_QUEUE_URL": alone, "UPLOADS_DLQ_URL": f"{dead}-not"})
        assert faults(found) == {"dead letters of uploads": "QueueDoesNotExist"}
        found = await queues.queue(sqs, "uploads", {"UPLOADS_QUEUE_URL": f"{dead}-not", "UPLOADS_DLQ_URL": dead})
        assert (faults(found), "UPLOADS_QUEUE_URL" in found[0].remedy) == ({"queue uploads": "QueueDoesNotExist"}, True)


async def test_letters_and_undelivered_events_are_worth_knowing_and_not_a_fault(aws: Aws) -> None:
    dead, lost = aws.queue("letters", MessageRetentionPeriod="1209600"), aws.queue("lost")
    arn = aws.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    own = aws.queue(
        "own", Policy=POLICY, RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 100})
    )
    for url in (dead, lost):
        aws.sqs.send_message(QueueUrl=url, MessageBody="x")
    async with aws.open("sqs") as sqs:
        found = await queues.queue(sqs, "audit", {"AUDIT_QUEUE_URL": own, "AUDIT_DLQ_URL": dead})
        assert {check.what: check.found for check in found if check.state == "warning"} == {
            "dead letters of audit": "1 letters, kept 14 days"
        }
        assert (await queues.check_dead_letters(sqs, lost)).state == "warning"
        assert (await queues.check_dead_letters(sqs, f"{lost}-not")).state == "fault"


async def test_a_table_of_another_shape_is_a_fault(aws: Aws) -> None:
    keys, silent, bare = aws.table("id"), aws.table("sessionId"), aws.table("PK", "SK", stream=True)
    sessions, reminders = stores.TABLES[0], stores.TABLES[1]
    async with aws.open("dynamodb") as dynamodb:
        assert faults(await stores.table(dynamodb, sessions, {"SESSIONS_TABLE_NAME": keys}))["table sessions"]
        found = faults(await stores.table(dynamodb, sessions, {"SESSIONS_TABLE_NAME": silent}))
        assert found == {"stream of sessions": "no stream"}
        names = {"REMINDERS_TABLE_NAME": bare, "REMINDERS_STREAM_ARN": "another"}
        found = faults(await stores.table(dynamodb, reminders, names))
        assert set(found) == {"table reminders", "stream of reminders"}
    assert "Item" not in aws.dynamodb.get_item(TableName=silent, Key={"sessionId": {"S": "fleet-doctor"}})


async def test_a_bucket_that_tells_nobody_is_a_fault(aws: Aws) -> None:
    bucket, queue = aws.bucket(), aws.queue("notified")
    arn = aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    async with aws.open("s3") as s3:
        found = faults(await stores.upload_bucket(s3, bucket, arn))
        assert found == {"notification of uploads": "only nothing for the uploads queue"}
        events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
        for more in ([], ["s3:LifecycleExpiration:*"]):
            configuration = {"QueueConfigurations": [{"QueueArn": arn, "Events": events + more}]}
            aws.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)  # type: ignore[arg-type]  # literals
            found = faults(await stores.upload_bucket(s3, bucket, arn))
            if not more:
                assert found == {"notification of uploads": "only ObjectCreated, ObjectRemoved for the uploads queue"}
        assert found == {"notification of uploads": "below everything"}
        assert faults(await stores.upload_bucket(s3, "no-such-bucket-here", arn))
        assert (await stores.audit_bucket(s3, "no-such-bucket-here")).state == "fault"


async def test_an_archive_that_forgets_too_early_or_never_is_warned_of(aws: Aws) -> None:
    bucket = aws.bucket()
    async with aws.open("s3") as s3:
        [gone] = await stores.dead_letter_bucket(s3, "no-such-bucket-here", days=30)
        assert gone.state == "fault"
        _, never = await stores.dead_letter_bucket(s3, bucket, days=30)
        assert (never.state, never.found) == ("warning", "nothing expires")
        rule = {"ID": "forget", "Status": "Enabled", "Filter": {"Prefix": "dead-letters/"}, "Expiration": {"Days": 7}}
        aws.s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})  # type: ignore[list-item]  # literals
        _, early = await stores.dead_letter_bucket(s3, bucket, days=30)
        assert (early.state, early.remedy) == ("warning", "set DLQ_ARCHIVE_DAYS to 7 at most, or change the rule")
        assert [check.state for check in await stores.dead_letter_bucket(s3, bucket, days=7)] == ["ok", "ok"]
        assert not faults(await stores.dead_letter_bucket(s3, aws.names["DLQ_ARCHIVE_BUCKET_NAME"], days=30))


class Rules:
    """Stands in for S3: a bucket with these lifecycle rules, or one that may not be asked."""

    def __init__(self, *rules: dict[str, Any], code: str = "") -> None:
        self.rules, self.code = rules, code

    async def get_bucket_lifecycle_configuration(self, Bucket: str) -> Any:
        if self.code:
            raise ClientError({"Error": {"Code": self.code, "Message": ""}}, "GetBucketLifecycleConfiguration")
        return {"Rules": [{"Status": "Enabled", **rule} for rule in self.rules]}


def expiring(days: int, **chosen: Any) -> dict[str, Any]:
    return {"Expiration": {"Days": days}, "Filter": chosen}


@pytest.mark.parametrize(
    ("bucket", "state", "found"),
    [
        (Rules(expiring(30)), "ok", "objects expire after 30 days"),
        (Rules({"Prefix": "", "Expiration": {"Days": 30}}), "ok", "objects expire after 30 days"),
        (Rules(expiring(30, Prefix="dead-")), "ok", "objects expire after 30 days"),
        (Rules(expiring(30), expiring(7, Prefix="uploads/")), "ok", "objects expire after 30 days"),
        (Rules(expiring(30), expiring(7, Prefix="dead-letters/x")), "warning", "objects expire after 7 days"),
        (Rules(expiring(30), expiring(7, Tag={"Key": "a", "Value": "b"})), "warning", "objects expire after 7 days"),
        (Rules(expiring(30, Prefix="dead-letters/x")), "warning", "some objects never expire"),
        (Rules(expiring(30, And={"Prefix": "", "ObjectSizeGreaterThan": 9})), "warning", "some objects never expire"),
        (Rules(expiring(30, And={"Prefix": "uploads/", "ObjectSizeLessThan": 9})), "warning", "nothing expires"),
        (Rules({**expiring(30), "Status": "Disabled"}), "warning", "nothing expires"),
        (Rules({"Filter": {}, "Expiration": {"Date": "2030-01-01"}}), "warning", "nothing expires"),
        (Rules({"Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}), "warning", "nothing expires"),
        (Rules(code="NoSuchLifecycleConfiguration"), "warning", "nothing expires"),
        (Rules(code="AccessDenied"), "warning", "AccessDenied"),
    ],
)
async def test_a_lifecycle_is_read_whatever_its_rules_look_like(bucket: Any, state: str, found: str) -> None:
    check = await lifecycle(bucket, "x", "b", below="dead-letters/", least=30, if_never="n", if_early="e {days}")
    assert (check.state, check.found) == (state, found)


async def test_a_setting_that_cannot_be_right_is_a_fault_of_the_archive(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = faults(await examined(whole(aws, 9) | {"DLQ_ARCHIVE_DAYS": "a month"}, monkeypatch))
    assert "DLQ_ARCHIVE_DAYS" in found["bucket dlq-archive"]


async def test_a_bus_without_its_rule_and_a_rule_that_rests_are_faults(aws: Aws) -> None:
    bus, queue = f"{aws.project}-doctor", aws.queue("target")
    arn = aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    aws.events.create_event_bus(Name=bus)
    async with aws.open("events") as events:
        assert faults(await beyond.bus(events, f"{bus}-not", arn)).keys() == {"event bus"}
        assert faults(await beyond.bus(events, bus, arn)).keys() == {"rule to webhook-events"}
        aws.events.put_rule(Name="resting", EventBusName=bus, EventPattern='{"source":["x"]}', State="DISABLED")
        aws.events.put_targets(Rule="resting", EventBusName=bus, Targets=[{"Id": "1", "Arn": arn}])
        assert faults(await beyond.bus(events, bus, arn)) == {"rule to webhook-events": "resting is disabled"}
        assert faults([await beyond.digests(events, arn)]).keys() == {"rule to audit"}, "none on the default bus"


async def test_a_sender_nobody_verified_is_a_fault(aws: Aws) -> None:
    async with aws.open("ses") as ses:
        assert (await beyond.sender(ses, "nobody@unverified.example")).state == "fault"


@pytest.mark.slow
def test_the_command_ends_with_1_on_a_fault_and_prints_data_on_stdout(aws: Aws) -> None:
    environment = whole(aws, 9)
    result = CliRunner().invoke(fleet, ["doctor", "--json"], env={**os.environ, **environment})
    document = json.loads(result.stdout)
    assert (result.exit_code, document["ok"], document["version"]) == (1, False, 1)
    assert {check["what"] for check in document["checks"] if check["state"] == "fault"} == {
        "WebSocket API",
        "push server",
    }
    result = CliRunner().invoke(fleet, ["doctor"], env={**os.environ, **environment})
    assert result.stderr == "2 faults\n"


def test_names_are_not_markup_in_the_table() -> None:
    made = table([Check("queue", "ok", "[red]"), Check("bucket", "fault", "403", "allow it")])
    assert made.row_count == 2


@pytest.mark.parametrize(("days", "state"), [(None, "warning"), (14, "warning"), (30, "ok")])
async def test_a_bucket_for_large_bodies_that_forgets_too_early_or_never_is_worth_knowing(
    aws: Aws, days: int | None, state: str
) -> None:
    bucket = aws.bucket("payloads")
    if days is not None:
        rule: Any = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": days}}
        aws.s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    async with aws.open("s3") as s3:
        there, kept = await stores.claim_check_bucket(s3, bucket)
        assert (there.state, kept.state) == ("ok", state)
        [gone] = await stores.claim_check_bucket(s3, f"{bucket}-not")
        assert (gone.state, "CLAIM_CHECK_BUCKET_NAME" in gone.remedy) == ("fault", True)
