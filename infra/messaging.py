"""The stack `messaging`: every queue, rule, notification, table, stream and pipe, and the order they are joined in."""

from constructs import Construct

from infra.concerns import CONCERNS
from infra.resources.bus import Bus
from infra.resources.concern import OwnBucket, filled
from infra.resources.pipes import AuditPipes
from infra.resources.queues import QUEUES
from infra.resources.storage import (
    TABLES,
    audit_bucket,
    concern_bucket,
    dead_letter_bucket,
    payload_bucket,
    table,
    upload_bucket,
)
from infra.resources.worker_queue import WorkerQueue
from infra.stack import FleetStack
from infra.stage import Stage


class MessagingStack(FleetStack):
    """One template for every stage: no bootstrap, no assets, no custom resources."""

    def __init__(self, scope: Construct) -> None:
        """Declare everything."""
        super().__init__(scope, "messaging", "Queues, bus, buckets and tables of the worker fleet")
        stage = Stage(self)
        queues = {settings.name: WorkerQueue(self, stage, settings) for settings in QUEUES}
        # A delivery names a tenant's endpoint and holds what is signed with its secret.
        queues["webhook-deliveries"].take_only_from(stage.delivery_senders)
        upload_bucket(self, stage, queues["uploads"])
        bus = Bus(
            self,
            stage,
            ticks=queues["reminder-ticks"],
            tenant_events=queues["webhook-events"],
            audit=queues["audit"],
            uploads=queues["uploads"],
            receipts=queues["reminder-receipts"],
            concerns=queues,
        )
        audit_bucket(self, stage)
        dead_letter_bucket(self, stage)
        payload_bucket(self, stage)
        for each in filled(CONCERNS, OwnBucket):
            concern_bucket(self, stage, each.stem, each.name, queues[each.name])
        tables = {settings.name: table(self, settings, stage) for settings in TABLES}
        AuditPipes(
            self,
            stage,
            {settings.name: tables[settings.name] for settings in TABLES if settings.streamed},
            queue_arns={name: queue.arn for name, queue in queues.items()},
            undelivered_arn=bus.undelivered.arn,
        )
