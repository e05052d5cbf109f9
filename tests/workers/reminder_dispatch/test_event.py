"""The bodies of the two queues, the keys they lead to, and what is not such a body."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from shared.outcome import Reject
from tests.fakes import delivery
from tests.workers.reminder_dispatch.fakes import NOON, due
from workers.reminder_dispatch.event import decode_due, decode_tick, due_body, tick_body
from workers.reminder_dispatch.table.keys import (
    SHARDS,
    Key,
    bucket,
    event_id,
    identity_of,
    index_keys,
    key_of,
    read_minute,
    shard_of,
)

EVENTS = Path(__file__).parents[2] / "events"


def recorded(name: str) -> str:
    return (EVENTS / f"{name}.json").read_text()


def test_a_tick_of_the_schedule_rule_is_read() -> None:
    tick = decode_tick(delivery(recorded("reminder-tick")))
    assert tick.time == datetime(2026, 3, 8, 13, tzinfo=UTC)
    assert decode_tick(delivery(tick_body(tick))) == tick


def test_a_due_reminder_is_read_and_written_the_same() -> None:
    event = decode_due(delivery(recorded("reminder-due")))
    assert event.key == Key("REMINDER#rem-7f3a", "AT#2026-11-21T09:00:00Z")
    assert decode_due(delivery(due_body(event.reminder_id, event.due_at))) == event


@pytest.mark.parametrize(
    "body",
    [
        '{"reminderId":"r1"}',
        '{"reminderId":"","dueAt":"2026-11-21T09:00:00Z"}',
        '{"reminderId":"r1","dueAt":"2026-11-21T09:00:00+00:00"}',
        '{"reminderId":"r1","dueAt":"2026-11-21T09:00:00.5Z"}',
        '{"reminderId":"r1","dueAt":"2026-11-31T09:00:00Z"}',
        '{"reminderId":"r1","dueAt":1763715600}',
        '["r1"]',
        "r1",
    ],
)
def test_what_names_no_occurrence_is_refused(body: str) -> None:
    with pytest.raises((Reject, ValidationError)):
        decode_due(delivery(body))


def test_a_scheduled_event_as_aws_words_it_is_a_tick() -> None:
    for source in ("aws.events", "aws.scheduler"):
        event: dict[str, Any] = {
            "version": "0",
            "id": "1",
            "detail-type": "Scheduled Event",
            "source": source,
            "detail": {},
        }
        tick = decode_tick(delivery(orjson.dumps(event | {"time": "2026-03-08T13:00:00Z"}).decode()))
        assert (tick.source, tick.time) == ("scheduler", datetime(2026, 3, 8, 13, tzinfo=UTC))
        with pytest.raises(ValidationError):
            decode_tick(delivery(orjson.dumps(event).decode()))
        with pytest.raises(ValidationError):
            decode_tick(
                delivery(orjson.dumps(event | {"detail-type": "Other", "time": "2026-03-08T13:00:00Z"}).decode())
            )


@pytest.mark.parametrize("body", ['{"source":"me","time":"2026-03-08T13:00:00Z"}', '{"source":"scheduler"}', "tick"])
def test_what_is_not_a_tick_is_refused(body: str) -> None:
    with pytest.raises((Reject, ValidationError)):
        decode_tick(delivery(body))


def test_a_key_and_its_identity_are_the_same_thing() -> None:
    assert identity_of(key_of("with#hash", NOON)) == ("with#hash", NOON)


@pytest.mark.parametrize(
    ("pk", "sk", "fault"),
    [
        ("TICK", "CURSOR", "PK"),
        ("REMINDER#", "AT#2026-11-21T09:00:00Z", "PK"),
        ("REMINDER#r1", "ON#2026-11-21T09:00:00Z", "SK"),
        ("REMINDER#r1", "AT#soon", "SK"),
        ("REMINDER#r1", "AT#2026-02-30T09:00:00Z", "SK"),
    ],
)
def test_a_key_that_names_no_occurrence_is_refused_with_the_faulty_part(pk: str, sk: str, fault: str) -> None:
    with pytest.raises(ValueError, match=f"^{fault}: "):
        identity_of(Key(pk, sk))


def test_the_index_keys_are_the_minute_with_its_shard_and_the_exact_time() -> None:
    assert index_keys("r1", NOON + timedelta(seconds=30)) == {
        "GSI1PK": f"DUE#2026-11-21T12:00#{shard_of('r1'):02d}",
        "GSI1SK": "2026-11-21T12:00:30Z#r1",
    }


def test_ten_thousand_reminders_of_one_minute_spread_over_sixteen_keys_and_all_are_found_by_key() -> None:
    ids = [f"reminder-{number}" for number in range(10_000)]
    sizes = {bucket(NOON, shard): 0 for shard in range(SHARDS)}
    for one in ids:
        sizes[index_keys(one, NOON)["GSI1PK"]] += 1
    assert sum(sizes.values()) == len(ids)
    assert max(sizes.values()) <= 1.15 * len(ids) / SHARDS


def test_a_minute_is_read_as_it_is_written_and_nothing_else_is() -> None:
    assert read_minute("2026-11-21T12:00") == NOON
    assert [read_minute(text) for text in (None, 7, "soon", "2026-11-31T12:00")] == [None] * 4


def test_the_bus_event_of_an_occurrence_always_has_the_same_id_and_no_other_has_it() -> None:
    assert event_id("r1", NOON) == event_id("r1", NOON)
    assert len({event_id("r1", NOON), event_id("r2", NOON), event_id("r1", NOON + timedelta(days=1))}) == 3
    assert len(event_id("r" * 512, NOON)) == 41


def test_two_receipts_of_one_occurrence_are_equal() -> None:
    assert due() == due()
    assert len({due(), due(), due("r2")}) == 2
