"""What no role of a stage may ever do, whatever its policies say: the permissions boundary that the pipeline's deployments make roles under.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
"""

from typing import Final

from aws_cdk import CfnCondition, CfnParameter, Fn, Stack
from constructs import Construct

from infra.naming import pattern_of
from infra.resources.statements import Statement, allow

NAME: Final = "boundary"
ARN: Final = f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:policy/{pattern_of(NAME)}"
ASKED: Final = "PermissionsBoundaryArn"
NOBODYS: Final = "NONE"
OWN: Final = pattern_of("*")
PLACE: Final = "${AWS::Region}:${AWS::AccountId}"


def bounded(scope: Construct) -> str:
    """The policy that bounds a role, where the deployment asks for it; the first role of a stack declares the parameter."""
    stack = Stack.of(scope)
    condition = stack.node.try_find_child("Unbounded")
    if condition is None:
        asked = CfnParameter(stack, ASKED, default=NOBODYS, description="Policy that roles are made under, or NONE")
        without = Fn.condition_equals(asked.value_as_string, NOBODYS)
        condition = CfnCondition(stack, "Unbounded", expression=without)
        for each in (asked, condition):
            each.override_logical_id(each.node.id)
    return Fn.condition_if(condition.node.id, Fn.ref("AWS::NoValue"), Fn.ref(ASKED)).to_string()


def boundary() -> list[Statement]:
    """Data of the stage's own resources, and questions; of IAM, of policies and of what others own nothing. A role may do what its own policy
    permits as well: tests/infra/test_boundary.py holds every role against it.
    """
    return [
        _own("dynamodb", "table/{}", "*Item Describe* Get* ListTagsOfResource Query Scan", "table/{}/*"),
        _own("dynamodb", "table/{}", "CreateBackup DeleteBackup StartAwsBackupJob", "table/{}/backup/*"),
        _own("sqs", "{}", "*Message* Get* ListDeadLetterSourceQueues"),
        _own("events", "event-bus/{}", "PutEvents"),
        _own("logs", "log-group:/*/{}:*", "CreateLogStream DescribeLogStreams PutLogEvents StartQuery"),
        _own("lambda", "function:{}", "GetAlias GetProvisionedConcurrencyConfig List* UpdateAlias", "function:{}:*"),
        _own("codedeploy", "deploymentgroup:{}/*", "ListDeployments StopDeployment"),
        _own("cloudformation", "stack/{}/*", "Describe* List*"),
        _own("secretsmanager", "secret:{}-*", "DescribeSecret GetSecretValue"),
        _own("backup", "backup-vault:{}", "CopyFromBackupVault CopyIntoBackupVault DescribeBackupVault"),
        _named("ssm", "parameter/${ProjectName}/${Stage}/*", "GetParameter* PutParameter"),
        _named("execute-api", "*/POST/@connections/*", "ManageConnections"),
        _named("ses", "*", "Send*Email"),
        allow(
            _of("s3", "DeleteObject Get* ListBucket PutObject PutObject*Tagging"),
            [Fn.sub(f"arn:${{AWS::Partition}}:s3:::{OWN}{end}") for end in ("", "/*")],
        ),
        # A key's own policy says who may use it: keys of the stage, of endpoints' secrets, of backups.
        allow(
            _of("kms", "CreateGrant Decrypt DescribeKey Encrypt GenerateDataKey* GetPublicKey ReEncrypt* Sign"), ["*"]
        ),
        allow(
            [
                *_of("cloudwatch", "Describe* Get*"),
                *_of(
                    "ec2",
                    "CreateNetworkInterface DeleteNetworkInterface DescribeNetworkInterfaces *PrivateIpAddresses DescribeSubnets",
                ),
                *_of("ecr", "Batch* Get*"),
                *_of("ecs", "DescribeServices"),
                *_of("events", "Describe* List*"),
                *_of("lambda", "GetFunctionConcurrency GetFunctionConfiguration List*"),
                *_of("logs", "Describe* GetQueryResults StopQuery"),
                *_of("pipes", "Describe* List*"),
                *_of("scheduler", "GetSchedule ListSchedules"),
                *_of("sns", "Get* List*"),
                *_of("sqs", "ListQueues"),
                *_of("tag", "GetResources"),
                *_of("xray", "Put*"),
            ],
            ["*"],
        ),
    ]


def _own(service: str, resource: str, actions: str, more: str = "") -> Statement:
    """`resource`, and `more`: what an ARN ends with, with {} where the names of the stage's own resources stand."""
    return _named(service, resource, actions, *([more] if more else []))


def _named(service: str, resource: str, actions: str, *more: str) -> Statement:
    place = f"arn:${{AWS::Partition}}:{service}:{PLACE}:"
    return allow(_of(service, actions), [Fn.sub(place + each.replace("{}", OWN)) for each in (resource, *more)])


def _of(service: str, actions: str) -> list[str]:
    return [f"{service}:{action}" for action in actions.split()]
