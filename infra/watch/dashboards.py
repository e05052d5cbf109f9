"""Three dashboards: is it well (operations), does it reach people (delivery), what does it cost (cost)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra.naming import PROJECT, STAGE
from infra.resources.queues import EVENTS_UNDELIVERED, QUEUES
from infra.resources.storage import TABLES
from infra.watch.log_metrics import PROCESSED
from infra.watch.subjects import WORKERS

WIDTH: Final = 8  # three graphs side by side on a grid of 24
HEIGHT: Final = 6
OURS: Final = f"${{{PROJECT}}}/${{{STAGE}}}"
LETTERS: Final = (*(f"{queue.name}-dlq" for queue in QUEUES), EVENTS_UNDELIVERED)


@dataclass(frozen=True, slots=True)
class Graph:
    """One graph of many lines: rows of CloudWatch's widget syntax, as they are written in a dashboard's source."""

    title: str
    rows: Sequence[Sequence[Any]]
    statistic: str = "Sum"
    limit: float | None = None  # a line at the number from which an alarm calls


def body(graphs: Sequence[Graph]) -> str:
    """The source of a dashboard, in which `${...}` is filled in at deployment; the reader chooses the time range."""
    widgets = [
        {
            "type": "metric",
            "x": number % 3 * WIDTH,
            "y": number // 3 * HEIGHT,
            "width": WIDTH,
            "height": HEIGHT,
            "properties": _properties(graph),
        }
        for number, graph in enumerate(graphs)
    ]
    return json.dumps({"start": "-PT3H", "periodOverride": "auto", "widgets": widgets}, separators=(",", ":"))


def operations() -> list[Graph]:
    """Queues, dead letters, how messages end, functions, tables."""
    queues = [queue.name for queue in QUEUES]
    lambdas = [worker.name for worker in WORKERS]
    tables = [table.name for table in TABLES]
    return [
        Graph(
            "messages that wait",
            _each(queues, "AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName"),
            "Maximum",
            1000,
        ),
        Graph(
            "age of the oldest, s",
            _each(queues, "AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName"),
            "Maximum",
            300,
        ),
        Graph(
            "dead letters", _each(LETTERS, "AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName"), "Maximum", 1
        ),
        Graph("messages by their end", [_search(PROCESSED, "SampleCount", "Queue", "Outcome")]),
        Graph("p99 of handling, ms", _done(queues), "p99", 2000),
        Graph("in hand", _each(queues, "AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName"), "Maximum"),
        Graph("failed invocations", _each(lambdas, "AWS/Lambda", "Errors", "FunctionName")),
        Graph("throttled invocations", _each(lambdas, "AWS/Lambda", "Throttles", "FunctionName")),
        Graph("invocations at once", _each(lambdas, "AWS/Lambda", "ConcurrentExecutions", "FunctionName"), "Maximum"),
        Graph("throttled reads and writes", _throttled(tables)),
        Graph(
            "events undelivered",
            [[{"expression": _found("AWS/Events,RuleName", "FailedInvocations", "Sum"), "id": "events"}]],
        ),
        Graph(
            "changes undelivered",
            _each(
                [f"{table.name}-audit" for table in TABLES if table.streamed],
                "AWS/EventBridge/Pipes",
                "ExecutionFailed",
                "PipeName",
            ),
        ),
    ]


def delivery() -> list[Graph]:
    """What people get: webhooks, reminders, uploads, and what the archive receives."""
    attempts = [
        [OURS, "Webhooks", "Outcome", outcome, {"id": key, "visible": False}]
        for key, outcome in (("good", "webhook_delivered"), ("bad", "webhook_attempt_failed"))
    ]
    sent = [
        [OURS, "Reminders", "Outcome", outcome, {"id": outcome.lower(), "visible": False}]
        for outcome in ("SENT", "FAILED", "UNKNOWN")
    ]
    return [
        Graph("webhooks: attempts that succeed, %", [_rate("good", ("good", "bad")), *attempts]),
        Graph("reminders: sent, %", [_rate("sent", ("sent", "failed", "unknown")), *sent]),
        Graph("uploads: by their end", [_search("Uploads", "Sum", "Outcome")]),
        Graph("webhooks: by their end", [_search("Webhooks", "Sum", "Outcome")]),
        Graph("reminders: by their end", [_search("Reminders", "Sum", "Outcome")]),
        Graph("changes archived", [[OURS, PROCESSED, "Queue", "audit", "Outcome", "done"]], "SampleCount"),
    ]


def cost() -> list[Graph]:
    """What is paid by use, each in the unit that is paid for; the bill itself is the budget's."""
    queues = [queue.name for queue in QUEUES]
    lambdas = [worker.name for worker in WORKERS]
    tables = [table.name for table in TABLES]
    buckets = ["uploads", "audit", "dlq-archive"]
    daily: Mapping[str, Any] = {"period": 86_400, "stat": "Average"}
    return [
        Graph("SQS: messages sent", _each(queues, "AWS/SQS", "NumberOfMessagesSent", "QueueName")),
        Graph("SQS: empty receives", _each(queues, "AWS/SQS", "NumberOfEmptyReceives", "QueueName")),
        Graph("Lambda: invocations", _each(lambdas, "AWS/Lambda", "Invocations", "FunctionName")),
        Graph("Lambda: time, ms", _each(lambdas, "AWS/Lambda", "Duration", "FunctionName")),
        Graph("DynamoDB: write units", _each(tables, "AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName")),
        Graph("DynamoDB: read units", _each(tables, "AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName")),
        Graph("logs: bytes taken in", [*_logs("/aws/lambda/", lambdas), *_logs("/ecs/", lambdas)]),
        Graph(
            "S3: bytes kept",
            [
                ["AWS/S3", "BucketSizeBytes", "StorageType", kind, "BucketName", _named(bucket), daily]
                for bucket in buckets
                for kind in (("StandardStorage", "GlacierStorage") if bucket == "audit" else ("StandardStorage",))
            ],
        ),
    ]


