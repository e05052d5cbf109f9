"""The stack `workers`: each worker as a Lambda function, where its door says so."""

from typing import Final

from aws_cdk import CfnCondition, Fn, Token
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.naming import STAGE
from infra.resources.compute.canary import Canary
from infra.resources.compute.environment import variables
from infra.resources.compute.function import Function
from infra.resources.compute.settings import WorkerSettings
from infra.resources.compute.table import AUDIT_WINDOW, WORKERS
from infra.resources.inputs import Inputs, where
from infra.settings import STAGES
from infra.stack import FleetStack

DOORS: Final = ("lambda", "fargate", "both", "none")
CANARY: Final = "A new version takes a tenth of the traffic for 10 minutes first; needs the stacks of alarms"
SWITCHED_OFF: Final = ("false", "true")
RUNTIMES: Final = ("python3.13", "python3.14", "python3.12", "python3.11")


class WorkersStack(FleetStack):
    """Needs `messaging` and `access` of the same project and stage."""

    def __init__(self, scope: Construct) -> None:
        """Declare everything."""
        super().__init__(scope, "workers", "Lambda functions of the worker fleet")
        inputs = Inputs(self, row={name: row.as_workers_mapping() for name, row in STAGES.items()})
        code = lambda_.CfnFunction.CodeProperty(
            s3_bucket=inputs.text("LambdaDeploymentBucket", "Bucket of the zip that `make bundle` builds"),
            s3_key=inputs.text("LambdaCodeKey", "Its key there; another zip, another key", most=40),
        )
        runtime = inputs.word("LambdaRuntime", "The Python that the zip was built for", RUNTIMES)
        asked(inputs)
        kept = [name for name, row in STAGES.items() if row.reserved_concurrency]
        reserved = inputs.condition(
            "Reserved", Fn.condition_or(*[Fn.condition_equals(Fn.ref(STAGE), name) for name in kept])
        )
        key = inputs.key()
        subnets, groups, in_network = inputs.network()
        network = {
            "SubnetIds": subnets,
            "SecurityGroupIds": groups,
        }  # plain: inside Fn::If the CDK spells a typed one otherwise
        retention, window = inputs.look_up("LogRetentionDays"), inputs.look_up(AUDIT_WINDOW)
        shifts = Fn.condition_equals(inputs.word("CanaryRelease", CANARY, SWITCHED_OFF), "true")
        for each in WORKERS:
            on = chosen(inputs, each, "lambda")
            function = Function(
                self,
                each,
                on=on,
                code=code,
                runtime=runtime,
                environment=variables(each),
                reserved=where(reserved, each.concurrency),
                retention=retention,
                key=Token.as_string(key),
                network=where(in_network, network),
                # The first subnet stands for all: a description has no room for more.
                place=Fn.condition_if(in_network.logical_id, Fn.select(0, subnets), "no-network"),
                windows={"audit": window},
            )
            # A condition is an expression; the CDK's stubs lack one of its members.
            both = Fn.condition_and(on, shifts)  # type: ignore[arg-type]
            shifted = inputs.condition(f"{each.stem}Shifts", both)
            Canary(self, each, alias=function.alias, on=shifted)


def asked(inputs: Inputs) -> None:
    """What variables of workers are made of; an empty one counts as unset."""
    inputs.text("WsApiEndpoint", "Browsers' WebSocket API, host/stage without a scheme", default="", most=120)
    inputs.text("EmailSender", "Reminders by e-mail come from this address, verified with SES", default="", most=60)
    inputs.text("ExpoTokenSecretArn", "Secret with Expo's access token, where it asks for one", default="", most=100)


def chosen(inputs: Inputs, settings: WorkerSettings, door: str) -> CfnCondition:
    """Holds where the worker's parameter says this door, or both."""
    word = inputs.word(f"{settings.stem}Door", f"What runs {settings.name}; both while it moves", DOORS)
    return inputs.condition(
        f"{settings.stem}On{door.capitalize()}",
        Fn.condition_or(*[Fn.condition_equals(word, one) for one in (door, "both")]),
    )
