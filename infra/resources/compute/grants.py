"""What each worker's role may do: exactly the calls that were recorded of it, on exactly what they were made to.

`tests/infra/calls/` holds the record; a call more or less than these grants fails a test there.
"""

from aws_cdk import Fn

from infra.naming import PROJECT, STAGE, arn_of, bucket_arn_of
from infra.resources.compute.settings import WorkerSettings
from infra.resources.statements import Statement, allow


def queue(*names: str) -> list[str]:
    """ARNs of queues."""
    return [arn_of("sqs", name) for name in names]


def table(*names: str, index: str = "") -> list[str]:
    """ARNs of tables, or of one index of each."""
    part = f"/index/{index}" if index else ""
    return [arn_of("dynamodb", name, kind="table/", part=part) for name in names]


def streams(*names: str) -> list[str]:
    """ARNs of the streams of tables, whenever they were switched on."""
    return [arn_of("dynamodb", name, kind="table/", part="/stream/*") for name in names]


def objects(bucket: str, *prefixes: str) -> list[str]:
    """ARNs of the objects below prefixes of a bucket."""
    return [bucket_arn_of(bucket, part=f"/{prefix}*") for prefix in prefixes]


def bus() -> list[str]:
    """The ARN of the fleet's event bus."""
    return [arn_of("events", "events", kind="event-bus/")]


def every_worker(settings: WorkerSettings) -> list[Statement]:
    """What any worker does: it reads its queues, buries in their dead-letter queues, counts runs, obeys orders, reads its
    settings. Lambda's own needs (attributes of a queue, the log, traces) are among it.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """
    names = [source.queue for source in settings.sources]
    return [
        allow(
            ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
            queue(*names),
        ),
        allow(["sqs:SendMessage"], queue(*(f"{name}-dlq" for name in names))),
        allow(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], table("ledger")),
        allow(["ssm:GetParametersByPath"], [_settings(settings.name)]),
        allow(["logs:CreateLogStream", "logs:PutLogEvents"], [log_group(f"/aws/lambda/{named(settings.name)}")]),
        *_payloads("s3:GetObject", "s3:PutObject"),
        # X-Ray knows no resources.
        allow(["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"]),
    ]


def once() -> list[Statement]:
    """A worker that does its work `Once` gives back the claim of what failed; none of the fleet's four does."""
    return [allow(["dynamodb:DeleteItem"], table("ledger"))]


def _payloads(*actions: str) -> list[Statement]:
    """Bodies in S3; without ListBucket one that is gone is a forbidden one, which is tried again and again."""
    return [allow(actions, objects("payloads", "")), allow(["s3:ListBucket"], [bucket_arn_of("payloads")])]


def heads_kept() -> list[Statement]:
    """The head of each digest goes to the places of the stack `evidence`, and is never read or deleted there by the worker."""
    return [
        allow(["s3:PutObject"], objects("audit-heads", "heads/")),
        allow(["ssm:PutParameter"], [_settings("audit-head")]),
    ]


def heads_read() -> list[Statement]:
    """`fleet archive verify --anchor`."""
    return [
        allow(["s3:ListBucket"], [bucket_arn_of("audit-heads")]),
        allow(["ssm:GetParameter"], [_settings("audit-head")]),
    ]


def in_a_network() -> Statement:
    """Lambda itself puts a function into a network under the function's role; what runs in the function may not.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
    """
    actions = """AssignPrivateIpAddresses CreateNetworkInterface DeleteNetworkInterface DescribeNetworkInterfaces
        DescribeSubnets UnassignPrivateIpAddresses"""
    statement = allow([f"ec2:{each}" for each in actions.split()], ["*"])
    return statement | {"Condition": {"Null": {"lambda:SourceFunctionArn": "true"}}}


def log_group(name: str) -> str:
    """The ARN of a log group's streams."""
    return Fn.sub(f"arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:{name}:*")


def named(resource: str) -> str:
    return f"${{{PROJECT}}}-{resource}-${{{STAGE}}}"


def _settings(worker: str) -> str:
    path = f"${{{PROJECT}}}/${{{STAGE}}}/{worker}"
    return Fn.sub(f"arn:${{AWS::Partition}}:ssm:${{AWS::Region}}:${{AWS::AccountId}}:parameter/{path}")


_KINDS = ("", "Tagging", "Version", "VersionTagging")
"""A version of an object has actions of its own."""


def upload_notification(connections: str) -> list[Statement]:
    """A session's row, a post to its browser, an event. `connections`: the ARN of what may be posted to."""
    return [
        allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], table("sessions")),
        # Looks at what was uploaded, and marks what a malware scan found; without ListBucket a missing object is a forbidden one.
        allow([f"s3:GetObject{kind}" for kind in _KINDS], objects("uploads", "session-uploads/")),
        allow([f"s3:PutObject{kind}" for kind in _KINDS if "Tagging" in kind], objects("uploads", "session-uploads/")),
        allow(["s3:ListBucket"], [bucket_arn_of("uploads")]),
        allow(["events:PutEvents"], bus()),
        allow(["execute-api:ManageConnections"], [connections]),
    ]


def webhook_delivery() -> list[Statement]:
    """Endpoints and deliveries, jobs for its own second queue, an event when a delivery is given up."""
    return [
        allow(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"], table("webhooks")),
        allow(["sqs:SendMessage"], queue("webhook-deliveries")),
        allow(["events:PutEvents"], bus()),
    ]


def reminder_dispatch(identity: str, *about: str) -> list[Statement]:
    """Reminders by the minute they are due, jobs for its own queues, e-mail from one address, an event for a webhook."""
    return [
        allow(
            ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"],
            table("reminders"),
        ),
        allow(["dynamodb:Query"], table("reminders", index="GSI1")),
        allow(["sqs:SendMessage"], queue("reminder-ticks", "reminders", "reminder-receipts")),
        allow(["events:PutEvents"], bus()),
        # Asked for of the sender, of a configuration set, also of the sender's default one, and of a template.
        allow(["ses:SendEmail", "ses:SendTemplatedEmail"], [identity, *about]),
    ]


def audit_archive(hash_keys: str) -> list[Statement]:
    """Objects of the archive, which it never deletes, markers of what no digest lists yet, claims, and its keys."""
    return [
        allow(["s3:GetObject"], objects("audit", "table=", "digests/")),
        allow(["s3:PutObject"], objects("audit", "table=", "digests/", "pending/")),
        allow(["s3:DeleteObject"], objects("audit", "pending/")),
        allow(["s3:ListBucket"], [bucket_arn_of("audit")]),
        # A pipe that gave up leaves a pointer into its stream: the worker reads the record back.
        allow(["dynamodb:GetRecords", "dynamodb:GetShardIterator"], streams("sessions", "reminders", "webhooks")),
        allow(["secretsmanager:GetSecretValue"], [hash_keys]),
    ]
