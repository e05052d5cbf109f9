"""The first task of a service that may have none: the backlog of each task says nothing while there is no task.

https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-step-scaling-policies.html
"""

from aws_cdk import CfnCondition
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.naming import name_of
from infra.resources.compute.service import Service
from infra.resources.compute.settings import WorkerSettings


class Waking(Construct):
    """One task as soon as a message waits and none runs; from there on the backlog says how many. Exists only where `on` holds."""

    def __init__(self, scope: Construct, settings: WorkerSettings, service: Service, *, on: CfnCondition) -> None:
        """The service goes back to none when its backlog has been empty for a quarter of an hour."""
        super().__init__(scope, f"{settings.stem}Waking")
        policy = scaling.CfnScalingPolicy(
            self,
            f"{settings.stem}Wake",
            policy_name=name_of(f"{settings.name}-wake"),
            policy_type="StepScaling",
            scaling_target_id=service.target.ref,
            step_scaling_policy_configuration=scaling.CfnScalingPolicy.StepScalingPolicyConfigurationProperty(
                adjustment_type="ExactCapacity",
                metric_aggregation_type="Maximum",
                step_adjustments=[
                    scaling.CfnScalingPolicy.StepAdjustmentProperty(metric_interval_lower_bound=0, scaling_adjustment=1)
                ],
            ),
        )
        waiting = [
            _metric(f"waiting{number}", "AWS/SQS", "ApproximateNumberOfMessagesVisible", QueueName=name_of(each.queue))
            for number, each in enumerate(settings.sources)
        ]
        tasks = _metric(
            "tasks",
            "ECS/ContainerInsights",
            "RunningTaskCount",
            ClusterName=service.cluster,
            ServiceName=service.name,
        )
        alarm = cloudwatch.CfnAlarm(
            self,
            f"{settings.stem}Waits",
            alarm_name=name_of(settings.name, prefix="wake-"),  # no alarm of the stage's: nobody is called
            alarm_description="A message waits and no task runs, so that one is started",
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=1,
            evaluation_periods=1,
            treat_missing_data="notBreaching",
            alarm_actions=[policy.ref],
            metrics=[
                *waiting,
                tasks,
                cloudwatch.CfnAlarm.MetricDataQueryProperty(
                    id="asleep",
                    expression=f"IF(FILL(tasks, 0) < 1, {' + '.join(each.id for each in waiting)}, 0)",
                    label="messages that wait while no task runs",
                    return_data=True,
                ),
            ],
        )
        for resource in (policy, alarm):
            resource.override_logical_id(resource.node.id)
            resource.cfn_options.condition = on


def _metric(key: str, namespace: str, name: str, **dimensions: str) -> cloudwatch.CfnAlarm.MetricDataQueryProperty:
    return cloudwatch.CfnAlarm.MetricDataQueryProperty(
        id=key,
        return_data=False,
        metric_stat=cloudwatch.CfnAlarm.MetricStatProperty(
            stat="Maximum",
            period=60,
            metric=cloudwatch.CfnAlarm.MetricProperty(
                namespace=namespace,
                metric_name=name,
                dimensions=[
                    cloudwatch.CfnAlarm.DimensionProperty(name=key, value=value) for key, value in dimensions.items()
                ],
            ),
        ),
    )
