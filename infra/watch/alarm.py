"""One alarm: what it looks at, from when it calls, and where the person who is called reads on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from aws_cdk import CfnCondition, CfnParameter, Fn, Token
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.naming import name_of
from infra.stage import SWITCH
from infra.watch.subjects import MINUTE, Number, stem_of

DOCUMENTS: Final = "DocumentsUrl"
CONSOLE: Final = "ConsoleUrl"
AT_LEAST: Final = "GreaterThanOrEqualToThreshold"
ABOVE: Final = "GreaterThanThreshold"
BELOW: Final = "LessThanThreshold"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with its statistic: Sum, Maximum, Average, SampleCount, or a percentile such as p99."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str

    def stat(self, period: int) -> cloudwatch.CfnAlarm.MetricStatProperty:
        """As one input of an expression."""
        return cloudwatch.CfnAlarm.MetricStatProperty(
            metric=cloudwatch.CfnAlarm.MetricProperty(
                namespace=self.namespace, metric_name=self.name, dimensions=self.listed
            ),
            stat=self.statistic,
            period=period,
        )

    @property
    def listed(self) -> list[cloudwatch.CfnAlarm.DimensionProperty] | None:
        """Its dimensions, as an alarm wants them."""
        return [
            cloudwatch.CfnAlarm.DimensionProperty(name=key, value=value) for key, value in self.dimensions.items()
        ] or None


@dataclass(frozen=True, slots=True)
class Math:
    """An expression over metrics by their ids; `${Name}` in it is a parameter."""

    expression: str
    metrics: Mapping[str, Metric]

    def listed(self, period: int) -> list[cloudwatch.CfnAlarm.MetricDataQueryProperty]:
        """The expression, then its inputs, as an alarm wants them."""
        expression = Fn.sub(self.expression) if "${" in self.expression else self.expression
        return [
            cloudwatch.CfnAlarm.MetricDataQueryProperty(id="watched", expression=expression, return_data=True),
            *[
                cloudwatch.CfnAlarm.MetricDataQueryProperty(id=key, metric_stat=metric.stat(period), return_data=False)
                for key, metric in self.metrics.items()
            ],
        ]


@dataclass(frozen=True, slots=True)
class Window:
    """It calls when all of the last `periods` of `seconds` each are over the threshold; a number may be a parameter's."""

    periods: int | Number = 1
    seconds: int = MINUTE


@dataclass(frozen=True, slots=True)
class Watch:
    """One alarm: `subject` and `fault` make its name; its description leads to `page` in the documentation and to the page `shows` of the
    console. Missing data never calls.
    """

    subject: str
    fault: str
    says: str
    page: str
    looks_at: Metric | Math
    threshold: Number | float
    operator: str = ABOVE
    window: Window = Window()
    shows: str = ""


class Alarms:
    """Declares alarms that all tell one topic, when they begin and when they end."""

    def __init__(self, scope: Construct, topic: str) -> None:
        """`topic` by its ARN. What computes exists only where `MetricMath` is true, which it is but for emulators."""
        self._scope = scope
        self._topic = topic

    @cached_property
    def _computes(self) -> CfnCondition:
        """Declared by the first alarm that computes."""
        computing = CfnParameter(
            self._scope,
            "MetricMath",
            default=SWITCH[0],
            allowed_values=SWITCH,
            description="Alarms that compute; false on emulators, which refuse them",
        )
        computing.override_logical_id(computing.node.id)
        expression = Fn.condition_equals(computing.value_as_string, SWITCH[0])
        condition = CfnCondition(self._scope, "Computes", expression=expression)
        condition.override_logical_id(condition.node.id)
        return condition

    def add(self, watches: Iterable[Watch]) -> None:
        """Declare each."""
        for watch in watches:
            self._add(watch)

    def _add(self, watch: Watch) -> None:
        periods = _value(watch.window.periods)
        single = watch.looks_at if isinstance(watch.looks_at, Metric) else None
        percentile = single is not None and single.statistic.startswith("p")
        alarm = cloudwatch.CfnAlarm(
            self._scope,
            f"{stem_of(watch.subject)}{stem_of(watch.fault)}Alarm",
            alarm_name=name_of(f"{watch.subject}-{watch.fault}"),
            alarm_description=Fn.sub(
                f"{watch.says}. See ${{{DOCUMENTS}}}/{watch.page} and ${{{CONSOLE}}}/{watch.shows}"
            ),
            alarm_actions=[self._topic],
            ok_actions=[self._topic],
            comparison_operator=watch.operator,
            threshold=_value(watch.threshold),
            evaluation_periods=periods,
            treat_missing_data="notBreaching",
            namespace=single.namespace if single else None,
            metric_name=single.name if single else None,
            dimensions=single.listed if single else None,
            statistic=single.statistic if single and not percentile else None,
            extended_statistic=single.statistic if single and percentile else None,
            period=watch.window.seconds if single else None,
            metrics=watch.looks_at.listed(watch.window.seconds) if isinstance(watch.looks_at, Math) else None,
        )
        alarm.override_logical_id(alarm.node.id)
        if single is None:
            alarm.cfn_options.condition = self._computes


def _value(number: Number | float) -> float:
    return Token.as_number(Fn.ref(number.name)) if isinstance(number, Number) else number
