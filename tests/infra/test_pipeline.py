"""How a commit comes to a stage: the workflows, the script that deploys, and what GitHub may do in an account."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.release.stacks import DEPLOYED
from tests.infra.template import ACCOUNT, INFRA, raw, stack

GITHUB = INFRA.parent / ".github"
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((GITHUB / "workflows").glob("*.yml"))}


def steps(workflow: str) -> list[dict[str, Any]]:
    return [step for job in WORKFLOWS[workflow]["jobs"].values() for step in job.get("steps", [])]


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_what_a_workflow_uses_is_pinned_by_its_hash_and_it_holds_no_key(workflow: str) -> None:
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    used += [job["uses"] for job in WORKFLOWS[workflow]["jobs"].values() if "uses" in job]
    assert used
    assert [each for each in used if not re.fullmatch(r"\./\S+|[\w./-]+@[0-9a-f]{40}", each)] == []
    assert "secrets." not in (GITHUB / "workflows" / f"{workflow}.yml").read_text()


def test_a_stage_comes_after_the_one_before_it_and_by_the_environment_that_approves_it() -> None:
    jobs = WORKFLOWS["deploy"]["jobs"]
    assert {name: job["needs"] for name, job in jobs.items() if "needs" in job} == {
        "dev": ["build", "image"],
        "staging": ["dev", "image"],
        "prod": ["staging", "image"],
    }
    for stage in ("dev", "staging", "prod"):
        assert jobs[stage]["with"]["stage"] == stage
    assert WORKFLOWS["deploy-stage"]["jobs"]["deploy"]["environment"] == "${{ inputs.stage }}"


def test_nothing_is_built_that_was_not_looked_through_and_listed() -> None:
    run = [step.get("run", step.get("uses", "")) for step in WORKFLOWS["deploy"]["jobs"]["build"]["steps"]]
    order = [
        next(number for number, text in enumerate(run) if word in text)
        for word in ("audit", "sbom", "bundle", "attest")
    ]
    assert order == sorted(order)


MISSING = "echo 'An error occurred (ValidationError): Stack with id $4 does not exist' >&2; exit 254"


def deployed(
    tmp_path: Path, *words: str, infra: Path = INFRA, says: str = MISSING, **environment: str
) -> tuple[int, list[list[str]], str]:
    """What `infra/deploy.sh` deploys by the AWS command line; `says`: what that answers where it is asked for a stack."""
    stub, log = tmp_path / "aws", tmp_path / "calls"
    stub.write_text(
        f"""#!/bin/sh
