"""Push notifications of a batch in common requests, and none to a device that is known to be gone."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from shared import code_of
from workers.reminder_dispatch.channels.channel import Answer, Note, Refused
from workers.reminder_dispatch.rules import DEAD_FOR
from workers.reminder_dispatch.table.keys import Key, device_key

if TYPE_CHECKING:
    from workers.reminder_dispatch.channels.push.rate import Room
    from workers.reminder_dispatch.sending.ports import Push
    from workers.reminder_dispatch.table.store import Reminders

KNOWN_DEAD = Refused("DeviceNotRegistered", dead=True, known=True)
"""Not asked: Expo said so before, of this or of another reminder."""

log = structlog.get_logger()


async def push_to_living(
    notes: Sequence[Note],
    *,
    dead: Collection[Key],
    push: Push,
    room: Room | None,
    store: Reminders,
    until: datetime,
    now: datetime,
) -> Sequence[Answer]:
    """One answer for each note, in order; `dead` are the devices that are known to be gone. A token that Expo calls dead is noted for
    all reminders, until it is registered anew.
    """
    living = [note for note in notes if device_key(note.token) not in dead]
    asked = iter(await push(living, until=until, room=room) if living else ())
    answers = [KNOWN_DEAD if device_key(note.token) in dead else next(asked) for note in notes]
    found = {
        note.token: answer.why
        for note, answer in zip(notes, answers, strict=True)
        if isinstance(answer, Refused) and answer.dead and not answer.known
    }
    forget_at = int((now + DEAD_FOR).timestamp())
    noted = await asyncio.gather(
        *(store.entomb(device_key(token), why=why, at=now, forget_at=forget_at) for token, why in found.items()),
        return_exceptions=True,
    )
    for fault in noted:
        if isinstance(fault, BaseException):  # the next reminder is told by Expo again
            log.warning("dead_token_not_noted", error_type=code_of(fault))
    return answers
