"""What the doctor finds at a deployed stage, against AWS in memory."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fleet.doctor.check import Check
from fleet.doctor.deployed import Stage, deployed
from fleet.release.stacks import DEPLOYED
from workers import roster

STAGE = Stage("fleet", "prod")
STEMS = {worker: "".join(word.capitalize() for word in worker.split("-")) for worker in roster.WORKERS}


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "Operation")


class Aws:
    """A stage that lacks nothing; tests take something away. Each call is an attribute, as boto3 has it."""

    def __init__(self) -> None:
        self.outputs: dict[str, str] = {f"{stem}AliasArn": "arn:alias" for stem in STEMS.values()}
        self.outputs |= {"AlarmTopicArn": "arn:topic", "AuditHashKeysSecretArn": "arn:secret"}
        self.stacks = dict.fromkeys(DEPLOYED, "UPDATE_COMPLETE")
        self.state: dict[str, Any] = {"State": "Active", "Version": "7", "Runtime": "python3.13"}
        self.mapping: dict[str, Any] = {
            "State": "Enabled",
            "BatchSize": 10,
            "UUID": "u-1",
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        }
        self.queues = {queue for worker in roster.WORKERS for queue in roster.app(worker).queues}
        self.services: list[dict[str, int]] = []
        self.alarms = [("fleet-uploads-failing-prod", "OK", True), ("fleet-uploads-failing-dev", "ALARM", False)]
        self.subscriptions = ["arn:aws:sns:x"]
        self.secret: dict[str, Any] = {
            "Name": "fleet-audit-hash-keys-prod",
            "VersionIdsToStages": {"v": ["AWSCURRENT"]},
        }
        self.secrets: dict[str, Any] = {}
        self.parameters: dict[str, dict[str, str]] = {}
        self.given = {
            "workers": {"UploadNotificationDoor": "lambda", "WsApiEndpoint": "abc.example/browsers"},
            "access": {"WebSocketApi": "abc/browsers", "EmailIdentity": "none.invalid"},
        }
        self.declared = ["fleet-uploads-failing-prod"]
        self.filters = ["fleet-alarms-prod-UploadsGood", "acme-alarms-prod-UploadsGood"]
        self.concurrency: dict[str, int] = {}
        self.tables = {"fleet-subject-keys-prod": "ACTIVE"}

    async def open(self, _: str) -> "Aws":
        return self

    def __getattr__(self, call: str) -> Callable[..., Awaitable[dict[str, Any]]]:
        answer = getattr(self, f"_{call}")

        async def asked(**given: Any) -> dict[str, Any]:
            found: dict[str, Any] = answer(**given)
            return found

        return asked

    def _describe_stacks(self, *, StackName: str) -> dict[str, Any]:
        name = StackName.removeprefix("fleet-").removesuffix("-prod")
        if name not in self.stacks:
            raise refused("ValidationError")
        told = {"workers": self.outputs, "evidence": {"AuditSigningKeyArn": "arn:key"}}.get(name, {})
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in told.items()]
        given = [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in ({"Stage": "prod"} | self.given.get(name, {}) | self.parameters.get(name, {})).items()
        ]
        return {"Stacks": [{"StackStatus": self.stacks[name], "Outputs": outputs, "Parameters": given}]}

    def _get_function_configuration(self, *, FunctionName: str, Qualifier: str) -> dict[str, Any]:
        assert (FunctionName.startswith("fleet-"), Qualifier) == (True, "live")
        return self.state

    def _get_function_concurrency(self, *, FunctionName: str) -> dict[str, Any]:
        assert FunctionName.startswith("fleet-")
        return self.concurrency

    def _list_stack_resources(self, *, StackName: str, NextToken: str = "") -> dict[str, Any]:
        if StackName != "fleet-queue-alarms-prod":
            raise refused("ValidationError")
        made = [{"ResourceType": "AWS::CloudWatch::Alarm", "PhysicalResourceId": name} for name in self.declared]
        made.append({"ResourceType": "AWS::Logs::MetricFilter", "PhysicalResourceId": "fleet-alarms-prod-UploadsGood"})
        return (
            {"StackResourceSummaries": made[1:]}
            if NextToken
            else {"StackResourceSummaries": made[:1], "NextToken": "2"}
        )

    def _list_event_source_mappings(self, *, FunctionName: str) -> dict[str, Any]:
        worker = FunctionName.removeprefix("fleet-").removesuffix("-prod:live")
        queues = set(roster.app(worker).queues) & self.queues
        return {
            "EventSourceMappings": [{"EventSourceArn": f"arn:x:fleet-{each}-prod", **self.mapping} for each in queues]
        }

    def _describe_services(self, *, cluster: str, services: list[str]) -> dict[str, Any]:
        assert (cluster, services) == ("c", ["s"])
        return {"services": self.services}

    def _describe_alarms(self, *, AlarmNamePrefix: str, NextToken: str = "") -> dict[str, Any]:
        assert AlarmNamePrefix == "fleet-"
        made = [{"AlarmName": name, "StateValue": state, "ActionsEnabled": on} for name, state, on in self.alarms]
        half = len(made) // 2
        return {"MetricAlarms": made[half:]} if NextToken else {"MetricAlarms": made[:half], "NextToken": "2"}

    def _describe_metric_filters(self, *, nextToken: str = "") -> dict[str, Any]:
        half = self.filters[:1] if nextToken else self.filters[1:]
        return {"metricFilters": [{"filterName": each} for each in half]} | ({} if nextToken else {"nextToken": "2"})

    def _list_subscriptions_by_topic(self, *, TopicArn: str) -> dict[str, Any]:
        assert TopicArn == "arn:topic"
        return {"Subscriptions": [{"SubscriptionArn": each} for each in self.subscriptions]}

    def _describe_secret(self, *, SecretId: str) -> dict[str, Any]:
        if SecretId in self.secrets:
            if isinstance(self.secrets[SecretId], Exception):
                raise self.secrets[SecretId]
            return dict(self.secrets[SecretId])
        assert SecretId == "arn:secret"
        return self.secret

    def _describe_table(self, *, TableName: str) -> dict[str, Any]:
        if TableName not in self.tables:
            raise refused("ResourceNotFoundException")
        return {"Table": {"TableStatus": self.tables[TableName]}}


async def found(aws: Aws) -> dict[str, Check]:
    """What is not well, by what was looked at."""
    checks = await deployed(STAGE, aws)  # type: ignore[arg-type]  # what it asks of them
    assert all(check.remedy for check in checks if check.state != "ok")
    return {check.what: check for check in checks if check.state != "ok"}


async def test_a_stage_that_lacks_nothing_is_well() -> None:
    assert await found(Aws()) == {}


async def test_a_stack_that_is_missing_or_came_back_half_way_is_named() -> None:
    aws = Aws()
    del aws.stacks["alarms"], aws.stacks["care"]
    aws.stacks |= {"access": "UPDATE_ROLLBACK_COMPLETE", "dashboards": "UPDATE_IN_PROGRESS"}
    checks = await found(aws)
    assert {what: check.state for what, check in checks.items()} == {
        "stack alarms": "fault",
        "stack access": "fault",
        "stack care": "warning",
        "stack dashboards": "warning",
    }
    assert checks["stack alarms"].remedy == "deploy it: infra/deploy.sh prod, with all parameters of the last time"


def test_what_is_to_be_done_names_the_project_that_was_looked_at() -> None:
    acme = Stage("acme", "prod")
    assert acme.deploys.startswith("infra/deploy.sh prod ProjectName=acme,")
    assert acme.goes_back("audit-archive") == "fleet release rollback prod audit-archive --project acme"


async def test_a_worker_that_runs_nowhere_and_one_without_tasks_are_faults() -> None:
    aws = Aws()
    del aws.outputs["AuditArchiveAliasArn"], aws.outputs["WebhookDeliveryAliasArn"]
    aws.outputs |= {"WebhookDeliveryServiceName": "s", "ClusterName": "c"}
    aws.services = [{"runningCount": 0, "desiredCount": 2}]
    checks = await found(aws)
    assert checks.keys() == {"worker audit-archive", "service webhook-delivery"}
    assert checks["service webhook-delivery"].found == "0 of 2 tasks run"
    for aws.services, wrong in (([{"runningCount": 1, "desiredCount": 2}], 1), ([], 2)):
        assert len(await found(aws)) == wrong


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"State": "Disabled"}, "messages wait"),
        ({"FunctionResponseTypes": []}, "one failure fails its batch"),
    ],
)
async def test_a_mapping_that_is_off_or_fails_whole_batches_is_a_fault(change: dict[str, Any], says: str) -> None:
    aws = Aws()
    aws.mapping |= change
    checks = await found(aws)
    assert len(checks) == len(aws.queues)
    assert all(says in check.found for check in checks.values())


async def test_a_queue_that_no_mapping_of_the_alias_reads_is_a_fault() -> None:
    aws = Aws()
    aws.queues.discard("uploads")
    [(what, check)] = (await found(aws)).items()
    assert (what, check.state) == ("mapping of uploads", "fault")


async def test_a_function_that_cannot_start_leads_to_the_way_back() -> None:
    aws = Aws()
    aws.state |= {"State": "Failed", "StateReason": "the role cannot be assumed"}
    checks = await found(aws)
    assert checks["function uploads".replace("uploads", "upload-notification")].remedy == (
        "fleet release rollback prod upload-notification"
    )


async def test_alarms_are_those_of_the_stage() -> None:
    aws = Aws()
    aws.declared = []
    aws.alarms = [("fleet-a-prod", "ALARM", True), ("fleet-b-prod", "OK", True), ("fleet-a-dev", "OK", False)]
    assert (await found(aws))["alarms"] == Check(
        "alarms", "warning", "2, in alarm: fleet-a-prod", "each one's description says what to do"
    )
    aws.alarms.append(("fleet-c-prod", "OK", False))
    assert (await found(aws))["alarms"].found == "switched off: fleet-c-prod"
    aws.alarms = []
    assert (await found(aws))["alarms"].state == "fault"


async def test_a_filter_that_was_deleted_is_a_fault_for_its_alarm_is_calm_without() -> None:
    aws = Aws()
    del aws.filters[0]
    [(what, check)] = (await found(aws)).items()
    assert (what, check.state) == ("metrics from logs", "fault")
    assert "fleet-alarms-prod-UploadsGood" in check.found


async def test_that_nobody_is_called_and_that_a_secret_will_go_are_said() -> None:
    aws = Aws()
    aws.subscriptions, aws.secret = ["PendingConfirmation"], {"Name": "x", "DeletedDate": "2026-12-01"}
    checks = await found(aws)
    assert {what: check.found for what, check in checks.items()} == {
        "who is called": "nobody has confirmed",
        "archive's hash keys": "to be deleted at 2026-12-01",
    }
    aws.outputs = {key: value for key, value in aws.outputs.items() if key.endswith("AliasArn")}
    assert {"who is called", "archive's hash keys"} <= (await found(aws)).keys()


async def test_what_may_not_be_asked_is_a_fault_and_the_rest_is_still_looked_at() -> None:
    class Denied(Aws):
        def _describe_alarms(self, **_: Any) -> dict[str, Any]:
            raise refused("AccessDenied")

        _list_subscriptions_by_topic = _describe_secret = _get_function_configuration = _describe_alarms
        _describe_metric_filters = _describe_alarms

    checks = await found(Denied())
    assert len(checks) == len(roster.WORKERS) + 4
    assert {check.found for check in checks.values()} == {"AccessDenied"}


TOKEN = {"ExpoTokenSecretArn": "arn:expo"}


@pytest.mark.parametrize(
    ("secret", "state", "says"),
    [
        ({"Name": "x", "VersionIdsToStages": {"v": ["AWSCURRENT"]}}, None, ""),
        ({"Name": "x", "VersionIdsToStages": {"v": ["AWSPREVIOUS"]}}, "fault", "it has no value"),
        ({"Name": "x", "DeletedDate": "2026-12-01"}, "fault", "to be deleted at 2026-12-01"),
        (refused("ResourceNotFoundException"), "fault", "arn:expo: ResourceNotFoundException"),
        (refused("AccessDeniedException"), "warning", "arn:expo: AccessDeniedException"),
    ],
)
async def test_the_token_that_reminders_are_pushed_with_is_there_and_has_a_value(
    secret: Any, state: str | None, says: str
) -> None:
    aws = Aws()
    aws.parameters = dict.fromkeys(("access", "workers", "services"), TOKEN)
    aws.secrets = {"arn:expo": secret}
    checks = await found(aws)
    assert {what: (check.state, check.found) for what, check in checks.items()} == (
        {"Expo's access token": (state, says)} if state else {}
    )


async def test_a_token_that_the_worker_is_told_of_and_its_role_may_not_read_is_a_fault() -> None:
    aws = Aws()
    aws.parameters = {"workers": TOKEN}
    assert (await found(aws))["Expo's access token"].found == (
        "access has none, workers has arn:expo, services has none"
    )


async def test_where_evidence_stands_its_table_is_there_and_its_key_may_be_used() -> None:
    aws = Aws()
    aws.stacks["evidence"] = "CREATE_COMPLETE"
    assert (await found(aws))["archive's signing key"].found == "access was given none"
    aws.parameters = {"access": {"AuditSigningKeyArn": "arn:key"}}
    assert await found(aws) == {}
    aws.tables = {"fleet-subject-keys-prod": "ARCHIVED"}
    assert (await found(aws))["table subject-keys"].found == "ARCHIVED"
    aws.tables = {}
    [check] = (await found(aws)).values()
    assert (check.what, check.state, check.found) == ("table subject-keys", "fault", "not there")
