"""What a stage's stacks would make, from the committed templates."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fleet.cli import fleet
from fleet.planner.stacks import UnknownCondition, made
from tests.infra.template import stack

ROOT = Path(__file__).parents[3]
PRICES: dict[str, Any] = json.loads((ROOT / "fleet" / "planner" / "prices.json").read_text())


def run(*arguments: str) -> Any:
    return CliRunner().invoke(fleet, ["deploy", "plan", *arguments, "--infra", str(ROOT / "infra")])


def template(**resources: Any) -> dict[str, Any]:
    conditions = {
        "Here": {
            "Fn::And": [{"Fn::Or": [{"Fn::Equals": [{"Ref": "Stage"}, "prod"]}]}, {"Fn::Not": [{"Condition": "Not"}]}]
        },
        "Not": {"Fn::Equals": [{"Ref": "Stage"}, "dev"]},
    }
    return {"Parameters": {"Stage": {"Default": "dev"}}, "Conditions": conditions, "Resources": resources}


def test_only_what_exists_under_the_parameters_is_made_and_paid_for() -> None:
    keys = template(Always={"Type": "AWS::KMS::Key"}, Prod={"Type": "AWS::KMS::Key", "Condition": "Here"})
    for stage, count in (("dev", 1), ("prod", 2)):
        found = made("x", keys, {"Stage": stage, "Unknown": "ignored"}, PRICES)
        assert found.resources == {"AWS::KMS::Key": count}
        assert found.monthly == pytest.approx(count * PRICES["kms_key"])


def test_an_alarm_is_paid_for_by_the_metrics_it_looks_at_and_three_dashboards_are_free() -> None:
    alarm = {"Type": "AWS::CloudWatch::Alarm"}
    stats = [{"Id": "e", "Expression": "a + b"}, {"Id": "a", "MetricStat": {}}, {"Id": "b", "MetricStat": {}}]
    alarms = template(One=alarm | {"Properties": {"MetricName": "m"}}, Two=alarm | {"Properties": {"Metrics": stats}})
    assert made("x", alarms, {}, PRICES).monthly == pytest.approx(3 * PRICES["alarm_metric"])
    boards = {f"D{number}": {"Type": "AWS::CloudWatch::Dashboard"} for number in range(4)}
    assert made("x", template(**boards), {}, PRICES).monthly == pytest.approx(PRICES["dashboard"])


def test_what_only_aws_knows_is_refused_and_not_guessed() -> None:
    unknown = template(A={"Type": "AWS::KMS::Key", "Condition": "Here"})
    unknown["Conditions"]["Here"] = {"Fn::Equals": [{"Ref": "AWS::Region"}, "x"]}
    with pytest.raises(UnknownCondition, match="AWS::Region"):
        made("x", unknown, {}, PRICES)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("WebhookDeliveryDor=both", "no stack has such a parameter"),
        ("WebhookDeliveryDoor=fargat", "it is one of lambda, fargate, both, none"),
        ("FewestTasks=few", "it is not of the form [0-9]+"),
        ("StaleMinutes=ten", "it is not of the form -?[0-9]+"),
        ("ProjectName=Acme", "it is not of the form [a-z]"),
        ("Stage=prod", "STAGE is dev"),
    ],
)
def test_a_parameter_that_would_be_refused_or_passed_over_changes_no_plan_in_silence(given: str, says: str) -> None:
    done = run("dev", "--set", given)
    assert done.exit_code == 2
    assert given.partition("=")[0] in done.output
    assert says in done.output


@pytest.mark.parametrize("stage", ["dev", "staging", "prod"])
def test_the_plan_of_a_stage_counts_what_its_templates_declare(stage: str) -> None:
    document = json.loads(run(stage, "--json").stdout)
    counted = {each["stack"]: each["resources"] for each in document["stacks"]}
    assert counted.keys() == {path.stem for path in (ROOT / "infra" / "templates").glob("*.json")}
    for name in ("messaging", "alarms", "queue-alarms"):
        seen = stack(name, stage)
        for kind in ("AWS::SQS::Queue", "AWS::CloudWatch::Alarm", "AWS::DynamoDB::Table"):
            assert counted[name].get(kind, 0) == len(seen.resources(kind))


def test_a_person_reads_names_and_one_sum() -> None:
    said = run("prod")
    assert said.exit_code == 0
    assert "fleet-messaging-prod" in said.output
    assert "fixed cost: " in said.output
    assert "and where you deploy it: keys 1.00 $, network 36.50 $, evidence 1.00 $" in said.output
    off = json.loads(run("prod", "--set", "PipesEnabled=false", "--json").stdout)
    [messaging] = [each for each in off["stacks"] if each["stack"] == "messaging"]
    assert "AWS::Pipes::Pipe" not in messaging["resources"]


def test_wrong_use_ends_with_2() -> None:
    for arguments, word in ((["moon"], "moon"), (["dev", "--set", "x"], "NAME=VALUE")):
        said = run(*arguments)
        assert said.exit_code == 2
        assert word in said.output


def test_tasks_that_always_run_are_paid_for_and_a_gateway_with_its_address() -> None:
    service = template(One={"Type": "AWS::ECS::Service"}, Two={"Type": "AWS::ECS::Service"})
    service["Parameters"]["FewestTasks"] = {"Default": "1"}
    one = made("x", service, {}, PRICES).monthly
    assert one > 0
    assert made("x", service, {"FewestTasks": "0"}, PRICES).monthly == 0
    assert made("x", service, {"FewestTasks": "3"}, PRICES).monthly == pytest.approx(3 * one)
    [network] = [each for each in json.loads(run("dev", "--json").stdout)["stacks"] if each["stack"] == "network"]
    assert network["monthly"] == pytest.approx(PRICES["nat_gateway"] + PRICES["public_address"])
