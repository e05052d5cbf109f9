"""CloudWatch as far as the alarms use it, pure: filters of log lines, statistics, metric math, M of N. Written after its user guide."""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

Samples = Sequence[float]
Series = Sequence[Samples]
"""One list of samples for each period; an empty one is a period without data."""
Key = tuple[str, str, tuple[tuple[str, str], ...]]
"""Namespace, name and dimensions of a metric."""

OPERATORS = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
}


def matches(pattern: str, line: Mapping[str, Any]) -> bool:
    """Whether a JSON filter pattern selects a line; a field that is not there satisfies nothing."""
    inner = pattern.strip().removeprefix("{").removesuffix("}").strip()
    assert inner != pattern, "a pattern of JSON stands in braces"
    text = inner.replace("||", " or ").replace("&&", " and ")
    text = re.sub(r"(\$\.\w+)\s*(!?=|>=)\s*(\"[^\"]*\"|[\d.]+)", _compared, text)
    return bool(eval(text, {"__builtins__": {}}, {"compare": _compare, "line": line}))  # a pattern of this repository


def _compared(found: re.Match[str]) -> str:
    return f"compare(line, {found[1][2:]!r}, {found[2]!r}, {found[3]})"


def _compare(line: Mapping[str, Any], field: str, sign: str, wanted: Any) -> bool:
    match line.get(field), sign:
        case None, _:
            return False
        case found, "=":
            return bool(found == wanted)
        case found, "!=":
            return bool(found != wanted)
        case found, _:
            return isinstance(found, int | float) and found >= wanted


def published(transformation: Mapping[str, Any], line: Mapping[str, Any]) -> tuple[Key, float] | None:
    """The sample that a matched line becomes; none where a dimension's field is missing."""
    dimensions = {
        each["Key"]: line.get(each["Value"].removeprefix("$.")) for each in transformation.get("Dimensions", [])
    }
    if None in dimensions.values():
        return None
    value = transformation["MetricValue"]
    number = line[value.removeprefix("$.")] if value.startswith("$.") else value
    return key(transformation["MetricNamespace"], transformation["MetricName"], dimensions), float(number)


def key(namespace: str, name: str, dimensions: Mapping[str, Any]) -> Key:
    return namespace, name, tuple(sorted((each, str(value)) for each, value in dimensions.items()))


def key_of(metric: Mapping[str, Any]) -> Key:
    """Of what an alarm names."""
    found = {each["Name"]: each["Value"] for each in metric.get("Dimensions", [])}
    return key(metric["Namespace"], metric["MetricName"], found)


def statistic(name: str, samples: Samples) -> float | None:
    if not samples:
        return None
    match name:
        case "Sum":
            return sum(samples)
        case "Maximum" | "Minimum":
            return max(samples) if name == "Maximum" else min(samples)
        case "Average":
            return sum(samples) / len(samples)
        case "SampleCount":
            return float(len(samples))
        case _ if name.startswith("p"):
            return sorted(samples)[math.ceil(float(name[1:]) / 100 * len(samples)) - 1]
        case _:
            raise AssertionError(f"{name} is not a statistic")


def calls(alarm: Mapping[str, Any], data: Mapping[Key, Series]) -> bool:
    """Whether an alarm is in ALARM after these periods."""
    values = _watched(alarm, data)
    periods, wanted = alarm["EvaluationPeriods"], alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"])
    assert alarm["TreatMissingData"] == "notBreaching"
    over = OPERATORS[alarm["ComparisonOperator"]]
    found = [value is not None and over(value, alarm["Threshold"]) for value in values[-periods:]]
    return bool(sum(found) >= wanted)


def _watched(alarm: Mapping[str, Any], data: Mapping[Key, Series]) -> list[float | None]:
    length = max(map(len, data.values()), default=0)
    if "Metrics" not in alarm:
        name = alarm.get("Statistic") or alarm["ExtendedStatistic"]
        return [statistic(name, samples) for samples in data.get(key_of(alarm), [[]] * length)]
    inputs = {
        each["Id"]: [
            statistic(each["MetricStat"]["Stat"], samples)
            for samples in data.get(key_of(each["MetricStat"]["Metric"]), [[]] * length)
        ]
        for each in alarm["Metrics"]
        if "MetricStat" in each
    }
    [expression] = [each["Expression"] for each in alarm["Metrics"] if each.get("ReturnData")]
    tree = ast.parse(expression.replace(" AND ", " and "), mode="eval").body
    return [_value(tree, {name: values[place] for name, values in inputs.items()}) for place in range(length)]


def _value(node: ast.expr, given: Mapping[str, float | None]) -> float | None:
    """Of one period. A missing input makes what is computed from it missing, but for FILL and for the branch not taken."""
    match node:
        case ast.Name(id=name):
            answer = given[name]
        case ast.Constant(value=int() | float() as number):
            answer = number
        case ast.Call(func=ast.Name(id="FILL"), args=[inner, other]):
            found = _value(inner, given)
            answer = _value(other, given) if found is None else found
        case ast.Call(func=ast.Name(id="IF"), args=[test, yes, no]):
            found = _value(test, given)
            answer = None if found is None else _value(yes if found else no, given)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            answer = _known(sum, _value(left, given), _value(right, given))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            answer = _known(math.prod, _value(left, given), _value(right, given))
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            divided, by = _value(left, given), _value(right, given)
            answer = divided / by if divided is not None and by else None
        case ast.BoolOp(op=ast.And(), values=values):
            answer = _known(all, *[_value(each, given) for each in values])
        case ast.Compare(left=left, ops=[compared], comparators=[right]):
            answer = _known(partial(_holds, compared), _value(left, given), _value(right, given))
        case _:
            raise AssertionError(f"{ast.unparse(node)} is not known here")
    return answer


def _known(compute: Callable[[list[float]], float], *values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return float(compute(known)) if len(known) == len(values) else None


def _holds(compared: ast.cmpop, values: list[float]) -> bool:
    a, b = values
    match compared:
        case ast.Gt():
            return a > b
        case ast.GtE():
            return a >= b
        case ast.Eq():
            return a == b
        case _:
            raise AssertionError(f"{compared} is not known here")
