"""Endpoints of a tenant: added, listed, changed, rotated, disabled, enabled, removed; each change a conditional write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Unpack

from workers.webhook_delivery.client.registration import Registration
from workers.webhook_delivery.client.terms import Terms, WrongField, attributes, check
from workers.webhook_delivery.rules import Endpoint
from workers.webhook_delivery.signing import MOST_SECRETS, PrivateKey, Seals, new_key, signing_key
from workers.webhook_delivery.store import endpoint_items, registered
from workers.webhook_delivery.store.registered import Kind, Registered
from workers.webhook_delivery.store.table import NO_SEALS, opened
from workers.webhook_delivery.store.typed import Item, Write, string

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

GRACE: Final = 86_400.0
"""Seconds for which the secret before the current one signs as well, where nothing else is asked."""
LONGEST_GRACE: Final = 604_800.0
"""Seconds: a week."""
LONGEST_REASON: Final = 256


class NoSuchEndpoint(LookupError):
    """The tenant has no endpoint of this id."""


class Refused(Exception):
    """A rule forbids it; the text says which, and what to do."""


class Contested(Exception):
    """Somebody else changed the endpoint at the same time; nothing was changed here: look, and do it again."""


@dataclass(frozen=True, slots=True)
class Added:
    """A new endpoint, or one with a new key. Its secret is told this once, and no repr tells it."""

    tenant_id: str
    endpoint_id: str
    secret: str = field(repr=False)

    @property
    def public_key(self) -> str:
        """What the receiver of `v1a` verifies with, `whpk_`; "" where that is the secret itself."""
        key = signing_key(self.secret)
        return key.public().text() if isinstance(key, PrivateKey) else ""


@dataclass(frozen=True, slots=True)
class Planned:
    """What adding an endpoint writes: `item` is an entry of TransactItems, which is refused where there is one of this id; `added` is true once
    that has committed.
    """

    added: Added
    item: Mapping[str, Any] = field(repr=False)


class Endpoints:
    """Over an aiobotocore client of DynamoDB, whose errors it raises. `now`: the time, with its zone."""

    def __init__(
        self,
        client: DynamoDBClient,
        *,
        table: str,
        now: Callable[[], datetime],
        allow_loopback: bool = False,
        seals: Seals = NO_SEALS,
    ) -> None:
        self._client = client
        self._table = table
        self._now = now
        self._allow_loopback = allow_loopback
        self._seals = seals

    async def plan(self, wanted: Registration) -> Planned:
        """What `add` writes, for a transaction of your own: the endpoint is there exactly if that commits. Raises WrongField."""
        wanted.check(allow_loopback=self._allow_loopback)
        secret = wanted.secret or new_key(wanted.kind)
        sealed = await self._seals.seal(secret, tenant_id=wanted.tenant_id, endpoint_id=wanted.endpoint_id)
        row = {**wanted.row(), "secret": string(sealed)}
        write = registered.registration(
            row, tenant_id=wanted.tenant_id, endpoint_id=wanted.endpoint_id, now=self._now()
        )
        added = Added(wanted.tenant_id, wanted.endpoint_id, secret)
        return Planned(added, {"Put": {"TableName": self._table, **write}})

    async def add(self, wanted: Registration) -> Added:
        """It gets the events that are fanned out from 5 s from now on, if not before. Whoever gives `endpoint_id` and `secret` may ask again after a
        lost answer. Raises WrongField, or Refused where there is another of this id.
        """
        planned = await self.plan(wanted)
        put: Any = planned.item["Put"]
        if not await self._holds(self._client.put_item(**put)) and not await self._is_there(wanted):
            raise Refused(f"{wanted.endpoint_id} is registered: remove it first, or leave the id out")
        return planned.added

    async def _is_there(self, wanted: Registration) -> bool:
        """Whether the very same was added before, and has its secret still."""
        try:
            item = await self._row(wanted.tenant_id, wanted.endpoint_id) if wanted.secret else {}
        except NoSuchEndpoint:  # removed just now
            return False
        same = {"tenant_id": wanted.tenant_id, "endpoint_id": wanted.endpoint_id}
        found = await opened(endpoint_items.endpoint(item, **same, at=self._now().timestamp()), self._seals)
        terms = attributes(wanted.terms())
        return found.secrets[0] == wanted.secret and all(item.get(name) == each for name, each in terms.items())

    async def list(self, tenant_id: str) -> AsyncIterator[Registered]:
        """All of a tenant's endpoints in the order of their ids, page by page."""
        after = ""
        while True:
            asked = registered.rows_of(tenant_id, after=after)
            answer: Item = await self._client.query(TableName=self._table, **asked)
            for item in answer.get("Items", []):
                yield registered.registered(item, at=self._now().timestamp())
            after = answer.get("LastEvaluatedKey", {}).get("SK", {}).get("S", "")
            if not after:
                return

    async def show(self, tenant_id: str, endpoint_id: str) -> Registered:
        """Raises NoSuchEndpoint."""
        return registered.registered(await self._row(tenant_id, endpoint_id), at=self._now().timestamp())

    async def read(self, tenant_id: str, endpoint_id: str) -> Endpoint:
        """As a delivery sees it, with its secrets. Raises NoSuchEndpoint."""
        item = await self._row(tenant_id, endpoint_id)
        at = self._now().timestamp()
        found = endpoint_items.endpoint(item, tenant_id=tenant_id, endpoint_id=endpoint_id, at=at)
        return await opened(found, self._seals)

    async def change(self, tenant_id: str, endpoint_id: str, **terms: Unpack[Terms]) -> Registered:
        """Change what is named, and leave the rest; the endpoint as it is then. It holds in each process 5 s from now at most, also
        for deliveries that wait. With another URL it is healthy again, and stays disabled if it was.

        Raises WrongField, NoSuchEndpoint, or Contested where somebody else has changed the same meanwhile.
        """
        check(terms, allow_loopback=self._allow_loopback)
        item = await self._row(tenant_id, endpoint_id)
        write = registered.changing(item, attributes(terms))
        if write is not None and not await self._holds(self._client.update_item(TableName=self._table, **write)):
            raise Contested(f"{endpoint_id} was changed or removed at the same time: nothing was changed")
        return await self.show(tenant_id, endpoint_id)

    async def rotate(
        self, tenant_id: str, endpoint_id: str, *, grace: float = GRACE, kind: Kind | None = None
    ) -> Added:
        """Give it a new secret, of the kind of the one before where no other is asked. That one signs beside it for `grace` seconds; older ones keep the time that they had.

        Raises WrongField, NoSuchEndpoint, Refused where ten would be live, or Contested.
        """
        if not 0 <= grace <= LONGEST_GRACE:
            raise WrongField("grace", f"0 to {LONGEST_GRACE:.0f} seconds, a week")
        if kind not in {None, "v1", "v1a"}:
            raise WrongField("kind", "v1 or v1a")
        item, at = await self._row(tenant_id, endpoint_id), self._now().timestamp()
        shown = registered.registered(item, at=at)
        live = len(shown.keys)
        if grace and live >= MOST_SECRETS:
            raise Refused(
                f"{live} keys are live, and {MOST_SECRETS} sign at most: wait until one expires, or rotate with a grace of 0"
            )
        secret = new_key(kind or shown.keys[0].kind)
        sealed = await self._seals.seal(secret, tenant_id=tenant_id, endpoint_id=endpoint_id)
        write = registered.rotation(item, sealed, until=at + grace, at=at)
        if not await self._holds(self._client.update_item(TableName=self._table, **write)):
            raise Contested(f"{endpoint_id} was rotated or removed at the same time: nothing was changed")
        return Added(tenant_id, endpoint_id, secret)

    async def disable(self, tenant_id: str, endpoint_id: str, *, reason: str) -> None:
        """Nothing is posted to it any more, 5 s from now at most; what waits for it is cancelled. Raises NoSuchEndpoint."""
        if not 1 <= len(reason) <= LONGEST_REASON or not reason.isprintable():
            raise WrongField("reason", f"1 to {LONGEST_REASON} printable characters")
        await self._update(registered.disabled(tenant_id, endpoint_id, reason), endpoint_id)

    async def enable(self, tenant_id: str, endpoint_id: str) -> None:
        """It gets the events that are fanned out from 5 s from now on, if not before, and none that was cancelled. Raises NoSuchEndpoint."""
        await self._update(registered.enabled(tenant_id, endpoint_id), endpoint_id)

    async def remove(self, tenant_id: str, endpoint_id: str) -> None:
        """Its deliveries stay on record; what waits for it is cancelled. Raises NoSuchEndpoint."""
        write = registered.removal(tenant_id, endpoint_id)
        if not await self._holds(self._client.delete_item(TableName=self._table, **write)):
            raise NoSuchEndpoint(endpoint_id)

    async def _update(self, write: Write, endpoint_id: str) -> None:
        if not await self._holds(self._client.update_item(TableName=self._table, **write)):
            raise NoSuchEndpoint(endpoint_id)

    async def _row(self, tenant_id: str, endpoint_id: str) -> Item:
        key = endpoint_items.endpoint_key(tenant_id, endpoint_id)
        found = await self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        if "Item" not in found:
            raise NoSuchEndpoint(endpoint_id)
        return found["Item"]

    async def _holds(self, write: Awaitable[Any]) -> bool:
        try:
            await write
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True
