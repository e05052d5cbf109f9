"""The stack `keys`: one key of the stage's own for tables, buckets, queues and logs, and who may use it for what.

https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
"""

from typing import Final

from aws_cdk import Aws, Fn
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.naming import name_of
from infra.outputs import export
from infra.resources.inputs import Inputs
from infra.resources.statements import Statement, document
from infra.resources.worker_queue import keep
from infra.stack import FleetStack

USE: Final = ["kms:Decrypt", "kms:GenerateDataKey"]
SENDERS: Final = ("events", "s3", "sns", "cloudwatch")
"""Services that put what they say into a queue, or into a topic, under the key."""
STORES: Final = ("dynamodb", "logs", "s3", "sns", "sqs", "secretsmanager", "ssm")
"""Services through which the stage's roles use it; none of them is handed the key itself."""
OWN_ROLES: Final = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${ProjectName}-*-${Stage}"
LOGS: Final = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:*"


class KeysStack(FleetStack):
    """Stands before `messaging`, whose parameter `KeyArn` takes its output; roles need no word of it."""

    def __init__(self, scope: Construct) -> None:
        """Declare everything."""
        super().__init__(scope, "keys", "The key of the worker fleet")
        Inputs(self)
        key = kms.CfnKey(
            self,
            "Key",
            description=Fn.sub("Tables, buckets, queues and logs of ${ProjectName} ${Stage}"),
            enable_key_rotation=True,
            pending_window_in_days=30,
            key_policy=document(_administrators(), _services(), _logs(), _roles(), _table_grants()),
        )
        key.override_logical_id("Key")
        # What is encrypted under a key that is gone is gone.
        keep(key)
        alias = kms.CfnAlias(self, "KeyAlias", alias_name=name_of("data", prefix="alias/"), target_key_id=key.ref)
        alias.override_logical_id("KeyAlias")
        export(self, "KeyArn", key.attr_arn)


def _administrators() -> Statement:
    """Whom the account's own IAM permits; without it nobody could ever change the policy."""
    root = Fn.sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")
    return {"Sid": "Administrators", "Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}


def _services() -> Statement:
    """On behalf of this account's rules, buckets, topics and alarms.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html#compatibility-with-aws-services
    """
    return {
        "Sid": "Senders",
        "Effect": "Allow",
        "Principal": {"Service": [f"{name}.amazonaws.com" for name in SENDERS]},
        "Action": USE,
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
    }


def _logs() -> Statement:
    """For log groups of this account alone.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    return {
        "Sid": "Logs",
        "Effect": "Allow",
        "Principal": {"Service": Fn.sub("logs.${AWS::Region}.amazonaws.com")},
        "Action": [*USE, "kms:DescribeKey", "kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo"],
        "Resource": "*",
        "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": Fn.sub(LOGS)}},
    }


def _roles() -> Statement:
    """The stage's own roles, by their names, and only through the services that keep its data."""
    return {
        "Sid": "Roles",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [*USE, "kms:DescribeKey"],
        "Resource": "*",
        "Condition": {
            "StringEquals": {
                "kms:CallerAccount": Aws.ACCOUNT_ID,
                "kms:ViaService": [Fn.sub(f"{name}.${{AWS::Region}}.amazonaws.com") for name in STORES],
            },
            "ArnLike": {"aws:PrincipalArn": Fn.sub(OWN_ROLES)},
        },
    }


def _table_grants() -> Statement:
    """DynamoDB keeps using the key for a table by grants that it makes in the name of whoever made the table.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
    """
    return {
        "Sid": "Tables",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ["kms:CreateGrant", "kms:DescribeKey"],
        "Resource": "*",
        "Condition": {
            "Bool": {"kms:GrantIsForAWSResource": "true"},
            "StringEquals": {
                "kms:CallerAccount": Aws.ACCOUNT_ID,
                "kms:ViaService": Fn.sub("dynamodb.${AWS::Region}.amazonaws.com"),
            },
            "ArnLike": {"aws:PrincipalArn": Fn.sub(OWN_ROLES)},
        },
    }
