"""What a stack of the fleet is told at its deployment, and what it takes from another stack of the same project and stage."""

from collections.abc import Mapping, Sequence

from aws_cdk import CfnCondition, CfnMapping, CfnParameter, Fn, ICfnConditionExpression, IResolvable
from constructs import Construct

from infra.naming import PROJECT, STAGE
from infra.settings import STAGES
from infra.stage import NO_KEY


class Inputs(Construct):
    """Parameters, conditions and the stage's row of a mapping, as tokens."""

    def __init__(self, scope: Construct, *, row: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """Declare project and stage, and `row`: values by stage, for `look_up`."""
        super().__init__(scope, "Inputs")
        self.text(
            PROJECT,
            "Names begin with it, as those of the messaging stack",
            default="fleet",
            pattern="[a-z][a-z0-9-]{1,28}[a-z0-9]",
        )
        self.word(STAGE, "Row of the settings table; names end with it", list(STAGES))
        self._mapping = CfnMapping(self, "Workers", mapping=row) if row else None
        if self._mapping:
            self._mapping.override_logical_id("Workers")

    def text(
        self,
        key: str,
        description: str,
        *,
        default: str | None = None,
        pattern: str | None = None,
        most: int | None = None,
    ) -> str:
        """A parameter of free text; without a default it has to be given."""
        return self._made(
            CfnParameter(self, key, description=description, default=default, allowed_pattern=pattern, max_length=most)
        )

    def word(self, key: str, description: str, words: Sequence[str]) -> str:
        """A parameter that is one of these words, by default the first."""
        return self._made(
            CfnParameter(self, key, description=description, default=words[0], allowed_values=list(words))
        )

    def names(self, key: str, description: str, *, default: str | None = None) -> list[str]:
        """A parameter of names separated by commas; without a default it has to be given."""
        parameter = CfnParameter(self, key, type="CommaDelimitedList", description=description, default=default)
        parameter.override_logical_id(key)
        return parameter.value_as_list

    def network(self) -> tuple[list[str], list[str], CfnCondition]:
        """Subnets and security groups that functions run in, and whether there are any: those of the stack `network`, or others."""
        subnets = self.names(
            "Subnets", "Private subnets with a way out; none: functions run outside of a VPC", default=""
        )
        groups = self.names("SecurityGroups", "Of functions in a VPC: nothing comes in, HTTPS goes out", default="")
        return subnets, groups, self.in_network(subnets)

    def in_network(self, subnets: list[str]) -> CfnCondition:
        """Whether subnets were given."""
        return self.condition("InNetwork", Fn.condition_not(Fn.condition_equals(Fn.join("", subnets), "")))

    def key(self) -> IResolvable:
        """The stage's own key, or nothing; the stack `keys` makes one."""
        arn = self.text("KeyArn", "Key of the stack `keys`, for logs; NONE: CloudWatch's own", default=NO_KEY)
        keyed = self.condition("Keyed", Fn.condition_not(Fn.condition_equals(arn, NO_KEY)))
        return where(keyed, arn)

    def condition(self, key: str, expression: ICfnConditionExpression) -> CfnCondition:
        """A condition under this very name."""
        condition = CfnCondition(self, key, expression=expression)
        condition.override_logical_id(key)
        return condition

    def look_up(self, key: str) -> str:
        """The stage's value."""
        assert self._mapping is not None
        return self._mapping.find_in_map(Fn.ref(STAGE), key)

    def _made(self, parameter: CfnParameter) -> str:
        parameter.override_logical_id(parameter.node.id)
        return parameter.value_as_string


def taken(stack: str, key: str) -> str:
    """The output `key` of the stack `{project}-{stack}-{stage}`."""
    return Fn.import_value(Fn.sub(f"${{{PROJECT}}}-{stack}-${{{STAGE}}}-{key}"))


def where(condition: CfnCondition, value: object) -> IResolvable:
    """`value` where the condition holds, and nothing elsewhere."""
    return Fn.condition_if(condition.logical_id, value, Fn.ref("AWS::NoValue"))
