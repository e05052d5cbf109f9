"""What the template of the Fargate services promises, read from the committed file."""

import pytest

from infra.resources.compute.settings import WorkerSettings
from infra.resources.compute.table import WORKERS
from shared.settings import RuntimeSettings
from tests.infra.template import stack
from workers.audit_archive.app import TIMEOUT as AUDIT
from workers.reminder_dispatch.app import DISPATCH_TIMEOUT, LOOK_TIMEOUT
from workers.webhook_delivery.app import HANDLER_SECONDS

EACH = pytest.mark.parametrize("worker", WORKERS, ids=lambda each: each.name)
FARGATE = {f"{worker.stem}Door": "fargate" for worker in WORKERS}
LONGEST_STOP = 120  # seconds that ECS waits at most before SIGKILL


@EACH
def test_a_container_drains_whole_handlers_before_it_is_killed(worker: WorkerSettings) -> None:
    [container] = stack("services", **FARGATE).properties(f"{worker.stem}Task")["ContainerDefinitions"]
    told = {each["Name"]: each["Value"] for each in container["Environment"]}
    drain = int(told["DRAIN_SECONDS"])
    assert drain + 1 < container["StopTimeout"] <= LONGEST_STOP  # a process ends itself one second after its budget
    assert drain > max(AUDIT, DISPATCH_TIMEOUT, LOOK_TIMEOUT, HANDLER_SECONDS)
    assert container["Command"] == ["fleet", "run", worker.name]
    lambda_is_told = stack("workers").properties(f"{worker.stem}Function")["Environment"]["Variables"]
    assert told == lambda_is_told | {"DRAIN_SECONDS": str(drain)}


@EACH
def test_a_container_is_healthy_by_livez_and_can_write_nowhere(worker: WorkerSettings) -> None:
    [container] = stack("services", **FARGATE).properties(f"{worker.stem}Task")["ContainerDefinitions"]
    assert "/livez" in container["HealthCheck"]["Command"][-1]
    assert str(RuntimeSettings().health_port) in container["HealthCheck"]["Command"][-1]
    assert (container["ReadonlyRootFilesystem"], container["User"]) == (True, "10001")
    assert container["LinuxParameters"] == {"Capabilities": {"Drop": ["ALL"]}, "InitProcessEnabled": True}
    assert container["LogConfiguration"]["Options"]["awslogs-group"] == f"{worker.stem}ContainerLog"


@pytest.mark.parametrize(("stage", "days"), [("dev", "7"), ("staging", "14"), ("prod", "30")])
@EACH
def test_a_function_and_a_container_have_a_log_that_is_kept_as_long_as_the_stage_says(
    worker: WorkerSettings, stage: str, days: str
) -> None:
    named = f"fleet-{worker.name}-{stage}"
    function = stack("workers", stage).properties(f"{worker.stem}Log")
    container = stack("services", stage, **FARGATE).properties(f"{worker.stem}ContainerLog")
    assert (function["LogGroupName"], function["RetentionInDays"]) == (f"/aws/lambda/{named}", days)
    assert (container["LogGroupName"], container["RetentionInDays"]) == (f"/ecs/{named}", days)


@EACH
def test_a_service_replaces_tasks_without_a_gap_goes_back_by_itself_and_has_no_public_address(
    worker: WorkerSettings,
) -> None:
    service = stack("services", **FARGATE).properties(f"{worker.stem}Service")
    deployment = service["DeploymentConfiguration"]
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (100, 200)
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"
    assert "DesiredCount" not in service, "a deployment would undo what scaling has chosen"


@EACH
def test_tasks_follow_the_backlog_of_all_their_queues(worker: WorkerSettings) -> None:
    template = stack("services", **FARGATE)
    policy = template.properties(f"{worker.stem}Scaling")["TargetTrackingScalingPolicyConfiguration"]
    *metrics, backlog = policy["CustomizedMetricSpecification"]["Metrics"]
    waited_for = {
        each["MetricStat"]["Metric"]["Dimensions"][0]["Value"]
        for each in metrics
        if each["MetricStat"]["Metric"]["Namespace"] == "AWS/SQS"
    }
    assert waited_for == {f"fleet-{source.queue}-dev" for source in worker.sources}
    assert (backlog["ReturnData"], [each["ReturnData"] for each in metrics]) == (True, [False] * len(metrics))
    assert all(each["Id"] in backlog["Expression"] for each in metrics)
    assert policy["TargetValue"] == worker.backlog
    assert template.properties("Cluster")["ClusterSettings"] == [{"Name": "containerInsights", "Value": "enabled"}]
    target = template.properties(f"{worker.stem}ScalableTarget")
    assert target["ResourceId"] == f"service/Cluster/{worker.stem}Service.Name"
    assert int(target["MinCapacity"]) >= 1
    assert f"{worker.stem}Waits" not in template.resources("AWS::CloudWatch::Alarm")


@EACH
def test_a_service_that_may_have_no_task_gets_its_first_one_when_a_message_waits(worker: WorkerSettings) -> None:
    template = stack("services", **FARGATE, FewestTasks="0")
    assert template.properties(f"{worker.stem}ScalableTarget")["MinCapacity"] == "0"
    alarm, policy = (template.properties(f"{worker.stem}{name}") for name in ("Waits", "Wake"))
    *metrics, asleep = alarm["Metrics"]
    waited_for = [
        each["MetricStat"]["Metric"]["Dimensions"][0]["Value"]
        for each in metrics
        if each["MetricStat"]["Metric"]["Namespace"] == "AWS/SQS"
    ]
    assert waited_for == [f"fleet-{source.queue}-dev" for source in worker.sources]
    sums = " + ".join(f"waiting{number}" for number in range(len(waited_for)))
    assert asleep["Expression"] == f"IF(FILL(tasks, 0) < 1, {sums}, 0)"
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")
    assert (alarm["EvaluationPeriods"], {each["MetricStat"]["Period"] for each in metrics}) == (1, {60})
    assert alarm["AlarmActions"] == [f"{worker.stem}Wake"]
    assert not alarm["AlarmName"].startswith("fleet-"), "the doctor would take it for one that calls somebody"
    steps = policy["StepScalingPolicyConfiguration"]
    assert (steps["AdjustmentType"], steps["StepAdjustments"]) == (
        "ExactCapacity", [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
    )  # fmt: skip
