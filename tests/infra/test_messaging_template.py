"""What the messaging stack declares: queues, rights, rules, names and outputs."""

import json
import re
from typing import Any

import pytest

from infra.concerns import CONCERNS
from infra.resources.concern import BusEvents, OwnBucket, TableStream, filled
from infra.resources.queue import VISIBILITY_PER_HANDLER
from infra.resources.queues import QUEUES
from tests.infra.template import ACCOUNT, messaging, raw
from workers.reminder_dispatch.receipts.unsent import KINDS

DAY = 24 * 3600
SOURCES = [each.name for each in QUEUES]
STEMS = [each.logical_id for each in QUEUES]
ASKED = [f"{each.stem}Rule.Arn" for each in filled(CONCERNS, BusEvents)]
FOLLOWED = filled(CONCERNS, TableStream)
ARN = "arn:aws:sqs:eu-central-1:111122223333:"


def statements(policy: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = messaging().properties(policy)["PolicyDocument"]["Statement"]
    return found


def everything_allowed() -> list[dict[str, Any]]:
    template = messaging()
    documents = [
        resource["Properties"]["PolicyDocument"]
        for kind in ("AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy")
        for resource in template.resources(kind).values()
    ]
    for role in template.resources("AWS::IAM::Role").values():
        documents += [policy["PolicyDocument"] for policy in role["Properties"]["Policies"]]
        documents.append(role["Properties"]["AssumeRolePolicyDocument"])
    return [one for document in documents for one in document["Statement"] if one["Effect"] == "Allow"]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def ends() -> list[str]:
    return ["audit", *(each.name for each in FOLLOWED)]


class TestQueues:
    def test_each_has_its_dead_letters_and_one_for_what_events_could_not_deliver(self) -> None:
        names = {queue["Properties"]["QueueName"] for queue in messaging().resources("AWS::SQS::Queue").values()}
        assert names == {f"fleet-{name}{tail}-dev" for name in SOURCES for tail in ("", "-dlq")} | {
            "fleet-events-undelivered-dev"
        }

    @pytest.mark.parametrize("stem", STEMS)
    def test_five_failed_receives_move_a_message_to_the_queues_own_dead_letters(self, stem: str) -> None:
        redrive = messaging().properties(f"{stem}Queue")["RedrivePolicy"]
        assert redrive == {"deadLetterTargetArn": f"{stem}Dlq.Arn", "maxReceiveCount": 100}

    @pytest.mark.parametrize("stem", STEMS)
    def test_dead_letters_come_from_one_queue_and_stay_fourteen_days(self, stem: str) -> None:
        letters, source = messaging().properties(f"{stem}Dlq"), messaging().properties(f"{stem}Queue")
        assert letters["MessageRetentionPeriod"] == 14 * DAY
        assert letters["RedriveAllowPolicy"] == {
            "redrivePermission": "byQueue",
            "sourceQueueArns": [ARN + source["QueueName"]],
        }
        assert letters["QueueName"] == source["QueueName"].replace("-dev", "-dlq-dev")

    @pytest.mark.parametrize("settings", QUEUES, ids=lambda settings: settings.name)
    def test_visibility_covers_six_handlers_and_retention_leaves_a_person_time(self, settings: Any) -> None:
        queue = messaging().properties(f"{settings.logical_id}Queue")
        assert queue["VisibilityTimeout"] == settings.visibility >= VISIBILITY_PER_HANDLER * settings.handler_timeout
        assert queue["MessageRetentionPeriod"] == settings.retention <= 7 * DAY
        assert queue["ReceiveMessageWaitTimeSeconds"] == 20
        assert settings.reason

    def test_the_batch_worker_holds_its_messages_longest(self) -> None:
        held = {settings.name: settings.visibility for settings in QUEUES}
        assert max(held, key=lambda name: held[name]) == "audit"

    def test_every_queue_is_encrypted_and_has_exactly_one_policy_that_denies_clear_text(self) -> None:
        template = messaging()
        denied: list[str] = []
        for policy in template.resources("AWS::SQS::QueuePolicy").values():
            (queue,) = policy["Properties"]["Queues"]
            first = policy["Properties"]["PolicyDocument"]["Statement"][0]
            assert (first["Effect"], first["Principal"], first["Action"]) == ("Deny", "*", "sqs:*")
            assert first["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            assert first["Resource"] == f"{queue}.Arn"
            denied.append(queue)
        queues = template.resources("AWS::SQS::Queue")
        assert sorted(denied) == sorted(queues)
        assert all(queue["Properties"]["SqsManagedSseEnabled"] is True for queue in queues.values())


class TestRights:
    @pytest.mark.parametrize(
        ("policy", "service", "sources"),
        [
            ("UploadsQueuePolicy", "s3", "arn:aws:s3:::fleet-uploads-dev"),
            ("UploadsQueuePolicy", "events", "ScanRule.Arn"),
            ("ReminderTicksQueuePolicy", "events", "TickRule.Arn"),
            ("ReminderReceiptsQueuePolicy", "events", "MailFeedbackRule.Arn"),
            ("WebhookEventsQueuePolicy", "events", "TenantEventRule.Arn"),
            ("AuditQueuePolicy", "events", "DigestRule.Arn"),
            (
                "EventsUndeliveredQueuePolicy",
                "events",
                [
                    "TickRule.Arn",
                    "DigestRule.Arn",
                    "TenantEventRule.Arn",
                    "ScanRule.Arn",
                    "MailFeedbackRule.Arn",
                    *ASKED,
                ],
            ),
            *((f"{each.stem}QueuePolicy", "events", f"{each.stem}Rule.Arn") for each in filled(CONCERNS, BusEvents)),
            *(
                (f"{each.stem}QueuePolicy", "s3", f"arn:aws:s3:::fleet-{each.name}-dev")
                for each in filled(CONCERNS, OwnBucket)
            ),
        ],
    )
    def test_a_service_sends_for_one_source_of_this_account(self, policy: str, service: str, sources: Any) -> None:
        [allowed] = [
            each for each in statements(policy) if each["Principal"] == {"Service": f"{service}.amazonaws.com"}
        ]
        assert allowed["Action"] == "sqs:SendMessage"
        assert allowed["Condition"] == {
            "ArnEquals": {"aws:SourceArn": sources},
            "StringEquals": {"aws:SourceAccount": ACCOUNT},
        }

    @pytest.mark.parametrize(
        "policy",
        ["RemindersQueuePolicy", "WebhookDeliveriesQueuePolicy"] + [f"{s}DlqPolicy" for s in STEMS],
    )
    def test_no_service_sends_to_the_other_queues(self, policy: str) -> None:
        assert {one["Effect"] for one in statements(policy)} == {"Deny"}

    def test_only_named_roles_may_have_a_webhook_signed(self) -> None:
        _, others = statements("WebhookDeliveriesQueuePolicy")
        assert (others["Effect"], others["Principal"], others["Action"]) == ("Deny", "*", "sqs:SendMessage")
        assert others["Resource"] == "WebhookDeliveriesQueue.Arn"
        (senders,) = others["Condition"]["ArnNotLike"].values()
        assert others["Condition"] == {"ArnNotLike": {"aws:PrincipalArn": senders}}
        assert senders.split(",") == [f"arn:*:iam::*:role/*{name}*" for name in ("webhook-delivery", "fleet-operator")]

    def test_nothing_is_allowed_by_a_wildcard(self) -> None:
        for one in everything_allowed():
            assert not [action for action in listed(one["Action"]) if "*" in action]
            assert "*" not in listed(one.get("Resource", []))
            assert one["Principal"] != "*" if "Principal" in one else True

    def test_the_pipes_role_reads_their_streams_and_sends_to_their_queues(self) -> None:
        (role,) = messaging().resources("AWS::IAM::Role").values()
        (policy,) = role["Properties"]["Policies"]
        reading, sending = policy["PolicyDocument"]["Statement"]
        assert reading["Resource"] == [f"{table}Table.StreamArn" for table in ("Sessions", "Reminders", "Webhooks")]
        assert sending["Action"] == ["sqs:SendMessage"]
        assert sending["Resource"] == [
            "AuditQueue.Arn",
            *(f"{each.stem}Queue.Arn" for each in FOLLOWED),
            "EventsUndeliveredQueue.Arn",
        ]
        (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
        names = [f"arn:aws:pipes:eu-central-1:111122223333:pipe/fleet-*-{queue}-dev" for queue in ends()]
        assert listed(trust["Condition"]["ArnLike"]["aws:SourceArn"]) == names


class TestRules:
    @pytest.mark.parametrize(
        ("rule_id", "rate", "queue"),
        [("TickRule", "rate(1 minute)", "ReminderTicks"), ("DigestRule", "rate(5 minutes)", "Audit")],
    )
    def test_a_tick_comes_on_schedule_with_exactly_this_body(self, rule_id: str, rate: str, queue: str) -> None:
        rule = messaging().properties(rule_id)
        (target,) = rule["Targets"]
        assert rule["ScheduleExpression"] == rate
        assert "EventBusName" not in rule  # schedules live on the default bus only
        assert target["Arn"] == f"{queue}Queue.Arn"
        assert target["InputTransformer"] == {
            "InputPathsMap": {"time": "$.time"},
            "InputTemplate": '{"source":"scheduler","time":<time>}',
        }

    def test_events_of_a_tenant_go_to_the_webhooks(self) -> None:
        rule = messaging().properties("TenantEventRule")
        (target,) = rule["Targets"]
        assert rule["EventBusName"] == "EventBus"
        assert rule["EventPattern"] == {"detail": {"tenantId": [{"exists": True}]}}
        assert target["Arn"] == "WebhookEventsQueue.Arn"
        assert "InputTransformer" not in target

    def test_scans_of_the_uploads_bucket_alone_go_to_the_uploads_queue(self) -> None:
        rule = messaging().properties("ScanRule")
        (target,) = rule["Targets"]
        assert "EventBusName" not in rule  # GuardDuty speaks on the default bus
        assert rule["EventPattern"] == {
            "source": ["aws.guardduty"],
            "detail-type": ["GuardDuty Malware Protection Object Scan Result"],
            "detail": {"s3ObjectDetails": {"bucketName": ["fleet-uploads-dev"]}},
        }
        assert target["Arn"] == "UploadsQueue.Arn"

    def test_what_ses_says_of_addresses_goes_to_the_receipts(self) -> None:
        rule = messaging().properties("MailFeedbackRule")
        (target,) = rule["Targets"]
        assert "EventBusName" not in rule  # SES speaks on the default bus
        kinds = ["Bounce", "Complaint", *KINDS]
        assert rule["EventPattern"] == {"source": ["aws.ses"], "detail": {"eventType": kinds}}
        assert target["Arn"] == "ReminderReceiptsQueue.Arn"
        assert "InputTransformer" not in target

    def test_the_statements_of_a_policy_have_names_of_their_own(self) -> None:
        for name in messaging().resources("AWS::SQS::QueuePolicy"):
            sids = [each["Sid"] for each in statements(name)]
            assert len(sids) == len(set(sids)), name

    def test_every_target_has_a_queue_for_what_cannot_be_delivered_and_a_limit_on_trying(self) -> None:
        for rule in messaging().resources("AWS::Events::Rule").values():
            for target in rule["Properties"]["Targets"]:
                assert target["DeadLetterConfig"] == {"Arn": "EventsUndeliveredQueue.Arn"}
                assert 60 <= target["RetryPolicy"]["MaximumEventAgeInSeconds"] <= DAY
                assert 0 < target["RetryPolicy"]["MaximumRetryAttempts"] <= 185


class TestNames:
    def test_every_name_is_project_resource_stage(self) -> None:
        template = messaging("prod", ProjectName="acme")
        keys = ("QueueName", "BucketName", "TableName", "Name", "RoleName", "LogGroupName")
        for resource in raw()["Resources"].values():
            for key in set(keys) & set(resource["Properties"]):
                name = template.value(resource["Properties"][key]).removeprefix("/aws/vendedlogs/pipes/")
                assert re.fullmatch(r"acme-[a-z-]+-prod", name)

    def test_everything_that_can_be_tagged_is_tagged(self) -> None:
        untaggable = {"AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy"}
        for resource in raw()["Resources"].values():
            if resource["Type"] in untaggable:
                continue
            tags = messaging().value(resource["Properties"]["Tags"])
            found = tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}
            assert found == {"Environment": "dev", "Project": "fleet"}

    def test_outputs_are_complete_and_exported_under_the_stacks_name(self) -> None:
        expected = {f"{stem}{what}" for stem in STEMS for what in ("QueueUrl", "QueueArn", "DlqUrl", "DlqArn")}
        expected |= {"EventsUndeliveredQueueUrl", "EventsUndeliveredQueueArn", "EventBusName", "EventBusArn"}
        expected |= {"UploadBucketName", "AuditBucketName", "ClaimCheckBucketName", "DlqArchiveBucketName"}
        expected |= {f"{table}TableName" for table in ("Sessions", "Reminders", "Webhooks", "Ledger")}
        expected |= {f"{table}StreamArn" for table in ("Sessions", "Reminders", "Webhooks")}
        expected |= {f"{each.stem}BucketName" for each in filled(CONCERNS, OwnBucket)}
        outputs = messaging().outputs()
        assert set(outputs) == expected
        assert all(output["Export"] == {"Name": f"fleet-messaging-{key}"} for key, output in outputs.items())

    def test_no_output_or_property_is_a_secret(self) -> None:
        text = json.dumps(raw()).lower()
        assert not [word for word in ("password", "secret", "apikey", "access_key", "accesskey") if word in text]
