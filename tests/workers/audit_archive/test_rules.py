"""Stream records as audit rows, and the names rows are kept under."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.message.envelope import Image, StreamRecord, stream_record
from tests.workers.audit_archive.fakes import HIDE, NOON, record, row
from workers.audit_archive.rules import (
    audit_row,
    canonical,
    difference,
    marked,
    marker,
    named_at,
    object_key,
    partition,
)

EVENTS = Path(__file__).parents[2] / "events"
SESSIONS = "table=fleet-sessions-dev/year=2026/month=11/day=21/hour=09"


def shown(images: Sequence[Image | None], table: str, *, told: Sequence[Any] = ()) -> tuple[list[Image | None], int]:
    """Hides nothing."""
    return [*images], 0


def line_of(source: StreamRecord | str) -> dict[str, Any]:
    given = stream_record((EVENTS / f"{source}.json").read_text()) if isinstance(source, str) else source
    line: dict[str, Any] = orjson.loads(audit_row(given, hide=shown).line)
    return line


def test_an_insert_is_a_create_with_its_new_image_alone() -> None:
    line = line_of("stream-insert")
    assert (line["activity"], line["actor"], line["outcome"]) == ("create", "unknown", "success")
    assert line["event_id"] == "c4ca4238a0b923820dcc509a6f75849b"
    assert line["old"] is None
    assert line["new"]["expiresAt"] == {"N": "1795255200"}
    assert line["diff"] == {}


def test_a_row_has_all_its_fields_and_its_schemas_version() -> None:
    line = line_of("stream-modify")
    assert [*line] == [
        "account", "activity", "actor", "archived_by", "diff", "event_id", "event_time", "keys", "new", "old", "outcome",
        "region", "schema", "sequence_number", "table",
    ]  # fmt: skip
    assert (line["schema"], line["archived_by"], line["table"]) == (2, "audit-archive", "fleet-sessions-dev")
    assert line["event_time"] == "2026-11-21T09:00:00Z"
    assert line["sequence_number"] == "100000000000000000000000112"


def test_a_change_keeps_both_images_and_names_only_what_changed() -> None:
    line = line_of("stream-modify")
    assert line["old"]["status"] == {"S": "AWAITING_SCAN"}
    assert line["new"]["createdAt"] == {"S": "2026-11-21T09:00:00Z"}
    assert line["diff"] == {
        "size": {"old": None, "new": {"N": "20481"}},
        "status": {"old": {"S": "AWAITING_SCAN"}, "new": {"S": "UPLOADED"}},
        "uploadKey": {"old": None, "new": {"S": "session-uploads/s-0001/scan 1.jpg"}},
    }


@pytest.mark.parametrize(
    ("name", "actor", "outcome"),
    [
        ("stream-remove-by-ttl", "ttl", "expired"),
        ("stream-remove-by-ttl-sdk-spelling", "ttl", "expired"),
        ("stream-remove", "unknown", "success"),
        ("stream-remove-by-user", "unknown", "success"),
    ],
)
def test_a_delete_by_time_to_live_is_told_from_a_persons(name: str, actor: str, outcome: str) -> None:
    line = line_of(name)
    assert (line["activity"], line["actor"], line["outcome"], line["new"]) == ("delete", actor, outcome, None)


def test_only_a_delete_can_be_by_time_to_live() -> None:
    assert line_of(record(name="MODIFY", by_time_to_live=True))["actor"] == "unknown"


def test_every_type_is_archived_without_loss() -> None:
    sent = orjson.loads((EVENTS / "stream-all-types.json").read_bytes())["dynamodb"]["NewImage"]
    assert line_of("stream-all-types")["new"] == sent


def test_redaction_loses_nothing_of_what_is_not_personal() -> None:
    given = stream_record((EVENTS / "stream-all-types.json").read_text())
    assert orjson.loads(audit_row(given, hide=HIDE).line)["new"] == given.new


def test_a_line_is_one_line_of_utf_8_with_sorted_keys() -> None:
    line = audit_row(record(new={"b": {"S": "ü\n"}, "a": {"S": "世"}}), hide=shown).line
    assert b"\n" not in line
    assert '"new":{"a":{"S":"世"},"b":{"S":"ü\\n"}}'.encode() in line


def test_the_same_record_gives_the_same_line_whatever_the_order_of_its_attributes() -> None:
    one = record(new={"a": {"S": "1"}, "b": {"S": "2"}})
    other = record(new={"b": {"S": "2"}, "a": {"S": "1"}})
    assert audit_row(one, hide=shown) == audit_row(other, hide=shown)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"SS": ["a", "b"]}, {"SS": ["b", "a"]}),
        ({"NS": ["1", "2"]}, {"NS": ["2", "1"]}),
        ({"L": [{"BS": ["AA==", "AQ=="]}]}, {"L": [{"BS": ["AQ==", "AA=="]}]}),
        ({"M": {"x": {"SS": ["a", "b"]}, "y": {"N": "1"}}}, {"M": {"y": {"N": "1"}, "x": {"SS": ["b", "a"]}}}),
    ],
)
def test_a_set_in_another_order_is_not_a_change(old: Any, new: Any) -> None:
    assert difference({"a": old}, {"a": new}) == {}


def test_a_list_in_another_order_is_a_change() -> None:
    old, new = {"L": [{"S": "a"}, {"S": "b"}]}, {"L": [{"S": "b"}, {"S": "a"}]}
    assert difference({"a": old}, {"a": new}) == {"a": {"old": old, "new": new}}


def test_a_text_that_became_a_number_is_a_change() -> None:
    assert difference({"a": {"S": "1"}}, {"a": {"N": "1"}}) == {"a": {"old": {"S": "1"}, "new": {"N": "1"}}}


def test_rows_are_ordered_by_item_and_then_by_sequence_number_as_a_number() -> None:
    short, long = row("e1", sequence_number="9" * 21), row("e2", sequence_number="1" + "0" * 21)
    assert sorted([long, short], key=lambda each: each.order) == [short, long]


@pytest.mark.parametrize(
    "happened",
    [
        datetime(2026, 11, 21, 9, 59, 59, tzinfo=UTC),
        datetime(2026, 11, 21, 9, 30),  # noqa: DTZ001  # a stream's time without an offset is UTC
        datetime(2026, 11, 21, 18, 0, tzinfo=timezone(timedelta(hours=9))),
    ],
)
def test_a_row_lies_in_the_hour_of_its_event_in_utc(happened: datetime) -> None:
    assert partition("fleet-sessions-dev", happened) == SESSIONS


def test_a_name_is_sortable_by_time_unique_by_token_and_read_back() -> None:
    first = object_key(SESSIONS, at=NOON, token="f" * 16)
    second = object_key(SESSIONS, at=NOON + timedelta(milliseconds=1), token="0" * 16)
    assert first == f"{SESSIONS}/20261121T120000000Z-ffffffffffffffff.ndjson.gz"
    assert first < second
    assert named_at(second) == NOON + timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "key",
    [
        "", "digests/000000000001.json", f"{SESSIONS}/notes.txt", f"{SESSIONS}/../20261121T120000000Z-ffffffffffffffff.ndjson.gz",
        f"{SESSIONS}/20261321T120000000Z-ffffffffffffffff.ndjson.gz", f"{SESSIONS}/20261121T120000000Z-ffffffffffffffff.ndjson.gz\n",
    ],
)  # fmt: skip
def test_a_key_that_is_none_of_ours_has_no_time_and_no_marker(key: str) -> None:
    assert named_at(key) is None
    assert marked(marker(key)) is None


def test_a_marker_names_its_object() -> None:
    key = object_key(SESSIONS, at=NOON, token="0" * 16)
    assert marked(marker(key)) == key
    assert marked(key) is None


def test_canonical_json_is_compact_and_sorted_at_every_depth() -> None:
    assert canonical({"b": 1, "a": {"d": [1, 2], "c": None}}) == b'{"a":{"c":null,"d":[1,2]},"b":1}'
