"""One run of a plan against the real queues: checked first, then moved, watched and written down."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

from botocore.exceptions import ClientError

from fleet.dead_letters.model.plan import limits
from fleet.dead_letters.model.plan.plan import Plan, Planned, PlanRefused, Step, differences
from fleet.dead_letters.model.shapes import arn_name
from fleet.dead_letters.plan_key import plan_key
from fleet.dead_letters.queues.catalog import NoSuchQueue, QueueInfo
from fleet.dead_letters.replay.canary import Seen, watch
from fleet.dead_letters.replay.inventory import Desk
from fleet.dead_letters.replay.journal import Journal, Progress
from fleet.dead_letters.replay.mover import Replay
from fleet.dead_letters.replay.pacing import Pace
from shared.outcome import code_of, is_outage


@dataclass(frozen=True, slots=True)
class Reach:
    """What of a plan can be sent: the URLs of its queues by ARN, why nothing can be sent to the others, and why single letters, by id,
    are withheld.
    """

    urls: Mapping[str, str]
    unreachable: Mapping[str, str]
    withheld: Mapping[str, str] = field(default_factory=dict)


def due(plan: Plan, progress: Progress, reach: Reach) -> list[Planned]:
    """The letters that a run would send now, if they are still there."""
    left = progress.settled | reach.withheld.keys()
    return [each for each in plan.letters if each.id not in left and each.destination not in reach.unreachable]


def checked(desk: Desk, plan: Plan) -> Reach:
    """What of a plan can be carried out here; sends nothing. Raises NotDeadLetters, OwnPolicy, and PlanRefused where the plan is for
    another place, or nothing of it can be sent.
    """
    catalog = desk.catalog
    try:
        info = catalog.queue(plan.place.arn)
    except NoSuchQueue as error:
        here = f"{catalog.region} at {catalog.endpoint}"
        there = f"{plan.place.region} at {plan.place.endpoint}"
        raise PlanRefused(f"{plan.place.queue} is not in {here}; the plan was made in {there}") from error
    if faults := differences(plan, catalog.place(info)):
        raise PlanRefused("this plan is for another place: " + "; ".join(faults))
    info = catalog.dead_letter_queue(plan.place.arn)
    desk.spent.check(info)
    urls: dict[str, str] = {}
    unreachable: dict[str, str] = {}
    for destination in plan.destinations:
        try:
            urls |= reached(desk, info, destination)
        except PlanRefused as error:
            unreachable[destination] = str(error)
            if plan.via == "aws" or len(unreachable) == len(plan.destinations):
                raise
    return Reach(urls, unreachable)


def reached(desk: Desk, info: QueueInfo, destination: str) -> dict[str, str]:
    """The URL of a queue by its ARN; nothing for a function. Raises PlanRefused where nothing can be sent there."""
    account = info.arn.split(":")[4]
    if limits.strangers([destination], account=account, allowed=desk.settings.other_accounts):
        raise PlanRefused(
            f"the destination {destination} is not in account {account}; nothing was sent to it. "
            "DLQ_OTHER_ACCOUNTS names the others that letters may go to"
        )
    if ":lambda:" in destination:
        if not desk.catalog.has_function(destination):
            raise PlanRefused(f"the function {destination} is not there; nothing was sent to it")
        return {}
    try:
        target = desk.catalog.queue(destination)
    except NoSuchQueue as error:
        raise PlanRefused(f"the destination {arn_name(destination)} is not there; nothing was sent to it") from error
    except ClientError as error:
        if is_outage(error):
            raise
        raise PlanRefused(f"the destination {destination} is not a queue that SQS knows ({code_of(error)})") from error
    if target.arn != destination:
        raise PlanRefused(f"the destination {destination} is not {target.arn}, which is the queue of that name here")
    if target.arn == info.arn:
        raise PlanRefused("the destination is the dead-letter queue itself")
    if target.fifo != info.fifo:
        raise PlanRefused(f"{target.name} and {info.name} are not of the same type (FIFO or standard)")
    return {destination: target.url}


async def run(
    desk: Desk,
    plan: Plan,
    journal: Journal,
    *,
    reach: Reach,
    kept: Collection[str],
    cancelled: Callable[[], bool],
    progressed: Callable[[Step, Progress], None],
) -> None:
    """Take the plan as far as it goes. `kept`: letters that are archived, the only ones sent with another body."""
    info, urls = desk.catalog.queue(plan.place.arn), reach.urls
    origin = desk.catalog.origin(info)
    async with desk.open(info, origin) as opened:
        sights = await desk.sights(opened, plan, urls)
        if not journal.progress.sent and not plan.keep:
            await sights.remember()

        async def watched(step: Step) -> Seen:
            sent = journal.progress.sent | journal.progress.uncertain
            return await watch(
                frozenset(each.id for each in step.letters) & sent,
                sights,
                seconds=plan.watch,
                settle=desk.settle(functions=any(":lambda:" in each for each in plan.destinations)),
                to_the_end=not step.canary,
                cancelled=cancelled,
            )

        await Replay(
            plan=plan,
            box=opened.box,
            post=(await desk.post(opened, urls)).once,
            journal=journal,
            kept=kept,
            seal_key=plan_key(desk.settings),
            unreachable=reach.unreachable,
            withheld=reach.withheld,
            watch=watched,
            pace=Pace(plan.rate),
            expand=partial(desk.expand, opened),
            cancelled=cancelled,
            progressed=progressed,
            last_look=desk.settings.dlq_last_look_seconds,
        ).run()
