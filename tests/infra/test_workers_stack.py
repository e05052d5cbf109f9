"""What becomes of the stacks `access` and `workers` on the emulator: twice the same, a new version, the way back, and the end.

That the functions do their work is shown by tests/e2e, whose Lambda door is deployed by these very files.
"""

import asyncio
import io
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fleet.dev.deploy import deploy, session, stand, template
from fleet.dev.emulators.ministack import Endpoint
from fleet.doctor.check import Check
from fleet.doctor.deployed import Stage, deployed
from shared.clients import Clients
from workers import roster

pytestmark = [pytest.mark.slow, pytest.mark.lambda_door]


@pytest.fixture
def project(emulator: Endpoint) -> Iterator[str]:
    """A project of its own with the stacks that `workers` needs, and two zips to run."""
    name = f"w{uuid.uuid4().hex[:8]}"
    deploy(emulator, project=name)
    stand(emulator, f"{name}-access-dev", template("access").read_text(), ProjectName=name)
    s3 = client(emulator, "s3")
    s3.create_bucket(Bucket=f"{name}-code")
    for key in ("one.zip", "two.zip"):
        s3.put_object(Bucket=f"{name}-code", Key=key, Body=zipped(key))
    yield name
    client(emulator, "cloudformation").delete_stack(StackName=f"{name}-access-dev")


def zipped(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("said.txt", text)
    return file.getvalue()


def client(emulator: Endpoint, service: str) -> Any:
    # One of many service names, which the stubs know only as literals.
    return session(emulator).client(service, endpoint_url=emulator.url_of(service))  # type: ignore[call-overload]


def standing(emulator: Endpoint, project: str) -> Callable[..., dict[str, tuple[str, list[str]]]]:
    """Deploys `workers`, and answers of each function its alias's version and the mappings on that alias."""

    def up(**given: str) -> dict[str, tuple[str, list[str]]]:
        text = template("workers").read_text()
        told = {"ProjectName": project, "LambdaDeploymentBucket": f"{project}-code", "LambdaCodeKey": "one.zip"} | given
        stand(emulator, f"{project}-workers-dev", text, **told)
        lambda_ = client(emulator, "lambda")
        names = [each["FunctionName"] for each in lambda_.list_functions()["Functions"]]
        found = {}
        for name in (name for name in names if name.startswith(project)):
            alias = lambda_.get_alias(FunctionName=name, Name="live")
            mappings = lambda_.list_event_source_mappings()["EventSourceMappings"]
            mine = [each["UUID"] for each in mappings if each["FunctionArn"] == alias["AliasArn"]]
            found[name] = (alias["FunctionVersion"], sorted(mine))
        return found

    return up


def looked_at(emulator: Endpoint, project: str) -> set[str]:
    """Queues of the stage whose mapping the doctor finds well; of functions, of mappings and of the secret it finds no fault."""

    async def look() -> list[Check]:
        async with Clients(emulator.environment) as clients:
            return await deployed(Stage(project, "dev"), clients)

    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment.items():
            patch.setenv(name, value)  # where boto looks
        checks = asyncio.run(look())
    watched = (
        "stack",
        "alarms",
        "who is called",
        "browsers' API",
    )  # the stacks of alarms and of the edge are not deployed here
    assert [check for check in checks if check.state == "fault" and not check.what.startswith(watched)] == []
    return {check.what.removeprefix("mapping of ") for check in checks if check.what.startswith("mapping of ")}


def test_the_stack_stands_twice_changes_its_version_with_its_code_and_leaves_nothing(
    emulator: Endpoint, project: str
) -> None:
    up, lambda_ = standing(emulator, project), client(emulator, "lambda")
    first = up()
    assert {name: len(mappings) for name, (_, mappings) in first.items()} == {
        f"{project}-{worker}-dev": len(roster.app(worker).queues) for worker in roster.WORKERS
    }
    assert up() == first
    assert looked_at(emulator, project) == {
        "uploads",
        "webhook-events",
        "webhook-deliveries",
        "reminder-ticks",
        "reminder-receipts",
        "reminders",
        "audit",
    }

    second = up(LambdaCodeKey="two.zip")
    assert {version for version, _ in second.values()} == {"2"}
    assert {name: mappings for name, (_, mappings) in second.items()} == {
        name: mappings for name, (_, mappings) in first.items()
    }, "messages go on through the same mappings"

    name = f"{project}-audit-archive-dev"
    lambda_.update_alias(FunctionName=name, Name="live", FunctionVersion="1")  # the way back: no deployment
    codes = {
        version: lambda_.get_function(FunctionName=name, Qualifier=version)["Configuration"]["CodeSha256"]
        for version in ("1", "2")
    }
    assert codes["1"] != codes["2"]

    without = up(LambdaCodeKey="two.zip", AuditArchiveDoor="fargate")
    assert set(without) == set(second) - {name}

    cloudformation = client(emulator, "cloudformation")
    cloudformation.delete_stack(StackName=f"{project}-workers-dev")
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=f"{project}-workers-dev", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    left = [each["FunctionName"] for each in lambda_.list_functions()["Functions"]]
    assert not [each for each in left if each.startswith(project)]
    groups = client(emulator, "logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{project}")["logGroups"]
    assert groups == []
