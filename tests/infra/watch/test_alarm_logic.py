"""Each alarm over synthetic series: silent on the calm side of its threshold, silent a period too early, calling from there on."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from fleet.dead_letters.model.expiry import embedded
from infra.concerns import CONCERNS
from infra.resources.queues import QUEUES
from infra.watch.subjects import RULES
from tests.infra.watch.cloudwatch import Key, Samples, Series, calls, key, key_of
from tests.infra.watch.watched import NAMESPACE, alarms

SIMPLE = {
    name: alarm
    for name, alarm in alarms().items()
    if "Metrics" not in alarm and alarm["ComparisonOperator"] != "LessThanThreshold"
}
NUMBERS: dict[str, tuple[Any, ...]] = {
    # fault: threshold, whether it calls at the threshold itself, periods, seconds of each
    "not-empty": (1, True, 1, 60),
    "deep": (1000, False, 10, 60),
    "old": (300, False, 5, 60),
    "slow": (2000, False, 5, 60),
    "stale": (1, True, 10, 60),
    "failing": (5, False, 5, 60),
    "dependency-down": (0, False, 1, 60),
    "asks-for-you": (0, False, 1, 60),
    "refusing": (50, False, 1, 300),
    "throttled": (0, False, 1, 60),
    "breaking": (5, False, 1, 300),
    "long": (3000, False, 2, 300),
    "losing": (0, False, 1, 60),
    "vanishing": (86_400, False, 1, 3600),
}
EXCEPTIONS: dict[str, tuple[Any, ...]] = {
    "webhook-deliveries-old": (1800, False, 5, 60),
    "audit-old": (1800, False, 5, 60),
    "webhook-deliveries-slow": (16_000, False, 5, 60),
    "webhook-delivery-long": (20_000, False, 2, 300),
    **{f"{name}-api-failing": (5, False, 1, 300) for name in ("sessions", "browsers")},
    **{f"{name}-rule-failing": (0, False, 1, 60) for name in RULES},
    **{name: (1, True, 3, 60) for name in alarms() if name.endswith("-pipe-failing")},
    # Letters of a source that keeps messages for seven days may have seven left, those of the others more than can be watched.
    **{
        f"{name}-dlq-expiring": (1, True, 144, 3600)
        for name in ("webhook-events", "webhook-deliveries", "uploads", "audit", *(each.name for each in CONCERNS))
    },
    **{
        f"{name}-expiring": (1, True, 168, 3600)
        for name in ("reminder-ticks-dlq", "reminders-dlq", "reminder-receipts-dlq", "events-undelivered")
    },
}


def numbers(name: str) -> tuple[Any, ...]:
    return EXCEPTIONS.get(name) or next(found for fault, found in NUMBERS.items() if name.endswith(f"-{fault}"))


def test_every_alarm_has_the_numbers_that_are_promised() -> None:
    for name, alarm in alarms().items():
        [seconds] = {alarm.get("Period")} - {None} or {
            each["MetricStat"]["Period"] for each in alarm["Metrics"] if "MetricStat" in each
        }
        calls_at_once = alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert (alarm["Threshold"], calls_at_once, alarm["EvaluationPeriods"], seconds) == numbers(name), name


def test_an_alarm_on_one_metric_calls_above_its_threshold_and_not_a_period_too_early() -> None:
    assert len(SIMPLE) > 50
    for name, alarm in SIMPLE.items():
        threshold, calls_at, periods, _ = numbers(name)
        calm, over = (threshold - 1, threshold) if calls_at else (threshold, threshold + 1)

        def after(*values: float, alarm: dict[str, Any] = alarm) -> bool:
            return calls(alarm, {key_of(alarm): [[value] for value in values]})

        assert not after(*[calm] * periods), name
        assert after(*[over] * periods), name
        assert not after(*[over] * (periods - 1), calm), name
        assert not calls(alarm, {key_of(alarm): [[]] * periods}), f"{name}: missing data calls nobody"


def of_api(api: str, metric: str) -> Key:
    return key("AWS/ApiGateway", metric, {"ApiId": api})


def test_browsers_that_cannot_be_served_call_whichever_side_failed() -> None:
    alarm = alarms()["browsers-api-failing"]
    integration, execution = (of_api("BrowsersApi", f"{each}Error") for each in ("Integration", "Execution"))
    assert calls(alarm, {integration: [[6.0]], execution: [[]]})
    assert calls(alarm, {integration: [[3.0]], execution: [[3.0]]})
    assert not calls(alarm, {integration: [[3.0]], execution: [[2.0]]})
    assert not calls(alarm, {integration: [[]], execution: [[]]}), "nobody calls"


@pytest.mark.parametrize(
    ("api", "refused", "served"), [("sessions", "4xx", "Count"), ("browsers", "ClientError", "ConnectCount")]
)
def test_an_api_that_refuses_most_calls_and_not_one_strangers_calls_a_person(
    api: str, refused: str, served: str
) -> None:
    alarm, name = alarms()[f"{api}-api-refusing"], f"{api.capitalize()}Api"
    counted = 1.0 if api == "sessions" else 0.0  # of an HTTP API a refused call is one of its calls

    def after(no: float, yes: float) -> bool:
        return calls(alarm, {of_api(name, refused): [[no] if no else []], of_api(name, served): [[yes + counted * no]]})

    assert after(51, 49)
    assert not after(50, 50)
    assert not after(49, 0), "hardly anybody calls"
    assert not after(0, 100)


def test_a_letter_that_disappears_within_a_day_calls_and_one_of_a_minute_more_does_not() -> None:
    alarm = alarms()["dead-letters-vanishing"]
    day = 86_400.0
    assert calls(alarm, {key_of(alarm): [[9 * day, day - 60]]})
    assert not calls(alarm, {key_of(alarm): [[9 * day, day]]})
    assert not calls(alarm, {key_of(alarm): [[]]}), "nobody measures it, or no letter is there"


def test_the_metric_of_letters_that_vanish_is_the_one_that_the_command_writes() -> None:
    [line] = embedded({"a-dlq": 60.0}, namespace=NAMESPACE, now=datetime.now(UTC)).splitlines()
    [about] = json.loads(line)["_aws"]["CloudWatchMetrics"]
    assert key_of(alarms()["dead-letters-vanishing"]) == key(about["Namespace"], about["Metrics"][0]["Name"], {})
    assert [] in about["Dimensions"]


def processed(queue: str, outcome: str) -> Key:
    return key(NAMESPACE, "ProcessDuration", {"Queue": queue, "Outcome": outcome})


def waiting(queue: str) -> Key:
    return key("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": f"fleet-{queue}-prod"})


@pytest.mark.parametrize(
    "queue",
    [each.name for each in QUEUES],
)
def test_a_queue_is_stale_when_messages_wait_and_none_is_done_for_ten_minutes(queue: str) -> None:
    alarm = alarms()[f"{queue}-stale"]
    some: Series = [[1.0]] * 10
    none: Series = [[]] * 10
    assert calls(alarm, {waiting(queue): some, processed(queue, "done"): none})
    assert calls(alarm, {waiting(queue): some, processed(queue, "retry"): some}), (
        "what only comes back is not a success"
    )
    assert not calls(alarm, {waiting(queue): [[0.0]] * 10, processed(queue, "done"): none}), "nothing waits"
    assert not calls(alarm, {waiting(queue): some, processed(queue, "done"): [*none[1:], [12.5]]}), "one was done"
    assert not calls(alarm, {waiting(queue): [*some[1:], [0.0]], processed(queue, "done"): none}), "nine minutes only"


@pytest.mark.parametrize(
    "queue",
    [each.name for each in QUEUES],
)
def test_a_queue_fails_above_five_percent_of_twenty_messages_or_more(queue: str) -> None:
    alarm = alarms()[f"{queue}-failing"]

    def after(*minutes: Samples) -> bool:
        return calls(alarm, {key(NAMESPACE, "FailedPercent", {"Queue": queue}): [*minutes]})

    at, above, few = [0.0] * 19 + [100.0], [0.0] * 18 + [100.0] * 2, [100.0] * 19
    assert not after(*[at] * 5)
    assert after(*[above] * 5)
    assert not after(*[above] * 4, at)
    assert not after(*[few] * 5), "nineteen messages make no rate"
    assert after(*[[100.0] * 20] * 5)
    assert not after(*[[]] * 5)


def test_a_throttle_of_any_function_of_the_edge_calls_and_none_is_silent() -> None:
    alarm = alarms()["edge-throttled"]
    watched = [key_of(each["MetricStat"]["Metric"]) for each in alarm["Metrics"] if "MetricStat" in each]
    assert len({*watched}) == 7
    for one in watched:
        assert calls(alarm, {one: [[1.0]]})
    assert not calls(alarm, {one: [[0.0]] for one in watched})
    assert not calls(alarm, {one: [[]] for one in watched})


def test_a_rule_of_the_fleets_bus_is_seen_under_either_name_of_it() -> None:
    for metric, fault in (("FailedInvocations", "failing"), ("InvocationsFailedToBeSentToDlq", "losing")):
        alarm = alarms()[f"tenant-events-rule-{fault}"]
        named = {"RuleName": "fleet-tenant-events-prod"}
        for dimensions in (named, named | {"EventBusName": "fleet-events-prod"}):
            assert calls(alarm, {key("AWS/Events", metric, dimensions): [[1.0]]})
            assert not calls(alarm, {key("AWS/Events", metric, dimensions): [[0.0]]})
        assert not calls(alarm, {})


def test_a_table_is_throttled_by_a_read_or_a_write_of_its_own_or_of_its_index() -> None:
    for table, indexed in (("sessions", False), ("reminders", True), ("webhooks", True), ("ledger", False)):
        alarm = alarms()[f"{table}-table-throttled"]
        own = {"TableName": f"fleet-{table}-prod"}
        for dimensions in (own, *([own | {"GlobalSecondaryIndexName": "GSI1"}] * indexed)):
            for metric in ("ReadThrottleEvents", "WriteThrottleEvents"):
                assert calls(alarm, {key("AWS/DynamoDB", metric, dimensions): [[1.0]]}), (table, metric)
                assert not calls(alarm, {key("AWS/DynamoDB", metric, dimensions): [[0.0]]})
