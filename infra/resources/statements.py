"""The statements from which every policy of the fleet is made."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import Aws

Statement = dict[str, Any]


def document(*statements: Statement) -> dict[str, Any]:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def deny_without_tls(service: str, *resources: str) -> Statement:
    """Nobody, however permitted, speaks to these resources in clear text."""
    return {
        "Sid": "DenyWithoutTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": f"{service}:*",
        "Resource": list(resources) if len(resources) > 1 else resources[0],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def allow_send(service: str, queue_arn: str, source_arns: Sequence[str]) -> Statement:
    """One AWS service may send to a queue, on behalf of these sources of this account and of nothing else."""
    return {
        "Sid": "AllowSource",
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {
            "ArnEquals": {"aws:SourceArn": list(source_arns) if len(source_arns) > 1 else source_arns[0]},
            "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
        },
    }


def deny_send(queue_arn: str, *, but_from: list[str]) -> Statement:
    """Nobody but these principals sends to a queue, whatever else permits it; what a role's session sends counts as the role's.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
    """
    return {
        "Sid": "DenyOtherSenders",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": but_from}},
    }


def allow(actions: Sequence[str], resources: Sequence[str]) -> Statement:
    """A role may do exactly this to exactly that."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
