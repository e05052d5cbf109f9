"""What the roles of people, of other systems and of releases may do: exactly the calls that were recorded of them."""

from aws_cdk import Fn

from infra.naming import PROJECT, STAGE, bucket_arn_of
from infra.resources.compute.grants import bus, log_group, named, objects, queue, table
from infra.resources.compute.table import WORKERS
from infra.resources.statements import Statement, allow


def producer() -> list[Statement]:
    """What the rest of a product does: rows as docs/data-model.md describes them, files, events."""
    return [
        allow(["dynamodb:PutItem"], table("sessions", "reminders", "webhooks")),
        # Opens and closes upload sessions: `fleet sessions`.
        allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], table("sessions")),
        # Changes reminders and endpoints: `fleet reminders`, `fleet webhooks endpoint`, which find the stage by its outputs.
        allow(
            ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"],
            table("reminders", "webhooks"),
        ),
        allow(["dynamodb:Query"], table("reminders", index="GSI1")),
        allow(["sqs:SendMessage"], queue("reminders")),
        allow(["cloudformation:DescribeStacks"], [_stack("messaging")]),
        allow(["s3:PutObject"], [*objects("uploads", "session-uploads/"), *objects("payloads", "")]),
        allow(["events:PutEvents"], bus()),
    ]


def reader() -> list[Statement]:
    """Looks at dead letters, logs and the archive; a letter that was looked at is back at once, and unchanged. Is the doctor."""
    return [
        *doctor(),
        # `fleet trace --cloudwatch`: a query is found by its own name alone, which knows no resources.
        allow(["logs:DescribeLogGroups", "logs:GetQueryResults", "logs:StopQuery"], ["*"]),
        allow(["logs:StartQuery"], [log_group(f"{door}{named('*')}") for door in ("/aws/lambda/", "/ecs/")]),
        allow(["sqs:GetQueueAttributes", "sqs:GetQueueUrl"], queue("*")),
        allow(["sqs:ListDeadLetterSourceQueues"], _letters()),
        allow(["sqs:ChangeMessageVisibility", "sqs:ReceiveMessage"], _letters()),
        # Whether anything in the account names a queue as the place of its dead letters: these know no resources.
        allow(
            [
                "events:DescribeEventBus",
                "events:ListEventBuses",
                "events:ListRules",
                "events:ListTargetsByRule",
                "lambda:ListEventSourceMappings",
                "lambda:ListFunctionEventInvokeConfigs",
                "lambda:ListFunctions",
                "pipes:DescribePipe",
                "pipes:ListPipes",
                "scheduler:GetSchedule",
                "scheduler:ListSchedules",
                "sns:GetSubscriptionAttributes",
                "sns:ListSubscriptions",
                "sqs:ListQueues",
            ],
            ["*"],
        ),
        allow(["cloudwatch:GetMetricData"], ["*"]),  # which knows no resources: ages of queues, in the console
        allow(["dynamodb:GetItem"], table("ledger")),  # heartbeats and orders: `fleet workers`
        allow(["s3:GetObject"], objects("audit", "table=", "digests/")),
        allow(["s3:ListBucket"], [bucket_arn_of("audit")]),
    ]


def doctor() -> list[Statement]:
    """What `fleet --stage NAME doctor` asks beside."""
    return [
        allow(["cloudformation:DescribeStacks", "cloudformation:ListStackResources"], [_stack("*")]),
        allow(
            ["dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"],
            table("ledger", "reminders", "sessions", "webhooks"),
        ),
        allow(["s3:GetBucketNotification", "s3:ListBucket"], [bucket_arn_of("uploads")]),
        allow(
            ["s3:GetLifecycleConfiguration", "s3:ListBucket"], [bucket_arn_of("dlq-archive"), bucket_arn_of("payloads")]
        ),
        # Of a function, a service, a topic and a secret how it is, not what is in it; the first three know few resources.
        allow(
            [
                "cloudwatch:DescribeAlarms",
                "ecs:DescribeServices",
                "events:DescribeRule",
                "events:ListRuleNamesByTarget",
                "lambda:GetFunctionConcurrency",
                "lambda:GetFunctionConfiguration",
                "logs:DescribeMetricFilters",
                "sns:ListSubscriptionsByTopic",
            ],
            ["*"],
        ),
        allow(["secretsmanager:DescribeSecret"], [_secret("audit-hash-keys"), _secret("expo-token")]),
        allow(["dynamodb:DescribeTable"], table("subject-keys")),  # where the stack `evidence` stands
    ]


