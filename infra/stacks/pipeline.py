"""The stack `pipeline`: GitHub's workflow becomes a role of the stage's account, for one environment of one repository, without a key.

https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws
"""

from typing import Any, Final

from aws_cdk import Fn
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.naming import name_of, pattern_of
from infra.outputs import export
from infra.resources import boundary
from infra.resources.compute import people
from infra.resources.inputs import Inputs
from infra.resources.statements import allow, document
from infra.resources.worker_queue import keep
from infra.stack import FleetStack
from infra.stacks.care import BACKS_UP

GITHUB: Final = "token.actions.githubusercontent.com"
NONE: Final = "NONE"
# Repositories that were made or renamed since 15 July 2026 are told by their numbers as well, which nobody else is ever given:
# https://github.blog/changelog/2026-04-23-immutable-subject-claims-for-github-actions-oidc-tokens/
REPOSITORY: Final = "[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+|[A-Za-z0-9_.-]+@[0-9]+/[A-Za-z0-9_.-]+@[0-9]+"
STACKS: Final = (
    "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/${ProjectName}-*-${Stage}/*"
)
ROLE: Final = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role"
OWN_ROLES: Final = f"{ROLE}/{pattern_of('*')}"
DEPLOYERS: Final = ("deployer", "deployment")


ATTACHED: Final = (BACKS_UP,)


class PipelineStack(FleetStack):
    """Deployed by an administrator, once for each stage; everything after it comes from the workflow."""

    def __init__(self, scope: Construct) -> None:
        """Declare everything."""
        super().__init__(scope, "pipeline", "What a workflow of GitHub deploys the worker fleet with")
        inputs = Inputs(self)
        inputs.text("Repository", "At GitHub: OWNER/NAME, or OWNER@ID/NAME@ID as its tokens say it", pattern=REPOSITORY)
        inputs.text("LambdaDeploymentBucket", "Bucket that the workflow puts the zip into")
        provider = self._provider(inputs)
        bounds = self._boundary()
        deployment = self._deployment_role()
        deployer = iam.CfnRole(
            self,
            "DeployerRole",
            role_name=name_of("deployer"),
            assume_role_policy_document=document(_trusted(provider)),
            policies=[
                iam.CfnRole.PolicyProperty(
                    policy_name="calls", policy_document=document(*_deployer(deployment.attr_arn))
                )
            ],
        )
        deployer.override_logical_id("DeployerRole")
        export(self, "DeployerRoleArn", deployer.attr_arn)
        export(self, "DeploymentRoleArn", deployment.attr_arn)
        export(self, "BoundaryArn", bounds.ref)

    def _provider(self, inputs: Inputs) -> Any:
        """An account has one provider for GitHub: the first stage makes it, the others are told of it."""
        given = inputs.text("GitHubProviderArn", "The account's provider for GitHub, where it has one", default=NONE)
        makes = inputs.condition("MakesProvider", Fn.condition_equals(given, NONE))
        made = iam.CfnOIDCProvider(
            self, "GitHubProvider", url=f"https://{GITHUB}", client_id_list=["sts.amazonaws.com"]
        )
        made.override_logical_id("GitHubProvider")
        made.cfn_options.condition = makes
        keep(made)  # other repositories may have come to use it
        export(self, "GitHubProviderArn", made.attr_arn, on=makes)
        return Fn.condition_if(makes.logical_id, made.attr_arn, given)

    def _boundary(self) -> iam.CfnManagedPolicy:
        made = iam.CfnManagedPolicy(
            self,
            "Boundary",
            managed_policy_name=name_of(boundary.NAME),
            description="The most that a role of the worker fleet may do",
            policy_document=document(*boundary.boundary()),
        )
        made.override_logical_id("Boundary")
        return made

    def _deployment_role(self) -> iam.CfnRole:
        """What CloudFormation acts as. Wide, for it makes what the stacks declare, and nobody but CloudFormation can take it on;
        the roles that it may make and pass on are the stage's own, and can do no more than the boundary.
        """
        made = iam.CfnRole(
            self,
            "DeploymentRole",
            role_name=name_of("deployment"),
            assume_role_policy_document=document(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "cloudformation.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ),
            managed_policy_arns=[Fn.sub("arn:${AWS::Partition}:iam::aws:policy/PowerUserAccess")],
            policies=[
                iam.CfnRole.PolicyProperty(
                    policy_name="roles-of-the-stage",
                    policy_document=document(*_makes_roles()),
                )
            ],
        )
        made.override_logical_id("DeploymentRole")
        return made


ROLE_ACTIONS: Final = (
    "DeleteRole",
    "DeleteRolePolicy",
    "GetRole",
    "GetRolePolicy",
    "ListAttachedRolePolicies",
    "ListRolePolicies",
    "PassRole",
    "TagRole",
    "UntagRole",
    "UpdateAssumeRolePolicy",
    "UpdateRole",
)
GIVING: Final = ("CreateRole", "PutRolePermissionsBoundary", "PutRolePolicy")


def _makes_roles() -> list[dict[str, Any]]:
    """What makes a role able to do something is permitted below the boundary alone: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagement.html"""
    own, bounds = [Fn.sub(OWN_ROLES)], {"iam:PermissionsBoundary": Fn.sub(boundary.ARN)}
    # Of AWS's own policies those that a stack attaches.
    attached = {"iam:PolicyARN": [Fn.sub(each) for each in ATTACHED]}
    return [
        allow([f"iam:{each}" for each in ROLE_ACTIONS], own),
        allow([f"iam:{each}" for each in GIVING], own) | {"Condition": {"ArnEquals": bounds}},
        allow(["iam:AttachRolePolicy"], own) | {"Condition": {"ArnEquals": bounds | attached}},
        allow(["iam:DetachRolePolicy"], own) | {"Condition": {"ArnEquals": attached}},
        # Who deploys has no boundary: neither may a stack let somebody else take it on, nor hand it to what it makes.
        {
            "Effect": "Deny",
            "Action": ["iam:*"],
            "Resource": [Fn.sub(f"{ROLE}/{pattern_of(each)}") for each in DEPLOYERS],
        },
    ]


def _trusted(provider: Any) -> dict[str, Any]:
    """A job of the repository in the environment that is called as the stage: its approval has been given by then."""
    return {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                f"{GITHUB}:aud": "sts.amazonaws.com",
                f"{GITHUB}:sub": Fn.sub("repo:${Repository}:environment:${Stage}"),
            }
        },
    }


def _deployer(deployment: str) -> list[dict[str, Any]]:
    """What `infra/deploy.sh` and the look at the end call."""
    changes = ["CreateChangeSet", "DeleteChangeSet", "DescribeChangeSet", "DescribeEvents", "DescribeStackEvents"]
    changes += ["DescribeStacks", "ExecuteChangeSet", "GetTemplateSummary"]
    return [
        allow([f"cloudformation:{each}" for each in changes], [Fn.sub(STACKS)]),
        allow(
            ["cloudformation:GetTemplateSummary", "cloudformation:ValidateTemplate"], ["*"]
        ),  # of a file: no stack yet
        allow(["iam:PassRole"], [deployment])
        | {"Condition": {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}}},
        # The zips, and templates that are too large to be deployed from a file.
        allow(
            ["s3:GetObject", "s3:PutObject"],
            [Fn.sub("arn:${AWS::Partition}:s3:::${LambdaDeploymentBucket}/fleet-lambda-*")],
        ),
        *people.reader(),
        allow(["iam:GetRole"], [Fn.sub(OWN_ROLES)]),  # the look, whether each role is there
    ]
