"""The policy that no role of a stage reaches beyond, however a deployment changes it; and that a deployment can make none without."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import pytest

from tests.infra.template import ACCOUNT, INFRA, Template, raw, stack

PLACE = f"eu-central-1:{ACCOUNT}"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/fleet-boundary-dev"
STACKS = sorted(path.stem for path in (INFRA / "templates").glob("*.json") if path.stem != "pipeline")
EVERYTHING = {
    "AuditSigningKeyArn": f"arn:aws:kms:{PLACE}:key/signs",
    "Backup": "true",
    "EmailIdentity": "mail.example",
    "ExpoTokenSecretArn": f"arn:aws:secretsmanager:{PLACE}:secret:fleet-expo-token-dev-aBcDeF",
    "PermissionsBoundaryArn": BOUNDARY,
    "PipesEnabled": "true",
    "SlackWorkspaceId": "T0",
    "Subnets": "subnet-a",
    "WebSocketApi": "api/live",
    "WebhookSecretsKeyArn": f"arn:aws:kms:{PLACE}:key/opens",
}
KINDS = {
    "AWS::SQS::Queue": ("QueueName", f"arn:aws:sqs:{PLACE}:"),
    "AWS::DynamoDB::Table": ("TableName", f"arn:aws:dynamodb:{PLACE}:table/"),
    "AWS::Logs::LogGroup": ("LogGroupName", f"arn:aws:logs:{PLACE}:log-group:"),
    "AWS::SecretsManager::Secret": ("Name", f"arn:aws:secretsmanager:{PLACE}:secret:"),
}
ENDS = {"StreamArn": "/stream/2026", "Arn": ""}
MOST = 6_144
"""Characters of a managed policy, blanks not counted: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
BACKUPS = {
    "dynamodb:CreateBackup",
    "dynamodb:DeleteBackup",
    "dynamodb:StartAwsBackupJob",
    "dynamodb:ListTagsOfResource",
}
BACKUPS |= {f"backup:{name}BackupVault" for name in ("CopyFrom", "CopyInto", "Describe")} | {"tag:GetResources"}
KEYED = {f"kms:{name}" for name in ("CreateGrant", "DescribeKey", "Encrypt", "GenerateDataKey*", "ReEncrypt*")}


def statements(**parameters: str) -> list[dict[str, Any]]:
    document: dict[str, Any] = stack("pipeline", **parameters).properties("Boundary")["PolicyDocument"]
    return list(document["Statement"])


def arn(template: Template, said: str) -> str:
    """A resource of the template by its ARN, where a policy says its logical id."""
    name, _, attribute = said.partition(".")
    resource = template.text["Resources"].get(name)
    if resource is None:
        return said
    key, start = KINDS[resource["Type"]]
    end = {"AWS::Logs::LogGroup": ":*", "AWS::SecretsManager::Secret": "-aBcDeF"}.get(resource["Type"], "")
    return f"{start}{template.properties(name)[key]}{end}{ENDS.get(attribute, '')}"


def granted(name: str) -> Iterator[tuple[str, str, str]]:
    """Role, action and resource of all that the roles of a stack may do."""
    template = stack(name, **EVERYTHING)
    for role in template.resources("AWS::IAM::Role").values():
        for policy in role["Properties"].get("Policies", []):
            for each in policy["PolicyDocument"]["Statement"]:
                for action in each["Action"]:
                    yield from (
                        (role["Properties"]["RoleName"], action, arn(template, said)) for said in each["Resource"]
                    )


@cache
def boundary() -> list[dict[str, Any]]:
    return statements()


@cache
def within(action: str, resource: str) -> bool:
    return any(
        any(fnmatchcase(action, pattern) for pattern in each["Action"])
        and any(fnmatchcase(resource, pattern) for pattern in each["Resource"])
        for each in boundary()
    )


