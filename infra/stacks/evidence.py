"""The stack `evidence`: a key that signs digests of the archive, a place of their heads that nobody rewrites, the keys of persons, and the worker's word of all.

docs/archive.md tells what they show, and to whom. Best is the bucket of another account: then `AUDIT_ANCHORS` is yours to set.
"""

from typing import Final

from aws_cdk import CfnResource, Fn
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.naming import name_of
from infra.outputs import export
from infra.resources.inputs import Inputs
from infra.resources.statements import deny_without_tls, document
from infra.resources.worker_queue import keep
from infra.settings import AUDIT_EXPIRY_DAYS, STAGES
from infra.stack import FleetStack

HEADS: Final = "audit-heads"
SUBJECTS: Final = "subject-keys"
ANCHORS: Final = "log,s3://${ProjectName}-audit-heads-${Stage}/heads,ssm:/${ProjectName}/${Stage}/audit-head"
SETTINGS: Final = "/${ProjectName}/${Stage}/audit-archive/"


class EvidenceStack(FleetStack):
    """Stands before `access`, whose parameter `AuditSigningKeyArn` takes its output."""

    def __init__(self, scope: Construct) -> None:
        """Declare everything."""
        super().__init__(scope, "evidence", "What vouches for the audit archive of the worker fleet")
        inputs = Inputs(self, row={name: {"AuditLockMode": row.audit_lock_mode} for name, row in STAGES.items()})
        root = Fn.sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")
        key = kms.CfnKey(
            self,
            "SigningKey",
            description=Fn.sub("Signs digests of the audit archive of ${ProjectName} ${Stage}"),
            key_spec="ECC_NIST_P256",
            key_usage="SIGN_VERIFY",
            pending_window_in_days=30,
            key_policy=document(
                {"Sid": "Iam", "Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}
            ),
        )
        # A chain that is signed takes no digest of a worker without its key.
        keep(key)
        alias = kms.CfnAlias(self, "SigningAlias", alias_name=name_of("audit", prefix="alias/"), target_key_id=key.ref)
        bucket = _heads(self, inputs.look_up("AuditLockMode"))
        policy = s3.CfnBucketPolicy(
            self,
            "HeadsPolicy",
            bucket=bucket.ref,
            policy_document=document(deny_without_tls("s3", bucket.attr_arn, f"{bucket.attr_arn}/*")),
        )
        subjects = _subject_keys(self)
        settings = (
            self._setting("SubjectKeysTableName", "SUBJECT_KEYS_TABLE_NAME", subjects.ref),
            self._setting("AuditSigningKey", "AUDIT_SIGNING_KEY", Fn.join(":", ["kms", key.attr_arn])),
            self._setting("AuditAnchors", "AUDIT_ANCHORS", Fn.sub(ANCHORS)),
        )
        made: tuple[CfnResource, ...] = (key, alias, bucket, policy, subjects, *settings)
        for each in made:
            each.override_logical_id(each.node.id)
        export(self, "AuditSigningKeyArn", key.attr_arn)
        export(self, "AuditHeadsBucketName", bucket.ref)

    def _setting(self, stem: str, name: str, value: str) -> ssm.CfnParameter:
        """The worker finds it at its next start: no deployment of functions is needed."""
        return ssm.CfnParameter(self, stem, type="String", name=Fn.sub(SETTINGS + name), value=value)


def _subject_keys(scope: Construct) -> dynamodb.CfnTable:
    """What is erased there must be gone for good, and soon: no stream, no backup of `care`, and seven days to put it back, not 35."""
    table = dynamodb.CfnTable(
        scope,
        "SubjectKeysTable",
        table_name=name_of(SUBJECTS),
        billing_mode="PAY_PER_REQUEST",
        attribute_definitions=[
            dynamodb.CfnTable.AttributeDefinitionProperty(attribute_name="name", attribute_type="S")
        ],
        key_schema=[dynamodb.CfnTable.KeySchemaProperty(attribute_name="name", key_type="HASH")],
        sse_specification=dynamodb.CfnTable.SSESpecificationProperty(sse_enabled=True),
        point_in_time_recovery_specification=dynamodb.CfnTable.PointInTimeRecoverySpecificationProperty(
            point_in_time_recovery_enabled=True, recovery_period_in_days=7
        ),
        deletion_protection_enabled=True,  # who loses it loses every search by person
    )
    keep(table)
    return table


def _heads(scope: Construct, mode: str) -> s3.CfnBucket:
    """An object for each digest, a hundred bytes; locked for as long as there is a row that it vouches for."""
    bucket = s3.CfnBucket(
        scope,
        "Heads",
        bucket_name=name_of(HEADS),
        object_lock_enabled=True,
        object_lock_configuration=s3.CfnBucket.ObjectLockConfigurationProperty(
            object_lock_enabled="Enabled",
            rule=s3.CfnBucket.ObjectLockRuleProperty(
                default_retention=s3.CfnBucket.DefaultRetentionProperty(mode=mode, days=AUDIT_EXPIRY_DAYS)
            ),
        ),
        versioning_configuration=s3.CfnBucket.VersioningConfigurationProperty(status="Enabled"),
        bucket_encryption=s3.CfnBucket.BucketEncryptionProperty(
            server_side_encryption_configuration=[
                s3.CfnBucket.ServerSideEncryptionRuleProperty(
                    server_side_encryption_by_default=s3.CfnBucket.ServerSideEncryptionByDefaultProperty(
                        sse_algorithm="AES256"
                    )
                )
            ]
        ),
        public_access_block_configuration=s3.CfnBucket.PublicAccessBlockConfigurationProperty(
            block_public_acls=True, block_public_policy=True, ignore_public_acls=True, restrict_public_buckets=True
        ),
        ownership_controls=s3.CfnBucket.OwnershipControlsProperty(
            rules=[s3.CfnBucket.OwnershipControlsRuleProperty(object_ownership="BucketOwnerEnforced")]
        ),
    )
    keep(bucket)
    return bucket
