"""The stack `services`: each worker as a Fargate service, where its door says so."""

from aws_cdk import Fn, Token
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from infra.naming import name_of
from infra.outputs import export
from infra.resources.compute.environment import variables
from infra.resources.compute.service import Place, Service
from infra.resources.compute.table import WORKERS
from infra.resources.compute.waking import Waking
from infra.resources.inputs import Inputs
from infra.settings import STAGES
from infra.stack import FleetStack
from infra.stacks.workers import asked, chosen


class ServicesStack(FleetStack):
    """Needs `messaging` and `access` of the same project and stage."""

    def __init__(self, scope: Construct) -> None:
        """Declare everything."""
        super().__init__(scope, "services", "Fargate services of the worker fleet")
        inputs = Inputs(self, row={name: row.as_workers_mapping() for name, row in STAGES.items()})
        asked(inputs)
        place = self._place(inputs)
        idles = inputs.condition("Idles", Fn.condition_equals(place.fewest, "0"))
        for each in WORKERS:
            on = chosen(inputs, each, "fargate")
            made = Service(
                self, each, place, on=on, environment=variables(each), retention=inputs.look_up("LogRetentionDays")
            )
            # A condition is an expression; the CDK's stubs lack one of its members.
            sleeps = Fn.condition_and(on, idles)  # type: ignore[arg-type]
            Waking(self, each, made, on=inputs.condition(f"{each.stem}Sleeps", sleeps))

    def _place(self, inputs: Inputs) -> Place:
        cluster = ecs.CfnCluster(
            self,
            "Cluster",
            cluster_name=name_of("workers"),
            # The number of running tasks, which scaling divides by, is one of its metrics.
            cluster_settings=[ecs.CfnCluster.ClusterSettingsProperty(name="containerInsights", value="enabled")],
        )
        cluster.override_logical_id("Cluster")
        export(self, "ClusterName", cluster.ref)
        return Place(
            cluster=cluster.ref,
            image=inputs.text("Image", "The image, by digest, in a registry of this account"),
            subnets=inputs.names("Subnets", "Where tasks run: private ones with a way out"),
            security_groups=inputs.names("SecurityGroups", "Of the tasks: nothing comes in, HTTPS goes out"),
            public_address=inputs.word(
                "PublicAddress", "ENABLED only in subnets whose way out is an internet gateway", ("DISABLED", "ENABLED")
            ),
            key=Token.as_string(inputs.key()),
            fewest=inputs.text(
                "FewestTasks", "Of each service; 0: none while nothing waits", default="1", pattern="[0-9]+"
            ),
            most=inputs.text("MostTasks", "Of each service", default="10", pattern="[1-9][0-9]*"),
        )
