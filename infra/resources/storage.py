"""The tables and the buckets."""

from dataclasses import dataclass
from typing import Any, Final

from aws_cdk import Aws, Fn, Token
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.naming import bucket_arn_of, name_of
from infra.outputs import export
from infra.resources.statements import deny_without_tls, document
from infra.resources.worker_queue import WorkerQueue, keep
from infra.settings import (
    ABORT_MULTIPART_DAYS,
    AUDIT_EXPIRY_DAYS,
    AUDIT_TO_GLACIER_DAYS,
    DEAD_LETTER_DAYS,
    NONCURRENT_DAYS,
    PAYLOAD_DAYS,
)
from infra.stage import Stage

SINGLE_TABLE: Final = ("PK", "SK")


@dataclass(frozen=True, slots=True)
class TableSettings:
    """One table: its key, its TTL attribute, its index, and whether the audit archive follows it."""

    name: str
    key: tuple[str, ...]
    ttl: str
    index: tuple[str, ...] = ()
    streamed: bool = True

    @property
    def stem(self) -> str:
        """The CamelCase stem of its logical id and outputs."""
        return self.name.capitalize()


TABLES: Final[tuple[TableSettings, ...]] = (
    TableSettings("sessions", ("sessionId",), "expiresAt"),
    TableSettings("reminders", SINGLE_TABLE, "TTL", index=("GSI1PK", "GSI1SK")),
    TableSettings("webhooks", SINGLE_TABLE, "TTL", index=("GSI1PK", "GSI1SK")),
    # Claims come and go; nothing there is worth archiving.
    TableSettings("ledger", ("key",), "expiresAt", streamed=False),
)


def table(scope: Construct, settings: TableSettings, stage: Stage) -> dynamodb.CfnTable:
    """One table, paid per request."""
    made = dynamodb.CfnTable(
        scope,
        f"{settings.stem}Table",
        table_name=name_of(settings.name),
        billing_mode="PAY_PER_REQUEST",
        attribute_definitions=[
            dynamodb.CfnTable.AttributeDefinitionProperty(attribute_name=name, attribute_type="S")
            for name in settings.key + settings.index
        ],
        key_schema=_key_schema(settings.key),
        global_secondary_indexes=[
            dynamodb.CfnTable.GlobalSecondaryIndexProperty(
                index_name="GSI1",
                key_schema=_key_schema(settings.index),
                projection=dynamodb.CfnTable.ProjectionProperty(projection_type="ALL"),
            )
        ]
        if settings.index
        else None,
        time_to_live_specification=dynamodb.CfnTable.TimeToLiveSpecificationProperty(
            attribute_name=settings.ttl, enabled=True
        ),
        stream_specification=dynamodb.CfnTable.StreamSpecificationProperty(stream_view_type="NEW_AND_OLD_IMAGES")
        if settings.streamed
        else None,
        sse_specification=dynamodb.CfnTable.SSESpecificationProperty(
            sse_enabled=True, sse_type=stage.with_key("KMS").to_string(), kms_master_key_id=stage.key
        ),
        point_in_time_recovery_specification=dynamodb.CfnTable.PointInTimeRecoverySpecificationProperty(
            point_in_time_recovery_enabled=stage.point_in_time_recovery
        ),
        deletion_protection_enabled=stage.deletion_protection,
    )
    made.override_logical_id(f"{settings.stem}Table")
    keep(made)
    export(scope, f"{settings.stem}TableName", made.ref)
    if settings.streamed:
        export(scope, f"{settings.stem}StreamArn", made.attr_stream_arn)
    return made


def _key_schema(key: tuple[str, ...]) -> list[dynamodb.CfnTable.KeySchemaProperty]:
    return [
        dynamodb.CfnTable.KeySchemaProperty(attribute_name=name, key_type=kind)
        for name, kind in zip(key, ("HASH", "RANGE"), strict=False)
    ]