def _secret(name: str) -> str:
    """The ARN of a secret, whose end AWS chooses."""
    return Fn.sub(f"arn:${{AWS::Partition}}:secretsmanager:${{AWS::Region}}:${{AWS::AccountId}}:secret:{named(name)}-*")


def operator() -> list[Statement]:
    """A reader who also sends letters back, puts them away and brings them back, and gives orders to workers."""
    return [
        *reader(),
        allow(["sqs:DeleteMessage"], _letters()),
        allow(["sqs:SendMessage"], queue("*-dlq")),  # what was put away comes back there
        allow(["sqs:SendMessage"], queue(*(source.queue for worker in WORKERS for source in worker.sources))),
        # SQS itself moves them: `fleet dlq plan --via aws`.
        allow(["sqs:CancelMessageMoveTask", "sqs:ListMessageMoveTasks", "sqs:StartMessageMoveTask"], _letters()),
        allow(["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], objects("dlq-archive", "dead-letters/")),
        allow(["s3:GetBucketObjectLockConfiguration"], [bucket_arn_of("dlq-archive")]),
        allow(["dynamodb:PutItem"], table("ledger")),
        # A webhook that is sent again may have its payload there, and an expunged one has it no more.
        allow(["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], objects("payloads", "")),
        # Webhooks that are sent again, by delivery or by endpoint and time; reminders that no tick finds.
        allow(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"], table("webhooks")),
        allow(["dynamodb:Query"], table("webhooks", index="GSI1")),
        allow(
            ["dynamodb:Scan"], table("reminders", "sessions", "webhooks")
        ),  # `fleet reminders sweep`, `fleet doctor --rows`
        allow(["dynamodb:UpdateItem"], table("reminders")),
        # Which version runs, and the way back: `fleet release`.
        allow(["lambda:GetAlias", "lambda:ListVersionsByFunction", "lambda:UpdateAlias"], functions()),
        allow(["codedeploy:ListDeployments", "codedeploy:StopDeployment"], _deployment_groups()),
    ]


def release() -> list[Statement]:
    """What CodeDeploy does for a canary: it looks at alarms and moves an alias.

    Less than AWS's own policy AWSCodeDeployRoleForLambdaLimited: no hooks and no bucket.
    """
    return [
        allow(["cloudwatch:DescribeAlarms"], ["*"]),  # asked for a list of names, it wants all
        allow(["lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"], functions()),
    ]


def functions() -> list[str]:
    """ARNs of the workers' functions; each with what it is qualified by."""
    return [
        Fn.sub(f"arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:{named(each.name)}{end}")
        for each in WORKERS
        for end in ("", ":*")
    ]


def _deployment_groups() -> list[str]:
    place = "arn:${AWS::Partition}:codedeploy:${AWS::Region}:${AWS::AccountId}:deploymentgroup"
    return [Fn.sub(f"{place}:{named(each.name)}/{named(each.name)}") for each in WORKERS]


def _letters() -> list[str]:
    return queue("*-dlq", "events-undelivered")


def _stack(name: str) -> str:
    named = f"${{{PROJECT}}}-{name}-${{{STAGE}}}"
    return Fn.sub(f"arn:${{AWS::Partition}}:cloudformation:${{AWS::Region}}:${{AWS::AccountId}}:stack/{named}/*")