if [ "$2" = describe-stacks ]; then {says}; fi
printf "%s\\t" "$@" >> {log}
echo >> {log}
"""
    )
    stub.chmod(0o755)
    done = subprocess.run(
        [str(infra / "deploy.sh"), *words],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    calls = [line.rstrip("\t").split("\t") for line in log.read_text().splitlines()] if log.exists() else []
    return done.returncode, calls, done.stderr


def copied(tmp_path: Path) -> Path:
    """A folder `infra` that a test may change, with what the script reads beside it."""
    infra = shutil.copytree(INFRA, tmp_path / "infra", ignore=shutil.ignore_patterns("*.py"))
    order = Path("fleet") / "release" / "stacks.py"
    (tmp_path / order).parent.mkdir(parents=True)
    shutil.copy(INFRA.parent / order, tmp_path / order)
    return infra


def in_file(infra: Path, name: str, value: str) -> None:
    """Say it in the file of the workers of dev."""
    file = infra / "parameters" / "workers-dev.json"
    rows = [each for each in json.loads(file.read_text()) if each["ParameterKey"] != name]
    file.write_text(json.dumps([*rows, {"ParameterKey": name, "ParameterValue": value}]))


def after(call: list[str], option: str) -> list[str]:
    """The words behind an option, to the next one."""
    rest = call[call.index(option) + 1 :]
    return rest[: next((number for number, word in enumerate(rest) if word.startswith("--")), len(rest))]


@pytest.mark.slow
def test_each_stack_is_given_what_it_knows_in_the_order_that_the_plan_tells(tmp_path: Path) -> None:
    code, calls, _ = deployed(tmp_path, "prod", "LambdaCodeKey=seven.zip")
    names = [name for name in DEPLOYED if name != "services"]
    assert (code, [after(call, "--stack-name") for call in calls]) == (0, [[f"fleet-{name}-prod"] for name in names])
    for name, call in zip(names, calls, strict=True):
        given = dict(each.split("=", 1) for each in after(call, "--parameter-overrides"))
        known = raw(INFRA / "templates" / f"{name}.json")["Parameters"]
        assert given.keys() <= known.keys()
        assert given["Stage"] == "prod"
        assert not [key for key, parameter in known.items() if "Default" not in parameter and key not in given]
        assert given.get("LambdaCodeKey", "seven.zip") == "seven.zip"


@pytest.mark.slow
def test_services_come_where_a_worker_runs_on_fargate_and_as_the_role_that_is_named(tmp_path: Path) -> None:
    infra = copied(tmp_path)
    in_file(infra, "AuditArchiveDoor", "fargate")
    _, calls, _ = deployed(tmp_path, "dev", "Image=a@sha256:1", infra=infra, CLOUDFORMATION_ROLE_ARN="arn:role")
    given = {after(call, "--stack-name")[0]: set(after(call, "--parameter-overrides")) for call in calls}
    assert {"AuditArchiveDoor=fargate", "Image=a@sha256:1"} <= given["fleet-services-dev"]
    assert "AuditArchiveDoor=fargate" in given["fleet-workers-dev"]
    assert "AuditArchiveDoor=fargate" in given["fleet-alarms-dev"], "they read the log group of that door"
    assert {tuple(after(call, "--role-arn")) for call in calls} == {("arn:role",)}


@pytest.mark.slow
def test_a_template_that_is_too_large_for_a_call_goes_through_the_bucket_of_the_zip(tmp_path: Path) -> None:
    infra = copied(tmp_path)
    large = infra / "templates" / "messaging.json"
    large.write_text(large.read_text() + " " * (51_200 - large.stat().st_size))
    _, calls, _ = deployed(tmp_path, "prod", "LambdaDeploymentBucket=acme-code", infra=infra)
    through = {after(call, "--stack-name")[0]: after(call, "--s3-bucket") for call in calls if "--s3-bucket" in call}
    assert through["fleet-messaging-prod"] == ["acme-code"]
    assert "fleet-care-prod" not in through
    assert after(calls[0], "--s3-prefix") == ["fleet-lambda-templates"]  # the workflow's role may write there


@pytest.mark.slow
def test_a_worker_that_leaves_fargate_is_taken_from_there(tmp_path: Path) -> None:
    code, calls, _ = deployed(tmp_path, "dev", "AuditArchiveDoor=lambda", says="echo UPDATE_ROLLBACK_COMPLETE; exit 0")
    [services] = [call for call in calls if after(call, "--stack-name") == ["fleet-services-dev"]]
    given = after(services, "--parameter-overrides")
    assert (code, "AuditArchiveDoor=lambda" in given) == (0, True)
    assert not [each for each in given if each.startswith(("Image=", "Subnets="))], "the stack's own stay"


@pytest.mark.slow
def test_where_it_cannot_be_told_whether_services_stand_nothing_more_is_deployed(tmp_path: Path) -> None:
    code, calls, said = deployed(tmp_path, "dev", says='echo "AccessDenied: no" >&2; exit 254')
    assert (code, "AccessDenied" in said) == (1, True)
    assert [after(call, "--stack-name") for call in calls][-1] == ["fleet-workers-dev"]


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("LambdaCodekey=7.zip", "LambdaCodekey: no stack has such a parameter"),
        ("JwtIssuer=https://a", "JwtIssuer: a parameter of edge, which is deployed by hand"),
        ("Stage=prod", "Stage=prod: STAGE is dev"),
    ],
)
def test_a_parameter_that_would_be_passed_over_is_said_before_anything_is_deployed(
    tmp_path: Path, word: str, says: str
) -> None:
    assert deployed(tmp_path, "dev", "LambdaCodeKey=7.zip", word) == (2, [], f"{says}\n")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (("AuditArchiveDor", "both"), "AuditArchiveDor: no stack has such a parameter"),
        (("Stage", "prod"), "Stage=prod: STAGE is dev"),
    ],
)
def test_so_is_one_in_a_file_of_the_stage(tmp_path: Path, row: tuple[str, str], says: str) -> None:
    infra = copied(tmp_path)
    in_file(infra, *row)
    assert deployed(tmp_path, "dev", infra=infra) == (2, [], f"infra/parameters/workers-dev.json: {says}\n")


@pytest.mark.parametrize("words", [(), ("nowhere",), ("dev", "LambdaCodeKey")])
def test_what_cannot_be_right_is_said_before_anything_is_deployed(tmp_path: Path, words: tuple[str, ...]) -> None:
    code, calls, said = deployed(tmp_path, *words)
    assert (code, calls) == (2, [])
    assert said


def test_github_is_trusted_for_one_environment_of_one_repository() -> None:
    role = stack("pipeline", "prod", Repository="acme/fleet").properties("DeployerRole")
    [trusted] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trusted["Condition"]["StringEquals"] == {
        "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
        "token.actions.githubusercontent.com:sub": "repo:acme/fleet:environment:prod",
    }
    numbered = stack("pipeline", "prod", Repository="acme@12/fleet@34").properties("DeployerRole")
    [trusted] = numbered["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"].startswith(
        "repo:acme@12/fleet@34:"
    )
    told = stack("pipeline", GitHubProviderArn="arn:provider")
    assert "GitHubProvider" not in told.resources("AWS::IAM::OIDCProvider")
    assert told.properties("DeployerRole")["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {
        "Federated": "arn:provider"
    }


def test_the_workflow_makes_nothing_itself_and_passes_one_role_to_cloudformation() -> None:
    template = stack("pipeline")
    [policy] = template.properties("DeployerRole")["Policies"]
    made = [
        each
        for each in policy["PolicyDocument"]["Statement"]
        if any(":Put" in one or ":Create" in one for one in each["Action"])
    ]
    assert {action for each in made for action in each["Action"] if not action.startswith("cloudformation:")} == {
        "s3:GetObject",
        "s3:PutObject",
    }
    [passes] = [each for each in policy["PolicyDocument"]["Statement"] if each["Action"] == ["iam:PassRole"]]
    assert passes["Resource"] == ["DeploymentRole.Arn"]
    assert passes["Condition"]["StringEquals"] == {"iam:PassedToService": "cloudformation.amazonaws.com"}
    deployment = template.properties("DeploymentRole")
    for each in deployment["Policies"][0]["PolicyDocument"]["Statement"]:
        if each["Effect"] == "Allow":
            assert each["Resource"] == [f"arn:aws:iam::{ACCOUNT}:role/fleet-*-dev"]
            assert not [action for action in each["Action"] if "*" in action]


@pytest.mark.parametrize(
    ("repository", "fits"),
    [
        ("acme/fleet", True),
        ("acme@12/fleet@34", True),
        ("acme@12/fleet", False),
        ("acme@*/fleet@*", False),
        ("acme/fleet:ref", False),
    ],
)
def test_a_repository_is_named_as_the_subject_of_its_tokens_names_it(repository: str, *, fits: bool) -> None:
    pattern = raw(INFRA / "templates" / "pipeline.json")["Parameters"]["Repository"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, repository)) == fits


def test_cloudformations_role_may_attach_what_a_stack_of_the_workflow_attaches_and_nothing_else() -> None:
    wanted = {
        policy
        for name in DEPLOYED
        for role in stack(name, Backup="true").resources("AWS::IAM::Role").values()
        for policy in role["Properties"].get("ManagedPolicyArns", [])
    }
    policy = stack("pipeline").properties("DeploymentRole")["Policies"][0]["PolicyDocument"]["Statement"]
    for action in ("iam:AttachRolePolicy", "iam:DetachRolePolicy"):
        [one] = [each for each in policy if action in each["Action"]]
        assert set(one["Condition"]["ArnEquals"]["iam:PolicyARN"]) == wanted != set()


AWS_CALLS = re.compile(r"(?:^|\s)(?:aws|infra/deploy\.sh|\.venv/bin/fleet (?:--\w+ \S+ )*doctor)\s", re.MULTILINE)


@pytest.mark.parametrize("workflow", ["deploy", "deploy-stage"])
def test_a_step_that_calls_aws_has_asked_for_a_token_of_its_own_right_before(workflow: str) -> None:
    """GitHub's token lasts five minutes, a deployment longer; what builds something first would hold an old one."""
    calling = [step["run"] for step in steps(workflow) if AWS_CALLS.search(step.get("run", ""))]
    assert calling
    for run in calling:
        before = run[: AWS_CALLS.search(run).start()]  # type: ignore[union-attr]  # searched above
        assert ".github/web-identity" in before
        assert "make" not in before.partition(".github/web-identity")[2]