def upload_bucket(scope: Construct, stage: Stage, queue: WorkerQueue) -> s3.CfnBucket:
    """Where files arrive; every object under `session-uploads/` that comes or goes is reported to `queue`."""
    queue.accept("s3", bucket_arn_of("uploads"))
    bucket = _private_bucket(
        scope,
        stage,
        "Upload",
        "uploads",
        versioning_configuration=s3.CfnBucket.VersioningConfigurationProperty(status=stage.upload_versioning),
        # The presigned URL is the permission. CORS only says which pages a browser may use it from.
        cors_configuration=s3.CfnBucket.CorsConfigurationProperty(
            cors_rules=[
                s3.CfnBucket.CorsRuleProperty(
                    allowed_origins=stage.upload_origins,
                    allowed_methods=["GET", "HEAD", "POST", "PUT"],
                    allowed_headers=["*"],
                    exposed_headers=["ETag"],
                    max_age=3000,
                )
            ]
        ),
        lifecycle_configuration=s3.CfnBucket.LifecycleConfigurationProperty(
            rules=[
                s3.CfnBucket.RuleProperty(
                    id="expire-uploads",
                    status="Enabled",
                    expiration_in_days=Token.as_number(stage.upload_retention),
                    noncurrent_version_expiration=_noncurrent(),
                ),
                _abort_multipart(),
            ]
        ),
        notification_configuration=s3.CfnBucket.NotificationConfigurationProperty(
            queue_configurations=[
                s3.CfnBucket.QueueConfigurationProperty(
                    event=event,
                    queue=queue.arn,
                    filter=s3.CfnBucket.NotificationFilterProperty(
                        s3_key=s3.CfnBucket.S3KeyFilterProperty(
                            rules=[s3.CfnBucket.FilterRuleProperty(name="prefix", value="session-uploads/")]
                        )
                    ),
                )
                for event in ("s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:LifecycleExpiration:*")
            ]
        ),
    )
    # S3 tries the queue when the notification is set: without the policy the whole bucket would fail.
    bucket.add_resource_dependency(queue.policy)
    return bucket


def concern_bucket(scope: Construct, stage: Stage, stem: str, name: str, queue: WorkerQueue) -> s3.CfnBucket:
    """A concern's own bucket, which reports to `queue` every object that is made in it."""
    queue.accept("s3", bucket_arn_of(name))
    bucket = _private_bucket(
        scope,
        stage,
        stem,
        name,
        lifecycle_configuration=s3.CfnBucket.LifecycleConfigurationProperty(rules=[_abort_multipart()]),
        notification_configuration=s3.CfnBucket.NotificationConfigurationProperty(
            queue_configurations=[s3.CfnBucket.QueueConfigurationProperty(event="s3:ObjectCreated:*", queue=queue.arn)]
        ),
    )
    bucket.add_resource_dependency(queue.policy)  # as the uploads bucket's
    return bucket


def audit_bucket(scope: Construct, stage: Stage) -> s3.CfnBucket:
    """The archive: versioned, 30 days at hand, then Glacier, gone after 395 days."""
    # A plain document: inside Fn::If the typed one would keep the spelling of the API instead of the template's.
    lock = {
        "ObjectLockEnabled": "Enabled",
        "Rule": {"DefaultRetention": {"Mode": stage.audit_lock_mode, "Days": AUDIT_EXPIRY_DAYS}},
    }
    gone = {"expiration_in_days": AUDIT_EXPIRY_DAYS, "noncurrent_version_expiration": _noncurrent()}
    return _private_bucket(
        scope,
        stage,
        "Audit",
        "audit",
        versioning_configuration=s3.CfnBucket.VersioningConfigurationProperty(status="Enabled"),
        object_lock_enabled=Fn.condition_if(stage.audit_locked.logical_id, True, Aws.NO_VALUE),
        object_lock_configuration=Fn.condition_if(stage.audit_locked.logical_id, lock, Aws.NO_VALUE),
        lifecycle_configuration=s3.CfnBucket.LifecycleConfigurationProperty(
            rules=[
                # Objects below 128 KiB stay where they are: S3 does not move what Glacier would make dearer.
                # Only the rows: the digests stay at hand for as long as there is anything to verify.
                _rule(
                    "archive",
                    "table=",
                    transitions=[
                        s3.CfnBucket.TransitionProperty(
                            storage_class="GLACIER", transition_in_days=AUDIT_TO_GLACIER_DAYS
                        )
                    ],
                    **gone,
                ),
                # What `fleet archive compact` made of the rows stays at hand for searches, and goes as long after its own making.
                *(_rule(name, f"{name}/", **gone) for name in ("parquet", "manifests")),
                # A marker is deleted when a digest lists its object; versioning would keep it for ever.
                _rule(
                    "markers",
                    "pending/",
                    noncurrent_version_expiration=_noncurrent(),
                    expired_object_delete_marker=True,
                ),
                _abort_multipart(),
            ]
        ),
    )


