"""What the template of the Lambda functions promises, read from the committed file."""

import importlib
import inspect
import json
import re
from typing import Any

import pytest

from infra.concerns import CONCERNS
from infra.resources.compute.settings import WorkerSettings
from infra.resources.compute.table import WORKERS
from infra.resources.queue import VISIBILITY_PER_HANDLER
from infra.settings import STAGES
from shared.settings import Settings
from tests.infra.recorded import statements
from tests.infra.template import INFRA, messaging, stack
from workers import roster

EACH = pytest.mark.parametrize("worker", WORKERS, ids=lambda each: each.name)


def mappings(worker: WorkerSettings, stage: str = "dev") -> dict[str, dict[str, Any]]:
    """The worker's event source mappings by logical queue name."""
    template = stack("workers", stage)
    found = {
        mapping["Properties"]["EventSourceArn"]: mapping["Properties"]
        for mapping in template.resources("AWS::Lambda::EventSourceMapping").values()
        if mapping["Properties"]["FunctionName"] == f"{worker.stem}Alias"
    }
    outputs = messaging(stage).outputs()
    return {
        queue: found[f"fleet-messaging-{stage}-{stem}QueueArn"]
        for queue in roster.app(worker.name).queues
        if (stem := "".join(word.capitalize() for word in queue.split("-"))) and f"{stem}QueueArn" in outputs
    }


def test_the_table_has_the_workers_of_the_roster_with_their_queues_and_handlers() -> None:
    assert {each.name: each.handler for each in WORKERS} == {
        name: f"{module}.lambda_handler" for name, module in roster.WORKERS.items()
    }
    for each in WORKERS:
        assert tuple(source.queue for source in each.sources) == roster.app(each.name).queues
        assert all(source.reason for source in each.sources)


@EACH
def test_a_function_is_small_traced_and_for_arm(worker: WorkerSettings) -> None:
    function = stack("workers").properties(f"{worker.stem}Function")
    assert function["FunctionName"] == f"fleet-{worker.name}-dev"
    assert (function["Architectures"], function["MemorySize"]) == (["arm64"], 512)
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert function["Role"] == f"fleet-access-dev-{worker.stem}RoleArn"
    assert function["Code"] == {"S3Bucket": "LambdaDeploymentBucket", "S3Key": "LambdaCodeKey"}
    assert function["LoggingConfig"]["LogGroup"] == f"{worker.stem}Log"
    log = stack("workers", "prod").properties(f"{worker.stem}Log")
    assert log["LogGroupName"] == f"/aws/lambda/fleet-{worker.name}-prod"
    assert log["RetentionInDays"] == str(STAGES["prod"].log_retention)


@EACH
def test_each_queue_is_read_by_the_alias_with_partial_reports_within_limits(worker: WorkerSettings) -> None:
    for stage in STAGES:
        found = mappings(worker, stage)
        assert set(found) == set(roster.app(worker.name).queues)
        for mapping in found.values():
            assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
            assert 2 <= mapping["ScalingConfig"]["MaximumConcurrency"] <= 1_000
            window = int(mapping["MaximumBatchingWindowInSeconds"])
            assert mapping["BatchSize"] <= 10 or 1 <= window <= 300
    alias = stack("workers").properties(f"{worker.stem}Alias")
    assert (alias["Name"], alias["FunctionVersion"]) == ("live", f"{worker.stem}Version.Version")
    assert len(mappings(worker)) == len(worker.sources)


@EACH
def test_a_queue_hides_its_messages_for_six_times_the_timeout_and_the_window(worker: WorkerSettings) -> None:
    timeout = stack("workers").properties(f"{worker.stem}Function")["Timeout"]
    for source in worker.sources:
        visibility = messaging().properties(f"{source.stem}Queue")["VisibilityTimeout"]
        assert visibility >= VISIBILITY_PER_HANDLER * timeout
        window = mappings(worker, "prod")[source.queue]["MaximumBatchingWindowInSeconds"]
        assert visibility > timeout + int(window)


@EACH
def test_production_reserves_as_much_concurrency_as_its_mappings_may_use(worker: WorkerSettings) -> None:
    name = f"{worker.stem}Function"
    for stage, row in STAGES.items():
        function = stack("workers", stage).properties(name)
        used = sum(each["ScalingConfig"]["MaximumConcurrency"] for each in mappings(worker, stage).values())
        assert function.get("ReservedConcurrentExecutions") == (used if row.reserved_concurrency else None)
    assert STAGES["prod"].reserved_concurrency


