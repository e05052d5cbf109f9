"""From traffic, work and prices to what is needed, pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fleet.planner.work import Work

MONTH: Final = 30 * 86_400
"""Seconds."""
LAMBDA_GB: Final = 0.5
LAMBDA_GB_OF_A_PROCESSOR: Final = 1.769
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""
LAMBDA_BATCH: Final = 10
"""Messages of one invocation, each handled beside the others; fewer where less comes."""
TASK_VCPU: Final = 0.25
TASK_GB: Final = 0.5
TASK_SLOTS: Final = 50
"""Messages in hand of one task."""
FULL: Final = 0.6
"""Of a task's processor or slots: what is left takes a burst."""
SENDS: Final = 1.0
"""Calls to SQS that put one message on its queue: rules, buckets and pipes send one at a time."""
LINE_BYTES: Final = 400
"""One log line for each message."""
LAMBDA_QUOTA: Final = 1000
"""Invocations at once that AWS gives an account in a region; a new account may begin with 10 and is raised by use, or by asking.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""
TABLE_QUOTA: Final = 40_000
"""Units a second of one table paid by request.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
"""
EVENTS_QUOTA: Final = 10_000
"""PutEvents a second in the largest regions; in others from 600."""
MOST_PLANNED, LEAST_PLANNED, GRID = 100_000.0, 0.001, 1.02
"""Between these rates a second, in steps of 2 %, it is looked for where Lambda becomes dearer than Fargate."""
IN_FLIGHT_QUOTA: Final = 120_000
"""Messages in hand of one standard queue."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one kind of traffic needs. Rates a second; concurrency is invocations at once, or tasks; money a month."""

    kind: str
    worker: str
    rate: float
    queues: Mapping[str, float]
    invocations: float
    concurrency: int
    tasks: int
    write_units: float
    read_units: float
    lambda_cost: float
    fargate_cost: float