def payload_bucket(scope: Construct, stage: Stage) -> s3.CfnBucket:
    """Bodies that no queue takes, and large payloads of webhooks: not versioned, for what is expunged must be gone."""
    return _private_bucket(
        scope,
        stage,
        "ClaimCheck",
        "payloads",
        lifecycle_configuration=s3.CfnBucket.LifecycleConfigurationProperty(
            rules=[
                # As long as a queue, its dead letters and their replays together; docs/consumer/bodies.md.
                _rule("forget", "", expiration_in_days=PAYLOAD_DAYS),
                _abort_multipart(),
            ]
        ),
    )


def dead_letter_bucket(scope: Construct, stage: Stage) -> s3.CfnBucket:
    """Where `fleet dlq archive` puts letters away: never locked or versioned, for what is removed must be gone."""
    return _private_bucket(
        scope,
        stage,
        "DlqArchive",
        "dlq-archive",
        lifecycle_configuration=s3.CfnBucket.LifecycleConfigurationProperty(
            rules=[_rule("forget", "dead-letters/", expiration_in_days=DEAD_LETTER_DAYS), _abort_multipart()]
        ),
    )


def _private_bucket(scope: Construct, stage: Stage, stem: str, resource: str, **properties: Any) -> s3.CfnBucket:
    """A bucket that only its owner reaches, only by TLS."""
    bucket = s3.CfnBucket(
        scope,
        f"{stem}Bucket",
        bucket_name=name_of(resource),
        bucket_encryption=s3.CfnBucket.BucketEncryptionProperty(
            server_side_encryption_configuration=[
                s3.CfnBucket.ServerSideEncryptionRuleProperty(
                    server_side_encryption_by_default=s3.CfnBucket.ServerSideEncryptionByDefaultProperty(
                        sse_algorithm=stage.with_key("aws:kms", "AES256").to_string(), kms_master_key_id=stage.key
                    ),
                    bucket_key_enabled=stage.with_key(True),  # one call of KMS for many objects
                )
            ]
        ),
        public_access_block_configuration=s3.CfnBucket.PublicAccessBlockConfigurationProperty(
            block_public_acls=True, block_public_policy=True, ignore_public_acls=True, restrict_public_buckets=True
        ),
        ownership_controls=s3.CfnBucket.OwnershipControlsProperty(
            rules=[s3.CfnBucket.OwnershipControlsRuleProperty(object_ownership="BucketOwnerEnforced")]
        ),
        **properties,
    )
    bucket.override_logical_id(f"{stem}Bucket")
    keep(bucket)
    policy = s3.CfnBucketPolicy(
        scope,
        f"{stem}BucketPolicy",
        bucket=bucket.ref,
        policy_document=document(deny_without_tls("s3", bucket.attr_arn, f"{bucket.attr_arn}/*")),
    )
    policy.override_logical_id(f"{stem}BucketPolicy")
    export(scope, f"{stem}BucketName", bucket.ref)
    return bucket


def _rule(name: str, prefix: str, **more: Any) -> s3.CfnBucket.RuleProperty:
    return s3.CfnBucket.RuleProperty(id=name, status="Enabled", prefix=prefix, **more)


def _noncurrent() -> s3.CfnBucket.NoncurrentVersionExpirationProperty:
    return s3.CfnBucket.NoncurrentVersionExpirationProperty(noncurrent_days=NONCURRENT_DAYS)


def _abort_multipart() -> s3.CfnBucket.RuleProperty:
    return s3.CfnBucket.RuleProperty(
        id="abort-multipart",
        status="Enabled",
        abort_incomplete_multipart_upload=s3.CfnBucket.AbortIncompleteMultipartUploadProperty(
            days_after_initiation=ABORT_MULTIPART_DAYS
        ),
    )
