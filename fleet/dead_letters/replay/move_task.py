"""SQS's own redrive (StartMessageMoveTask), for the few plans that it can carry out as they were asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fleet.dead_letters.model.filters import Filters
from fleet.dead_letters.model.plan.plan import Plan
from fleet.dead_letters.model.shapes import Origin
from fleet.dead_letters.model.view import View
from fleet.dead_letters.replay.journal import Journal

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

FASTEST = 500
"""Messages per second: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html"""
LIMITS = (
    "SQS moves whatever is in the queue when its turn comes, not the planned ids; one task per queue, at most 36 hours; "
    "no canary, approximate counts, no letter by name; what comes back is not counted; reasons stay on the messages"
)
UNDER_WAY = ("RUNNING", "CANCELLING")


def objections(
    views: Sequence[View], filters: Filters, origin: Origin, *, to: str, plan: Plan, unfiltered: int
) -> list[str]:
    """Why SQS's redrive cannot do what is asked; empty where it can."""
    found = []
    if not filters.everything or len(views) != unfiltered:
        found.append("it cannot select: it moves the whole queue")
    if plan.canary:
        found.append("it knows no canary")
    if plan.keep:
        found.append("it cannot leave the originals")
    if plan.rate is not None and not (1 <= plan.rate <= FASTEST and plan.rate == int(plan.rate)):
        found.append(f"its rate is a whole number up to {FASTEST} per second")
    if not origin.sources:
        found.append("it accepts only the dead-letter queue of another SQS queue")
    if any(each.standing.shape != "sqs" for each in views):
        found.append("it would send letters of other shapes with their envelopes")
    if not to and not all(each.moved_by_sqs for each in views):
        found.append("it knows no way back for letters that the fleet parked: name the queue with --to")
    return found


def start(client: SQSClient, plan: Plan, *, to: str) -> str:
    """Begin the move and answer its task handle."""
    options: dict[str, Any] = {"DestinationArn": to} if to else {}
    if plan.rate is not None:
        options["MaxNumberOfMessagesPerSecond"] = int(plan.rate)
    return client.start_message_move_task(SourceArn=plan.place.arn, **options)["TaskHandle"]


def newest(client: SQSClient, plan: Plan) -> dict[str, Any]:
    """The newest task of the queue; empty where there was none."""
    found = client.list_message_move_tasks(SourceArn=plan.place.arn, MaxResults=1).get("Results", [])
    return dict(found[0]) if found else {}


def carry_out(
    client: SQSClient,
    plan: Plan,
    journal: Journal,
    *,
    to: str,
    cancelled: Callable[[], bool],
    sleep: Callable[[float], None],
) -> None:
    """Start the move, unless a run that was cut short had done so, and follow it to its end; the journal tells how it stands.

    Where this is cut short SQS goes on by itself.
    """
    if not _was_started(client, plan, journal):
        journal.task("STARTING", 0, earlier=_started(newest(client, plan)))
        start(client, plan, to=to)
    while (task := newest(client, plan)).get("Status", "RUNNING") in UNDER_WAY:
        journal.task("RUNNING", _moved(task))
        if cancelled() and task.get("Status") == "RUNNING":
            stop(client, task)
        sleep(1.0)
    journal.task(str(task["Status"]), _moved(task))


def stop(client: SQSClient, task: Mapping[str, Any]) -> None:
    client.cancel_message_move_task(TaskHandle=task["TaskHandle"])


def _was_started(client: SQSClient, plan: Plan, journal: Journal) -> bool:
    """By an earlier run of this plan; where that was killed as it asked SQS, the newest task tells."""
    if journal.progress.task != "STARTING":
        return bool(journal.progress.task)
    return _started(newest(client, plan)) > journal.progress.earlier


def _started(task: Mapping[str, Any]) -> int:
    return int(task.get("StartedTimestamp", 0))


def _moved(task: Mapping[str, Any]) -> int:
    return int(task.get("ApproximateNumberOfMessagesMoved", 0))
