"""How a new version of a worker's function comes: a tenth of the traffic first, and back by itself when its alarms call.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-updatepolicy.html
"""

from typing import Any, Final

from aws_cdk import CfnCondition, Fn
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.naming import name_of
from infra.resources.compute.settings import WorkerSettings
from infra.resources.inputs import taken

SHIFT: Final = "CodeDeployDefault.LambdaCanary10Percent10Minutes"
"""Longer than the alarms of failures and of slowness look back, which are 5 minutes, and their metrics come a minute or two late: a canary
of 5 minutes would have all of the traffic before the first of them can call.
"""
RETURNS: Final = ("DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST")


class Canary(Construct):
    """One worker's application and deployment group; its alias is moved by them where `on` holds, and at once elsewhere."""

    def __init__(
        self, scope: Construct, settings: WorkerSettings, *, alias: lambda_.CfnAlias, on: CfnCondition
    ) -> None:
        """The group is called as the function is: `fleet release rollback` finds it by that."""
        super().__init__(scope, f"{settings.stem}Canary")
        name = name_of(settings.name)
        application = codedeploy.CfnApplication(
            self, f"{settings.stem}Application", application_name=name, compute_platform="Lambda"
        )
        group = codedeploy.CfnDeploymentGroup(
            self,
            f"{settings.stem}DeploymentGroup",
            application_name=application.ref,
            deployment_group_name=name,
            deployment_config_name=SHIFT,
            service_role_arn=taken("access", "ReleaseRoleArn"),
            deployment_style=codedeploy.CfnDeploymentGroup.DeploymentStyleProperty(
                deployment_option="WITH_TRAFFIC_CONTROL", deployment_type="BLUE_GREEN"
            ),
            alarm_configuration=codedeploy.CfnDeploymentGroup.AlarmConfigurationProperty(
                enabled=True,
                alarms=[codedeploy.CfnDeploymentGroup.AlarmProperty(name=name_of(each)) for each in alarms(settings)],
            ),
            auto_rollback_configuration=codedeploy.CfnDeploymentGroup.AutoRollbackConfigurationProperty(
                enabled=True, events=list(RETURNS)
            ),
        )
        for resource in (application, group):
            resource.override_logical_id(resource.node.id)
            resource.cfn_options.condition = on
        policy: dict[str, Any] = {"ApplicationName": application.ref, "DeploymentGroupName": group.ref}
        shifted = Fn.condition_if(on.logical_id, policy, Fn.ref("AWS::NoValue"))
        alias.add_override("UpdatePolicy", {"CodeDeployLambdaAliasUpdate": shifted})


def alarms(settings: WorkerSettings) -> list[str]:
    """What ends a canary: failures above 5 % and a p99 above 2 s of a queue, and invocations that end in an error.

    A tenth of the traffic that fails entirely is above 5 % of the whole, so the queue's own alarms see a bad version.
    """
    faults = ("failing", "slow")
    return [
        *(f"{source.queue}-{fault}" for source in settings.sources for fault in faults),
        f"{settings.name}-breaking",
    ]
