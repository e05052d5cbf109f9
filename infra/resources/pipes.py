"""Table streams to the audit queue, and to the concerns that follow a table: one pipe each, one role for all, and a log of what went wrong."""

from collections.abc import Mapping
from typing import Final

from aws_cdk import Aws, CfnResource, Token
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_pipes as pipes
from constructs import Construct

from infra.concerns import CONCERNS
from infra.naming import arn_of, name_of
from infra.resources.boundary import bounded
from infra.resources.concern import TableStream
from infra.resources.statements import allow, document
from infra.stage import Stage

BATCH: Final = 10  # what one SendMessageBatch holds; a larger source batch is refused for an SQS target
# A stream keeps a record for 24 hours. Half of it to try again, half to read back what a dead letter points to.
MAX_RECORD_AGE: Final = 12 * 3600


class AuditPipes(Construct):
    """Exists only where `PipesEnabled` is true: emulators store pipes, or refuse them, and pump none."""

    def __init__(
        self,
        scope: Construct,
        stage: Stage,
        tables: Mapping[str, dynamodb.CfnTable],
        *,
        queue_arns: Mapping[str, str],
        undelivered_arn: str,
    ) -> None:
        """A pipe from the stream of each of `tables` (by name) to the audit queue, and those that concerns ask for."""
        super().__init__(scope, "AuditPipes")
        streams = [table.attr_stream_arn for table in tables.values()]
        asked = [(each, each.filled_by.table) for each in CONCERNS if isinstance(each.filled_by, TableStream)]
        roads = [(f"{name.capitalize()}Pipe", name, "audit") for name in tables]
        roads += [(f"{each.stem}Pipe", name, each.name) for each, name in asked]
        targets = dict.fromkeys(queue_arns[queue] for _, _, queue in roads)
        role = pipe_role(self, streams, [*targets, undelivered_arn], [queue for _, _, queue in roads])
        log_group = logs.CfnLogGroup(
            self,
            "PipeLogs",
            log_group_name=name_of("audit", prefix="/aws/vendedlogs/pipes/"),
            retention_in_days=Token.as_number(stage.log_retention),
            kms_key_id=stage.key,
        )
        made: list[CfnResource] = [role, log_group]
        for stem, name, queue in roads:
            pipe = pipes.CfnPipe(
                self,
                stem,
                name=name_of(f"{name}-{queue}"),
                role_arn=role.attr_arn,
                source=tables[name].attr_stream_arn,
                source_parameters=_source(undelivered_arn),
                target=queue_arns[queue],
                log_configuration=pipes.CfnPipe.PipeLogConfigurationProperty(
                    level="ERROR",
                    cloudwatch_logs_log_destination=pipes.CfnPipe.CloudwatchLogsLogDestinationProperty(
                        log_group_arn=log_group.attr_arn
                    ),
                ),
            )
            made.append(pipe)
        for resource in made:
            resource.override_logical_id(resource.node.id)
            resource.cfn_options.condition = stage.piped


def _source(undelivered_arn: str) -> pipes.CfnPipe.PipeSourceParametersProperty:
    """From the first record that the stream still has, one bad record never holding up the rest."""
    return pipes.CfnPipe.PipeSourceParametersProperty(
        dynamo_db_stream_parameters=pipes.CfnPipe.PipeSourceDynamoDBStreamParametersProperty(
            starting_position="TRIM_HORIZON",
            batch_size=BATCH,
            maximum_record_age_in_seconds=MAX_RECORD_AGE,
            on_partial_batch_item_failure="AUTOMATIC_BISECT",
            dead_letter_config=pipes.CfnPipe.DeadLetterConfigProperty(arn=undelivered_arn),
        )
    )


def pipe_role(scope: Construct, streams: list[str], queues: list[str], ends: list[str]) -> iam.CfnRole:
    """Read these streams, send to these queues; assumed by this stack's pipes alone, whose names end with one of `ends`."""
    pipes_arns = [arn_of("pipes", f"*-{end}", kind="pipe/") for end in dict.fromkeys(ends)]
    return iam.CfnRole(
        scope,
        "PipeRole",
        role_name=name_of("audit-pipes"),
        permissions_boundary=bounded(scope),
        assume_role_policy_document=document(
            {
                "Effect": "Allow",
                "Principal": {"Service": "pipes.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {
                    "ArnLike": {"aws:SourceArn": pipes_arns if len(pipes_arns) > 1 else pipes_arns[0]},
                    "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                },
            }
        ),
        policies=[
            iam.CfnRole.PolicyProperty(
                policy_name="streams-to-queue",
                policy_document=document(
                    allow(["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"], streams),
                    allow(["sqs:SendMessage"], queues),
                ),
            )
        ],
    )