@dataclass(frozen=True, slots=True)
class Limit:
    """A quota of AWS: `used` of `allowed`, and how many times this traffic would reach it."""

    name: str
    used: float
    allowed: float

    @property
    def reached_at(self) -> float:
        """Times this traffic."""
        return self.allowed / self.used if self.used else math.inf


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is needed; `costs` a month by service, without compute, which stands beside each need."""

    needs: tuple[Need, ...]
    costs: Mapping[str, float]
    limits: tuple[Limit, ...]

    @property
    def first_limit(self) -> Limit:
        """The quota that is reached first as traffic grows."""
        return min(self.limits, key=lambda limit: limit.reached_at)


def plan(
    rates: Mapping[str, float],
    *,
    work: Work,
    roads: Mapping[str, Any],
    prices: Mapping[str, Any],
    at_once: int = LAMBDA_QUOTA,
) -> Plan:
    """`rates` a second by kind. Changes that the archive receives follow from the others unless they are given. `at_once`: invocations that
    the account may run.
    """
    every = dict(rates)
    every.setdefault("changes", sum(rate * roads[kind]["changes"] for kind, rate in rates.items()))
    needs = tuple(_need(kind, rate, work, roads[kind], prices) for kind, rate in every.items() if rate > 0)
    events = sum(rate * roads[kind]["events"] for kind, rate in every.items())
    messages = sum(sum(need.queues.values()) for need in needs)
    costs = {
        "SQS": messages * MONTH * (work.requests + SENDS) / 1e6 * prices["sqs_million_requests"],
        "DynamoDB": MONTH
        / 1e6
        * sum(
            need.write_units * prices["dynamodb_million_writes"] + need.read_units * prices["dynamodb_million_reads"]
            for need in needs
        ),
        "EventBridge": MONTH / 1e6 * (events * prices["events_million"] + every["changes"] * prices["pipes_million"]),
        "S3": MONTH * every["changes"] / 500 / 1000 * prices["s3_thousand_puts"],
        "CloudWatch Logs": messages * MONTH * LINE_BYTES / 1e9 * prices["logs_gb"],
    }
    mapped = [each for need in needs for each in _mapped(need, work, roads)]
    return Plan(needs, costs, (*_limits(needs, events, at_once), *mapped))


def dearer_from(kind: str, *, work: Work, roads: Mapping[str, Any], prices: Mapping[str, Any]) -> float | None:
    """The rate a second of this kind above which its worker costs more behind Lambda than on Fargate, to 2 %; None where it never does
    below MOST_PLANNED. Tasks come in steps: below the rate either may be cheaper, above it Fargate always is.
    """
    rate = MOST_PLANNED
    while rate > LEAST_PLANNED:
        need = _need(kind, rate, work, roads[kind], prices)
        if need.lambda_cost <= need.fargate_cost:
            return None if rate == MOST_PLANNED else rate * GRID
        rate /= GRID
    return LEAST_PLANNED


def _need(kind: str, rate: float, work: Work, road: Mapping[str, Any], prices: Mapping[str, Any]) -> Need:
    queues = {queue: rate * count for queue, count in road["queues"].items()}
    messages = sum(queues.values())
    batch = max(1.0, min(LAMBDA_BATCH, messages))
    seconds = _seconds(batch, work, road)
    invocations = messages / batch
    cpu = work.cpu_of_uploads if kind == "uploads" else work.cpu
    by_processor = messages * cpu / (TASK_VCPU * FULL)
    by_slots = messages * (road["wait_seconds"] + cpu) / (TASK_SLOTS * FULL)
    tasks = max(1, math.ceil(max(by_processor, by_slots)))
    hours = MONTH / 3600
    idle = work.idle_requests * MONTH / 60 / 1e6 * prices["sqs_million_requests"]
    return Need(
        kind=kind,
        worker=road["worker"],
        rate=rate,
        queues=queues,
        invocations=invocations,
        concurrency=max(2, math.ceil(invocations * seconds / FULL)),
        tasks=tasks,
        write_units=rate * (road["writes"] + road["indexed"]),
        read_units=rate * road["reads"],
        lambda_cost=invocations
        * MONTH
        * (seconds * LAMBDA_GB * prices["lambda_gb_second"] + prices["lambda_million_requests"] / 1e6),
        fargate_cost=tasks
        * (hours * (TASK_VCPU * prices["fargate_vcpu_hour"] + TASK_GB * prices["fargate_gb_hour"]) + idle),
    )


def _seconds(batch: float, work: Work, road: Mapping[str, Any]) -> float:
    """Of one invocation of so many messages."""
    slower = LAMBDA_GB_OF_A_PROCESSOR / LAMBDA_GB
    return float(road["wait_seconds"] + batch * (work.cpu + work.cpu_behind_lambda) * slower)


def _mapped(need: Need, work: Work, roads: Mapping[str, Any]) -> Iterator[Limit]:
    """What the maximum concurrency of each mapping lets through with full batches; containers have no such limit."""
    for queue, rate in need.queues.items():
        batch, at_once = roads["mappings"][queue]["batch"], roads["mappings"][queue]["concurrency"]
        fits = at_once * batch / _seconds(batch, work, roads[need.kind])
        yield Limit(f"Lambda: messages a second of {queue}, by the {at_once} invocations of its mapping", rate, fits)


def _limits(needs: tuple[Need, ...], events: float, at_once: int) -> tuple[Limit, ...]:
    """Quotas as AWS gives them."""
    in_hand = max((need.concurrency * LAMBDA_BATCH for need in needs), default=0)
    return (
        Limit("Lambda: invocations at once", sum(need.concurrency for need in needs), at_once),
        Limit(
            "DynamoDB: write units a second of one table",
            max((need.write_units for need in needs), default=0.0),
            TABLE_QUOTA,
        ),
        Limit(
            "DynamoDB: read units a second of one table",
            max((need.read_units for need in needs), default=0.0),
            TABLE_QUOTA,
        ),
        Limit("EventBridge: events a second", events, EVENTS_QUOTA),
        Limit("SQS: messages in hand of one queue", in_hand, IN_FLIGHT_QUOTA),
    )
