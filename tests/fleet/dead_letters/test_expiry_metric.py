"""`fleet_dead_letter_expires_in`: to the second, in both forms, and never a number for a queue that is empty."""

import json
import re
from datetime import UTC, datetime

import pytest

from fleet.cli.dlq.tables import metric
from fleet.dead_letters.model.expiry import METRIC, expires_at
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.fakes import NOW as MORNING

NOW = MORNING.timestamp()
DAYS_4 = 4 * 86_400


def document(queue: str, *, sent_before: float) -> dict[str, object]:
    """As `ls` makes it, of a queue whose oldest letter was sent so many seconds ago."""
    return {"queue": queue, "expires_in_s": round(expires_at(NOW - sent_before, retention=DAYS_4) - NOW)}


@pytest.mark.parametrize("sent_before", [0, 60, DAYS_4 - 14_400, DAYS_4 - 1, DAYS_4 + 5])
def test_prometheus_reads_what_is_left_to_the_second(sent_before: int) -> None:
    told = metric([document("webhooks-dlq", sent_before=sent_before)], namespace="", now=NOW)
    assert f'{METRIC}{{queue="webhooks-dlq"}} {DAYS_4 - sent_before}\n' in told
    assert f"# TYPE {METRIC} gauge\n" in told


def test_cloudwatch_reads_a_line_for_each_queue_and_one_number_over_all() -> None:
    told = metric(
        [document("a-dlq", sent_before=60), document("b-dlq", sent_before=120)], namespace="fleet/prod", now=NOW
    )
    first, second = map(json.loads, told.splitlines())
    assert (first["Queue"], first[METRIC], second[METRIC]) == ("a-dlq", DAYS_4 - 60, DAYS_4 - 120)
    [about] = first["_aws"]["CloudWatchMetrics"]
    assert about["Namespace"] == "fleet/prod"
    assert about["Dimensions"] == [[], ["Queue"]]
    assert about["Metrics"] == [{"Name": METRIC, "Unit": "Seconds"}]
    assert datetime.fromtimestamp(first["_aws"]["Timestamp"] / 1000, UTC) == datetime.fromtimestamp(NOW, UTC)
    assert max(map(len, told.splitlines())) < 1_000


@pytest.mark.parametrize("namespace", ["", "fleet/prod"])
def test_a_queue_without_letters_tells_no_number(namespace: str) -> None:
    assert metric([{"queue": "a-dlq", "expires_in_s": None}], namespace=namespace, now=NOW) == ""


def test_ls_tells_it_of_a_real_queue_and_gives_its_letters_back(ground: Ground, cli: Lines) -> None:
    ground.park({"n": 1})
    told = cli("dlq", "ls", ground.name, "--metric", "prometheus").stdout
    found = re.search(rf'^{METRIC}{{queue="{re.escape(ground.name)}"}} (\d+)$', told, re.MULTILINE)
    assert found is not None
    assert int(found[1]) == pytest.approx(DAYS_4, abs=60)
    assert ground.counts() == (1, 0)


@pytest.mark.parametrize("also", ["--quick", "--json"])
def test_what_does_not_go_with_it_is_refused(cli: Lines, also: str) -> None:
    assert "leave --quick and --json out" in cli("dlq", "ls", "--metric", "prometheus", also, exits=2).stderr


def test_cloudwatchs_form_wants_a_stage(cli: Lines) -> None:
    assert "fleet --stage NAME" in cli("dlq", "ls", "--metric", "emf", exits=2).stderr
