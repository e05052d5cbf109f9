"""How a push is shown is what its row says; what Expo would not know ends the row with the field's name."""

from decimal import Decimal
from typing import Any

import pytest

from tests.workers.reminder_dispatch.fakes import due, row, world


async def test_a_push_is_shown_as_its_row_says() -> None:
    asked = {"sound": "default", "badge": Decimal(3), "ttl": Decimal(0), "mutableContent": True, "tag": "tea"}
    there = world(row("r1", push=asked), row("r2"))
    await there.dispatch(due("r1"), due("r2"))
    shown = {note.token: note.more for note in there.notes}
    assert shown == {
        "ExponentPushToken[r1]": {"sound": "default", "badge": 3, "ttl": 0, "mutableContent": True, "tag": "tea"},
        "ExponentPushToken[r2]": {},
    }


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"sond": "default"}, "push.sond: unknown field"),
        ({"sound": ""}, "push.sound: "),
        ({"badge": Decimal("1.5")}, "push.badge: "),
        ({"badge": Decimal(-1)}, "push.badge: "),
        ({"ttl": "60"}, "push.ttl: "),
        ({"priority": "urgent"}, "push.priority: "),
        ({"collapseId": "x" * 65}, "push.collapseId: "),
        ("loud", "push: "),
    ],
)
async def test_a_field_that_expo_would_not_know_ends_the_row(asked: Any, why: str) -> None:
    there = world(row("r1", push=asked))
    await there.dispatch(due("r1"))
    found = there.store[due("r1")]
    assert (found["status"], there.notes) == ("FAILED", [])
    assert found["reason"].startswith(why)
