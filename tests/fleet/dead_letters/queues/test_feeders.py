"""Every service that can name a dead-letter queue is asked for it, and one that may not be asked stops nobody."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fleet.dead_letters.queues.feeders import Feeders, feeders

ARN = "arn:aws:sqs:us-east-1:000000000000:undelivered"
DEAD = {"DeadLetterConfig": {"Arn": ARN}}
ON_FAILURE = {"DestinationConfig": {"OnFailure": {"Destination": ARN}}}


@dataclass
class Service:
    """Answers calls by name; a call that it does not know answers nothing. Remembers what it was asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    denied: bool = False
    silent: Event | None = None

    def __getattr__(self, call: str) -> Any:
        def answer(**_: Any) -> Any:
            self.asked.append(call)
            if self.silent is not None:
                self.silent.wait()
            if self.denied:
                raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, call)
            return self.answers.get(call, {})

        return answer

    def get_paginator(self, call: str) -> "Service._Pages":
        return Service._Pages(self, call)

    @dataclass
    class _Pages:
        service: "Service"
        call: str

        def paginate(self, **arguments: Any) -> Iterator[Any]:
            yield getattr(self.service, self.call)(**arguments)


FUNCTION = {"list_functions": {"Functions": [{"FunctionName": "resize"}]}}


@pytest.mark.parametrize(
    ("service", "answers", "who"),
    [
        (
            "lambda",
            {"list_functions": {"Functions": [{"FunctionName": "resize", "DeadLetterConfig": {"TargetArn": ARN}}]}},
            "Lambda function resize",
        ),
        (
            "lambda",
            {"list_event_source_mappings": {"EventSourceMappings": [{"FunctionArn": "a:b:resize", **ON_FAILURE}]}},
            "Lambda event source mapping of resize",
        ),
        (
            "lambda",
            {**FUNCTION, "list_function_event_invoke_configs": {"FunctionEventInvokeConfigs": [ON_FAILURE]}},
            "on-failure destination of Lambda function resize",
        ),
        (
            "events",
            {
                "list_event_buses": {"EventBuses": [{"Name": "shop"}]},
                "list_rules": {"Rules": [{"Name": "orders"}]},
                "list_targets_by_rule": {"Targets": [{"Id": "1"}, DEAD]},
            },
            "EventBridge rule shop/orders",
        ),
        (
            "events",
            {"list_event_buses": {"EventBuses": [{"Name": "shop"}]}, "describe_event_bus": DEAD},
            "EventBridge bus shop",
        ),
        (
            "pipes",
            {
                "list_pipes": {"Pipes": [{"Name": "orders"}]},
                "describe_pipe": {"SourceParameters": {"FilterCriteria": {}, "DynamoDBStreamParameters": DEAD}},
            },
            "EventBridge pipe orders",
        ),
        (
            "scheduler",
            {"list_schedules": {"Schedules": [{"Name": "nightly"}]}, "get_schedule": {"Target": DEAD}},
            "EventBridge schedule default/nightly",
        ),
        (
            "sns",
            {
                "list_subscriptions": {
                    "Subscriptions": [
                        {"SubscriptionArn": "PendingConfirmation"},
                        {"SubscriptionArn": "arn:aws:sns:x:y:orders:1", "TopicArn": "arn:aws:sns:x:y:orders"},
                    ]
                },
                "get_subscription_attributes": {"Attributes": {"RedrivePolicy": f'{{"deadLetterTargetArn": "{ARN}"}}'}},
            },
            "SNS subscription of topic orders",
        ),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_each_kind_of_feeder_is_found_and_named(service: str, answers: dict[str, Any], who: str) -> None:
    found = feeders(ARN, lambda name: Service(answers if name == service else {}))
    assert found == Feeders((who,), ())
    assert feeders(f"{ARN}-2", lambda name: Service(answers if name == service else {})) == Feeders()


def test_a_service_that_may_not_be_asked_is_noted_and_another_one_answers() -> None:
    answers = {"list_schedules": {"Schedules": [{"Name": "nightly"}]}, "get_schedule": {"Target": DEAD}}
    services = {"scheduler": Service(answers), "pipes": Service(denied=True)}
    found = feeders(ARN, lambda name: services.get(name, Service()))
    assert found.found == ("EventBridge schedule default/nightly",)
    assert feeders(f"{ARN}-2", lambda name: services.get(name, Service())) == Feeders((), ("pipes",))


def test_silent_services_are_waited_for_side_by_side_and_no_longer_than_all_together() -> None:
    answers = {"list_schedules": {"Schedules": [{"Name": "nightly"}]}, "get_schedule": {"Target": DEAD}}
    services = {"scheduler": Service(answers)}
    over = Event()
    silent = Service(silent=over)
    try:
        found = feeders(ARN, lambda name: services.get(name, silent), patience=60)
        assert found.found == ("EventBridge schedule default/nightly",)
        began = time.monotonic()
        none = feeders(f"{ARN}-2", lambda name: services.get(name, silent), patience=0.2)
        assert none == Feeders((), ("lambda", "events", "pipes", "sns"))
        assert time.monotonic() - began < 10
    finally:
        over.set()


def test_a_fault_of_our_own_is_raised() -> None:
    with pytest.raises(KeyError):
        feeders(ARN, lambda _: Service({"list_functions": {"Functions": [{}]}}))
