"""What is watched of functions, rules, pipes and tables, and of the lines that a worker logs."""

from collections.abc import Iterator

from infra.naming import name_of
from infra.resources.storage import TableSettings
from infra.watch.alarm import AT_LEAST, Math, Metric, Watch, Window
from infra.watch.log_metrics import ATTENTION, DEPENDENCY_DOWN, namespace, of_worker
from infra.watch.subjects import LAMBDA_ERRORS, MINUTE, TABLE_THROTTLES, THROTTLES, WatchedWorker


def worker_watches(worker: WatchedWorker) -> Iterator[Watch]:
    """What a worker says of itself, and what Lambda says of its function where it has one."""
    name = worker.name
    yield Watch(
        name,
        "dependency-down",
        f"Something that {name} needs does not answer",
        "alarms.md#dependency-down",
        Metric(namespace(), of_worker(DEPENDENCY_DOWN, name), {}, "Sum"),
        0,
        shows="workers",
    )
    yield Watch(
        name,
        "asks-for-you",
        f"{name} logged an error that does not mend itself",
        "alarms.md#asks-for-you",
        Metric(namespace(), of_worker(ATTENTION, name), {}, "Sum"),
        0,
        shows="workers",
    )
    yield Watch(
        name,
        "throttled",
        f"Lambda refuses to run {name}",
        "alarms.md#throttled",
        of_function(name, "Throttles"),
        THROTTLES,
    )
    yield breaking(name)
    yield Watch(
        name,
        "long",
        f"Invocations of {name} take long",
        "alarms.md#long",
        of_function(name, "Duration", "Average"),
        worker.duration,
        window=Window(2, 5 * MINUTE),
    )


def breaking(name: str) -> Watch:
    """A function that does not come to its end."""
    return Watch(
        name,
        "breaking",
        f"Invocations of {name} end in an error",
        "alarms.md#breaking",
        of_function(name, "Errors"),
        LAMBDA_ERRORS,
        window=Window(1, 5 * MINUTE),
    )


def rule_watches(rule: str, *, own_bus: bool) -> Iterator[Watch]:
    """A rule of the fleet's own bus is counted under its bus and its name, or under its name alone: both are added."""
    for metric, fault, says in (
        ("FailedInvocations", "failing", f"Events of the rule {rule} do not reach their queue"),
        ("InvocationsFailedToBeSentToDlq", "losing", f"Events of the rule {rule} are lost"),
    ):
        named = {"RuleName": name_of(rule)}
        alone = Metric("AWS/Events", metric, named, "Sum")
        on_bus = Metric("AWS/Events", metric, {"EventBusName": name_of("events")} | named, "Sum")
        looks_at = Math("FILL(alone, 0) + FILL(bus, 0)", {"alone": alone, "bus": on_bus}) if own_bus else alone
        yield Watch(f"{rule}-rule", fault, says, f"alarms.md#rule-{fault}", looks_at, 0)


def pipe_watch(table: str, queue: str = "audit") -> Watch:
    """A failed execution is tried again for 12 hours, then its record goes to the dead letters of events."""
    return Watch(
        f"{table}-{queue}-pipe",
        "failing",
        f"Changes of the table {table} do not reach the {queue} queue",
        "alarms.md#pipe-failing",
        Metric("AWS/EventBridge/Pipes", "ExecutionFailed", {"PipeName": name_of(f"{table}-{queue}")}, "Sum"),
        1,
        AT_LEAST,
        Window(3),
    )


def table_watch(table: TableSettings) -> Watch:
    """An index throttles under a name of its own."""
    places = {"table": {"TableName": name_of(table.name)}}
    if table.index:
        places["index"] = places["table"] | {"GlobalSecondaryIndexName": "GSI1"}
    metrics = {
        f"{kind.lower()}_{place}": Metric("AWS/DynamoDB", f"{kind}ThrottleEvents", dimensions, "Sum")
        for kind in ("Read", "Write")
        for place, dimensions in places.items()
    }
    return Watch(
        f"{table.name}-table",
        "throttled",
        f"DynamoDB refuses requests to the table {table.name}",
        "alarms.md#table-throttled",
        Math(" + ".join(f"FILL({key}, 0)" for key in metrics), metrics),
        TABLE_THROTTLES,
    )


def of_function(name: str, metric: str, statistic: str = "Sum") -> Metric:
    """What Lambda counts of a function."""
    return Metric("AWS/Lambda", metric, {"FunctionName": name_of(name)}, statistic)