@pytest.mark.parametrize("name", STACKS)
def test_every_role_is_made_below_the_boundary_where_the_deployment_says_so(name: str) -> None:
    for made, wanted in (
        (stack(name, **EVERYTHING), BOUNDARY),
        (stack(name, **EVERYTHING | {"PermissionsBoundaryArn": "NONE"}), None),
    ):
        roles = made.resources("AWS::IAM::Role").values()
        assert {role["Properties"].get("PermissionsBoundary") for role in roles} <= {wanted}
    assert stack("pipeline").properties("Boundary")["ManagedPolicyName"] == BOUNDARY.rpartition("/")[2]


@pytest.mark.parametrize("name", STACKS)
def test_what_a_role_may_do_the_boundary_permits(name: str) -> None:
    assert [each for each in granted(name) if not within(*each[1:])] == []


def test_the_boundary_permits_no_action_that_no_role_has_and_nothing_of_identities() -> None:
    had = {action for name in STACKS for _, action, _ in granted(name)} | BACKUPS
    patterns = {action for each in statements() for action in each["Action"]}
    unused = {pattern for pattern in patterns if not any(fnmatchcase(action, pattern) for action in had)}
    assert unused == KEYED, "what a key's own policy permits to the stage's roles"
    assert not [each for each in patterns if each.split(":")[0] in {"iam", "sts", "organizations", "account", "*"}]
    assert not within("sqs:SetQueueAttributes", f"arn:aws:sqs:{PLACE}:fleet-uploads-dev")
    assert not within("sqs:SendMessage", f"arn:aws:sqs:{PLACE}:fleet-uploads-prod")
    assert not within("s3:PutBucketPolicy", "arn:aws:s3:::fleet-uploads-dev")


def test_the_boundary_fits_into_a_managed_policy_with_the_longest_names() -> None:
    text = json.dumps({"Statement": statements(ProjectName="p" * 30, Stage="staging")})
    longest = text.replace(PLACE, f"ap-southeast-2:{ACCOUNT}").replace("arn:aws:", "arn:aws-us-gov:")
    assert len(re.sub(r"\s", "", longest)) < MOST


def test_cloudformations_role_gives_rights_below_the_boundary_alone() -> None:
    policy = stack("pipeline").properties("DeploymentRole")["Policies"][0]["PolicyDocument"]["Statement"]
    allowed = [each for each in policy if each["Effect"] == "Allow"]
    for action in ("CreateRole", "PutRolePolicy", "PutRolePermissionsBoundary", "AttachRolePolicy"):
        [one] = [each for each in allowed if f"iam:{action}" in each["Action"]]
        assert one["Condition"]["ArnEquals"]["iam:PermissionsBoundary"] == BOUNDARY, action
    permitted = {action for each in allowed for action in each["Action"]}
    assert not permitted & {"iam:DeleteRolePermissionsBoundary", "iam:CreatePolicyVersion", "iam:*"}


def test_cloudformations_role_can_change_neither_itself_nor_who_deploys() -> None:
    """It has no boundary, and its own name is one of those that it may make roles under."""
    template = stack("pipeline")
    policy = template.properties("DeploymentRole")["Policies"][0]["PolicyDocument"]["Statement"]
    [denied] = [each for each in policy if each["Effect"] == "Deny"]
    names = {role["Properties"]["RoleName"] for role in template.resources("AWS::IAM::Role").values()}
    assert denied["Action"] == ["iam:*"]
    assert set(denied["Resource"]) == {f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in names}


def test_the_workflow_deploys_below_the_boundary() -> None:
    workflow = (INFRA.parent / ".github" / "workflows" / "deploy-stage.yml").read_text()
    [line] = [line for line in workflow.splitlines() if "infra/deploy.sh" in line]
    assert '"PermissionsBoundaryArn=$BOUNDARY_ARN"' in line.split()
    known = [
        name for name in STACKS if "PermissionsBoundaryArn" in raw(INFRA / "templates" / f"{name}.json")["Parameters"]
    ]
    assert known == ["access", "alarms", "care", "edge", "messaging", "network"]
