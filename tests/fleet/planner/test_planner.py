"""What a traffic needs and costs: rates as people say them, work as it was measured, sums that can be done by hand."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fleet.cli import fleet
from fleet.planner.plan import MONTH, dearer_from, plan
from fleet.planner.traffic import KINDS, UnknownTraffic, per_second, read
from fleet.planner.work import NoBenchmark, Work
from fleet.planner.work import read as read_work
from workers import roster

ROOT = Path(__file__).parents[3]
RUNS = ROOT / "docs" / "performance" / "runs.json"
PRICES: dict[str, Any] = json.loads((ROOT / "fleet" / "planner" / "prices.json").read_text())
ROADS: dict[str, Any] = json.loads((ROOT / "fleet" / "planner" / "roads.json").read_text())
WORK = Work(
    date="2026-11-21", cpu=0.0001, cpu_of_uploads=0.0002, cpu_behind_lambda=0.00005, requests=0.2, idle_requests=3
)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(fleet, ["planner", "--benchmark", str(RUNS), *arguments])


def test_a_rate_is_a_number_per_unit_of_time() -> None:
    for text, wanted in (
        ("86400/day", 1.0), ("1e6/day", 11.574), ("60 / minute", 1.0), ("7200/hours", 2.0), ("1,500/second", 1500.0),
        ("2592000/month", 1.0), ("0/day", 0.0), ("1_000/second", 1000.0),
    ):  # fmt: skip
        assert per_second("uploads", text) == pytest.approx(wanted, rel=1e-4), text


def test_what_is_no_rate_is_refused_by_name() -> None:
    for text in (
        "", "5", "5/week", "-1/day", "1e400/day", "a/day", "1.2.3/day", "1e9/second", "nan/day", "1,5/day", "10,00/day",
    ):  # fmt: skip
        with pytest.raises(UnknownTraffic, match="uploads"):
            per_second("uploads", text)


def test_a_file_holds_lines_of_yaml() -> None:
    assert read("---\n# ours\nuploads: 1e6/day  # files\nwebhooks: '5e6/day'\n\n") == {
        "uploads": "1e6/day",
        "webhooks": "5e6/day",
    }
    for text, fault in (
        ("upload: 1/day", "line 1"),
        ("uploads 1/day", "line 1"),
        ("uploads: 1/day\nuploads: 2/day", "twice"),
    ):
        with pytest.raises(UnknownTraffic, match=fault):
            read(text)


def test_without_a_file_the_figures_of_the_committed_benchmark_count_from_whatever_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("--uploads", "1e6/day", "--json")
    with_file = run(*given).output
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(fleet, ["planner", *given])
    assert (done.exit_code, done.output) == (0, with_file)


def test_the_work_of_a_message_is_the_benchmarks_own() -> None:
    runs = json.loads(RUNS.read_text())
    work = read_work(RUNS.read_text())
    for each in runs["rounds"]["production"]["runs"]:
        if each["contestant"] == "fleet":
            each["cpu"] *= 3
    assert read_work(json.dumps(runs)).cpu == pytest.approx(3 * work.cpu)
    assert 0 < work.cpu < 0.001
    assert work.requests >= 0.2
    for text in ("{}", "[]", "no", json.dumps({"about": {}, "rounds": {}})):
        with pytest.raises(NoBenchmark, match="make bench"):
            read_work(text)


def test_the_sums_are_those_that_one_does_by_hand() -> None:
    made = plan({"uploads": 10.0}, work=WORK, roads=ROADS, prices=PRICES)
    uploads, changes = made.needs
    assert (uploads.queues, changes.queues) == ({"uploads": 10.0}, {"audit": 20.0})
    assert (uploads.write_units, uploads.read_units) == (20.0, 10.0)
    assert made.costs["SQS"] == pytest.approx(30 * MONTH * 1.2 / 1e6 * 0.40)
    assert made.costs["DynamoDB"] == pytest.approx(MONTH / 1e6 * (22.0 * 0.625 + 10 * 0.125))
    seconds = 0.05 + 10 * 0.00015 * 1.769 / 0.5
    assert uploads.invocations == 1.0
    assert uploads.lambda_cost == pytest.approx(MONTH * (seconds * 0.5 * PRICES["lambda_gb_second"] + 0.2e-6))


def test_the_bus_is_paid_for_each_event_that_a_webhook_begins_with() -> None:
    made = plan({"webhooks": 10.0, "changes": 0.0}, work=WORK, roads=ROADS, prices=PRICES)
    assert made.needs[0].queues["webhook-events"] == 10.0
    assert made.costs["EventBridge"] == pytest.approx(10 * MONTH / 1e6 * PRICES["events_million"])


def test_mappings_are_those_of_the_template_that_is_deployed() -> None:
    template = json.loads((ROOT / "infra" / "templates" / "workers.json").read_text())["Resources"]
    made = {
        name.removesuffix("Mapping"): {
            "batch": each["Properties"]["BatchSize"],
            "concurrency": each["Properties"]["ScalingConfig"]["MaximumConcurrency"],
        }
        for name, each in template.items()
        if each["Type"] == "AWS::Lambda::EventSourceMapping"
    }
    planned = {"".join(map(str.capitalize, queue.split("-"))): each for queue, each in ROADS["mappings"].items()}
    assert planned.items() <= made.items(), "a concern beside the four is not planned for"
    assert {queue for kind in KINDS for queue in ROADS[kind]["queues"]} <= ROADS["mappings"].keys()


def test_the_first_limit_is_that_of_the_mapping_or_of_the_account_where_they_are_the_least() -> None:
    def first(rate: float, **given: Any) -> Any:
        return plan({"webhooks": rate}, work=WORK, roads=ROADS, prices=PRICES, **given).first_limit

    ten = 0.3 + 10 * 0.00015 * 1.769 / 0.5
    mapping = first(100.0)
    assert mapping.name == "Lambda: messages a second of webhook-events, by the 10 invocations of its mapping"
    assert (mapping.used, mapping.allowed) == (100.0, pytest.approx(10 * 10 / ten))
    account = first(100.0, at_once=10)
    assert (account.name, account.allowed) == ("Lambda: invocations at once", 10)
    assert "first limit: Lambda: invocations at once" in run("--webhooks", "1e6/day", "--invocations", "4").stdout
    assert run("--webhooks", "1e6/day", "--invocations", "0").exit_code == 2


def test_twice_the_traffic_never_needs_or_costs_less() -> None:
    rates = [{"uploads": 2.0**power, "webhooks": 3.0 * 2**power, "reminders": 2.0**power} for power in range(-8, 14)]
    plans = [plan(each, work=WORK, roads=ROADS, prices=PRICES) for each in rates]
    for less, more in pairwise(plans):
        assert less.first_limit.reached_at >= more.first_limit.reached_at
        for a, b in zip(less.needs, more.needs, strict=True):
            assert a.concurrency <= b.concurrency
            assert a.tasks <= b.tasks
            assert a.lambda_cost <= b.lambda_cost
        assert all(less.costs[service] <= more.costs[service] for service in less.costs)


def test_lambda_is_cheaper_for_little_and_a_task_for_much() -> None:
    little, much = (plan({"webhooks": rate}, work=WORK, roads=ROADS, prices=PRICES).needs[0] for rate in (0.01, 200.0))
    assert little.lambda_cost < little.fargate_cost
    assert much.lambda_cost > much.fargate_cost


@pytest.mark.parametrize("kind", [kind for kind in ROADS if kind not in {"about", "mappings"}])
def test_above_the_rate_that_is_told_lambda_is_always_dearer(kind: str) -> None:
    told = dearer_from(kind, work=WORK, roads=ROADS, prices=PRICES)
    assert told is not None
    for times in (1.0, 1.5, 4.0, 30.0, 200.0):
        above = plan({kind: told * times}, work=WORK, roads=ROADS, prices=PRICES).needs[0]
        assert above.lambda_cost > above.fargate_cost
    below = plan({kind: told / 1.03}, work=WORK, roads=ROADS, prices=PRICES).needs[0]
    assert below.lambda_cost <= below.fargate_cost * 1.05


def test_where_lambda_costs_nothing_it_is_never_dearer() -> None:
    free = {**PRICES, "lambda_gb_second": 0.0, "lambda_million_requests": 0.0}
    assert dearer_from("webhooks", work=WORK, roads=ROADS, prices=free) is None


def test_more_work_for_a_message_needs_more_tasks() -> None:
    slow = Work(date="", cpu=0.01, cpu_of_uploads=0.01, cpu_behind_lambda=0.01, requests=0.2, idle_requests=3)
    rates = {"webhooks": 100.0}
    fast, dear = (plan(rates, work=work, roads=ROADS, prices=PRICES).needs[0] for work in (WORK, slow))
    assert fast.tasks < dear.tasks
    assert fast.lambda_cost < dear.lambda_cost


def test_each_road_names_queues_and_a_worker_of_the_fleet_and_where_its_numbers_are_from() -> None:
    for kind, road in ROADS.items():
        if kind not in {"about", "mappings"}:
            assert {*road["queues"]} <= {*roster.app(road["worker"]).queues}
            assert road["source"].startswith("docs/")


def test_the_command_says_rates_needs_bill_first_limit_and_the_date_of_the_prices() -> None:
    said = run("--uploads", "1e6/day", "--webhooks", "5e6/day")
    assert said.exit_code == 0
    for word in (
        "webhook-deliveries",
        "57.87",
        "DynamoDB",
        "first limit: ",
        "Lambda costs more than Fargate: uploads from",
        PRICES["date"],
        "on Lambda",
        "on Fargate",
    ):
        assert word in said.output


def test_an_option_wins_over_the_file_and_json_is_one_document(tmp_path: Path) -> None:
    file = tmp_path / "traffic.yaml"
    file.write_text("uploads: 1/day\nreminders: 86400/day\n")
    document = json.loads(run("--file", str(file), "--uploads", "172800/day", "--json").stdout)
    assert {each["kind"]: each["rate"] for each in document["needs"]} == {
        "uploads": 2.0,
        "reminders": 1.0,
        "changes": 7.0,
    }
    assert document["first_limit"]["reached_at"] > 1
    assert all(each["lambda_dearer_from"] > 0 for each in document["needs"])


def test_wrong_use_ends_with_2_and_names_what_to_mend(tmp_path: Path) -> None:
    for arguments, word in (
        ([], "--uploads"), (["--uploads", "many"], "uploads: many"), (["--file", str(tmp_path / "none")], "none"),
        (["--uploads", "1/day", "--benchmark", str(tmp_path / "none")], "make bench"),
    ):  # fmt: skip
        said = run(*arguments)
        assert said.exit_code == 2, arguments
        assert word in said.output
