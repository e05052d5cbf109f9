"""Dashboards and saved queries: they parse, and they ask for what is there."""

import json
import re
from typing import Any

import pytest

from tests.infra.template import stack
from tests.infra.watch.test_log_metrics import logged
from tests.infra.watch.watched import NAMESPACE, filters
from workers.reminder_dispatch.rules import end_of

WORDS = {
    "fields", "filter", "stats", "sort", "limit", "by", "as", "asc", "desc", "and", "or", "in", "count", "max", "sum",
    "pct", "earliest", "latest", "bin", "avg",
}  # fmt: skip
ID_QUERIES = {"what-became-of-a-message", "what-became-of-an-upload"}


def queries() -> dict[str, dict[str, Any]]:
    found = stack("dashboards", "prod").resources("AWS::Logs::QueryDefinition").values()
    return {
        each["Properties"]["Name"].removeprefix("fleet-").removesuffix("-prod"): each["Properties"] for each in found
    }


def dashboards() -> dict[str, dict[str, Any]]:
    found = stack("dashboards", "prod").resources("AWS::CloudWatch::Dashboard").values()
    return {each["Properties"]["DashboardName"]: json.loads(each["Properties"]["DashboardBody"]) for each in found}


@pytest.mark.slow
def test_each_query_asks_for_events_and_fields_that_the_code_logs() -> None:
    known = logged()
    every = set[str]().union(*known.values())
    for name, query in queries().items():
        text = query["QueryString"]
        events = {word for word in re.findall(r'"(\w+)"', text) if word in known}
        quoted = set(re.findall(r'"([^"]*)"', text)) - {"PUT-ITS-ID-HERE", "error"}
        assert quoted <= known.keys(), f"{name}: nobody logs {quoted - known.keys()}"
        assert events or name in ID_QUERIES | {"what-asks-for-a-person"}
        bare = re.sub(r'"[^"]*"|bin\(\w+\)', "", text)
        aliases = set(re.findall(r"\bas (\w+)", bare))
        used = set(re.findall(r"[a-z_]\w*", bare)) - WORDS - aliases
        positive = set(re.findall(r'event = "(\w+)"', text)) | {
            word for found in re.findall(r"event in \[([^]]*)\]", text) for word in re.findall(r'"(\w+)"', found)
        }
        fields = set[str]().union(*(known[event] for event in positive)) if positive else every
        assert used <= fields, f"{name}: {used - fields}"
        assert not re.search(r"(max|min|sum|avg|pct)\(timestamp", text), f"{name}: of a text there is no most"


def test_each_query_reads_the_logs_of_all_workers() -> None:
    groups = {each["LogGroupName"] for each in filters("both")}
    for query in queries().values():
        assert {*query["LogGroupNames"]} == groups


def test_there_are_three_dashboards_whose_time_range_the_reader_chooses() -> None:
    assert dashboards().keys() == {"fleet-operations-prod", "fleet-delivery-prod", "fleet-cost-prod"}
    for found in dashboards().values():
        assert found["start"] == "-PT3H"
        places = {(each["x"], each["y"]) for each in found["widgets"]}
        assert len(places) == len(found["widgets"]), "no graph lies on another"


def test_a_graph_shows_metrics_that_are_made_by_aws_or_by_our_filters() -> None:
    ours = {each["MetricTransformations"][0]["MetricName"] for each in filters()}
    aws = {"AWS/SQS", "AWS/Lambda", "AWS/DynamoDB", "AWS/EventBridge/Pipes", "AWS/Logs", "AWS/S3"}
    shown: set[str] = set()
    for found in dashboards().values():
        for widget in found["widgets"]:
            for row in widget["properties"]["metrics"]:
                if isinstance(row[0], dict):
                    shown |= set(re.findall(r'\{fleet/prod,[\w,]+\} MetricName="(\w+)"', row[0]["expression"]))
                elif row[0] == NAMESPACE:
                    shown.add(row[1])
                else:
                    assert row[0] in aws, row
    assert shown == {"ProcessDuration", "Uploads", "Webhooks", "Reminders"}
    assert shown <= ours


def test_rates_of_success_are_of_outcomes_that_the_code_writes() -> None:
    [webhooks, reminders] = [
        [row for row in widget["properties"]["metrics"] if row[0] == NAMESPACE]
        for widget in dashboards()["fleet-delivery-prod"]["widgets"]
        if widget["properties"]["title"].endswith("%")
    ]
    assert {row[3] for row in webhooks} <= logged().keys()
    tickets: list[tuple[dict[str, str], ...]] = [({},), ({"error": "unknown"},), ({"error": "DeviceNotRegistered"},)]
    assert {row[3] for row in reminders} == {end_of(each)[0] for each in tickets}
