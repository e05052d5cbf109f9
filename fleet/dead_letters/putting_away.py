"""Letters put away, fetched back, mended or thrown away: each of it by id, sent or stored first and deleted after."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.model.plan.outgoing import Unsendable, parcel
from fleet.dead_letters.model.view import View
from fleet.dead_letters.queues.archive import Archive, Foreign, Label
from fleet.dead_letters.queues.browsing import browse
from fleet.dead_letters.queues.catalog import QueueInfo
from fleet.dead_letters.queues.dead_letter_queue import Post
from fleet.dead_letters.queues.removal import Taken, take
from fleet.dead_letters.replay.inventory import Desk, Open, hidden_for
from shared.sqs.batches import BATCH

DAY = 86_400.0


@dataclass(slots=True)
class Stored:
    """Puts batches of one archive away, numbered."""

    archive: Archive
    label: Label
    number: int = 0

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        label = replace(self.label, letters=len(letters))
        await asyncio.to_thread(self.archive.put, label, letters, number=self.number)
        self.number += 1

    async def label_anew(self, letters: Sequence[DeadLetter], **changes: Any) -> None:
        """Put the newest batch, which holds these letters, once more with another label."""
        self.label, self.number = replace(self.label, **changes), self.number - 1
        await self.put(letters)


def new_archive_id(now: float) -> str:
    """In the order of their making, which is the order in which `restore` meets them."""
    return f"{int(now * 1000):012x}{uuid.uuid4().hex[12:]}"


def label(desk: Desk, info: QueueInfo, archive_id: str, reason: str, *, replaced: bool = False) -> Label:
    """`replaced`: a changed copy of these letters is sent, so that to restore them would do their work twice."""
    now = desk.now()
    until = now + desk.settings.dlq_archive_days * DAY
    return Label(archive_id, info.name, now, until, desk.settings.actor, reason, 0, replaced, info.arn)


@dataclass(frozen=True, slots=True)
class Copies:
    """Edited letters: `found` says of each, by its id, that a mended copy was sent, or may have been; `unread` are objects among
    them that cannot be read.
    """

    found: Mapping[str, str]
    unread: tuple[Foreign, ...] = ()


def copies(archive: Archive, queue_arn: str) -> Copies:
    """What `edit` wrote down of this queue. Raises ClientError, BotoCoreError."""
    found: dict[str, str] = {}
    unread: list[Foreign] = []
    for batch in archive.edits(queue_arn):
        if isinstance(batch, Foreign):
            unread.append(batch)
        elif batch.label.copy:
            words = "was sent" if batch.label.copy == "sent" else "may have been sent"
            found |= {each.id: f"a mended copy of it {words} ({batch.label.archive_id})" for each in batch.letters}
    return Copies(found, tuple(unread))


async def put_away(desk: Desk, opened: Open, views: Sequence[View], stored: Stored, taken: Taken) -> None:
    """Archive these letters: a crash leaves a letter in both places, never in none."""
    digests = {each.id: each.digest for each in views}
    await take(opened.box, digests, first=stored.put, last_look=desk.settings.dlq_last_look_seconds, taken=taken)


async def throw_away(desk: Desk, opened: Open, views: Sequence[View], taken: Taken) -> None:
    """Delete these letters, and only these: what arrived since they were looked at stays."""
    digests = {each.id: each.digest for each in views}
    await take(opened.box, digests, last_look=desk.settings.dlq_last_look_seconds, taken=taken)


async def keep_originals(desk: Desk, opened: Open, digests: Mapping[str, str], stored: Stored) -> set[str]:
    """Archive the letters of these ids and digests, and leave them where they are: a replay will send them with other
    bodies. Answers the ids of those that were there. Raises NotAccepted where some may be in other hands.
    """

    def keep(letter: DeadLetter) -> DeadLetter | None:
        return letter if digests.get(letter.id) == letter.digest else None

    visibility = hidden_for(opened.info)
    found = await browse(opened.box, keep, visibility=visibility, last_look=desk.settings.dlq_last_look_seconds)
    if not found.complete and len(found.found) < len(digests):
        raise NotAccepted("letters whose bodies are changed are in other hands, and could not be archived; try again")
    letters = [*found.found.values()]
    for start in range(0, len(letters), BATCH):
        await stored.put(letters[start : start + BATCH])
    return {each.id for each in letters}


async def mend(
    desk: Desk,
    opened: Open,
    each: View,
    body: str,
    *,
    edit_id: str,
    stored: Stored,
    post: Post,
    to: str,
    taken: Taken,
    seal_key: bytes = b"",
) -> None:
    """Send a mended copy under a new id, after the original was archived and before it is deleted. Raises NotAccepted, NotKnown;
    the original is then in the queue as before. The archive says from before the send that the copy may have been sent, and from
    before the deletion that it was: should the original stay, nothing sends it again unasked.
    """

    async def first(letters: Sequence[DeadLetter]) -> None:
        shape = each.standing.shape
        try:
            parcels = [parcel(one, shape=shape, plan_id=edit_id, mended=body, seal_key=seal_key) for one in letters]
        except Unsendable as error:
            raise NotAccepted(f"nothing was sent or archived: {error}") from error
        await stored.put(letters)
        unsent = await post(to, parcels)
        if unsent.uncertain:
            raise NotKnown(
                "the answer to the send was lost: the mended copy may have arrived, and the original is still here"
            )
        if unsent.refused:
            with suppress(ClientError, BotoCoreError):  # else it stays written that it may have been sent
                await stored.label_anew(letters, replaced=False, copy="")
            raise NotAccepted(
                f"the mended copy was not accepted ({unsent.why}); the original is still in the dead-letter queue"
            )
        with suppress(ClientError, BotoCoreError):
            await stored.label_anew(letters, copy="sent")

    last_look = desk.settings.dlq_last_look_seconds
    await take(opened.box, {each.id: each.digest}, first=first, last_look=last_look, taken=taken)


class NotKnown(Exception):
    """A message may have been sent or not."""


class NotAccepted(Exception):
    """SQS refused a message, also when tried again; or what has to be archived first is out of reach."""
