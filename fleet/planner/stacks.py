"""What a stage's stacks would make, and what of it costs money each month although nothing happens; read from the templates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

ALARM: Final = "AWS::CloudWatch::Alarm"
DASHBOARD: Final = "AWS::CloudWatch::Dashboard"
FILTER: Final = "AWS::Logs::MetricFilter"
SERVICE: Final = "AWS::ECS::Service"
HOURS: Final = 730
"""In a month."""
TASK: Final = (0.25, 0.5)
"""Processors and gigabytes of one task."""

FIXED: Final[Mapping[str, str]] = {
    "AWS::KMS::Key": "kms_key",
    "AWS::SecretsManager::Secret": "secret",
    "AWS::EC2::NatGateway": "nat_gateway",
    "AWS::EC2::EIP": "public_address",
}
"""Types whose every resource has a price a month, by the price's name."""


class UnknownCondition(ValueError):
    """A template decides by what is only known at AWS; the message names it."""


@dataclass(frozen=True, slots=True)
class Made:
    """One stack: how many resources of each type it would make, and what they cost a month at least."""

    stack: str
    resources: Mapping[str, int]
    monthly: float


def made(stack: str, template: Mapping[str, Any], given: Mapping[str, str], prices: Mapping[str, Any]) -> Made:
    """`given` are parameters by their names, over the template's defaults; those it does not know are other stacks'.

    Raises UnknownCondition.
    """
    defaults = {name: str(each.get("Default", "")) for name, each in template["Parameters"].items()}
    parameters = defaults | {name: value for name, value in given.items() if name in defaults}
    conditions = template.get("Conditions", {})
    there = [
        each
        for each in template["Resources"].values()
        if "Condition" not in each or _holds(conditions[each["Condition"]], parameters, conditions)
    ]
    kinds = Counter(each["Type"] for each in there)
    fixed = sum(kinds[kind] * prices[price] for kind, price in FIXED.items())
    metrics = sum(_metrics(each["Properties"]) for each in there if each["Type"] == ALARM)
    charged = max(0, kinds[DASHBOARD] - prices["dashboards_free"]) * prices["dashboard"]
    task = TASK[0] * prices["fargate_vcpu_hour"] + TASK[1] * prices["fargate_gb_hour"]
    monthly = (
        fixed
        + metrics * prices["alarm_metric"]
        + charged
        + _custom(there) * prices["custom_metric"]
        + kinds[SERVICE] * int(parameters.get("FewestTasks", "1")) * HOURS * task
    )
    return Made(stack, dict(sorted(kinds.items())), monthly)


def _metrics(alarm: Mapping[str, Any]) -> int:
    """An alarm is paid for by the metrics that it looks at."""
    return sum("MetricStat" in each for each in alarm.get("Metrics", [])) or 1


def _custom(there: list[Mapping[str, Any]]) -> int:
    """Metrics of our own: each name once, though one with dimensions becomes one for each of their values."""
    filters = [each["Properties"] for each in there if each["Type"] == FILTER]
    return len({each["MetricTransformations"][0]["MetricName"] for each in filters})


def _holds(expression: Any, parameters: Mapping[str, str], conditions: Mapping[str, Any]) -> bool:
    match expression:
        case {"Condition": name}:
            return _holds(conditions[name], parameters, conditions)
        case {"Fn::Equals": [left, right]}:
            return _value(left, parameters) == _value(right, parameters)
        case {"Fn::Or": every}:
            return any(_holds(each, parameters, conditions) for each in every)
        case {"Fn::And": every}:
            return all(_holds(each, parameters, conditions) for each in every)
        case {"Fn::Not": [one]}:
            return not _holds(one, parameters, conditions)
        case _:
            raise UnknownCondition(f"{expression} is known at AWS alone")


def _value(operand: Any, parameters: Mapping[str, str]) -> str:
    match operand:
        case {"Ref": name} if name in parameters:
            return parameters[name]
        case str():
            return operand
        case _:
            raise UnknownCondition(f"{operand} is known at AWS alone")
