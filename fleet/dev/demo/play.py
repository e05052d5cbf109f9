"""The demo from beginning to end: two waves of work, a worker killed under the second, and the archive verified."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleet.dev.demo import cast, report
from fleet.dev.demo.board import Board, Effect
from fleet.dev.demo.outage import Outage
from fleet.dev.demo.story import Story, tools
from fleet.dev.demo.waiting import Waiting
from fleet.dev.demo.watch import Watch
from workers import roster
from workers.audit_archive.chain.chain import Maker
from workers.audit_archive.chain.report import Verification
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.evidence.signing import FileKey, KeyRing
from workers.audit_archive.redaction.keys import hash_keys
from workers.audit_archive.store.bucket import S3Bucket
from workers.audit_archive.store.seal import Seals

if TYPE_CHECKING:
    from fleet.dev.dev import Fleet

TUNING = {
    "WEBHOOK_RETRY_SCHEDULE": "0,1,2",
    "WEBHOOK_TIMEOUT_SECONDS": "5",
    "WEBHOOK_BREAKER_SECONDS": "0.05",  # one of its endpoints fails twice for each webhook
    "AUDIT_BATCH_SECONDS": "1",
    "VISIBILITY_SECONDS": "5",
    "POLL_WAIT_SECONDS": "3",  # a lease counts from the question
}
"""What makes the fleet quick enough to watch: after a kill, messages come back in five seconds and not in sixty."""

GLANCE = 0.05

CHANCE = 10.0
"""Seconds in which to catch a worker with messages in hand."""


@dataclass(frozen=True, slots=True)
class Wave:
    """Work that comes together."""

    files: Sequence[cast.File]
    reminders: Sequence[cast.Appointment]


@dataclass(frozen=True, slots=True)
class Direction:
    """How to play. `kill`: the worker to kill in the middle of its work, None for none; `within`: seconds in which
    every effect must come; `folder`: where the files are written before they are uploaded.
    """

    kill: str | None
    within: float
    folder: Path


async def play(fleet: Fleet, direction: Direction, *, show: Callable[[Board], None]) -> report.Report:
    """Tell the story on a running fleet; `show` is called with the board as soon as there is one."""
    board = Board(now=time.time)
    started = datetime.now(UTC)
    deadline = time.monotonic() + direction.within
    async with tools(fleet) as opened:
        story = Story(fleet, opened, board, direction.folder)
        first = Wave((*cast.files(story.run), *cast.judged_files(story.run)), cast.appointments(story.run, now=started))
        second = Wave(cast.files_under_fire(story.run), cast.appointments_under_fire(story.run, now=started))
        files, reminders = (*first.files, *second.files), (*first.reminders, *second.reminders)
        watch = Watch(story)
        show(board)
        looking = asyncio.create_task(watch.keep_looking(files, reminders))
        playing = asyncio.create_task(_play_waves(story, direction, first, second, deadline))
        try:
            await asyncio.wait({looking, playing}, return_when=asyncio.FIRST_COMPLETED)
            if looking.done():
                looking.result()  # it never ends by itself: this raises
            kill = await playing
            audit = await _audit(story, deadline)
        finally:
            for task in (looking, playing):
                task.cancel()
            await asyncio.gather(looking, playing, return_exceptions=True)
            story.hang_up()
        return report.Report(
            run=story.run,
            endpoint=fleet.ground.endpoint.url,
            started_at=started.isoformat(timespec="seconds"),
            seconds=round((datetime.now(UTC) - started).total_seconds(), 1),
            uploads=[await _upload(watch, file) for file in files],
            browser_messages=story.browser_messages,
            webhooks=[await _endpoint(watch, customer) for customer in (*cast.customers(), cast.DOWN)],
            reminders=[await _reminder(watch, each) for each in reminders],
            audit=audit,
            dead_letters=watch.letters,
            kill=kill,
            latency=report.summarise(board.latencies()),
            missing=[effect.name for effect in board.missing()] + list(_faults(audit)),
        )


async def _play_waves(
    story: Story, direction: Direction, first: Wave, second: Wave, deadline: float
) -> report.Kill | None:
    """Play the waves until `deadline` (of the monotonic clock) at the latest; what did not come by then is missing like the rest."""
    ended = Effect(("story", "end"), "the story, played to its end")
    story.board.expect(ended)
    kill = None
    try:
        async with asyncio.timeout(_left(deadline)):
            await asyncio.gather(story.catch_up(), story.register(), story.open_sessions(first.files))
            outage = Outage(story, story.fleet.workers.log("webhook-delivery"))
            waiting = Waiting(story, story.fleet.workers.log("reminder-dispatch"))
            outage.expect()
            waiting.expect()
            await asyncio.gather(
                story.upload(first.files),
                story.remind(first.reminders),
                story.send_nonsense(),
                outage.play(),
                waiting.play(first.reminders[0]),
            )
            await story.board.complete(but=ended)
            kill = await _second_wave(story, direction.kill, second)
            story.board.saw(ended.key)
            await story.board.complete()
    except TimeoutError:
        pass
    return kill


async def _second_wave(story: Story, victim: str | None, wave: Wave) -> report.Kill | None:
    """More of the same, and the victim killed as soon as it has begun with it."""
    story.measured = False

    async def work() -> None:
        await story.open_sessions(wave.files)
        await story.upload(wave.files)
        await story.remind(wave.reminders)

    if victim is None:
        await work()
        return None
    while await _unsettled(story, victim, in_hand=False):  # noqa: ASYNC110 - a queue tells nobody that it was read
        await asyncio.sleep(GLANCE)
    kill, _ = await asyncio.gather(_kill(story, victim), work())
    return kill


async def _kill(story: Story, worker: str) -> report.Kill:
    """Kill -9 as soon as the worker has messages in hand, and wait for the process that takes its place."""
    crew, begun = story.fleet.workers, time.monotonic()
    while True:
        in_hand = await _unsettled(story, worker, in_hand=True)
        # One that is too quick to be caught is killed all the same: what it did is still being looked at.
        if in_hand or time.monotonic() - begun > CHANCE:
            break
        await asyncio.sleep(GLANCE)
    before, killed = crew.restarts[worker], time.monotonic()
    crew.kill(worker)
    await crew.ready_again(worker, after=before)
    return report.Kill(worker, in_hand, round(time.monotonic() - killed, 1))


async def _unsettled(story: Story, worker: str, *, in_hand: bool) -> int:
    """Messages that a worker has received and not settled, or those that wait for it as well."""
    return sum([await story.unsettled(queue, in_hand=in_hand) for queue in roster.app(worker).queues])


async def _audit(story: Story, deadline: float) -> report.Audit:
    """Let the archiver finish, close the chain with a digest, and verify everything in the bucket against key and head."""
    while time.monotonic() < deadline and await story.unsettled("audit"):  # noqa: ASYNC110 - as above
        await asyncio.sleep(GLANCE)
    bucket = S3Bucket(story.tools.s3, name=story.name("AUDIT_BUCKET_NAME"))
    key = FileKey.read(Path(story.name("AUDIT_SIGNING_KEY").removeprefix("file:")))
    maker = Maker(
        bucket=bucket,
        now=lambda: datetime.now(UTC),
        sign=key.sign,
        seals=Seals(hash_keys(story.name("AUDIT_HASH_KEYS"))),
    )
    await maker.make()
    head = await maker.head()
    found = await verify(bucket, keys=KeyRing.read(key.public_pem().encode()), anchors=[head] if head else [])
    return report.Audit(
        records=found.rows, objects=found.objects, digests=found.digests, verified=found.ok, finding=_finding(found)
    )


def _finding(found: Verification) -> str | None:
    return None if found.first is None else f"{found.first.kind}: {found.first.where}"


def _faults(audit: report.Audit) -> Iterator[str]:
    if not audit.verified:
        yield f"an archive that verifies ({audit.finding})"
    if not audit.digests:
        yield "a digest of the archive"


async def _upload(watch: Watch, file: cast.File) -> report.Upload:
    row = await watch.row("SESSIONS_TABLE_NAME", {"sessionId": {"S": file.session_id}})
    notified = watch.story.board.has_seen(("browser messages", file.session_id))
    return report.Upload(
        name=file.name,
        key=file.key,
        size=file.size,
        session_id=file.session_id,
        status=row.get("status", {}).get("S", "missing"),
        reason=row.get("reason", {}).get("S"),
        browser="not notified" if file.browser == "notified" and not notified else file.browser,
    )


async def _endpoint(watch: Watch, customer: cast.Customer) -> report.Endpoint:
    row = await watch.endpoint(customer)
    came = [each for each in watch.webhooks if each["endpoint"].startswith(f"{customer.path}/")]
    answers = Counter(str(each["status"]) for each in came)
    return report.Endpoint(
        name=customer.name,
        url=row.get("url", {}).get("S", ""),
        enabled=row.get("enabled") == {"BOOL": True},
        delivered=len({each["webhook_id"] for each in came if each["status"] == 200}),
        answers=dict(answers),
        refused_signatures=sum(each["fault"] is not None for each in came),
    )


async def _reminder(watch: Watch, each: cast.Appointment) -> report.Reminder:
    row = await watch.reminder(each)
    return report.Reminder(
        channel=each.channel,
        time_zone=each.time_zone,
        local_time=each.local_time,
        due_at=row.get("dueAt", {}).get("S", ""),
        status=row.get("status", {}).get("S", "missing"),
        deliveries=watch.deliveries(each),
        next_due_at=await watch.next_due(each) if each.rule else None,
        note=_note(each, row),
    )


def _note(each: cast.Appointment, row: Mapping[str, Any]) -> str:
    """What is to be said of a reminder beside its status."""
    match each.waits:
        case "quiet hours":
            return f"quiet until {each.quiet_hours[1]}"
        case "Expo: UNAUTHORIZED":
            return f"breaker open: {row.get('reason', {}).get('S', '?').removeprefix('Expo: ')}"
        case _:
            receipt = row.get("receipt", {}).get("S")
            return f"receipt: {receipt}" if receipt else ""


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
