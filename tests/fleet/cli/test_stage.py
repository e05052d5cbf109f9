"""Where commands find a region and a stage, and what they say where they find none."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleet.cli import COMMANDS, OWN_PLACE, fleet
from tests.aws import Aws
from tests.fleet.dead_letters.conftest import FLEET

TEMPLATE = {
    "Resources": {
        "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "shop-uploads-dlq-prod"}},
        "Live": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "QueueName": "shop-uploads-prod",
                "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 100},
            },
        },
    },
    "Outputs": {"UploadsDlqUrl": {"Value": {"Ref": "Dead"}}},
}


def result(*arguments: str, home: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return subprocess.run(
        [str(FLEET), *arguments], capture_output=True, text=True, env={**kept, **environment}, check=False
    )


@pytest.mark.slow
def test_without_a_region_a_command_says_where_it_looked_and_how_to_point_at_a_stage(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[profile ops]\noutput = json\n")
    ended = result("dlq", "ls", home=tmp_path, AWS_REGION="eu-west-1", AWS_PROFILE="ops")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    words = ("AWS_DEFAULT_REGION", "~/.aws/config", "profile ops", "AWS_REGION is set", "--env-file", "--stage prod")
    assert [each for each in words if each not in ended.stderr] == []


def test_a_stage_is_found_by_the_outputs_of_its_stack_and_wins_over_what_is_set(aws: Aws, tmp_path: Path) -> None:
    cloud = aws.session.client("cloudformation", endpoint_url=aws.url)
    cloud.create_stack(StackName="shop-messaging-prod", TemplateBody=json.dumps(TEMPLATE))
    cloud.get_waiter("stack_create_complete").wait(StackName="shop-messaging-prod", WaiterConfig={"Delay": 1})
    aws.queue("shop-uploads-dlq-dev")
    environment = {**aws.endpoint.environment, "UPLOADS_DLQ_URL": f"{aws.url}/000000000000/another-stage"}
    try:
        found = result(
            *("--project", "shop", "--stage", "prod", "dlq", "ls", "--quick", "--json"),
            home=tmp_path,
            **environment,
        )
        names = {json.loads(line)["queue"] for line in found.stdout.splitlines()}
        assert (found.returncode, names) == (0, {"shop-uploads-dlq-prod"}), found.stderr
        assert "stage prod: shop-messaging-prod in us-east-1" in found.stderr
    finally:
        cloud.delete_stack(StackName="shop-messaging-prod")


def test_a_stage_that_is_not_there_is_named_with_the_region(aws: Aws, tmp_path: Path) -> None:
    ended = result("--stage", "nowhere", "dlq", "ls", home=tmp_path, **aws.endpoint.environment)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "no stack fleet-messaging-nowhere in us-east-1" in ended.stderr


@pytest.mark.parametrize("command", OWN_PLACE)
@pytest.mark.parametrize(
    "words", [("--project", "acme"), ("--stage", "prod", "--project", "acme"), ("--stage", "prod")]
)
def test_a_stage_before_a_command_that_would_pass_it_over_is_refused(command: str, words: tuple[str, ...]) -> None:
    """`fleet --project acme release rollback prod ...` went back in the fleet that is called `fleet`."""
    ended = CliRunner().invoke(fleet, [*words, command, "status", "prod"])
    assert (ended.exit_code, OWN_PLACE[command] in ended.output) == (2, True)


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - OWN_PLACE.keys()))
def test_a_project_without_its_stage_is_refused(command: str) -> None:
    ended = CliRunner().invoke(fleet, ["--project", "acme", command])
    assert (ended.exit_code, "--project says nothing without --stage" in ended.output) == (2, True)
