"""Who names a queue as the place of its dead letters: asked of every service that can, side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

Target = tuple[str, str]
"""Who names, in words, and the ARN that is named."""


PATIENCE = 10.0
"""Seconds for all of them together: what has not answered by then is passed over."""
_NO_ANSWER = (ClientError, BotoCoreError, ResponseParserError)


@dataclass(frozen=True, slots=True)
class Feeders:
    """`found`: who names the queue, such as `EventBridge rule shop/orders`. `unasked`: where nobody does, services that did not answer."""

    found: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()


def feeders(arn: str, open_service: Callable[[str], Any], *, patience: float = PATIENCE) -> Feeders:
    """The first thing beside a queue that names `arn` as the place of its dead letters, or none.

    All services are asked side by side, and the first one that names it is enough. One that may not be asked, or is silent for
    `patience` seconds, is noted and passed over.
    """
    answers: SimpleQueue[tuple[str, str | Exception]] = SimpleQueue()
    opened = cache(open_service)
    waiting: list[str] = []
    unasked: set[str] = set()
    for service, ask in _ASKED:
        try:
            client = opened(service)
        except _NO_ANSWER:
            unasked.add(service)
            continue
        waiting.append(service)
        Thread(target=_ask, args=(service, ask, client, arn, answers), daemon=True).start()
    deadline = time.monotonic() + patience
    while waiting:
        try:
            service, said = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            break
        waiting.remove(service)
        if isinstance(said, _NO_ANSWER):
            unasked.add(service)
        elif isinstance(said, Exception):
            raise said
        elif said:
            return Feeders((said,))
    unasked |= {*waiting}
    return Feeders((), tuple(dict.fromkeys(service for service, _ in _ASKED if service in unasked)))


def _ask(
    service: str,
    ask: Callable[[Any], Iterator[Target]],
    client: Any,
    arn: str,
    answers: SimpleQueue[tuple[str, str | Exception]],
) -> None:
    """Who of this service names `arn`, or "", or why nobody can tell."""
    try:
        answers.put((service, next((who for who, target in ask(client) if target == arn), "")))
    except Exception as error:  # noqa: BLE001 - whoever waits for the answer raises it
        answers.put((service, error))


def _functions(client: Any) -> Iterator[Target]:
    for each in _pages(client, "list_functions", "Functions"):
        yield f"Lambda function {each['FunctionName']}", each.get("DeadLetterConfig", {}).get("TargetArn", "")


def _mappings(client: Any) -> Iterator[Target]:
    for each in _pages(client, "list_event_source_mappings", "EventSourceMappings"):
        function = each.get("FunctionArn", "").rpartition(":")[2]
        yield f"Lambda event source mapping of {function}", _on_failure(each)


def _destinations(client: Any) -> Iterator[Target]:
    """On-failure destinations of asynchronous invocations: one call for each function."""
    for function in _pages(client, "list_functions", "Functions"):
        name = function["FunctionName"]
        for each in _pages(
            client, "list_function_event_invoke_configs", "FunctionEventInvokeConfigs", FunctionName=name
        ):
            yield f"on-failure destination of Lambda function {name}", _on_failure(each)


def _rules(client: Any) -> Iterator[Target]:
    """Rule targets, and event buses that have a dead-letter queue of their own."""
    for bus in _all(client.list_event_buses, "EventBuses"):
        name = bus["Name"]
        yield f"EventBridge bus {name}", _config(client.describe_event_bus(Name=name))
        for rule in _pages(client, "list_rules", "Rules", EventBusName=name):
            for target in _pages(client, "list_targets_by_rule", "Targets", Rule=rule["Name"], EventBusName=name):
                yield f"EventBridge rule {name}/{rule['Name']}", _config(target)


def _pipes(client: Any) -> Iterator[Target]:
    for pipe in _pages(client, "list_pipes", "Pipes"):
        source = client.describe_pipe(Name=pipe["Name"]).get("SourceParameters", {})
        for parameters in source.values():
            if isinstance(parameters, dict):
                yield f"EventBridge pipe {pipe['Name']}", _config(parameters)


def _schedules(client: Any) -> Iterator[Target]:
    for each in _pages(client, "list_schedules", "Schedules"):
        name, group = each["Name"], each.get("GroupName", "default")
        schedule = client.get_schedule(Name=name, GroupName=group)
        yield f"EventBridge schedule {group}/{name}", _config(schedule.get("Target", {}))


def _subscriptions(client: Any) -> Iterator[Target]:
    for each in _pages(client, "list_subscriptions", "Subscriptions"):
        subscription = each["SubscriptionArn"]
        if not subscription.startswith("arn:"):  # it was never confirmed
            continue
        attributes = client.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
        topic = each.get("TopicArn", "").rpartition(":")[2]
        yield f"SNS subscription of topic {topic}", redrive_policy(attributes)[0]


_ASKED: tuple[tuple[str, Callable[[Any], Iterator[Target]]], ...] = (
    ("lambda", _functions),
    ("lambda", _mappings),
    ("events", _rules),
    ("pipes", _pipes),
    ("sns", _subscriptions),
    ("scheduler", _schedules),
    ("lambda", _destinations),
)


def redrive_policy(attributes: Any) -> tuple[str, int | None]:
    """(`deadLetterTargetArn`, `maxReceiveCount`) of a queue or subscription; ("", None) where it has none."""
    try:
        policy = orjson.loads(attributes.get("RedrivePolicy") or "{}")
        most = policy.get("maxReceiveCount")
        return str(policy.get("deadLetterTargetArn") or ""), int(most) if most is not None else None
    except (AttributeError, TypeError, ValueError):
        return "", None


def _on_failure(config: Any) -> str:
    return str(config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", ""))


def _config(owner: Any) -> str:
    return str(owner.get("DeadLetterConfig", {}).get("Arn", ""))


def _pages(client: Any, call: str, key: str, **arguments: Any) -> Iterator[Any]:
    for page in client.get_paginator(call).paginate(**arguments):
        yield from page.get(key, [])


def _all(call: Callable[..., Any], key: str) -> Iterator[Any]:
    """Pages of a call for which boto has no paginator."""
    token: dict[str, str] = {}
    while True:
        page = call(**token)
        yield from page.get(key, [])
        if not (following := page.get("NextToken")):
            return
        token = {"NextToken": following}
