"""A worker behind the container's door on Fargate: task definition, service, and scaling by the backlog of each task."""

from dataclasses import dataclass
from typing import Any, Final

from aws_cdk import Aws, CfnCondition, Fn, Token
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.naming import name_of
from infra.outputs import export
from infra.resources.compute.settings import DRAIN, MEMORY, STOP_TIMEOUT, WorkerSettings
from infra.resources.inputs import taken

CPU: Final = 256  # a quarter of a processor: workers wait most of the time
ALIVE: Final = (
    "import os, urllib.request as r; "
    "r.urlopen('http://127.0.0.1:' + os.environ.get('HEALTH_PORT', '8080') + '/livez', timeout=4)"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where tasks run: cluster, image, network, the key of their logs, and how many of them there may be."""

    cluster: str
    image: str
    subnets: list[str]
    security_groups: list[str]
    public_address: str
    key: str
    fewest: str
    most: str


class Service(Construct):
    """One worker's service; all of it exists only where `on` holds."""

    def __init__(
        self,
        scope: Construct,
        settings: WorkerSettings,
        place: Place,
        *,
        on: CfnCondition,
        environment: dict[str, Any],
        retention: str,
    ) -> None:
        """`retention` of its log in days."""
        super().__init__(scope, f"{settings.stem}Fargate")
        self._settings = settings
        stem = settings.stem
        log_group = logs.CfnLogGroup(
            self,
            f"{stem}ContainerLog",
            log_group_name=name_of(settings.name, prefix="/ecs/"),
            retention_in_days=Token.as_number(retention),
            kms_key_id=place.key,
        )
        task = self._task(place, environment, log_group)
        service = self._service(place, task)
        self.cluster, self.name = place.cluster, service.attr_name
        self.target = target = scaling.CfnScalableTarget(
            self,
            f"{stem}ScalableTarget",
            service_namespace="ecs",
            scalable_dimension="ecs:service:DesiredCount",
            resource_id=Fn.join("/", ["service", place.cluster, service.attr_name]),
            min_capacity=Token.as_number(place.fewest),
            max_capacity=Token.as_number(place.most),
        )
        policy = self._policy(place, service, target)
        for resource in (log_group, task, service, target, policy):
            resource.override_logical_id(resource.node.id)
            resource.cfn_options.condition = on
        export(self, f"{stem}ServiceName", service.attr_name, on=on)

    def _task(self, place: Place, environment: dict[str, Any], log_group: logs.CfnLogGroup) -> ecs.CfnTaskDefinition:
        variables = environment | {"DRAIN_SECONDS": str(DRAIN)}
        container = ecs.CfnTaskDefinition.ContainerDefinitionProperty(
            name="worker",
            image=place.image,
            command=["fleet", "run", self._settings.name],
            environment=[
                ecs.CfnTaskDefinition.KeyValuePairProperty(name=name, value=value)
                for name, value in sorted(variables.items())
            ],
            essential=True,
            user="10001",
            readonly_root_filesystem=True,
            linux_parameters=ecs.CfnTaskDefinition.LinuxParametersProperty(
                capabilities=ecs.CfnTaskDefinition.KernelCapabilitiesProperty(drop=["ALL"]),
                init_process_enabled=True,  # a first process has no default for SIGTERM: until Python runs, it would be ignored
            ),
            stop_timeout=STOP_TIMEOUT,
            health_check=ecs.CfnTaskDefinition.HealthCheckProperty(
                command=["CMD", "python", "-c", ALIVE], interval=10, timeout=5, retries=3, start_period=20
            ),
            log_configuration=ecs.CfnTaskDefinition.LogConfigurationProperty(
                log_driver="awslogs",
                options={"awslogs-group": log_group.ref, "awslogs-region": Aws.REGION, "awslogs-stream-prefix": "task"},
            ),
        )
        return ecs.CfnTaskDefinition(
            self,
            f"{self._settings.stem}Task",
            family=name_of(self._settings.name),
            requires_compatibilities=["FARGATE"],
            runtime_platform=ecs.CfnTaskDefinition.RuntimePlatformProperty(
                cpu_architecture="ARM64", operating_system_family="LINUX"
            ),
            network_mode="awsvpc",
            cpu=str(CPU),
            memory=str(MEMORY),
            execution_role_arn=taken("access", "TaskExecutionRoleArn"),
            task_role_arn=taken("access", f"{self._settings.stem}RoleArn"),
            container_definitions=[container],
        )

    def _service(self, place: Place, task: ecs.CfnTaskDefinition) -> ecs.CfnService:
        return ecs.CfnService(
            self,
            f"{self._settings.stem}Service",
            service_name=name_of(self._settings.name),
            cluster=place.cluster,
            task_definition=task.ref,
            launch_type="FARGATE",
            propagate_tags="SERVICE",
            deployment_configuration=ecs.CfnService.DeploymentConfigurationProperty(
                minimum_healthy_percent=100,
                maximum_percent=200,
                deployment_circuit_breaker=ecs.CfnService.DeploymentCircuitBreakerProperty(enable=True, rollback=True),
            ),
            network_configuration=ecs.CfnService.NetworkConfigurationProperty(
                awsvpc_configuration=ecs.CfnService.AwsVpcConfigurationProperty(
                    subnets=place.subnets, security_groups=place.security_groups, assign_public_ip=place.public_address
                )
            ),
        )

    def _policy(
        self, place: Place, service: ecs.CfnService, target: scaling.CfnScalableTarget
    ) -> scaling.CfnScalingPolicy:
        waiting = [
            _metric(
                f"waiting{number}",
                "AWS/SQS",
                "ApproximateNumberOfMessagesVisible",
                QueueName=name_of(source.queue),
            )
            for number, source in enumerate(self._settings.sources)
        ]
        tasks = _metric(
            "tasks",
            "ECS/ContainerInsights",
            "RunningTaskCount",
            ClusterName=place.cluster,
            ServiceName=service.attr_name,
        )
        backlog = _Metric(
            id="backlog",
            expression=f"({' + '.join(f'waiting{number}' for number in range(len(waiting)))}) / IF(tasks > 0, tasks, 1)",
            label="messages that wait for each task",
            return_data=True,
        )
        return scaling.CfnScalingPolicy(
            self,
            f"{self._settings.stem}Scaling",
            policy_name=name_of(f"{self._settings.name}-backlog"),
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.ref,
            target_tracking_scaling_policy_configuration=scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
                target_value=self._settings.backlog,
                scale_out_cooldown=60,
                scale_in_cooldown=300,
                customized_metric_specification=scaling.CfnScalingPolicy.CustomizedMetricSpecificationProperty(
                    metrics=[*waiting, tasks, backlog]
                ),
            ),
        )


_Metric = scaling.CfnScalingPolicy.TargetTrackingMetricDataQueryProperty


def _metric(
    key: str, namespace: str, name: str, **dimensions: str
) -> scaling.CfnScalingPolicy.TargetTrackingMetricDataQueryProperty:
    return _Metric(
        id=key,
        return_data=False,
        metric_stat=scaling.CfnScalingPolicy.TargetTrackingMetricStatProperty(
            stat="Average",
            metric=scaling.CfnScalingPolicy.TargetTrackingMetricProperty(
                namespace=namespace,
                metric_name=name,
                dimensions=[
                    scaling.CfnScalingPolicy.TargetTrackingMetricDimensionProperty(name=key, value=value)
                    for key, value in dimensions.items()
                ],
            ),
        ),
    )