def test_the_workflow_looks_at_the_project_that_it_has_deployed() -> None:
    """Buckets share their names with all of AWS, so hardly any fleet is called `fleet`."""
    [run] = [step["run"] for step in steps("deploy-stage") if " doctor" in step.get("run", "")]
    assert '"infra/parameters/$STAGE.json"' in run
    assert '--stage "$STAGE" --project "$project" doctor' in run


def test_a_stage_whose_files_name_two_projects_is_refused(tmp_path: Path) -> None:
    infra = copied(tmp_path)
    in_file(infra, "ProjectName", "acme")
    code, calls, said = deployed(tmp_path, "dev", infra=infra)
    assert (code, calls) == (2, [])
    assert "infra/parameters/dev.json says fleet and infra/parameters/workers-dev.json says acme" in said


def test_the_script_is_one_for_the_bash_of_macos() -> None:
    """It has 3.2: https://www.gnu.org/software/bash/manual/bash.html tells what came later."""
    later = r"\b(?:mapfile|readarray|declare -A|local -n|coproc)\b|\$\{\w+(?:\^|,,|@[A-Z])|&>>|\|&"
    for script in (INFRA / "deploy.sh", GITHUB / "web-identity"):
        assert re.findall(later, re.sub(r"#.*", "", script.read_text())) == []
