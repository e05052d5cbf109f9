"""Roles: one for each worker, whatever runs it, one that starts tasks, and those that people and other systems take on."""

from typing import Any

from aws_cdk import Aws, Fn
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.naming import name_of
from infra.outputs import export
from infra.resources.boundary import bounded
from infra.resources.compute.settings import camel
from infra.resources.statements import Statement, document


def role(scope: Construct, name: str, trusted: list[Any], statements: list[Any]) -> iam.CfnRole:
    """The role `{project}-{name}-{stage}`, with one policy of its own, and its ARN as an output."""
    stem = f"{camel(name)}Role"
    made = iam.CfnRole(
        scope,
        stem,
        role_name=name_of(name),
        permissions_boundary=bounded(scope),
        assume_role_policy_document=document(*trusted),
        policies=[iam.CfnRole.PolicyProperty(policy_name="calls", policy_document=document(*statements))],
    )
    made.override_logical_id(stem)
    export(scope, f"{stem}Arn", made.attr_arn)
    return made


def by_lambda() -> Statement:
    """Lambda takes the role on for a function."""
    return _trust({"Service": "lambda.amazonaws.com"})


def by_tasks() -> Statement:
    """ECS takes the role on for tasks of this account.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
    """
    tasks = Fn.sub("arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:*")
    return _trust({"Service": "ecs-tasks.amazonaws.com"}) | {
        "Condition": {"ArnLike": {"aws:SourceArn": tasks}, "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
    }


def by_pods(cluster: str) -> Statement:
    """EKS takes the role on for pods of a cluster, by its ARN.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
    """
    statement = _trust({"Service": "pods.eks.amazonaws.com"}) | {"Action": ["sts:AssumeRole", "sts:TagSession"]}
    return statement | {"Condition": {"ArnEquals": {"aws:SourceArn": cluster}}}


def by_releases() -> Statement:
    """CodeDeploy takes the role on to move an alias."""
    return _trust({"Service": "codedeploy.amazonaws.com"})


def by_principals(arns: Any) -> Statement:
    """Who is named at the deployment."""
    return _trust({"AWS": arns})


def _trust(principal: dict[str, Any]) -> Statement:
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
