"""Orders to running workers: pause, resume, other limits. They are kept in the ledger table and read every few seconds."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from shared.clients import Clients
from shared.outcome import code_of

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

log = structlog.get_logger()

LOOKS_EVERY = 5.0
"""Seconds until an order reaches a running container; a look costs half a read unit."""

MOST_AT_ONCE = 1000
LEAST_RATE = 0.1

FOLLOWS = "follows "
"""How the attributes begin that name the processes that follow an order."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker's containers are told: `concurrency` (1 to 1,000) and `rate` (messages per second, 0.1 or more) are per container
    and queue; None leaves the worker its own. `number` tells one order from the next; a container writes it down once it follows.

    docs/schemas/orders.schema.json says the same. Raises ValueError that names the field.
    """

    paused: bool = False
    concurrency: int | None = None
    rate: float | None = None
    number: str = ""

    def __post_init__(self) -> None:
        if self.concurrency is not None and not 1 <= self.concurrency <= MOST_AT_ONCE:
            raise ValueError(f"concurrency is {self.concurrency}: set it to 1 to {MOST_AT_ONCE}, or leave it out")
        if self.rate is not None and not LEAST_RATE <= self.rate < math.inf:
            raise ValueError(f"rate is {self.rate}: set it to {LEAST_RATE} or more, or leave it out")


class Adjustable(Protocol):
    """What orders are given to: a poller."""

    def adjust(self, *, concurrency: int | None, rate: float | None) -> None: ...


class Controls:
    """Orders in the ledger table, one item for each worker: `control#{worker}`."""

    def __init__(self, client: DynamoDBClient, *, table: str) -> None:
        self._client = client
        self._table = table

    async def read(self, worker: str) -> Orders:
        """The orders in force; the defaults where none were given. Raises ValueError where the item is not of their schema."""
        return orders_of(await self._item(worker))

    async def _item(self, worker: str, *, is_consistent: bool = False) -> dict[str, Any]:
        found = await self._client.get_item(TableName=self._table, Key=_key(worker), ConsistentRead=is_consistent)
        return dict(found.get("Item", {}))

    async def change(
        self, worker: str, change: Callable[[Orders], Orders], *, number: str, unread: Callable[[ValueError], None]
    ) -> Orders:
        """Give what `change` makes of the orders in force, under this number; they stay until others are given. Who followed the ones
        before is forgotten. Where somebody gives others meanwhile it is made of those: a limit ends no pause that it has not seen.
        Orders that are not of their schema are replaced, and `unread` hears why they are none.
        """
        while True:
            item = await self._item(worker, is_consistent=True)
            try:
                found = orders_of(item)
            except ValueError as error:
                unread(error)
                found = Orders()
            if found.number == number:  # an earlier try arrived, and only its answer was lost
                return found
            orders = replace(change(found), number=number)
            try:
                await self._put(worker, orders, instead_of=item.get("number"))
            except self._client.exceptions.ConditionalCheckFailedException:
                continue
            return orders

    async def _put(self, worker: str, orders: Orders, *, instead_of: Mapping[str, Any] | None) -> None:
        item: dict[str, Any] = {**_key(worker), "paused": {"BOOL": orders.paused}, "number": {"S": orders.number}}
        if orders.concurrency is not None:
            item["concurrency"] = {"N": str(orders.concurrency)}
        if orders.rate is not None:
            item["rate"] = {"N": str(orders.rate)}
        seen: dict[str, Any] = {"ExpressionAttributeValues": {":seen": instead_of}} if instead_of else {}
        await self._client.put_item(
            TableName=self._table,
            Item=item,
            ConditionExpression="#number = :seen" if instead_of else "attribute_not_exists(#number)",
            ExpressionAttributeNames={"#number": "number"},
            **seen,
        )

    async def follow(self, worker: str, process: str, number: str) -> None:
        """Write down that `process` follows this order, unless another one was given since."""
        try:
            await self._client.update_item(
                TableName=self._table,
                Key=_key(worker),
                UpdateExpression="SET #process = :number",
                ConditionExpression="#number = :number",
                ExpressionAttributeNames={"#process": f"{FOLLOWS}{process}", "#number": "number"},
                ExpressionAttributeValues={":number": {"S": number}},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            log.info("orders_changed_again", worker=worker)

    async def followers(self, worker: str, number: str) -> frozenset[str]:
        """The processes that follow the orders with this number; none once others were given."""
        found = await self._client.get_item(TableName=self._table, Key=_key(worker), ConsistentRead=True)
        item: dict[str, Any] = dict(found.get("Item", {}))
        if item.get("number", {}).get("S") != number:
            return frozenset()
        return frozenset(name.removeprefix(FOLLOWS) for name in item if name.startswith(FOLLOWS))


async def opened(clients: Clients) -> Controls:
    """The orders in LEDGER_TABLE_NAME. Raises SettingsError."""
    [table] = clients.required("LEDGER_TABLE_NAME")
    return Controls(await clients.open("dynamodb"), table=table)


@asynccontextmanager
async def obeyed(
    worker: str,
    pollers: tuple[Adjustable, ...],
    look: Callable[[str], Awaitable[Orders]],
    *,
    follow: Callable[[str], Awaitable[None]] | None = None,
    stop: asyncio.Event,
) -> AsyncIterator[None]:
    """Orders are obeyed inside. It is entered after the first look: what is paused receives nothing when it is started again. An answer that
    does not come is waited for as long as a look is away, or until `stop`: then there are no orders until it does.
    """
    looked = asyncio.Event()
    obeying = asyncio.create_task(obey(worker, pollers, look, follow=follow, looked=looked.set))
    first = [asyncio.create_task(each.wait()) for each in (looked, stop)]
    try:
        await asyncio.wait(first, timeout=LOOKS_EVERY, return_when=asyncio.FIRST_COMPLETED)
        yield
    finally:
        for each in (obeying, *first):
            each.cancel()


async def obey(
    worker: str,
    pollers: tuple[Adjustable, ...],
    look: Callable[[str], Awaitable[Orders]],
    *,
    follow: Callable[[str], Awaitable[None]] | None = None,
    looked: Callable[[], None] = lambda: None,
    every: float = LOOKS_EVERY,
) -> None:
    """Carry out a worker's orders until cancelled, and write down that they are followed (`follow`, with their number), again
    at the next look where that fails. Where orders cannot be read, the last ones stay in force. `looked` is called after each look.
    """
    orders, followed, unread, untold = Orders(), "", "", ""
    while True:
        try:
            found, unread = await look(worker), ""
        except Exception as error:
            tell = log.debug if unread == code_of(error) else log.warning  # one warning for a fault that lasts
            found, unread = orders, code_of(error)
            tell("orders_unreadable", worker=worker, error_type=unread)
        if found != orders:
            orders = found
            log.info("orders_taken", worker=worker, paused=found.paused, concurrency=found.concurrency, rate=found.rate)
            for poller in pollers:
                poller.adjust(concurrency=0 if found.paused else found.concurrency, rate=found.rate)
        looked()
        if follow is not None and orders.number != followed:
            try:
                await follow(orders.number)
                followed, untold = orders.number, ""
            except Exception as error:
                tell = log.debug if untold == code_of(error) else log.warning
                untold = code_of(error)
                tell("orders_unanswered", worker=worker, error_type=untold)
        await asyncio.sleep(every)


def orders_of(item: Mapping[str, Any]) -> Orders:
    """An item in DynamoDB's form, none of it: the defaults. Raises ValueError that names the field which is not of the schema."""
    paused, concurrency, rate, number = (item.get(name, {}) for name in ("paused", "concurrency", "rate", "number"))
    faults = [
        f"{name} is not of the type {kind}"
        for name, value, kind in (
            ("paused", paused, "BOOL"),
            ("concurrency", concurrency, "N"),
            ("rate", rate, "N"),
            ("number", number, "S"),
        )
        if value and kind not in value
    ]
    known = {"key", "paused", "concurrency", "rate", "number"}
    faults += [f"{name} is no order" for name in item if name not in known and not name.startswith(FOLLOWS)]
    if faults:
        raise ValueError("; ".join(faults))
    return Orders(
        paused=bool(paused.get("BOOL", False)),
        concurrency=int(concurrency["N"]) if concurrency else None,
        rate=float(rate["N"]) if rate else None,
        number=str(number.get("S", "")),
    )


def _key(worker: str) -> dict[str, Any]:
    return {"key": {"S": f"control#{worker}"}}
