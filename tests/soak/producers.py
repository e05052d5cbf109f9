"""The producers of a soak: each sends its part of the schedule in order, again and again until it is taken."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from shared.sqs.sender import Message, NotSent, SqsSender
from tests.soak.schedule import Schedule, Sending


@dataclass(slots=True)
class Sent:
    """How sending went; a repeated call may have been done before, so that its messages are in the queue twice."""

    calls: int = 0
    repeated: int = 0


async def produce(schedule: Schedule, client: Any, urls: dict[str, str], sent: Sent) -> None:
    """Return when every message of the schedule was accepted."""
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for (queue, _), sendings in schedule.lanes.items():
            send = SqsSender(client, name=queue, url=urls[queue])
            group.create_task(_lane(sendings, send, started=started, sent=sent))


async def _lane(sendings: Iterable[Sending], send: SqsSender, *, started: float, sent: Sent) -> None:
    for sending in sendings:
        await asyncio.sleep(max(0.0, started + sending.at - time.monotonic()))
        messages = [Message(body=job.body, group=job.group) for job in sending.jobs]
        sent.calls += 1
        while not await _accepted(send, messages):
            sent.repeated += 1
            await asyncio.sleep(0.1)


async def _accepted(send: SqsSender, messages: list[Message]) -> bool:
    try:
        await send(messages)
    except (NotSent, ClientError, BotoCoreError):
        return False
    return True
