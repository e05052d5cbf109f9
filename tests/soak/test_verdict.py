"""The judge of a soak finds what is wrong: each test hands it evidence of one fault."""

from collections import Counter
from typing import Any

import orjson

from tests.soak.consumer import ATTEMPTS
from tests.soak.fleet import Tally
from tests.soak.schedule import Job, Kind
from tests.soak.verdict import Evidence, judge

PLAIN = Job("work-0-0", Kind.PLAIN, 0.0)
POISON = Job("work-0-1", Kind.REJECTED, 0.0)
KEYED = Job("once-0-0", Kind.PLAIN, 0.0)


def ended(job: Job, consumer: str = "0.1", *, phase: str = "ended") -> dict[str, Any]:
    return {"kind": "effect", "at": 2.0, "message_id": job.key, "phase": phase, "key": job.key, "consumer": consumer}


def begun(job: Job, *consumers: str) -> list[dict[str, Any]]:
    return [ended(job, each, phase="started") for each in consumers]


def letter(job: Job, *, reason: str = "Reject") -> dict[str, Any]:
    envelope = {"StringValue": orjson.dumps({"error_type": reason}).decode(), "DataType": "String"}
    return {"body": job.body, "attributes": {"fleet-failure": envelope} if reason else {}}


def faults(*jobs: Job, tally: Tally | None = None, **found: Any) -> set[str]:
    nothing: dict[str, Any] = {"lines": [], "letters": [], "waiting": [], "completed": Counter(), "faults": []}
    evidence = Evidence(tally=tally or Tally(), **{**nothing, **found})
    return set(judge({job.key: job for job in jobs}, evidence).faults)


def test_done_work_and_buried_poison_are_not_a_fault() -> None:
    assert faults(PLAIN, POISON, lines=[ended(PLAIN)], letters=[letter(POISON)]) == set()


def test_work_that_is_neither_done_nor_buried_is_found() -> None:
    assert faults(PLAIN) == {"neither_done_nor_buried"}


def test_poison_needs_a_letter_and_the_letter_a_reason() -> None:
    assert faults(POISON, lines=[ended(POISON)]) == {"poison_without_a_letter"}
    assert faults(POISON, letters=[letter(POISON, reason="")]) == {"letters_without_a_reason"}


def test_good_work_in_the_dead_letter_queue_is_found() -> None:
    assert faults(PLAIN, lines=[ended(PLAIN)], letters=[letter(PLAIN)]) == {"good_but_buried"}


def test_good_work_may_be_buried_where_as_many_starts_as_its_worker_allows_were_killed() -> None:
    lives = [f"0.{number}" for number in range(1, ATTEMPTS + 1)]
    evidence = {"lines": [*begun(PLAIN, *lives), ended(PLAIN, "1.1")], "letters": [letter(PLAIN, reason="NeverEnded")]}
    assert "good_but_buried" not in faults(PLAIN, **evidence, tally=Tally(killed={*lives}))
    assert "good_but_buried" in faults(PLAIN, **evidence, tally=Tally(killed={*lives[1:]}))


def test_a_killed_consumer_that_had_ended_the_work_excuses_no_letter() -> None:
    lives = [f"0.{number}" for number in range(1, ATTEMPTS + 1)]
    lines = [*begun(PLAIN, *lives), ended(PLAIN, lives[-1])]
    found = faults(PLAIN, lines=lines, letters=[letter(PLAIN, reason="NeverEnded")], tally=Tally(killed={*lives}))
    assert "good_but_buried" in found


def test_starts_that_were_killed_excuse_no_letter_for_another_reason() -> None:
    lives = [f"0.{number}" for number in range(1, ATTEMPTS + 1)]
    evidence = {
        "lines": [*begun(PLAIN, *lives), ended(PLAIN, "1.1")],
        "letters": [letter(PLAIN, reason="TimeoutError")],
    }
    assert "good_but_buried" in faults(PLAIN, **evidence, tally=Tally(killed={*lives}))


def test_keyed_work_may_be_done_twice_only_where_the_first_consumer_was_killed() -> None:
    twice = [ended(KEYED, "0.1"), ended(KEYED, "1.1")]
    completed = Counter({KEYED.key: 1})
    assert faults(KEYED, lines=twice, completed=completed) == {"done_twice_despite_the_key"}
    assert faults(KEYED, lines=twice, completed=completed, tally=Tally(killed={"0.1"})) == set()


def test_keyed_work_that_was_never_completed_is_found() -> None:
    assert faults(KEYED, lines=[ended(KEYED)]) == {"completed_not_once"}


def test_a_consumer_that_hangs_or_ends_badly_is_found() -> None:
    assert faults(tally=Tally(hung=["0.1"], failed={"0.2": 1})) == {"hung", "ended_badly"}
