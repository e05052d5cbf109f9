"""What names a message, and what is told of it."""

import json

import pytest

from fleet.dead_letters.model.letter import DeadLetter
from fleet.story.moment import MOST_IDS, Ids, Moment, archived, buried, logged
from shared.message.delivery import Attribute

CANARY = "canary-7f3a"


def line(**fields: object) -> bytes:
    return json.dumps({"timestamp": "2026-11-21T09:00:00Z", "event": "message_done", **fields}).encode()


@pytest.mark.parametrize(
    ("text", "named"),
    [("s-1", True), ("session-uploads/s-1/a.png", True), ('{"id":"s-1"}', True), ("s-12", False), ("as-1", False)],
)
def test_an_id_is_named_whole_or_not_at_all(text: str, named: bool) -> None:  # noqa: FBT001
    assert Ids("s-1").are_in(text) == named


def test_an_id_is_text_and_no_pattern() -> None:
    assert not Ids("a.*").are_in("abc")
    assert Ids("a.*").are_in("the a.* itself")


def test_a_line_that_names_an_id_tells_the_other_ids_of_its_message() -> None:
    ids = Ids("s-1")
    found = logged(line(worker="uploads", session_id="s-1", message_id="m-1", trace_id="t-1"), ids)
    assert found is not None
    assert (found.place, found.what) == ("log uploads", "message_done")
    assert [*ids] == ["s-1", "m-1", "t-1"]
    assert logged(line(worker="webhooks", trace_id="t-1"), ids) is not None
    assert logged(line(worker="webhooks", trace_id="t-2"), ids) is None


def test_lines_of_two_workers_are_joined_by_what_both_are_about() -> None:
    ids = Ids("s-1")
    assert logged(line(worker="uploads", session_id="s-1", correlation_id="s-1"), ids) is not None
    assert logged(line(worker="webhooks", correlation_id="s-1", event_id="msg_7"), ids) is not None
    assert "msg_7" in [*ids]


@pytest.mark.parametrize(
    "forged", ["message_done", "worker", "webhooks", "error", "1", "2026-11-21T09:00:00Z", "timestamp"]
)
def test_a_word_that_is_given_for_an_id_joins_no_story_but_its_own(forged: str) -> None:
    ids = Ids("m-1")
    assert logged(line(worker="webhooks", level="error", message_id="m-1", correlation_id=forged), ids) is not None
    assert logged(line(worker="webhooks", level="error", message_id="m-2", attempt=1), ids) is None
    assert logged(line(worker="uploads", message_id="m-3", correlation_id=forged), ids) is not None
    assert [*ids] == ["m-1", forged, "m-3"]


@pytest.mark.parametrize("forged", ["INSERT", "event_id", "fleet-sessions-dev", "name"])
def test_a_word_that_is_given_for_an_id_finds_no_letter_and_no_row_of_others(forged: str) -> None:
    ids = Ids("m-1")
    ids.add(forged)
    row = {"event_id": "e-1", "table": "fleet-sessions-dev", "activity": "INSERT", "keys": {"name": "x"}}
    assert [*archived([json.dumps(row).encode()], ids)] == []
    assert buried(DeadLetter("l-1", json.dumps({**row, "name": forged}), {}), "dlq", ids) is None


def test_what_a_collector_writes_before_a_line_is_passed_over() -> None:
    found = logged(b"2026-11-21T09:00:01 worker-1 " + line(message_id="s-1"), Ids("s-1"))
    assert found is not None
    assert (found.at, found.what) == ("2026-11-21T09:00:00Z", "message_done")


@pytest.mark.parametrize("text", [b"s-1 not json", b'["s-1"]', b'{"s-1": \xff}'])
def test_what_is_not_a_line_of_ours_is_passed_over(text: bytes) -> None:
    assert logged(text, Ids("s-1")) is None


def test_of_a_line_only_known_fields_are_repeated() -> None:
    found = logged(line(message_id="s-1", detail=CANARY, why={"deep": CANARY}), Ids("s-1"))
    assert found is not None
    assert CANARY not in str(found)


def test_a_story_that_joins_everything_stops_growing() -> None:
    ids = Ids("s-1")
    for number in range(MOST_IDS * 2):
        ids.add(f"m-{number}")
    assert len(ids) == MOST_IDS


def test_a_letter_is_found_by_its_body_its_trace_or_its_first_id_and_its_body_is_not_told() -> None:
    reason = {
        "worker": "uploads",
        "error_type": "KeyError",
        "trace_id": "t-1",
        "correlation_id": "c-1",
        "original_message_id": "m-1",
    }
    written = {"fleet-failure": Attribute("String", text=json.dumps(reason))}
    letter = DeadLetter("l-1", json.dumps({"sessionId": "s-1", "name": CANARY}), written)
    for name in ("l-1", "s-1", "t-1", "c-1", "m-1"):
        found = buried(letter, "uploads-dlq", Ids(name))
        assert found is not None
        assert (found.place, found.fields["error_type"]) == ("letter uploads-dlq", "KeyError")
        assert CANARY not in str(found)
    assert buried(letter, "uploads-dlq", Ids("other")) is None


def test_a_row_of_the_archive_is_found_and_its_images_are_not_told() -> None:
    row = {"event_id": "e-1", "table": "fleet-sessions-dev", "activity": "MODIFY", "event_time": "2026-11-21T09:00:00Z"}
    lines = [json.dumps({**row, "keys": {"sessionId": {"S": name}}, "new": CANARY}).encode() for name in ("s-1", "s-2")]
    [found] = archived(lines, Ids("s-1"))
    assert (found.what, found.fields["event_id"]) == ("MODIFY", "e-1")
    assert CANARY not in str(found)


def test_what_has_no_time_stands_at_the_end() -> None:
    moments = [Moment("", "a", "b"), Moment("2026-11-21T10:00:00", "a", "b"), Moment("2026-11-21T09:00:00Z", "a", "b")]
    assert [each.at for each in sorted(moments, key=lambda each: each.when)][-1] == ""
