"""What a session allows, read from its row, and the verdict written into it."""

import pytest

from shared.outcome import Reject
from tests.aws import Aws
from tests.workers.upload_notification.fakes import NOON, Row, finished, row, uploaded
from tests.workers.upload_notification.tables import InDynamoDb, Table
from workers.upload_notification.content.gate import Complete, Gate, Rejected, Verdict
from workers.upload_notification.ports import Refused
from workers.upload_notification.rules import Expire, Move


@pytest.mark.parametrize(
    ("verdict", "written"),
    [
        (Complete("image/png"), {"status": "COMPLETE", "contentType": "image/png"}),
        (Complete(), {"status": "COMPLETE"}),
        (Rejected("empty"), {"status": "REJECTED", "reason": "empty"}),
        (
            Rejected("content_mismatch", "text/html"),
            {"status": "REJECTED", "contentType": "text/html", "reason": "content_mismatch"},
        ),
    ],
)
async def test_a_verdict_concludes_its_session_unless_another_file_or_somebody_has(
    table: Table, verdict: Verdict, written: Row
) -> None:
    held = uploaded(finished(), announced=False, lease=30, allowedTypes=["image/png"])
    for found in (held | {"status": "COMPLETE"}, uploaded(finished("09")), row()):
        await table.put(found)
        await table.store.announced(finished(), verdict)
        assert await table.get("s1") == found
    await table.put(held)
    await table.store.announced(finished(), verdict)
    assert await table.get("s1") == uploaded(finished(), allowedTypes=["image/png"]) | written


async def test_what_a_session_allows_is_read_from_a_list_or_a_set(table: Table) -> None:
    for types in (["image/png"], {"image/png"}):
        await table.put(row(allowedTypes=types, maxBytes=10, minBytes=0))
        answer = await table.store.write(Expire("s1"), now=NOON)
        assert isinstance(answer, Refused)
        assert answer.session
        assert answer.session.gate == Gate(("image/png",), most=10, least=0)


@pytest.mark.parametrize(
    "gate", [{"allowedTypes": "image/png"}, {"allowedTypes": []}, {"allowedTypes": [7]}, {"maxBytes": "1"}]
)
async def test_a_gate_that_cannot_be_read_does_not_stand_open(aws: Aws, gate: Row) -> None:
    async with aws.open("dynamodb") as client:
        table = InDynamoDb(client, aws.table_like("sessions"))
        await table.put(row(**gate))
        with pytest.raises(Reject, match=f"the session's {next(iter(gate))} is not a"):
            await table.store.write(Move(finished()), now=NOON)
