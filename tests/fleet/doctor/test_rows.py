"""`fleet doctor --rows`: every wrong row is named by its key, page after page, and nothing that it holds speaks to the terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from fleet.doctor.rows import MOST, wrong_rows
from tests.docs.test_by_hand import ENDPOINT
from tests.docs.test_data_model import typed
from tests.workers.reminder_dispatch.fakes import row

TABLES = {
    name: f"fleet-{name.partition('_')[0].lower()}-dev" for name in ("REMINDERS_TABLE_NAME", "WEBHOOKS_TABLE_NAME")
}
SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)


class Tables:
    """DynamoDB's Scan, in pages of two."""

    def __init__(self, reminders: Sequence[Any] = (), webhooks: Sequence[Any] = ()) -> None:
        self._rows = {"fleet-reminders-dev": [*map(typed, reminders)], "fleet-webhooks-dev": [*map(typed, webhooks)]}

    async def scan(self, *, TableName: str, ExclusiveStartKey: int = 0) -> dict[str, Any]:
        if TableName not in self._rows:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "Scan")
        rows, behind = self._rows[TableName], ExclusiveStartKey + 2
        more = {"LastEvaluatedKey": behind} if behind < len(rows) else {}
        return {"Items": rows[ExclusiveStartKey:behind], **more}


async def looked(tables: Any, **names: str) -> list[tuple[str, str, str]]:
    return [(each.what, each.state, each.found) for each in await wrong_rows(tables, {**TABLES, **names})]


async def test_rows_that_are_right_are_counted() -> None:
    rows = [row(str(number), SOON) for number in range(5)]
    assert await looked(Tables(rows, [ENDPOINT])) == [
        ("rows of reminders", "ok", "5 looked through, each can be read and is found"),
        ("rows of webhooks", "ok", "1 looked through, each can be read and is found"),
    ]


async def test_each_wrong_row_is_named_by_its_key_and_attribute() -> None:
    rows = [row("r1", SOON), row("r2", SOON, GSI1PK=None), row("r3", SOON), row("r\n4", SOON, channel="sms")]
    found = await looked(Tables(rows, [ENDPOINT | {"enabled": "true"}]))
    assert [(state, said.partition(" ")[0], said.partition(": ")[2].partition(":")[0]) for _, state, said in found] == [
        ("fault", "REMINDER#r2", "GSI1PK"),
        ("fault", "REMINDER#r\\n4", "channel"),
        ("fault", "TENANT#tenant-1", "enabled"),
    ]


async def test_of_many_wrong_rows_some_are_named_and_the_rest_counted() -> None:
    rows = [row(str(number), SOON, GSI1SK=None) for number in range(MOST + 3)]
    found = await looked(Tables(rows))
    assert len(found) == MOST + 2
    assert found[MOST] == ("rows of reminders", "fault", f"3 more of {MOST + 3} rows")


async def test_a_table_that_may_not_be_read_is_a_fault_and_the_next_one_is_looked_through() -> None:
    found = await looked(Tables(), REMINDERS_TABLE_NAME="others")
    assert found[0] == ("rows of reminders", "fault", "AccessDeniedException")
    assert found[1][1] == "ok"


async def test_an_endpoint_on_loopback_is_right_in_development() -> None:
    tables = Tables(webhooks=[ENDPOINT | {"url": "http://127.0.0.1:8090/hook"}])
    assert (await looked(tables, WEBHOOK_ALLOW_LOOPBACK="true"))[1][1] == "ok"
    assert (await looked(tables))[1][2].endswith("url: scheme is not https")
