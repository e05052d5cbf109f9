"""After a batch of pushes: its tickets into the queue of receipts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from shared import Send, code_of
from workers.reminder_dispatch.channels.channel import Answer
from workers.reminder_dispatch.receipts.queued import accepted, messages
from workers.reminder_dispatch.sending.decision import Attempt

log = structlog.get_logger()


async def ask_later(attempts: Sequence[Attempt], answers: Sequence[Answer], *, send: Send, at: datetime) -> None:
    """Have the receipts asked for. Where that cannot be queued now, whatever it is that fails, they are not asked for: what was sent has
    to be recorded all the same.
    """
    asked = accepted(attempts, answers)
    if not asked:
        return
    try:
        await send(messages(asked, sent_at=at))
    except Exception as error:  # noqa: BLE001  # a push that is not recorded goes out again
        log.warning("receipts_not_queued", count=len(asked), error_type=code_of(error))
