"""What the table does not answer, or not at once, doubles no reminder and loses none."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from tenacity import wait_none

from tests.aws import Aws
from tests.workers.reminder_dispatch.fakes import NOON, due, row
from workers.reminder_dispatch.schedule.occurrence import Move
from workers.reminder_dispatch.table import patience
from workers.reminder_dispatch.table.keys import Key, device_key
from workers.reminder_dispatch.table.store import DynamoReminders, Reminders

CLAIM = Move({"status": "PENDING", "attempts": None}, {"status": "SENDING", "owner": "a", "attempts": 1}, ("reason",))
RECORD = Move({"status": "SENDING", "owner": "a"}, {"status": "SENT", "tickets": [{"id": "t1"}]}, ("owner",))
END = Move({"status": "PENDING"}, {"status": "FAILED", "reason": "moved"}, ("GSI1PK", "GSI1SK"))


class Unheard:
    """A table whose first answer to each write is lost, so that the SDK makes the request again."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def update_item(self, **asked: Any) -> Any:
        await self._client.update_item(**asked)
        return await self._client.update_item(**asked)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


async def test_who_claims_or_records_knows_its_own_write_where_the_answer_was_lost(aws: Aws) -> None:
    async with aws.open("dynamodb") as client:
        table = aws.table_like("reminders")
        store, unheard = DynamoReminders(client, table=table), DynamoReminders(Unheard(client), table=table)  # type: ignore[arg-type]  # what it is asked is the client's
        await store.add(row(reason="busy"))
        assert await unheard.move(due().key, CLAIM)
        another = Move(CLAIM.expect, {**CLAIM.put, "owner": "b"}, CLAIM.drop)
        assert not await store.move(due().key, another), "the claim is a's"
        assert await unheard.record(due().key, RECORD, within=1)
        assert not await unheard.move(due().key, CLAIM)
        assert (await store.load(due().key) or {})["status"] == "SENT"


class Refusing:
    """A table that refuses so many writes, and notes which keys it is asked for."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.keys: list[Any] = []

    async def update_item(self, **_asked: Any) -> Any:
        if self.faults:
            raise self.faults.pop(0)

    async def batch_get_item(self, *, RequestItems: Any) -> Any:
        self.keys += RequestItems["reminders"]["Keys"]
        return {}


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}}, "UpdateItem")


def over(client: Any) -> DynamoReminders:
    return DynamoReminders(client, table="reminders")


async def test_a_record_is_made_as_soon_as_the_table_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WAIT", wait_none())
    refusing = Refusing(
        refusal("InternalServerError"), EndpointConnectionError(endpoint_url="-"), refusal("Throttling")
    )
    assert await over(refusing).record(due().key, RECORD, within=60)
    assert refusing.faults == []
    with pytest.raises(ClientError, match="Throttling"):
        await over(Refusing(refusal("Throttling"))).record(due().key, RECORD, within=0)
    hopeless = Refusing(refusal("ValidationException"), refusal("Throttling"))
    with pytest.raises(ClientError, match="ValidationException"):
        await over(hopeless).record(due().key, RECORD, within=60)
    assert len(hopeless.faults) == 1


async def test_a_token_that_no_key_holds_hides_no_dead_one() -> None:
    client = Refusing()
    await over(client).dead([device_key(f"ExponentPushToken[{'x' * 2_100}]"), device_key("ExponentPushToken[gone]")])
    assert [each["PK"]["S"] for each in client.keys] == ["TOKEN#gone"]


async def test_a_row_takes_the_place_of_another_or_neither_is_written(store: Reminders) -> None:
    await store.add(row("old"))
    await store.add(row("there", title="first"))
    key, new = due("old").key, row("new")
    assert not await store.replace(key, Move({"status": "SENDING"}, END.put), new)
    assert await store.load(due("new").key) is None
    assert await store.replace(key, END, new)
    assert not await store.replace(key, END, row("newer"))
    assert await store.load(due("newer").key) is None
    assert await store.load(due("new").key) == new
    assert await store.replace(due("new").key, END, row("there", title="second"))
    assert (await store.load(due("there").key) or {})["title"] == "first"
    assert not await store.replace(Key("REMINDER#none", f"AT#{NOON}"), END, row("newer"))
