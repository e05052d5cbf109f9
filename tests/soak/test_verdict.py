"""The judge of a soak finds what is wrong: each test hands it evidence of one fault."""

from collections import Counter
from typing import Any

import orjson

from shared.road.failure.apart import FIRST
from tests.soak.consumer import ATTEMPTS
from tests.soak.fleet import Tally
from tests.soak.schedule import Job, Kind
from tests.soak.verdict import Evidence, judge

PLAIN = Job("work-0-0", Kind.PLAIN, 0.0)
POISON = Job("work-0-1", Kind.REJECTED, 0.0)
KEYED = Job("once-0-0", Kind.PLAIN, 0.0)
LIVES = [f"0.{number}" for number in range(1, ATTEMPTS - FIRST + 2)]
"""Of consumers, as many as a message that was never seen to end is begun in by itself."""


def ended(job: Job, consumer: str = "0.1") -> dict[str, Any]:
    return {"kind": "effect", "at": 2.0, "message_id": job.key, "phase": "ended", "key": job.key, "consumer": consumer}


def alone(job: Job) -> Counter[tuple[str, str]]:
    return Counter({(job.key, life): 1 for life in LIVES})


def letter(job: Job, *, reason: str = "Reject") -> dict[str, Any]:
    envelope = {
        "StringValue": orjson.dumps({"error_type": reason, "original_message_id": job.key}).decode(),
        "DataType": "String",
    }
    return {"body": job.body, "attributes": {"fleet-failure": envelope} if reason else {}}


def faults(*jobs: Job, tally: Tally | None = None, **found: Any) -> set[str]:
    nothing: dict[str, Any] = {"lines": [], "letters": [], "waiting": [], "completed": Counter(), "faults": []}
    nothing["alone"] = Counter()
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


def test_good_work_may_be_buried_where_each_run_by_itself_was_killed() -> None:
    evidence = {"lines": [ended(PLAIN, "1.1")], "letters": [letter(PLAIN, reason="NeverEnded")], "alone": alone(PLAIN)}
    assert "good_but_buried" not in faults(PLAIN, **evidence, tally=Tally(killed={*LIVES}))
    assert "good_but_buried" in faults(PLAIN, **evidence, tally=Tally(killed={*LIVES[1:]}))


def test_a_run_by_itself_that_was_taken_back_excuses_no_letter() -> None:
    evidence = {"lines": [ended(PLAIN, "1.1")], "letters": [letter(PLAIN, reason="NeverEnded")]}
    counted = alone(PLAIN)
    counted[PLAIN.key, LIVES[0]] = 0
    assert "good_but_buried" in faults(PLAIN, **evidence, alone=counted, tally=Tally(killed={*LIVES}))


def test_a_killed_consumer_that_had_ended_the_work_excuses_no_letter() -> None:
    evidence = {"lines": [ended(PLAIN, LIVES[-1])], "letters": [letter(PLAIN, reason="NeverEnded")]}
    found = faults(PLAIN, **evidence, alone=alone(PLAIN), tally=Tally(killed={*LIVES}))
    assert "good_but_buried" in found


def test_runs_by_themselves_that_were_killed_excuse_no_letter_for_another_reason() -> None:
    evidence = {"lines": [ended(PLAIN, "1.1")], "letters": [letter(PLAIN, reason="TimeoutError")]}
    assert "good_but_buried" in faults(PLAIN, **evidence, alone=alone(PLAIN), tally=Tally(killed={*LIVES}))


def test_keyed_work_may_be_done_twice_only_where_the_first_consumer_was_killed() -> None:
    twice = [ended(KEYED, "0.1"), ended(KEYED, "1.1")]
    completed = Counter({KEYED.key: 1})
    assert faults(KEYED, lines=twice, completed=completed) == {"done_twice_despite_the_key"}
    assert faults(KEYED, lines=twice, completed=completed, tally=Tally(killed={"0.1"})) == set()


def test_keyed_work_that_was_never_completed_is_found() -> None:
    assert faults(KEYED, lines=[ended(KEYED)]) == {"completed_not_once"}


def test_a_consumer_that_hangs_or_ends_badly_is_found() -> None:
    assert faults(tally=Tally(hung=["0.1"], failed={"0.2": 1})) == {"hung", "ended_badly"}
