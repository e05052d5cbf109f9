"""A source queue with its dead-letter queue: redrive, encryption, TLS, and who may send."""

from aws_cdk import Aws, CfnDeletionPolicy, CfnResource
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.naming import arn_of, name_of
from infra.outputs import export
from infra.resources.queue import DLQ_RETENTION, DLQ_VISIBILITY, LONG_POLL, MAX_RECEIVES, QueueSettings
from infra.resources.statements import Statement, allow_send, deny_send, deny_without_tls, document
from infra.stage import Stage


def keep(resource: CfnResource) -> None:
    """Keep what holds data when its stack goes; a first deployment that fails still cleans up after itself."""
    resource.cfn_options.deletion_policy = CfnDeletionPolicy.RETAIN_EXCEPT_ON_CREATE
    resource.cfn_options.update_replace_policy = CfnDeletionPolicy.RETAIN


class DeadLetterQueue(Construct):
    """A queue that a person reads: kept for 14 days, and longer than its stack."""

    def __init__(self, scope: Construct, stage: Stage, stem: str, name: str, *, only_from: str | None = None) -> None:
        """Declare the queue `name`; `only_from` names the one queue that may redrive into it."""
        super().__init__(scope, f"{stem}Letters")
        self.queue = sqs.CfnQueue(
            self,
            "Queue",
            queue_name=name_of(name),
            visibility_timeout=DLQ_VISIBILITY,
            message_retention_period=DLQ_RETENTION,
            sqs_managed_sse_enabled=stage.with_key(Aws.NO_VALUE, True),
            kms_master_key_id=stage.key,
            redrive_allow_policy={"redrivePermission": "byQueue", "sourceQueueArns": [arn_of("sqs", only_from)]}
            if only_from
            else None,
        )
        self.queue.override_logical_id(stem)
        keep(self.queue)

    @property
    def arn(self) -> str:
        """Its ARN."""
        return self.queue.attr_arn


class WorkerQueue(Construct):
    """One worker's queue and its dead-letter queue."""

    def __init__(self, scope: Construct, stage: Stage, settings: QueueSettings) -> None:
        """Declare both queues, their policies and their outputs."""
        stem = settings.logical_id
        super().__init__(scope, stem)
        self.stem = stem
        self.letters = DeadLetterQueue(self, stage, f"{stem}Dlq", f"{settings.name}-dlq", only_from=settings.name)
        self.queue = sqs.CfnQueue(
            self,
            "Queue",
            queue_name=name_of(settings.name),
            visibility_timeout=settings.visibility,
            message_retention_period=settings.retention,
            receive_message_wait_time_seconds=LONG_POLL,
            sqs_managed_sse_enabled=stage.with_key(Aws.NO_VALUE, True),
            kms_master_key_id=stage.key,
            redrive_policy={"deadLetterTargetArn": self.letters.arn, "maxReceiveCount": MAX_RECEIVES},
        )
        self.queue.override_logical_id(f"{stem}Queue")
        self.policy = queue_policy(self, f"{stem}QueuePolicy", self.queue)
        self._accepted: list[Statement] = []
        queue_policy(self, f"{stem}DlqPolicy", self.letters.queue)
        export(self, f"{stem}QueueUrl", self.queue.ref)
        export(self, f"{stem}QueueArn", self.arn)
        export(self, f"{stem}DlqUrl", self.letters.queue.ref)
        export(self, f"{stem}DlqArn", self.letters.arn)

    @property
    def arn(self) -> str:
        """The source queue's ARN."""
        return self.queue.attr_arn

    def accept(self, service: str, *source_arns: str) -> None:
        """Let an AWS service send here, on behalf of these sources only; one more with each call, of another service."""
        statement = allow_send(service, self.arn, source_arns)
        if self._accepted:  # each statement of a policy has a name of its own
            statement["Sid"] += service.capitalize()
        self._accepted.append(statement)
        self.policy.policy_document = document(deny_without_tls("sqs", self.arn), *self._accepted)

    def take_only_from(self, principals: list[str]) -> None:
        """Refuse what others send here, also where their role permits it."""
        self.policy.policy_document = document(
            deny_without_tls("sqs", self.arn), deny_send(self.arn, but_from=principals)
        )


def queue_policy(scope: Construct, logical_id: str, queue: sqs.CfnQueue, *statements: Statement) -> sqs.CfnQueuePolicy:
    """The one policy of a queue (SQS keeps only the last one written): TLS for everybody, then `statements`."""
    policy = sqs.CfnQueuePolicy(
        scope,
        logical_id,
        queues=[queue.ref],
        policy_document=document(deny_without_tls("sqs", queue.attr_arn), *statements),
    )
    policy.override_logical_id(logical_id)
    return policy
