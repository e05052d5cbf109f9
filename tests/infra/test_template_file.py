"""The committed templates as files: fresh, small enough, free of what an emulator or a bare account cannot do."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.disposable import disposable, main
from infra.fingerprint import METADATA_KEY, fingerprint
from infra.settings import STAGES, Removal
from tests.infra.template import INFRA, MESSAGING, each_function, messaging, raw
from workers.roster import WORKERS

FROM_FILES = 5
"""So many workers fit into templates that are deployed from a file."""
GROWN = "a fleet that has grown deploys its larger templates through a bucket"
PARTS = {"Parameters": 200, "Conditions": 1_000, "Resources": 500, "Outputs": 200}
"""Of a template, and how many CloudFormation takes of each; it names no limit of conditions.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""
TEMPLATES = sorted((INFRA / "templates").glob("*.json"))


def of_one_worker(template: dict[str, Any], part: str) -> dict[str, Any]:
    """What the upload worker, its queues, its rules and its table take."""
    names = ("UploadNotification", "Uploads", "UploadScans", "Scan", "Sessions", "FleetUpload")
    return {name: value for name, value in template.get(part, {}).items() if name.startswith(names)}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_carries_the_hash_of_the_sources_it_was_made_from(path: Path) -> None:
    assert raw(path)["Metadata"][METADATA_KEY] == fingerprint(), "stale: run `make templates` and commit the result"


@pytest.mark.skipif(len(WORKERS) > FROM_FILES, reason=GROWN)
@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_can_be_deployed_from_a_file(path: Path) -> None:
    assert len(path.read_bytes()) < 51_200


@pytest.mark.skipif(len(WORKERS) >= FROM_FILES, reason=GROWN)
@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_there_is_room_for_a_fifth_worker_with_a_queue_a_rule_and_a_table(path: Path) -> None:
    template = raw(path)
    taken = [
        f"{json.dumps(name)}:{json.dumps(value, separators=(',', ':'))},\n"
        for part in PARTS
        for name, value in of_one_worker(template, part).items()
    ]
    assert len(path.read_bytes()) + sum(map(len, taken)) < 51_200


def test_twenty_more_workers_fit_into_templates_that_go_through_a_bucket() -> None:
    """Each with as much as the upload worker has."""
    fit = {
        (path.name, part): (most - len(template[part])) // len(taken)
        for path in TEMPLATES
        for template in [raw(path)]
        for part, most in PARTS.items()
        if (taken := of_one_worker(template, part))
    }
    scarcest = min(fit, key=lambda each: fit[each])
    assert scarcest == ("messaging.json", "Outputs"), "docs/add-a-worker.md says what ends first"
    assert len(WORKERS) - 4 + fit[scarcest] >= 20


def test_the_readme_deploys_by_the_script_which_takes_templates_of_any_size_and_either_command_line() -> None:
    readme = (INFRA.parent / "README.md").read_text()
    [(stage, given)] = re.findall(r"^\$ infra/deploy\.sh (\w+) (.*)$", readme, re.MULTILINE)
    assert (INFRA / "parameters" / f"{stage}.json").is_file()
    told = {each.partition("=")[0] for each in given.split()}
    assert told == {"ProjectName", "LambdaDeploymentBucket", "LambdaCodeKey"}
    assert "file://" not in readme, "a file names a project of its own, and version 1 of the command line reads none"


def test_the_hash_changes_with_a_source_and_not_with_its_line_ends(tmp_path: Path) -> None:
    source = tmp_path / "app.py"
    source.write_bytes(b"one\ntwo\n")
    before = fingerprint(tmp_path)
    source.write_bytes(b"one\r\ntwo\r\n")
    assert fingerprint(tmp_path) == before
    source.write_bytes(b"one\nthree\n")
    assert fingerprint(tmp_path) != before


def test_the_parameters_are_these_and_all_have_defaults() -> None:
    assert {name: parameter["Default"] for name, parameter in raw()["Parameters"].items()} == {
        "ProjectName": "fleet",
        "Stage": "dev",
        "PipesEnabled": "true",
        "AuditObjectLock": "false",
        "DeliverySenders": "arn:*:iam::*:role/*webhook-delivery*,arn:*:iam::*:role/*fleet-operator*",
        "UploadOrigins": "*",
        "KeyArn": "NONE",
        "PermissionsBoundaryArn": "NONE",
    }


def test_stages_of_the_settings_table_are_the_stages_of_the_template() -> None:
    assert raw()["Parameters"]["Stage"]["AllowedValues"] == list(STAGES)
    assert set(raw()["Mappings"]["Stages"]) == set(STAGES)