@EACH
def test_another_code_or_parameter_makes_another_version_and_keeps_the_one_before(worker: WorkerSettings) -> None:
    template = stack("workers")
    said = template.properties(f"{worker.stem}Version")["Description"]
    assert template.properties(f"{worker.stem}Function")["Description"] == said, "else nothing new would be published"
    changed: dict[str, str] = {"LambdaCodeKey": "other", "LambdaRuntime": "python3.12"}
    changed |= dict.fromkeys(worker.asked.values(), "other")
    for name, value in changed.items():
        assert stack("workers", **{name: value}).properties(f"{worker.stem}Version")["Description"] != said
    moved = stack("workers", Subnets="subnet-0123456789abcdef0,subnet-1", SecurityGroups="sg-1")
    into = moved.properties(f"{worker.stem}Version")["Description"]
    assert into == said.replace("no-network", "subnet-0123456789abcdef0") != said, "else the alias stays outside"
    longest = sum(template.text["Parameters"][each].get("MaxLength", 12) + 1 for each in changed) + 12
    longest += len(" subnet-0123456789abcdef0")
    assert longest <= 256, "CloudFormation takes no longer description"
    assert template.text["Resources"][f"{worker.stem}Version"]["UpdateReplacePolicy"] == "Retain"


@EACH
def test_all_that_a_worker_has_to_be_told_is_told(worker: WorkerSettings) -> None:
    told = stack("workers").properties(f"{worker.stem}Function")["Environment"]["Variables"]
    module = importlib.import_module(roster.WORKERS[worker.name])
    [model] = [
        each
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Settings) and each.__module__ == module.__name__
    ]
    wanted = {name.upper() for name, field in model.model_fields.items() if field.is_required()}
    wanted |= {
        f"{queue.upper().replace('-', '_')}_{kind}_URL"
        for queue in roster.app(worker.name).queues
        for kind in ("QUEUE", "DLQ")
    }
    assert wanted - {name.removesuffix("_SECRET_ARN") for name in told} == set()
    assert not {name.removesuffix("_SECRET_ARN") for name in told if name.endswith("_SECRET_ARN")} & set(told)
    assert (told["SETTINGS_PATH"], told["AWS_SDK_UA_APP_ID"]) == (f"/fleet/dev/{worker.name}", worker.name)
    assert len(told) <= 14
    exported = {*messaging().outputs(), *stack("access").outputs()}
    for value in told.values():
        assert not value.startswith("fleet-") or value.rpartition("-")[2] in exported


@EACH
def test_a_worker_runs_behind_the_door_that_its_parameter_names(worker: WorkerSettings) -> None:
    functions = {"lambda": True, "fargate": False, "both": True, "none": False}
    for word, is_function in functions.items():
        given = {f"{worker.stem}Door": word}
        lambdas = stack("workers", **given)
        mine = [f"{worker.stem}{kind}" for kind in ("Log", "Function", "Version", "Alias")]
        mine += [f"{source.stem}Mapping" for source in worker.sources]
        assert {lambdas.holds(lambdas.text["Resources"][name]["Condition"]) for name in mine} == {is_function}
        services = stack("services", **given)
        is_service = word in {"fargate", "both"}
        assert (f"{worker.stem}Service" in services.resources("AWS::ECS::Service")) is is_service
        assert len(services.resources("AWS::ECS::TaskDefinition")) == int(is_service)


@pytest.mark.parametrize("stage", ["dev", "staging", "prod"])
def test_one_parameter_file_serves_the_stacks_that_run_workers(stage: str) -> None:
    rows = json.loads((INFRA / "parameters" / f"workers-{stage}.json").read_text())
    given = {row["ParameterKey"]: row["ParameterValue"] for row in rows}
    known: dict[str, Any] = {}
    for name in ("access", "workers", "services"):
        known |= stack(name).text["Parameters"]
    wanted = {
        key
        for name in ("access", "workers")
        for key, one in stack(name).text["Parameters"].items()
        if "Default" not in one
    }
    assert wanted <= given.keys() <= known.keys()
    assert given["Stage"] == stage
    for name, value in given.items():
        assert value in known[name].get("AllowedValues", [value])
        assert re.fullmatch(known[name].get("AllowedPattern", ".*"), value)


