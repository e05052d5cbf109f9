"""The stack `dashboards`: three dashboards, and the saved queries over the workers' logs."""

from aws_cdk import CfnCondition, CfnParameter, Fn
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.naming import name_of
from infra.stage import SWITCH
from infra.watch import dashboards
from infra.watch.log_metrics import LOG_GROUPS
from infra.watch.queries import QUERIES
from infra.watch.stack import WatchedStack
from infra.watch.subjects import WORKERS, stem_of


class DashboardsStack(WatchedStack):
    """Costs nothing until somebody looks, but for the dashboards above the three that are free."""

    def __init__(self, scope: Construct) -> None:
        """Declare everything."""
        super().__init__(scope, "dashboards", "Dashboards of the worker fleet, and saved queries over its logs")
        for name, graphs in (
            ("operations", dashboards.operations()),
            ("delivery", dashboards.delivery()),
            ("cost", dashboards.cost()),
        ):
            made = cloudwatch.CfnDashboard(
                self,
                f"{name.capitalize()}Dashboard",
                dashboard_name=name_of(name),
                dashboard_body=Fn.sub(dashboards.body(graphs)),
            )
            made.override_logical_id(made.node.id)
        saved = CfnParameter(
            self,
            "SavedQueries",
            default=SWITCH[0],
            allowed_values=SWITCH,
            description="Saved queries over the logs; false on emulators, which know no AWS::Logs::QueryDefinition",
        )
        saved.override_logical_id(saved.node.id)
        queried = CfnCondition(self, "Queried", expression=Fn.condition_equals(saved.value_as_string, SWITCH[0]))
        queried.override_logical_id(queried.node.id)
        # Whoever runs a query may choose other groups; a saved one does not ask whether its groups exist.
        groups = [name_of(worker.name, prefix=prefix) for prefix in LOG_GROUPS.values() for worker in WORKERS]
        for name, text in QUERIES.items():
            query = logs.CfnQueryDefinition(
                self,
                f"{stem_of(name)}Query",
                name=name_of(name),
                query_string=text,
                log_group_names=groups,
            )
            query.override_logical_id(query.node.id)
            query.cfn_options.condition = queried
