"""Where commands find a region and a stage, and what they say where they find none."""

import ast
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleet.cli import COMMANDS, OWN_PLACE, fleet
from fleet.typed import ENV_FILE, STAGE, given_file, given_stage, typed
from tests.aws import Aws
from tests.fleet.dead_letters.conftest import FLEET

ROOT = Path(__file__).parents[3]
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
        named = result(
            *("--project", "shop", "--stage", "prod", "dlq", "show", "shop-uploads-dlq-prod", "m-1"),
            home=tmp_path,
            **environment,
        )
        assert "`fleet --project shop --stage prod dlq list shop-uploads-dlq-prod` lists them" in named.stderr
    finally:
        cloud.delete_stack(StackName="shop-messaging-prod")


def test_a_command_that_is_named_has_the_stage_and_the_file_that_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them it looks at another account, or finds no region."""
    monkeypatch.setenv(STAGE, "")
    monkeypatch.setenv(ENV_FILE, "")
    assert typed("dlq", "resume", "my plan") == "fleet dlq resume 'my plan'"
    given_stage("shop", "prod")
    assert typed("dlq", "ls") == "fleet --project shop --stage prod dlq ls"
    given_file(Path(".fleet/my dev.env"))
    expected = "fleet --project shop --stage prod archive prove --env-file '.fleet/my dev.env' -- -id"
    assert typed("archive", "prove", "--", "-id") == expected


COMMAND_LINE = re.compile(rf"(?<![\w/.])fleet (?:{'|'.join(COMMANDS)}) \S|`fleet (?:dlq|audit|archive) \w+`")
SPOKEN = {"say", "_say", "answer", "tell", "echo", "Failed", "Refused", "NotThere", "Misconfigured", "Forbidden"}


def test_no_message_spells_a_command_out_by_itself() -> None:
    """`typed` knows the stage and the file of variables; a text does not."""
    guilty = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {text}"
        for path in sorted((ROOT / "fleet").rglob("*.py"))
        if "dev" not in path.relative_to(ROOT).parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and _name(node.func) in SPOKEN
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(text := each.value, str) and COMMAND_LINE.search(text)
    ]
    assert guilty == []


def _name(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


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
