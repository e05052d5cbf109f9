"""One run of a plan against the real queues: checked first, then moved, watched and written down."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial

from fleet.dead_letters.model.plan.plan import Plan, PlanRefused, Step, differences
from fleet.dead_letters.model.shapes import arn_name
from fleet.dead_letters.queues.catalog import NoSuchQueue, QueueInfo
from fleet.dead_letters.replay.canary import Seen, watch
from fleet.dead_letters.replay.inventory import Desk
from fleet.dead_letters.replay.journal import Journal, Progress
from fleet.dead_letters.replay.mover import Replay
from fleet.dead_letters.replay.pacing import Pace


def checked(desk: Desk, plan: Plan) -> tuple[QueueInfo, dict[str, str]]:
    """The plan's queue, and the URLs of its destinations by ARN. Raises PlanRefused, NotDeadLetters, OwnPolicy; sends nothing."""
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
    for destination in plan.destinations:
        if ":lambda:" in destination:
            if not catalog.has_function(destination):
                raise PlanRefused(f"the function {destination} is not there; nothing was sent")
            continue
        try:
            target = catalog.queue(destination)
        except NoSuchQueue as error:
            raise PlanRefused(f"the destination {arn_name(destination)} is not there; nothing was sent") from error
        if target.arn != destination:
            raise PlanRefused(
                f"the destination {destination} is not {target.arn}, which is the queue of that name here"
            )
        if target.arn == info.arn:
            raise PlanRefused("the destination is the dead-letter queue itself")
        if target.fifo != info.fifo:
            raise PlanRefused(f"{target.name} and {info.name} are not of the same type (FIFO or standard)")
        urls[destination] = target.url
    return info, urls


async def run(
    desk: Desk,
    plan: Plan,
    journal: Journal,
    *,
    urls: Mapping[str, str],
    kept: Collection[str],
    cancelled: Callable[[], bool],
    progressed: Callable[[Step, Progress], None],
) -> None:
    """Take the plan as far as it goes. `kept`: letters that are archived, the only ones sent with another body."""
    info = desk.catalog.queue(plan.place.arn)
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
                settle=desk.settle(functions=len(urls) < len(plan.destinations)),
                to_the_end=not step.canary,
                cancelled=cancelled,
            )

        await Replay(
            plan=plan,
            box=opened.box,
            post=(await desk.post(opened, urls)).once,
            journal=journal,
            kept=kept,
            watch=watched,
            pace=Pace(plan.rate),
            expand=partial(desk.expand, opened),
            cancelled=cancelled,
            progressed=progressed,
            last_look=desk.settings.dlq_last_look_seconds,
        ).run()
