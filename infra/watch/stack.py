"""What both stacks of alarms are told at their deployment."""

from collections.abc import Sequence

from aws_cdk import CfnParameter
from constructs import Construct

from infra.naming import PROJECT, STAGE
from infra.settings import STAGES
from infra.stack import FleetStack
from infra.watch.alarm import CONSOLE, DOCUMENTS
from infra.watch.subjects import Number


def led(scope: Construct, numbers: Sequence[Number]) -> None:
    """Declare `numbers`, from which alarms call, and where they lead a person to."""
    made = [
        CfnParameter(
            scope, DOCUMENTS, default="docs", description="Where the folder docs can be read; alarms lead there"
        ),
        CfnParameter(
            scope,
            CONSOLE,
            default="http://127.0.0.1:8400",
            description="Where `fleet console --port` answers; alarms lead there",
            allowed_pattern="https?://[^/]+",
        ),
        *(
            CfnParameter(scope, number.name, type="Number", default=number.default, description=number.description)
            for number in numbers
        ),
    ]
    for each in made:
        each.override_logical_id(each.node.id)


class WatchedStack(FleetStack):
    """A template that is deployed as it stands, for a project and a stage."""

    def __init__(self, scope: Construct, name: str, description: str, numbers: Sequence[Number] = ()) -> None:
        """Declare project and stage and, where there are `numbers`, these where the documentation can be read, and
        where `fleet console` answers to who is called.
        """
        super().__init__(scope, name, description)
        self._named(CfnParameter(self, PROJECT, default="fleet", description="Names begin with it, as in messaging"))
        self._named(CfnParameter(self, STAGE, default="dev", description="Names end with it", allowed_values=[*STAGES]))
        if numbers:
            led(self, numbers)

    @staticmethod
    def _named(parameter: CfnParameter) -> None:
        parameter.override_logical_id(parameter.node.id)