@EACH
def test_a_new_version_takes_a_tenth_first_and_goes_back_when_its_alarms_call(worker: WorkerSettings) -> None:
    template = stack("workers", "prod", CanaryRelease="true")
    alias = template.value(template.text["Resources"][f"{worker.stem}Alias"])
    assert alias["UpdatePolicy"] == {
        "CodeDeployLambdaAliasUpdate": {
            "ApplicationName": f"{worker.stem}Application",
            "DeploymentGroupName": f"{worker.stem}DeploymentGroup",
        }
    }
    group = template.properties(f"{worker.stem}DeploymentGroup")
    assert group["DeploymentGroupName"] == f"fleet-{worker.name}-prod"  # `fleet release rollback` finds it by this name
    assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent10Minutes"
    assert group["ServiceRoleArn"] == "fleet-access-prod-ReleaseRoleArn"
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    watching = {each["Name"] for each in group["AlarmConfiguration"]["Alarms"]}
    assert len(watching) == 1 + 2 * len(worker.sources)
    assert watching <= {
        alarm["Properties"]["AlarmName"]
        for name in ("queue-alarms", "service-alarms")
        for alarm in stack(name, "prod").resources("AWS::CloudWatch::Alarm").values()
    }


LATE = 120  # seconds after which a metric that is made of log lines may come


@EACH
def test_a_canary_lasts_until_its_alarms_can_have_called(worker: WorkerSettings) -> None:
    group = stack("workers", "prod", CanaryRelease="true").properties(f"{worker.stem}DeploymentGroup")
    [minutes] = re.findall(r"Percent([0-9]+)Minutes$", group["DeploymentConfigName"])
    alarms = {
        each["Properties"]["AlarmName"]: each["Properties"]
        for name in ("queue-alarms", "service-alarms")
        for each in stack(name, "prod").resources("AWS::CloudWatch::Alarm").values()
    }
    for watching in group["AlarmConfiguration"]["Alarms"]:
        alarm = alarms[watching["Name"]]
        periods = [one["MetricStat"]["Period"] for one in alarm.get("Metrics", []) if "MetricStat" in one]
        looks_back = int(alarm["EvaluationPeriods"]) * max([*periods, alarm.get("Period", 0)])
        assert looks_back + LATE < int(minutes) * 60, watching["Name"]


def test_the_readme_says_how_much_concurrency_production_reserves_before_a_worker_is_added() -> None:
    added = [each.worker for each in CONCERNS]
    said = re.findall(r"may use together, ([0-9]+) for the four that came first", (INFRA / "README.md").read_text())
    assert said == [str(sum(each.concurrency for each in WORKERS if each not in added))]


@pytest.mark.parametrize(
    "given", [{}, {"CanaryRelease": "true", **{f"{each.stem}Door": "fargate" for each in WORKERS}}]
)
def test_without_a_canary_an_alias_moves_at_once(given: dict[str, str]) -> None:
    template = stack("workers", "dev", **given)
    assert not template.resources("AWS::CodeDeploy::Application") | template.resources(
        "AWS::CodeDeploy::DeploymentGroup"
    )
    for worker in WORKERS:
        update = template.value(template.text["Resources"][f"{worker.stem}Alias"])["UpdatePolicy"]
        assert "CodeDeployLambdaAliasUpdate" not in update


def test_production_releases_with_a_canary() -> None:
    given = json.loads((INFRA / "parameters" / "workers-prod.json").read_text(encoding="utf-8"))
    assert {"ParameterKey": "CanaryRelease", "ParameterValue": "true"} in given


@EACH
def test_a_function_is_in_a_network_where_one_is_given_and_its_own_code_makes_no_interface(
    worker: WorkerSettings,
) -> None:
    assert "VpcConfig" not in stack("workers").properties(f"{worker.stem}Function")
    given = {"Subnets": "subnet-1,subnet-2", "SecurityGroups": "sg-1"}
    function = stack("workers", **given).properties(f"{worker.stem}Function")
    assert function["VpcConfig"] == {"SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"}
    role = f"{worker.stem}Role"
    more = [
        each for each in statements(stack("access", **given), role) if each not in statements(stack("access"), role)
    ]
    [placed] = more
    assert {action.split(":")[0] for action in placed["Action"]} == {"ec2"}
    assert placed["Action"] == [
        f"ec2:{each}"
        for each in (
            "AssignPrivateIpAddresses",
            "CreateNetworkInterface",
            "DeleteNetworkInterface",
            "DescribeNetworkInterfaces",
            "DescribeSubnets",
            "UnassignPrivateIpAddresses",
        )
    ]
    assert placed["Condition"] == {"Null": {"lambda:SourceFunctionArn": "true"}}
