"""A line of an old log becomes a row of the archive, once, and without personal data."""

import json
from datetime import datetime

import pytest

from fleet.archive.backfill import Change, Log, NotBackfilled, changes
from tests.fakes import delivery
from tests.workers.audit_archive.fakes import HIDE, World
from workers.audit_archive.event import RowChanged, decode
from workers.audit_archive.rules import audit_row, identity

LOG = Log(table="door-log", key="visit", time="at", account="123456789012", region="eu-west-1")
HEADER = "visit,at,email,note"
FIRST = 'v-1,2024-05-01T09:00:00+02:00,anna@example.com,"two\nlines, one cell"'
SECOND = "v-2,2024-05-01T23:30:00Z,,"


def read(*lines: str, log: Log = LOG) -> list[Change]:
    return list(changes([f"{line}\n" for line in "\n".join(lines).split("\n")], log))


def records(*lines: str) -> list[RowChanged]:
    found = [decode(delivery(change.body)) for change in read(*lines)]
    assert all(isinstance(each, RowChanged) for each in found)
    return [each for each in found if isinstance(each, RowChanged)]


async def test_a_line_is_archived_by_its_own_hour_under_its_table_and_holds_no_personal_data() -> None:
    world = World()
    rows = [audit_row(each.record, hide=HIDE) for each in records(HEADER, FIRST, SECOND)]
    assert set((await world.worker().keep(rows)).values()) == {None}
    assert [key.partition("/hour=")[0] for key in world.data_objects()] == 2 * [
        "table=door-log/year=2024/month=05/day=01"
    ]
    first, second = sorted(world.lines(), key=lambda line: str(line["event_time"]))
    assert (first["event_time"], first["activity"]) == ("2024-05-01T07:00:00Z", "create")
    assert first["new"]["note"] == {"S": "two\nlines, one cell"}
    assert first["new"]["email"]["S"].startswith("hmac:k1:")
    assert second["new"].keys() == {"visit", "at"}, "an empty cell says nothing"


def test_the_same_line_is_the_same_event_wherever_it_stands_and_equal_lines_are_several() -> None:
    def names(*lines: str) -> set[str]:
        return {identity(each.record) for each in records(HEADER, *lines)}

    assert names(FIRST, SECOND) == names(SECOND, FIRST)
    assert names(SECOND) < names(FIRST, SECOND, SECOND)
    assert len(names(FIRST, SECOND, SECOND)) == 3


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((HEADER, "v-1,2024-05-01T09:00:00,secret,"), "line 2: at is no ISO 8601 time with an offset"),
        ((HEADER, SECOND, ",2024-05-01T09:00:00Z,secret,"), "line 3: no visit"),
        ((HEADER, "v-1,secret"), "line 2: 2 cells, where the header names 4 columns"),
        ((HEADER, 'v-1,"secret'), "line 2: no CSV"),
        ((HEADER, SECOND, "v-1,0001-01-01T00:00:00+05:00,secret,"), "line 3: at is in a year"),
        ((HEADER, "v-1,9999-12-31T23:59:59Z,secret,"), "line 2: at is in a year"),
        ((HEADER, "v-1,9998-12-31T23:59:59Z,secret,"), "line 2: at is in a year"),
        ((HEADER, "v-1,1000-01-01T00:00:00Z,secret,"), "line 2: at is in a year"),
        (('visit,at,"secret"x', SECOND), "line 1: no CSV"),
        (
            (
                ",".join(["visit", "at", *map(str, range(12))]),
                ",".join(["v", "2024-05-01T09:00:00Z", *["x" * 100_000] * 12]),
            ),
            "line 2: 120",
        ),
        (("visit,when",), "--time: the header has 0 columns of this name; it names visit, when"),
        (("visit,at,",), "line 1: each column needs a name of its own"),
        ((), "--key: the header has 0 columns"),
    ],
)
def test_what_cannot_be_read_is_named_by_line_and_column_and_not_quoted(lines: tuple[str, ...], said: str) -> None:
    with pytest.raises(NotBackfilled, match=said.replace("(", r"\(")) as refused:
        read(*lines)
    assert "secret" not in str(refused.value)


def test_a_name_that_is_no_table_is_refused() -> None:
    with pytest.raises(NotBackfilled, match="--table: 3 to 255"):
        read(HEADER, log=Log(table="a b", key="visit", time="at", account="1", region="r"))


def test_the_folder_of_gaps_is_no_logs() -> None:
    with pytest.raises(NotBackfilled, match="--table: gaps are"):
        read(HEADER, log=Log(table="gaps", key="visit", time="at", account="1", region="r"))


def test_a_body_is_what_a_pipe_would_send() -> None:
    [change] = read(HEADER, SECOND)
    body = json.loads(change.body)
    assert body["eventSourceARN"] == "arn:aws:dynamodb:eu-west-1:123456789012:table/door-log/stream/backfill"
    assert body["dynamodb"]["Keys"] == {"visit": {"S": "v-2"}}


@pytest.mark.parametrize("at", ["1400-01-01T00:00:00Z", "1969-12-31T23:59:59.5Z", "2600-01-01T00:00:00Z"])
def test_a_row_is_of_the_time_that_its_line_says(at: str) -> None:
    [change] = read(HEADER, f"v-1,{at},,")
    event = decode(delivery(change.body, queue="audit"))
    assert isinstance(event, RowChanged)
    assert event.record.created_at == datetime.fromisoformat(at)
