"""What a letter says of an earlier replay or restore counts where nobody else could have written it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from fleet.dead_letters.model.letter import RESTORED, DeadLetter, lineage_of
from fleet.dead_letters.model.plan.mark import verified
from fleet.dead_letters.model.plan.outgoing import parcel
from fleet.dead_letters.model.shapes import Origin
from fleet.dead_letters.model.view import View, view
from fleet.dead_letters.restoring import original, returned
from shared.message import dead_letter
from shared.message.delivery import LARGEST_MESSAGE, Attribute
from shared.message.identity import ATTRIBUTE, REPLAY
from shared.message.pointer import MARK, Pointer, key_of
from shared.outcome import Dead
from tests.fakes import delivery
from tests.fleet.dead_letters.fakes import DLQ, NOW, SOURCE, envelope, letter

KEY = b"the key of plans"


def judged(each: DeadLetter) -> View:
    return view(each, retention=1_209_600, origin=Origin(DLQ, (SOURCE,)), now=each.sent_at + 60)


def replayed(body: str = '{"order": 7}', *, seal_key: bytes = KEY) -> Mapping[str, Attribute]:
    """The attributes of a copy that a replay sent."""
    dead = letter(body, id="m-7", attributes={ATTRIBUTE: envelope(idempotency_key="order-7")})
    return parcel(dead, shape="sqs", plan_id="p-1", seal_key=seal_key).attributes


def changed(**fields: Any) -> Mapping[str, Attribute]:
    mark = {**json.loads(replayed()[REPLAY].text or ""), **fields}
    return {REPLAY: Attribute("String", json.dumps(mark))}


def parked(body: str, attributes: Mapping[str, Attribute]) -> DeadLetter:
    buried = dead_letter.letter(
        delivery(body, attributes=attributes), Dead("E", "", "0" * 16), worker="w", now=NOW, key="the worker's own"
    )
    return letter(buried.body, attributes=dict(buried.attributes))


@pytest.mark.parametrize("moved_by_sqs", [True, False], ids=["moved by SQS", "parked"])
def test_a_mark_that_a_replay_wrote_is_known_when_its_letter_dies_again(*, moved_by_sqs: bool) -> None:
    body = '{"order": 7}'
    again = letter(body, moved_from=SOURCE, attributes=replayed()) if moved_by_sqs else parked(body, replayed())
    found = judged(verified(again, key=KEY))
    assert (found.times_replayed, found.plan_id, found.key) == (1, "p-1", "order-7")
    assert not found.unverified_mark


@pytest.mark.parametrize(
    "forged",
    [
        {REPLAY: Attribute("String", '{"plan_id": "p-1", "idempotency_key": "mine", "times_replayed": -1}')},
        {REPLAY: Attribute("String", json.dumps({"plan_id": "p-1", "times_replayed": 2**64 - 1, "seal": "0" * 32}))},
        {REPLAY: Attribute("String", '{"idempotency_key": "mine"}')},
        {REPLAY: Attribute("String", '{"plan_id": "p-1", "seal": 7}')},
        {REPLAY: Attribute("String", "no json")},
        replayed('{"order": 8}'),
        replayed(seal_key=b"the key of somebody else"),
        *(
            changed(**{name: "other"})
            for name in ("plan_id", "replayed_from", "idempotency_key", "edited_from", "seal")
        ),
        changed(times_replayed=0),
        changed(edited_from=json.loads("[" * 500 + "]" * 500), seal="0" * 32),
    ],
)
@pytest.mark.parametrize("moved_by_sqs", [True, False], ids=["moved by SQS", "parked"])
def test_any_other_mark_is_foreign_text_and_stops_nothing(
    forged: Mapping[str, Attribute], *, moved_by_sqs: bool
) -> None:
    body = '{"order": 7}'
    dead = letter(body, moved_from=SOURCE, attributes=forged) if moved_by_sqs else parked(body, forged)
    dead = verified(dead, key=KEY)
    found = judged(dead)
    assert (found.unverified_mark, found.times_replayed, found.plan_id, lineage_of(dead)) == (True, 0, "", {})
    assert (found.key, found.standing.replayable) == (letter(body).key, True)
    sent = json.loads(parcel(dead, shape="sqs", plan_id="p-2", seal_key=KEY).attributes[REPLAY].text or "")
    assert (sent["times_replayed"], sent["plan_id"], "edited_from" in sent) == (1, "p-2", False)


def test_without_a_key_no_mark_is_believed() -> None:
    found = verified(letter('{"order": 7}', moved_from=SOURCE, attributes=replayed(seal_key=b"")), key=b"")
    assert judged(found).unverified_mark


def test_a_mark_is_known_also_where_the_burial_put_the_body_into_s3() -> None:
    body = json.dumps({"order": "x" * (LARGEST_MESSAGE - 900)})
    sent = replayed(body)
    pointer = Pointer("bodies", key_of(body.encode(), prefix="p/"), len(body))
    buried = dead_letter.letter(
        delivery(body, attributes=sent),
        Dead("E", "", "0" * 16),
        worker="w",
        now=NOW,
        stored=(pointer.body, {**sent, MARK: pointer.mark}),
    )
    found = judged(verified(letter(buried.body, attributes=dict(buried.attributes)), key=KEY))
    assert (found.times_replayed, found.unverified_mark) == (1, False)


def test_the_mark_of_a_restore_does_not_count_on_what_sqs_moved() -> None:
    """It was sent to the source queue: whoever may send there could make another letter look like a copy of it."""
    mark = dict(returned(letter("{}", id="m-1"), DLQ).attributes)
    assert original(letter("{}", id="m-2", attributes=mark), DLQ).startswith("m-1 ")
    assert original(letter("{}", id="m-2", attributes=mark, moved_from=SOURCE), DLQ).startswith("m-2 ")
    assert RESTORED in mark
