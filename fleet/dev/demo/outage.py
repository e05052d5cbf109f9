"""A customer who is down when orders come: the breaker of its endpoint opens, its deliveries end, and one of them is sent again."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from fleet.dev.child import process_environment
from fleet.dev.demo import cast
from fleet.dev.demo.board import Effect
from fleet.dev.demo.story import Story
from fleet.dev.stand_ins import server
from workers.webhook_delivery.client import Endpoints, Registration
from workers.webhook_delivery.event import event_id

ORDER = "order.placed"
ORDERS = 5
"""As many as open a breaker, when the first attempt of each fails."""
PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Outage:
    """Of one story; the customer has asked for no retries."""

    story: Story
    log: Path

    @property
    def endpoint_id(self) -> str:
        return cast.endpoint_id(cast.DOWN, self.story.run)

    def expect(self) -> None:
        """Name what must come of it."""
        self.story.board.expect(
            Effect(("webhooks", "breaker", self.story.run), "the breaker of 'down at first' opened"),
            Effect(("webhooks", "exhausted", self.story.run), f"{ORDERS} deliveries to 'down at first' exhausted"),
            Effect(("webhooks", cast.DOWN.name, self.story.run), "one of them delivered after a resend"),
        )

    async def play(self) -> None:
        """Register, place the orders, wait until all have failed, send the first one again."""
        story = self.story
        url = f"{story.fleet.stand_ins_url}{server.WEBHOOKS}{cast.DOWN.path}/{story.run}"
        secret = story.fleet.webhook_secret
        wanted = Registration(story.tenant, url, cast.DOWN.event_types, self.endpoint_id, secret=secret, retries=())
        await self._endpoints().add(wanted)
        ids = [await self._place(number) for number in range(ORDERS)]
        for webhook_id in ids:
            while not await self._is_over(webhook_id):  # noqa: ASYNC110 - a row tells nobody that it has changed
                await asyncio.sleep(PAUSE)
        story.board.saw(("webhooks", "exhausted", story.run))
        while not await asyncio.to_thread(self._has_opened):  # noqa: ASYNC110 - as above
            await asyncio.sleep(PAUSE)
        story.board.saw(("webhooks", "breaker", story.run))
        await self._resend(ids[0])

    def _endpoints(self) -> Endpoints:
        table = self.story.name("WEBHOOKS_TABLE_NAME")
        now = partial(datetime.now, UTC)
        return Endpoints(self.story.tools.dynamodb, table=table, now=now, allow_loopback=True)

    async def _resend(self, webhook_id: str) -> None:
        """As an operator does it. Raises RuntimeError."""
        words = ("webhooks", "resend", webhook_id, "--tenant", self.story.tenant, "--endpoint", self.endpoint_id)
        command = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "fleet.cli", *words),
            env=process_environment(self.story.fleet.environment),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await command.communicate()
        if command.returncode:
            raise RuntimeError(f"fleet webhooks resend ended with {command.returncode}: {said.decode().strip()}")

    async def _place(self, number: int) -> str:
        """Put an order on the bus; the webhook-id that it will have."""
        order_id = f"order-{self.story.run}-{'abcde'[number]}"
        detail = {"id": order_id, "tenantId": self.story.tenant, "run": self.story.run}
        entry: Any = {
            "EventBusName": self.story.name("EVENT_BUS_NAME"),
            "Source": "shop",
            "DetailType": ORDER,
            "Detail": orjson.dumps(detail).decode(),
        }
        await self.story.tools.events.put_events(Entries=[entry])
        return event_id(self.story.tenant, "shop", ORDER, order_id)

    async def _is_over(self, webhook_id: str) -> bool:
        key: cast.Item = {
            "PK": {"S": f"DELIVERY#{webhook_id}#{self.story.tenant}#{self.endpoint_id}"},
            "SK": {"S": "ATTEMPT#0001"},
        }
        found = await self.story.tools.dynamodb.get_item(TableName=self.story.name("WEBHOOKS_TABLE_NAME"), Key=key)
        return found.get("Item", {}).get("outcome") == {"S": "EXHAUSTED"}

    def _has_opened(self) -> bool:
        """As the worker's log tells."""
        lines = self.log.read_bytes().rpartition(b"\n")[0].splitlines()  # the last one may be half written
        return any(self._tells(orjson.loads(line)) for line in lines if b"webhook_breaker_opened" in line)

    def _tells(self, line: Mapping[str, Any]) -> bool:
        return line.get("event") == "webhook_breaker_opened" and line.get("endpoint_id") == self.endpoint_id
