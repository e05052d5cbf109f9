"""Metrics made from the fleet's own log lines: the same for functions and containers, and nothing to send on a message's road."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from aws_cdk import CfnCondition, CfnParameter, Fn
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.naming import PROJECT, STAGE, name_of
from infra.watch.subjects import WORKERS, stem_of

PROCESSED: Final = "ProcessDuration"  # milliseconds; its sample count is the number of messages
FAILED: Final = "FailedPercent"  # 0 or 100 of each message, so that its average is a rate
DEPENDENCY_DOWN: Final = "DependencyDown"
ATTENTION: Final = "AttentionLines"
EXPIRES_IN: Final = "fleet_dead_letter_expires_in"  # seconds; made by `fleet dlq ls --metric emf` and by no filter

DOORS: Final = ("lambda", "fargate", "both", "none")  # the parameters of the stack `workers`, by the same names
LOG_GROUPS: Final = {"lambda": "/aws/lambda/", "fargate": "/ecs/"}
OTHERWISE_TOLD: Final = ("message_buried", "dependency_down")  # lines with a metric or an alarm of their own


@dataclass(frozen=True, slots=True)
class LogMetric:
    """Lines that match `pattern` become `value` of `name`; a dimension is a field of few values."""

    name: str
    pattern: str
    value: str = "1"
    dimensions: dict[str, str] = field(default_factory=dict)
    stem: str = ""


_BY_QUEUE: Final = {"Queue": "$.queue"}
BUSINESS: Final = {
    "upload-notification": LogMetric("Uploads", '{ $.event = "upload_settled" }', dimensions={"Outcome": "$.outcome"}),
    "webhook-delivery": LogMetric(
        "Webhooks",
        '{ $.event = "webhook_delivered" || $.event = "webhook_attempt_failed" || $.event = "webhook_exhausted" }',
        dimensions={"Outcome": "$.event"},
    ),
    "reminder-dispatch": LogMetric("Reminders", '{ $.event = "reminder_settled" }', dimensions={"Outcome": "$.status"}),
}


def namespace() -> str:
    """Of all metrics below, as a token: `fleet/prod`."""
    return Fn.sub(f"${{{PROJECT}}}/${{{STAGE}}}")


def of_worker(metric: str, worker: str) -> str:
    """A metric whose lines do not name their worker has it in its name."""
    return f"{metric}.{worker}"


def metrics_of(worker: str) -> Iterator[LogMetric]:
    """What is counted in the log of a worker."""
    yield LogMetric(
        PROCESSED, "{ $.duration_ms >= 0 }", "$.duration_ms", dimensions=_BY_QUEUE | {"Outcome": "$.outcome"}
    )
    # What waits for a dependency did not fail: the dependency did, and has an alarm of its own.
    for stem, value, outcomes in (("Good", "0", ("done",)), ("Bad", "100", ("retry", "dead"))):
        either = " || ".join(f'$.outcome = "{outcome}"' for outcome in outcomes)
        yield LogMetric(FAILED, f"{{ $.duration_ms >= 0 && ({either}) }}", value, dimensions=_BY_QUEUE, stem=stem)
    yield LogMetric(of_worker(DEPENDENCY_DOWN, worker), '{ $.event = "dependency_down" }', stem=DEPENDENCY_DOWN)
    yield LogMetric(of_worker(ATTENTION, worker), attention(worker), stem=ATTENTION)
    if worker in BUSINESS:
        yield BUSINESS[worker]


def attention(worker: str) -> str:
    """The lines that ask for a person: errors, and a file that no session asked for."""
    others = " && ".join(f'$.event != "{event}"' for event in OTHERWISE_TOLD)
    orphans = ' || $.event = "upload_orphaned"' if worker == "upload-notification" else ""
    return f'{{ ($.level = "error" && {others}){orphans} }}'


def log_metrics(scope: Construct) -> None:
    """Declare the filters of each door that a worker runs behind: the log groups of `workers` have to exist."""
    for worker in WORKERS:
        stem = stem_of(worker.name)
        door = CfnParameter(
            scope,
            f"{stem}Door",
            default=DOORS[0],
            allowed_values=[*DOORS],
            description=f"What runs {worker.name}, as in the workers stack",
        )
        door.override_logical_id(door.node.id)
        for name, prefix in LOG_GROUPS.items():
            chosen = [Fn.condition_equals(door.value_as_string, word) for word in (name, "both")]
            condition = CfnCondition(scope, f"{stem}On{name.capitalize()}", expression=Fn.condition_or(*chosen))
            condition.override_logical_id(condition.node.id)
            for metric in metrics_of(worker.name):
                _filter(scope, metric, worker.name, prefix, condition)


def _filter(scope: Construct, metric: LogMetric, worker: str, prefix: str, condition: CfnCondition) -> None:
    made = logs.CfnMetricFilter(
        scope,
        f"{condition.node.id}{metric.stem or metric.name}",
        log_group_name=name_of(worker, prefix=prefix),
        filter_pattern=metric.pattern,
        metric_transformations=[
            logs.CfnMetricFilter.MetricTransformationProperty(
                metric_namespace=namespace(),
                metric_name=metric.name,
                metric_value=metric.value,
                dimensions=[
                    logs.CfnMetricFilter.DimensionProperty(key=key, value=value)
                    for key, value in metric.dimensions.items()
                ]
                or None,
            )
        ],
    )
    made.override_logical_id(made.node.id)
    made.cfn_options.condition = condition
