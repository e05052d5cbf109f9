"""Reminders that wait in the demo, and what is heard of one afterwards: quiet hours, an Expo project that refuses us, a receipt."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from fleet.dev.demo import cast
from fleet.dev.demo.board import Effect
from fleet.dev.demo.story import Story
from workers.reminder_dispatch.table.keys import due_text, key_of

PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Waiting:
    """Of one story; `log` is the reminder worker's."""

    story: Story
    log: Path

    def expect(self) -> None:
        """Name what must come of it."""
        self.story.board.expect(
            Effect(("reminders", "receipt"), "the receipt of a push, noted as DELIVERED"),
            Effect(("reminders", "breaker"), f"the breaker of Expo's project '{cast.REFUSING}' opened"),
        )

    async def play(self, pushed: cast.Appointment) -> None:
        """Ask for the receipt of a push as soon as it is sent, and not 15 minutes later; look for the breaker that has opened."""
        while not (tickets := _tickets(await self._row(pushed))):  # noqa: ASYNC110 - a row tells nobody that it has changed
            await asyncio.sleep(PAUSE)
        asked = {"reminderId": pushed.reminder_id, "dueAt": due_text(pushed.due_at), "tickets": tickets}
        body = {"sentAt": datetime.now(UTC).isoformat(), "occurrences": [asked]}
        url = self.story.name("REMINDER_RECEIPTS_QUEUE_URL")
        await self.story.tools.sqs.send_message(QueueUrl=url, MessageBody=orjson.dumps(body).decode())
        while (await self._row(pushed)).get("receipt") != {"S": "DELIVERED"}:  # noqa: ASYNC110 - as above
            await asyncio.sleep(PAUSE)
        self.story.board.saw(("reminders", "receipt"))
        while not await asyncio.to_thread(self._has_opened):  # noqa: ASYNC110 - as above
            await asyncio.sleep(PAUSE)
        self.story.board.saw(("reminders", "breaker"))

    async def _row(self, each: cast.Appointment) -> Mapping[str, Any]:
        key = key_of(each.reminder_id, each.due_at)
        found = await self.story.tools.dynamodb.get_item(
            TableName=self.story.name("REMINDERS_TABLE_NAME"),
            Key={"PK": {"S": key.pk}, "SK": {"S": key.sk}},
            ConsistentRead=True,
        )
        return found.get("Item", {})

    def _has_opened(self) -> bool:
        """As the worker's log tells."""
        lines = self.log.read_bytes().rpartition(b"\n")[0].splitlines()  # the last one may be half written
        down = [orjson.loads(line) for line in lines if b"reminder_channel_down" in line]
        return any(line.get("channel") == f"reminders/push/{cast.REFUSING}" for line in down)


def _tickets(row: Mapping[str, Any]) -> list[dict[str, str]]:
    """Of a reminder that was sent."""
    found = row.get("tickets", {}).get("L", []) if row.get("status") == {"S": "SENT"} else []
    return [{name: value["S"] for name, value in each["M"].items()} for each in found]
