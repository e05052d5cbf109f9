"""What the messaging stack declares: buckets, tables, and the pipes that follow the tables."""

import re

import pytest

from fleet.dead_letters.queues.archive import PREFIX
from fleet.dead_letters.settings import ReplaySettings
from infra.concerns import CONCERNS
from infra.resources.concern import OwnBucket, TableStream, filled
from infra.settings import STAGES
from tests.infra.template import messaging, raw
from workers.audit_archive.evidence.ages import RETENTION_DAYS

DAY = 24 * 3600
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
S3_EVENTS = re.compile(
    r"s3:(ObjectCreated:(\*|Put|Post|Copy|CompleteMultipartUpload)|ObjectRemoved:(\*|Delete|DeleteMarkerCreated)"
    r"|LifecycleExpiration:(\*|Delete|DeleteMarkerCreated))"
)


class TestBuckets:
    @pytest.mark.parametrize(
        ("name", "physical"),
        [
            ("Upload", "fleet-uploads-dev"),
            ("Audit", "fleet-audit-dev"),
            ("DlqArchive", "fleet-dlq-archive-dev"),
            ("ClaimCheck", "fleet-payloads-dev"),
            *((each.stem, f"fleet-{each.name}-dev") for each in filled(CONCERNS, OwnBucket)),
        ],
    )
    def test_a_bucket_is_private_encrypted_and_speaks_tls_only(self, name: str, physical: str) -> None:
        bucket = messaging().properties(f"{name}Bucket")
        assert bucket["BucketName"] == physical
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
        assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        (deny,) = messaging().properties(f"{name}BucketPolicy")["PolicyDocument"]["Statement"]
        assert (deny["Effect"], deny["Action"]) == ("Deny", "s3:*")
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert deny["Resource"] == [f"{name}Bucket.Arn", f"{name}Bucket.Arn/*"]

    def test_bodies_are_kept_as_long_as_anything_points_to_them_and_no_longer(self) -> None:
        bucket = messaging("prod").properties("ClaimCheckBucket")
        forget, _ = bucket["LifecycleConfiguration"]["Rules"]
        assert (forget["Status"], forget["Prefix"], forget["ExpirationInDays"]) == ("Enabled", "", 30)
        assert not {"VersioningConfiguration", "ObjectLockEnabled", "NotificationConfiguration"} & bucket.keys()

    def test_what_comes_and_goes_under_the_prefix_is_told_to_the_uploads_queue(self) -> None:
        notifications = messaging().properties("UploadBucket")["NotificationConfiguration"]["QueueConfigurations"]
        kinds = ("ObjectCreated", "ObjectRemoved", "LifecycleExpiration")
        assert [one["Event"] for one in notifications] == [f"s3:{kind}:*" for kind in kinds]
        for one in notifications:
            assert S3_EVENTS.fullmatch(one["Event"])
            assert one["Queue"] == "UploadsQueue.Arn"
            assert one["Filter"] == {"S3Key": {"Rules": [{"Name": "prefix", "Value": "session-uploads/"}]}}

    def test_the_queue_policy_stands_before_the_bucket_because_s3_tries_the_queue(self) -> None:
        assert raw()["Resources"]["UploadBucket"]["DependsOn"] == ["UploadsQueuePolicy"]

    @pytest.mark.parametrize(("stage", "days", "versions"), [("dev", "30", "Suspended"), ("prod", "90", "Enabled")])
    def test_uploads_expire_by_stage_and_half_uploads_after_a_week(self, stage: str, days: str, versions: str) -> None:
        bucket = messaging(stage).properties("UploadBucket")
        expire, abort = bucket["LifecycleConfiguration"]["Rules"]
        assert (expire["Status"], expire["ExpirationInDays"]) == ("Enabled", days)
        assert (abort["Status"], abort["AbortIncompleteMultipartUpload"]) == ("Enabled", {"DaysAfterInitiation": 7})
        assert bucket["VersioningConfiguration"] == {"Status": versions}

    def test_browsers_of_the_given_origins_may_upload(self) -> None:
        bucket = messaging(UploadOrigins="https://a.example").properties("UploadBucket")
        (rule,) = bucket["CorsConfiguration"]["CorsRules"]
        assert rule["AllowedOrigins"] == "https://a.example"  # a comma-delimited list: CloudFormation splits it
        assert {"PUT", "POST"} <= set(rule["AllowedMethods"])

    def test_the_archive_is_versioned_goes_to_glacier_after_30_days_and_ends_after_395(self) -> None:
        bucket = messaging().properties("AuditBucket")
        archive, *compacted, markers, abort = bucket["LifecycleConfiguration"]["Rules"]
        assert [(rule["Prefix"], rule["ExpirationInDays"]) for rule in compacted] == [
            ("parquet/", 395),
            ("manifests/", 395),
        ]
        assert (archive["Prefix"], markers["Prefix"]) == ("table=", "pending/"), "digests stay at hand"
        assert markers["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert archive["Transitions"] == [{"StorageClass": "GLACIER", "TransitionInDays": 30}]
        assert archive["ExpirationInDays"] == RETENTION_DAYS == 395
        assert archive["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
        assert abort["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}

    def test_object_lock_is_off_unless_asked_for_and_never_outlasts_the_archive(self) -> None:
        assert not {"ObjectLockEnabled", "ObjectLockConfiguration"} & set(messaging().properties("AuditBucket"))
        for stage, row in STAGES.items():
            locked = messaging(stage, AuditObjectLock="true").properties("AuditBucket")
            assert locked["ObjectLockEnabled"] is True
            assert locked["ObjectLockConfiguration"] == {
                "ObjectLockEnabled": "Enabled",
                "Rule": {"DefaultRetention": {"Mode": row.audit_lock_mode, "Days": 395}},
            }

    def test_archived_letters_are_forgotten_when_the_command_line_says_so_and_nothing_holds_them(self) -> None:
        bucket = messaging().properties("DlqArchiveBucket")
        forget, abort = bucket["LifecycleConfiguration"]["Rules"]
        assert (forget["Status"], forget["Prefix"]) == ("Enabled", f"{PREFIX}/")
        assert forget["ExpirationInDays"] == ReplaySettings.model_fields["dlq_archive_days"].default
        assert abort["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
        assert not {"ObjectLockEnabled", "ObjectLockConfiguration", "VersioningConfiguration"} & set(bucket)
        for stage in STAGES:
            locked = messaging(stage, AuditObjectLock="true").properties("DlqArchiveBucket")
            assert not {"ObjectLockEnabled", "VersioningConfiguration"} & set(locked)


class TestTables:
    @pytest.mark.parametrize(
        ("stem", "key", "ttl", "index"),
        [
            ("Sessions", ["sessionId"], "expiresAt", []),
            ("Reminders", ["PK", "SK"], "TTL", ["GSI1PK", "GSI1SK"]),
            ("Webhooks", ["PK", "SK"], "TTL", ["GSI1PK", "GSI1SK"]),
            ("Ledger", ["key"], "expiresAt", []),
        ],
    )
    def test_a_table_has_its_key_its_ttl_and_its_index(
        self, stem: str, key: list[str], ttl: str, index: list[str]
    ) -> None:
        def named(schema: list[dict[str, str]]) -> list[str]:
            assert [part["KeyType"] for part in schema] == ["HASH", "RANGE"][: len(schema)]
            return [part["AttributeName"] for part in schema]

        table = messaging().properties(f"{stem}Table")
        assert table["TableName"] == f"fleet-{stem.lower()}-dev"
        assert named(table["KeySchema"]) == key
        assert table["TimeToLiveSpecification"] == {"AttributeName": ttl, "Enabled": True}
        indexes = table.get("GlobalSecondaryIndexes", [])
        assert [(one["IndexName"], named(one["KeySchema"])) for one in indexes] == ([("GSI1", index)] if index else [])
        assert {one["AttributeName"] for one in table["AttributeDefinitions"]} == {*key, *index}

    def test_tables_are_paid_per_request_and_encrypted(self) -> None:
        tables = messaging().resources("AWS::DynamoDB::Table")
        assert len(tables) == 4
        for table in tables.values():
            assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
            assert table["Properties"]["SSESpecification"] == {"SSEEnabled": True}

    def test_all_tables_but_the_ledger_stream_both_images(self) -> None:
        streamed = {
            name: table["Properties"]["StreamSpecification"]
            for name, table in messaging().resources("AWS::DynamoDB::Table").items()
            if "StreamSpecification" in table["Properties"]
        }
        assert set(streamed) == {"SessionsTable", "RemindersTable", "WebhooksTable"}
        assert all(one == {"StreamViewType": "NEW_AND_OLD_IMAGES"} for one in streamed.values())

    def test_production_tables_are_protected_and_can_be_put_back_to_any_second(self) -> None:
        for table in messaging("prod").resources("AWS::DynamoDB::Table").values():
            assert table["Properties"]["DeletionProtectionEnabled"] is True
            assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


class TestPipes:
    def test_each_stream_is_carried_to_the_queues_that_follow_it(self) -> None:
        pipes = messaging().resources("AWS::Pipes::Pipe")
        wanted = {f"{table}Pipe": (table, "Audit") for table in ("Sessions", "Reminders", "Webhooks")}
        for each in CONCERNS:
            if isinstance(each.filled_by, TableStream):
                wanted[f"{each.stem}Pipe"] = each.filled_by.table.capitalize(), each.stem
        assert set(pipes) == wanted.keys()
        for name, pipe in pipes.items():
            table, queue = wanted[name]
            stream = pipe["Properties"]["SourceParameters"]["DynamoDBStreamParameters"]
            assert pipe["Properties"]["Source"] == f"{table}Table.StreamArn"
            assert pipe["Properties"]["Target"] == f"{queue}Queue.Arn"
            assert stream["BatchSize"] <= 10  # each record becomes one message, and SQS takes ten at once
            assert stream["StartingPosition"] == "TRIM_HORIZON"
            assert stream["DeadLetterConfig"] == {"Arn": "EventsUndeliveredQueue.Arn"}
            assert stream["MaximumRecordAgeInSeconds"] < DAY  # later the record itself is gone from the stream

    def test_switched_off_they_leave_nothing_behind(self) -> None:
        template = messaging(PipesEnabled="false")
        for kind in ("AWS::Pipes::Pipe", "AWS::IAM::Role", "AWS::Logs::LogGroup"):
            assert not template.resources(kind)

    @pytest.mark.parametrize(("stage", "days"), [("dev", "7"), ("staging", "14"), ("prod", "30")])
    def test_their_log_is_kept_as_long_as_the_stage_says(self, stage: str, days: str) -> None:
        assert messaging(stage).properties("PipeLogs")["RetentionInDays"] == days
