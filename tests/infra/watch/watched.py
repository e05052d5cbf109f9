"""The committed alarms and filters as a stage sees them."""

from functools import cache
from typing import Any

from infra.resources.compute.table import WORKERS
from tests.infra.template import Template, stack

STACKS = ("alarms", "queue-alarms", "service-alarms", "edge")
NAMESPACE = "fleet/prod"


@cache
def templates(stage: str = "prod") -> tuple[Template, ...]:
    return tuple(stack(name, stage) for name in STACKS)


@cache
def alarms() -> dict[str, dict[str, Any]]:
    """By their names without project and stage: `uploads-old`."""
    found = [
        alarm["Properties"]
        for template in templates()
        for alarm in template.resources("AWS::CloudWatch::Alarm").values()
    ]
    return {each["AlarmName"].removeprefix("fleet-").removesuffix("-prod"): each for each in found}


@cache
def filters(door: str = "lambda") -> tuple[dict[str, Any], ...]:
    template = stack("alarms", "prod", **{f"{worker.stem}Door": door for worker in WORKERS})
    return tuple(each["Properties"] for each in template.resources("AWS::Logs::MetricFilter").values())
