"""What the doctor finds that somebody deleted, stopped or left out, against AWS in memory."""

from typing import Any

import pytest

from tests.fleet.doctor.test_deployed import Aws, found, refused
from workers import roster


@pytest.mark.parametrize(
    ("concurrency", "version", "says"),
    [(0, "7", "its reserved concurrency is 0"), (5, "$LATEST", "runs $LATEST"), (5, "7", None)],
)
async def test_a_function_that_may_not_run_or_runs_no_release_is_a_fault(
    concurrency: int, version: str, says: str | None
) -> None:
    aws = Aws()
    aws.concurrency, aws.state["Version"] = {"ReservedConcurrentExecutions": concurrency}, version
    checks = await found(aws)
    assert len(checks) == (len(roster.WORKERS) if says else 0)
    assert all(says is not None and says in check.found for check in checks.values())


async def test_a_function_that_is_not_there_does_not_lead_to_another_stack() -> None:
    class Gone(Aws):
        def _get_function_configuration(self, **_: Any) -> dict[str, Any]:
            raise refused("ResourceNotFoundException")

    checks = await found(Gone())
    assert {check.remedy.partition(":")[0] for check in checks.values()} == {"docs/deploy.md, Changed by hand"}


async def test_an_alarm_that_somebody_deleted_is_named() -> None:
    aws = Aws()
    aws.declared += ["fleet-uploads-deep-prod", "fleet-audit-old-prod"]
    check = (await found(aws))["alarms"]
    assert (check.state, check.found) == ("fault", "deleted: fleet-audit-old-prod, fleet-uploads-deep-prod")


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("ROLLBACK_COMPLETE", "aws cloudformation delete-stack --stack-name fleet-queue-alarms-prod, then deploy it"),
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback --stack-name fleet-queue-alarms-prod"),
        ("UPDATE_ROLLBACK_COMPLETE", "in CloudFormation; deploy it again"),
        ("IMPORT_COMPLETE", None),
    ],
)
async def test_a_stack_that_cannot_be_updated_as_it_is_leads_to_what_has_to_come_first(
    state: str, says: str | None
) -> None:
    aws = Aws()
    aws.stacks["queue-alarms"] = state
    remedies = [check.remedy for check in (await found(aws)).values()]
    assert len(remedies) == (1 if says else 0)
    assert all(says is not None and says in remedy for remedy in remedies)


async def test_hash_keys_that_somebody_deleted_do_not_lead_to_another_stack() -> None:
    aws = Aws()
    aws.outputs["AuditHashKeysSecretArn"] = "arn:gone"
    aws.secrets["arn:gone"] = refused("ResourceNotFoundException")
    check = (await found(aws))["archive's hash keys"]
    assert (check.state, check.found) == ("fault", "deleted: arn:gone")
    assert check.remedy.startswith("docs/deploy.md, Changed by hand")


ROLES = {"access": "fleet-audit-archive-prod", "edge": "fleet-edge-resume-prod", "network": "fleet-network-prod"}


class Roles(Aws):
    """With three roles, and how AWS answers who asks for any of them."""

    code = "NoSuchEntity"

    def _list_stack_resources(self, *, StackName: str, NextToken: str = "") -> dict[str, Any]:
        role = ROLES.get(StackName.removeprefix("fleet-").removesuffix("-prod"))
        if role is None:
            return super()._list_stack_resources(StackName=StackName, NextToken=NextToken)
        return {"StackResourceSummaries": [{"ResourceType": "AWS::IAM::Role", "PhysicalResourceId": role}]}

    def _get_role(self, *, RoleName: str) -> dict[str, Any]:
        if RoleName == ROLES["edge"]:
            return {"Role": {"RoleName": RoleName}}
        raise refused(self.code)


async def test_a_role_that_somebody_deleted_is_named_for_whatever_has_it_looks_well() -> None:
    [check] = (await found(Roles())).values()
    assert (check.what, check.state) == ("roles", "fault")
    assert check.found == "deleted: fleet-audit-archive-prod, fleet-network-prod"
    assert check.remedy.startswith("docs/deploy.md, Changed by hand")


async def test_who_may_not_look_at_roles_is_told_so_and_nothing_is_called_deleted() -> None:
    aws = Roles()
    aws.code = "AccessDenied"
    [check] = (await found(aws)).values()
    assert (check.what, check.state, check.found) == ("roles", "warning", "AccessDenied")


@pytest.mark.parametrize(
    ("stack", "given", "says"),
    [
        ("workers", {"WsApiEndpoint": ""}, "workers: WsApiEndpoint is not set, and upload-notification does not start"),
        ("access", {"WebSocketApi": "none/none"}, "access: WebSocketApi is not set"),
        ("workers", {"UploadNotificationDoor": "none", "WsApiEndpoint": ""}, None),
        (
            "services",
            {"UploadNotificationDoor": "fargate", "WsApiEndpoint": ""},
            "services: WsApiEndpoint is not set, and upload-notification does not start",
        ),
    ],
)
async def test_a_worker_without_the_api_that_it_tells_browsers_by_is_a_fault(
    stack: str, given: dict[str, str], says: str | None
) -> None:
    aws = Aws()
    aws.parameters[stack] = given
    assert [check.found for check in (await found(aws)).values()] == ([says] if says else [])


@pytest.mark.parametrize(("identity", "well"), [("none.invalid", False), ("a.example", True), ("r@a.example", True)])
async def test_a_sender_that_the_role_may_not_send_as_is_a_fault(identity: str, *, well: bool) -> None:
    aws = Aws()
    aws.parameters = {"workers": {"EmailSender": "r@a.example"}, "access": {"EmailIdentity": identity}}
    assert [*await found(aws)] == ([] if well else ["e-mail sender"])