def _properties(graph: Graph) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "title": graph.title,
        "region": "${AWS::Region}",
        "view": "timeSeries",
        "stat": graph.statistic,
        "period": 60,
        "metrics": graph.rows,
    }
    if graph.limit is not None:
        properties["annotations"] = {"horizontal": [{"value": graph.limit}]}
    return properties


def _named(resource: str, prefix: str = "") -> str:
    return f"{prefix}${{{PROJECT}}}-{resource}-${{{STAGE}}}"


def _each(resources: Sequence[str], namespace: str, metric: str, dimension: str) -> list[list[Any]]:
    return [[namespace, metric, dimension, _named(resource)] for resource in resources]


def _logs(prefix: str, workers: Sequence[str]) -> list[list[Any]]:
    return [["AWS/Logs", "IncomingBytes", "LogGroupName", _named(worker, prefix)] for worker in workers]


def _done(queues: Sequence[str]) -> list[list[Any]]:
    return [[OURS, PROCESSED, "Queue", queue, "Outcome", "done"] for queue in queues]


def _throttled(tables: Sequence[str]) -> list[list[Any]]:
    return [
        ["AWS/DynamoDB", f"{kind}ThrottleEvents", "TableName", _named(table)]
        for table in tables
        for kind in ("Read", "Write")
    ]


def _search(metric: str, statistic: str, *dimensions: str) -> list[Any]:
    """Every line of one of our metrics, whichever values its dimensions have."""
    return [{"expression": _found(",".join((OURS, *dimensions)), metric, statistic), "id": "found"}]


def _found(schema: str, metric: str, statistic: str) -> str:
    return f"SEARCH('{{{schema}}} MetricName=\"{metric}\"', '{statistic}', 60)"


def _rate(good: str, every: Sequence[str]) -> list[Any]:
    whole = " + ".join(f"FILL({key}, 0)" for key in every)
    return [{"expression": f"100 * FILL({good}, 0) / ({whole})", "id": "rate", "label": "succeeded, %"}]
