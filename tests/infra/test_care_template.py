"""Backups and a budget: nothing unless it is asked for, and then what the documentation says."""

from tests.infra.template import messaging, stack


def test_nothing_is_made_that_nobody_asked_for() -> None:
    care = stack("care", "prod")
    assert [name for name, each in care.text["Resources"].items() if care.holds(each.get("Condition"))] == []


def test_every_table_that_is_archived_is_backed_up_each_night_and_kept_for_35_days() -> None:
    care = stack("care", "prod", Backup="true")
    [plan] = care.resources("AWS::Backup::BackupPlan").values()
    [rule] = plan["Properties"]["BackupPlan"]["BackupPlanRule"]
    assert (rule["ScheduleExpression"], rule["Lifecycle"]) == ("cron(0 3 * * ? *)", {"DeleteAfterDays": 35})
    [selection] = care.resources("AWS::Backup::BackupSelection").values()
    tables = messaging("prod").resources("AWS::DynamoDB::Table").values()
    streamed = {table["Properties"]["TableName"] for table in tables if "StreamSpecification" in table["Properties"]}
    chosen = selection["Properties"]["BackupSelection"]["Resources"]
    assert {arn.rpartition("/")[2] for arn in chosen} == streamed
    assert all(arn.startswith("arn:aws:dynamodb:eu-central-1:111122223333:table/") for arn in chosen)


def test_backups_outlive_their_stack_and_are_made_by_aws_backup_of_this_account_alone() -> None:
    care = stack("care", "prod", Backup="true")
    [vault] = care.resources("AWS::Backup::BackupVault").values()
    assert (vault["DeletionPolicy"], vault["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    [role] = care.resources("AWS::IAM::Role").values()
    [trust] = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "backup.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "111122223333"}}


def test_a_budget_is_of_its_stage_and_warns_before_it_is_spent() -> None:
    care = stack("care", "prod", BudgetEmail="ops@example.com", BudgetDollars="250")
    [budget] = care.resources("AWS::Budgets::Budget").values()
    assert budget["Properties"]["Budget"]["BudgetLimit"] == {"Amount": "250", "Unit": "USD"}
    assert budget["Properties"]["Budget"]["CostFilters"] == {"TagKeyValue": ["user:Environment$prod"]}
    told = budget["Properties"]["NotificationsWithSubscribers"]
    assert [(one["Notification"]["NotificationType"], one["Notification"]["Threshold"]) for one in told] == [
        ("ACTUAL", 80), ("FORECASTED", 100),
    ]  # fmt: skip
    assert {address["Address"] for one in told for address in one["Subscribers"]} == {"ops@example.com"}