@pytest.mark.parametrize("stage", ["dev", "staging", "prod"])
def test_a_parameter_file_fits_the_template(stage: str) -> None:
    rows = json.loads((INFRA / "parameters" / f"{stage}.json").read_text())
    given = {row["ParameterKey"]: row["ParameterValue"] for row in rows}
    # The boundary of roles is what the workflow says; who deploys by hand leaves it as it is.
    assert set(given) == set(raw()["Parameters"]) - {"PermissionsBoundaryArn"}
    assert given["Stage"] == stage
    for name, value in given.items():
        assert value in raw()["Parameters"][name].get("AllowedValues", [value])


def test_nothing_needs_a_bootstrapped_account_an_asset_or_a_macro() -> None:
    assert set(raw()) == {"Conditions", "Description", "Mappings", "Metadata", "Outputs", "Parameters", "Resources"}
    kinds = {resource["Type"] for resource in raw()["Resources"].values()}
    assert not {kind for kind in kinds if kind.startswith(("Custom::", "AWS::CloudFormation::", "AWS::Lambda::"))}
    assert "cdk" not in MESSAGING.read_text().lower()


def test_only_functions_are_used_that_every_emulator_resolves() -> None:
    known = {"Ref", "Fn::GetAtt", "Fn::Sub", "Fn::Join", "Fn::FindInMap", "Fn::If", "Fn::Equals", "Fn::Or"}
    assert each_function(raw()) <= known


def test_conditions_read_parameters_only_because_ministack_looks_up_no_mapping_there() -> None:
    assert each_function(raw()["Conditions"]) <= {"Ref", "Fn::Equals", "Fn::Or"}


@pytest.mark.parametrize(("stage", "protected", "history"), [("dev", False, False), ("staging", False, True)])
def test_each_stage_gets_its_row(stage: str, protected: bool, history: bool) -> None:  # noqa: FBT001
    for table in messaging(stage).resources("AWS::DynamoDB::Table").values():
        assert table["Properties"]["DeletionProtectionEnabled"] is protected
        recovery = table["Properties"]["PointInTimeRecoverySpecification"]
        assert recovery["PointInTimeRecoveryEnabled"] is history


@pytest.mark.parametrize(("word", "meaning"), [("stage", "staging"), ("production", "prod"), ("local", "dev")])
def test_another_word_for_a_stage_means_the_same(word: str, meaning: str) -> None:
    def settings(stage: str) -> list[dict[str, Any]]:
        tables = messaging(stage).resources("AWS::DynamoDB::Table").values()
        return [{**table["Properties"], "TableName": "", "Tags": []} for table in tables]

    assert STAGES[word] == STAGES[meaning]
    assert settings(word) == settings(meaning)


def test_what_holds_data_outlives_its_stack() -> None:
    for kind in ("AWS::DynamoDB::Table", "AWS::S3::Bucket"):
        for resource in messaging().resources(kind).values():
            assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
            assert resource["UpdateReplacePolicy"] == "Retain"
    for name, queue in messaging().resources("AWS::SQS::Queue").items():
        holds_letters = name.endswith("Dlq") or name == "EventsUndeliveredQueue"
        assert ("DeletionPolicy" in queue) is holds_letters


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_first_deployment_that_fails_leaves_nothing_of_any_stack_behind(path: Path) -> None:
    """What it kept would have its name still, so that the next one fails as well, or cost by the month."""
    said = {resource.get("DeletionPolicy", "Delete") for resource in raw(path)["Resources"].values()}
    assert said <= {"Delete", "RetainExceptOnCreate"}


def test_the_disposable_template_differs_in_nothing_but_what_is_left_behind() -> None:
    made = disposable(raw())
    assert "Retain" not in json.dumps(made)
    for name, resource in made["Resources"].items():
        policies = {"DeletionPolicy", "UpdateReplacePolicy", "Metadata"}
        assert {key: resource[key] for key in resource.keys() - policies} == {
            key: value for key, value in raw()["Resources"][name].items() if key not in policies
        }


@pytest.mark.parametrize("stage", STAGES)
def test_only_a_stage_that_may_lose_its_data_gets_a_disposable_template(
    stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main([stage])
    printed = capsys.readouterr().out
    assert status == (0 if STAGES[stage].removal is Removal.DESTROY else 1)
    assert bool(printed) is (status == 0)


def test_an_unknown_stage_is_a_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["moon"]) == 2
    assert "usage" in capsys.readouterr().err
