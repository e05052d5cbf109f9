"""The stack `care`: a daily backup of the tables, and a budget; each only where it is asked for."""

from typing import Final

from aws_cdk import CfnCondition, CfnParameter, Fn, ICfnConditionExpression
from aws_cdk import aws_backup as backup
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.naming import STAGE, arn_of, name_of
from infra.resources.boundary import bounded
from infra.resources.statements import document
from infra.resources.storage import TABLES
from infra.resources.worker_queue import keep
from infra.stage import SWITCH
from infra.watch.stack import WatchedStack

NOBODY: Final = "NONE"
EVERY_NIGHT: Final = "cron(0 3 * * ? *)"  # UTC
KEPT_DAYS: Final = 35
BACKS_UP: Final = "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
SPENT: Final = (("ACTUAL", 80), ("FORECASTED", 100))  # percent of the budget at which its mail is sent


class CareStack(WatchedStack):
    """Point-in-time recovery belongs to the tables themselves; this is for an account that wants backups beside it."""

    def __init__(self, scope: Construct) -> None:
        """Declare everything."""
        super().__init__(scope, "care", "Backups and a budget of the worker fleet, each behind a parameter")
        self._backup()
        self._budget()

    def _backup(self) -> None:
        wanted = self._asked(
            "Backup", SWITCH[1], "A backup of each table every night, kept 35 days", [*reversed(SWITCH)]
        )
        on = self._condition("BackedUp", Fn.condition_equals(wanted.value_as_string, SWITCH[0]))
        vault = backup.CfnBackupVault(self, "Vault", backup_vault_name=name_of("backups"))
        keep(vault)
        plan = backup.CfnBackupPlan(
            self,
            "BackupPlan",
            backup_plan=backup.CfnBackupPlan.BackupPlanResourceTypeProperty(
                backup_plan_name=name_of("backups"),
                backup_plan_rule=[
                    backup.CfnBackupPlan.BackupRuleResourceTypeProperty(
                        rule_name="every-night",
                        target_backup_vault=vault.ref,
                        schedule_expression=EVERY_NIGHT,
                        lifecycle=backup.CfnBackupPlan.LifecycleResourceTypeProperty(delete_after_days=KEPT_DAYS),
                    )
                ],
            ),
        )
        role = iam.CfnRole(
            self,
            "BackupRole",
            role_name=name_of("backups"),
            permissions_boundary=bounded(self),
            assume_role_policy_document=document(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "backup.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                    "Condition": {"StringEquals": {"aws:SourceAccount": Fn.ref("AWS::AccountId")}},
                }
            ),
            # What a backup of a table takes changes with the service: AWS keeps this policy, and it makes backups alone.
            managed_policy_arns=[Fn.sub(BACKS_UP)],
        )
        selection = backup.CfnBackupSelection(
            self,
            "BackupSelection",
            backup_plan_id=plan.ref,
            backup_selection=backup.CfnBackupSelection.BackupSelectionResourceTypeProperty(
                selection_name="tables",
                iam_role_arn=role.attr_arn,
                # Claims come and go; a restored one would only hold up what it was for.
                resources=[arn_of("dynamodb", table.name, kind="table/") for table in TABLES if table.streamed],
            ),
        )
        for resource in (vault, plan, role, selection):
            resource.override_logical_id(resource.node.id)
            resource.cfn_options.condition = on

    def _budget(self) -> None:
        dollars = self._asked("BudgetDollars", "100", "What the stage may cost a month", kind="Number")
        mail = self._asked("BudgetEmail", NOBODY, "Who hears of 80 % spent and of 100 % foreseen; NONE: no budget")
        on = self._condition("Budgeted", Fn.condition_not(Fn.condition_equals(mail.value_as_string, NOBODY)))
        made = budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=name_of("monthly"),
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=dollars.value_as_number, unit="USD"),
                # The tag has to be activated for billing, once in an account.
                cost_filters={"TagKeyValue": [Fn.join("$", ["user:Environment", Fn.ref(STAGE)])]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN",
                        notification_type=kind,
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[
                        budgets.CfnBudget.SubscriberProperty(address=mail.value_as_string, subscription_type="EMAIL")
                    ],
                )
                for kind, percent in SPENT
            ],
        )
        made.override_logical_id("Budget")
        made.cfn_options.condition = on

    def _asked(
        self, key: str, default: str, description: str, allowed: list[str] | None = None, *, kind: str = "String"
    ) -> CfnParameter:
        made = CfnParameter(self, key, type=kind, default=default, description=description, allowed_values=allowed)
        self._named(made)
        return made

    def _condition(self, key: str, expression: ICfnConditionExpression) -> CfnCondition:
        condition = CfnCondition(self, key, expression=expression)
        condition.override_logical_id(key)
        return condition
