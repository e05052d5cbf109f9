"""What is counted, in whose names, and that no id ever becomes a dimension."""

import json
import re
import time
from typing import Any

import pytest

from shared.telemetry import metrics as telemetry
from tests.shared.telemetry.alone import report_of

ALLOWED = {
    "messaging.system",
    "messaging.operation.name",
    "messaging.destination.name",
    "fleet.worker",
    "fleet.outcome",
    "fleet.reason",
    "fleet.dependency",
    "fleet.first_receipt",
}


@pytest.fixture(scope="module")
def reported() -> dict[str, Any]:
    found: dict[str, Any] = report_of("measured")
    return found


@pytest.fixture(scope="module")
def measured(reported: dict[str, Any]) -> dict[str, Any]:
    """Everything that a process measured while it did what tests/shared/telemetry/measured.py says."""
    return {name: each for name, each in reported.items() if name != "prometheus"}


@pytest.fixture(scope="module")
def prometheus(reported: dict[str, Any]) -> str:
    """What the same process told at /metrics."""
    return str(reported["prometheus"])


def points(measured: dict[str, Any], name: str) -> dict[tuple[tuple[str, str], ...], float]:
    return {
        tuple(sorted(point["attributes"].items())): point.get("value", point.get("count"))
        for point in measured[name]["points"]
    }


def about(operation: str, **more: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        sorted(
            {
                "messaging.system": "aws_sqs",
                "messaging.operation.name": operation,
                "messaging.destination.name": "uploads",
                **{name.replace("__", "."): value for name, value in more.items()},
            }.items()
        )
    )


def test_when_the_last_success_was_is_told_in_epoch_seconds(measured: dict[str, Any]) -> None:
    [[about, last]] = points(measured, "fleet.last_success_epoch").items()
    assert about == (("fleet.worker", "sample"), ("messaging.destination.name", "uploads"))
    assert time.time() - 300 < last <= time.time()


def test_every_end_of_a_message_is_counted_by_worker_and_outcome(measured: dict[str, Any]) -> None:
    expected = {
        about("process", fleet__worker="sample", fleet__outcome="done"): 100,
        about("process", fleet__worker="sample", fleet__outcome="retry"): 2,
        about("process", fleet__worker="sample", fleet__outcome="dead"): 1,
    }
    assert points(measured, "messaging.client.consumed.messages") == expected
    assert points(measured, "messaging.process.duration") == expected


def test_durations_are_seconds_in_buckets_that_reach_five_minutes(measured: dict[str, Any]) -> None:
    duration = measured["messaging.process.duration"]
    assert duration["unit"] == "s"
    assert duration["points"][0]["bounds"][0] == 0.005
    assert duration["points"][0]["bounds"][-1] == 300.0


def test_the_wait_from_send_to_start_is_measured_apart_for_first_receipts(measured: dict[str, Any]) -> None:
    found = {point["attributes"]["fleet.first_receipt"]: point for point in measured["fleet.message.dwell"]["points"]}
    assert {first: point["count"] for first, point in found.items()} == {True: 102, False: 1}
    assert 40.0 <= found[True]["sum"] / 102 < 45.0


def test_a_dependency_that_is_down_is_counted(measured: dict[str, Any]) -> None:
    assert points(measured, "fleet.dependencies.down") == {(("fleet.dependency", "dynamodb"),): 1}


def test_what_is_sent_is_counted_by_messages_and_not_by_calls(measured: dict[str, Any]) -> None:
    assert points(measured, "messaging.client.sent.messages") == {about("send"): 12}


def test_lost_leases_and_refused_deletes_are_counted_by_queue(measured: dict[str, Any]) -> None:
    queue = (("messaging.destination.name", "uploads"),)
    assert points(measured, "fleet.leases.lost") == {(("fleet.reason", "silent"), *queue): 1}
    assert points(measured, "fleet.deletes.failed") == {queue: 3}
    assert points(measured, "fleet.messages.unreadable") == {queue: 1}


def test_what_came_of_a_claim_is_counted_by_worker(measured: dict[str, Any]) -> None:
    about_it = (("fleet.outcome", "absorbed"), ("fleet.worker", "sample"))
    assert points(measured, "fleet.claims") == {about_it: 1}


def test_what_is_given_up_is_counted_by_worker_and_reason(measured: dict[str, Any]) -> None:
    about_it = (("fleet.reason", "nobody_takes_it"), ("fleet.worker", "sample"))
    assert points(measured, "fleet.dropped") == {about_it: 1}


def test_a_hundred_messages_make_one_set_of_dimensions_and_none_of_them_is_an_id(measured: dict[str, Any]) -> None:
    dimensions = {name for each in measured.values() for point in each["points"] for name in point["attributes"]}
    assert dimensions == ALLOWED
    assert "canary-7f3a" not in json.dumps(measured)


def test_there_are_these_metrics_and_no_others(measured: dict[str, Any]) -> None:
    assert set(measured) == {
        "messaging.process.duration",
        "messaging.client.consumed.messages",
        "messaging.client.sent.messages",
        "fleet.leases.lost",
        "fleet.dependencies.down",
        "fleet.message.dwell",
        "fleet.last_success_epoch",
        "fleet.deletes.failed",
        "fleet.messages.unreadable",
        "fleet.claims",
        "fleet.dropped",
    }


def test_prometheus_reads_the_same_counts(prometheus: str) -> None:
    about_it = 'messaging_destination_name="uploads",messaging_operation_name="process",messaging_system="aws_sqs"'
    lines = prometheus.splitlines()
    assert "# TYPE messaging_client_consumed_messages_total counter" in lines
    assert (
        'messaging_client_consumed_messages_total{fleet_outcome="done",fleet_worker="sample",' + about_it + "} 100"
    ) in lines
    assert "# TYPE fleet_dependencies_down gauge" in lines
    assert 'fleet_dependencies_down{fleet_dependency="dynamodb"} 1' in lines
    assert "# TYPE fleet_last_success_epoch_seconds gauge" in lines


def test_every_line_for_prometheus_has_its_form_and_none_an_id(prometheus: str) -> None:
    label = r'[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"'
    sample = re.compile(rf"[a-z_]+\{{{label}(?:,{label})*\}} -?[0-9.]+(?:e\+[0-9]+)?")
    said = [line for line in prometheus.splitlines() if not line.startswith("# TYPE ")]
    assert len(said) >= 10
    assert prometheus.endswith("\n")
    assert [line for line in said if not sample.fullmatch(line)] == []
    assert "canary-7f3a" not in prometheus


def test_a_label_cannot_end_its_own_quotes() -> None:
    odd = 'a"b\\c\nd'
    telemetry.dropped(worker=odd, reason="nobody_takes_it")
    [line] = [line for line in telemetry.text().splitlines() if "fleet_dropped_total{" in line and "a" + '\\"b' in line]
    assert 'fleet_worker="a\\"b\\\\c\\nd"' in line
