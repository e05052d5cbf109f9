"""The event bus, the clock, and the rules that turn both into messages."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import aws_events as events
from constructs import Construct

from infra.concerns import CONCERNS
from infra.naming import name_of
from infra.outputs import export
from infra.resources.concern import BusEvents
from infra.resources.queues import EVENTS_UNDELIVERED
from infra.resources.statements import allow_send
from infra.resources.worker_queue import DeadLetterQueue, WorkerQueue, queue_policy
from infra.stage import Stage

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Patience:
    """How long EventBridge tries a target before the event goes to its dead-letter queue."""

    seconds: int
    attempts: int


# A tick that is five minutes old has been overtaken by its successors; an event is somebody's and gets all AWS offers.
TICK = Patience(seconds=300, attempts=10)
EVENT = Patience(seconds=24 * HOUR, attempts=185)


class Bus(Construct):
    """The fleet's bus, with its rules and the queue of what they could not deliver."""

    def __init__(
        self,
        scope: Construct,
        stage: Stage,
        *,
        ticks: WorkerQueue,
        tenant_events: WorkerQueue,
        audit: WorkerQueue,
        uploads: WorkerQueue,
        receipts: WorkerQueue,
        concerns: Mapping[str, WorkerQueue],
    ) -> None:
        """A tick each minute to `ticks`, each event of a tenant to `tenant_events`, now and then a digest to `audit`, to
        `uploads` what GuardDuty says of the uploads bucket, to `receipts` what SES says of addresses; to each of `concerns` the
        events that it asks for.
        """
        super().__init__(scope, "Bus")
        bus = events.CfnEventBus(self, "EventBus", name=name_of("events"))
        bus.override_logical_id("EventBus")
        export(self, "EventBusName", bus.ref)
        export(self, "EventBusArn", bus.attr_arn)

        self.undelivered = DeadLetterQueue(self, stage, "EventsUndeliveredQueue", EVENTS_UNDELIVERED)
        export(self, "EventsUndeliveredQueueUrl", self.undelivered.queue.ref)
        export(self, "EventsUndeliveredQueueArn", self.undelivered.arn)

        tick = self._clock("TickRule", "tick", "Wakes the reminder dispatcher each minute", "rate(1 minute)", ticks)
        # Asked for by message and not by a timer of the worker's own, so that both doors make digests alike.
        digest = self._clock("DigestRule", "digest", "Asks the archiver for a digest", "rate(5 minutes)", audit)
        tenant = events.CfnRule(
            self,
            "TenantEventRule",
            name=name_of("tenant-events"),
            description="Events of tenants, to their webhooks",
            event_bus_name=bus.ref,
            event_pattern={"detail": {"tenantId": [{"exists": True}]}},
            targets=[self._target(tenant_events, EVENT)],
        )
        # GuardDuty speaks on the account's default bus, of every bucket that it protects.
        scan = events.CfnRule(
            self,
            "ScanRule",
            name=name_of("upload-scans"),
            description="Results of malware scans of uploaded files",
            event_pattern={
                "source": ["aws.guardduty"],
                "detail-type": ["GuardDuty Malware Protection Object Scan Result"],
                "detail": {"s3ObjectDetails": {"bucketName": [name_of("uploads")]}},
            },
            targets=[self._target(uploads, EVENT)],
        )
        joined = [
            (tick, ticks),
            (digest, audit),
            (tenant, tenant_events),
            (scan, uploads),
            (self._feedback(receipts), receipts),
            *self._asked_for(bus, concerns),
        ]
        for rule, queue in joined:
            rule.override_logical_id(rule.node.id)
            queue.accept("events", rule.attr_arn)
        queue_policy(
            self,
            "EventsUndeliveredQueuePolicy",
            self.undelivered.queue,
            allow_send("events", self.undelivered.arn, [rule.attr_arn for rule, _ in joined]),
        )

    def _feedback(self, receipts: WorkerQueue) -> events.CfnRule:
        """SES speaks on the account's default bus, too, once a configuration set sends its events there."""
        return events.CfnRule(
            self,
            "MailFeedbackRule",
            name=name_of("mail-feedback"),
            description="Bounces, complaints, and what SES did not send",
            event_pattern={
                "source": ["aws.ses"],
                "detail": {"eventType": ["Bounce", "Complaint", "Rendering Failure", "Reject"]},
            },
            targets=[self._target(receipts, EVENT)],
        )

    def _asked_for(
        self, bus: events.CfnEventBus, queues: Mapping[str, WorkerQueue]
    ) -> list[tuple[events.CfnRule, WorkerQueue]]:
        """A rule for each concern that asks for events, with its queue."""
        return [
            (
                events.CfnRule(
                    self,
                    f"{each.stem}Rule",
                    name=name_of(each.name),
                    description=f"Events that {each.name} asks for",
                    event_bus_name=bus.ref,
                    event_pattern={"detail-type": [*each.filled_by.detail_types]},
                    targets=[self._target(queues[each.name], EVENT)],
                ),
                queues[each.name],
            )
            for each in CONCERNS
            if isinstance(each.filled_by, BusEvents)
        ]

    def _clock(self, stem: str, name: str, description: str, rate: str, queue: WorkerQueue) -> events.CfnRule:
        return events.CfnRule(
            self,
            stem,
            name=name_of(name),
            description=description,
            schedule_expression=rate,
            targets=[
                self._target(
                    queue,
                    TICK,
                    events.CfnRule.InputTransformerProperty(
                        input_paths_map={"time": "$.time"}, input_template='{"source":"scheduler","time":<time>}'
                    ),
                )
            ],
        )

    def _target(
        self,
        queue: WorkerQueue,
        patience: Patience,
        transformer: events.CfnRule.InputTransformerProperty | None = None,
    ) -> events.CfnRule.TargetProperty:
        return events.CfnRule.TargetProperty(
            id="queue",
            arn=queue.arn,
            input_transformer=transformer,
            dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=self.undelivered.arn),
            retry_policy=events.CfnRule.RetryPolicyProperty(
                maximum_event_age_in_seconds=patience.seconds, maximum_retry_attempts=patience.attempts
            ),
        )
