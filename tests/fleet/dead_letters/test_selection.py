"""Choosing and freezing: filters, groups, countdowns, plans; nothing here asks a queue."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.dead_letters.model import expiry
from fleet.dead_letters.model.filters import Filters, matches, moment, pair, selected
from fleet.dead_letters.model.groups import grouped
from fleet.dead_letters.model.plan import plan
from fleet.dead_letters.model.plan.draft import draft
from fleet.dead_letters.model.plan.plan import Place, PlanRefused, canary_sizes, differences, steps
from fleet.dead_letters.model.shapes import Origin
from fleet.dead_letters.model.view import View, document, view
from shared.message.delivery import Attribute
from tests.fleet.dead_letters import letters
from tests.fleet.dead_letters.fakes import DLQ, NOW, SOURCE, World, envelope, letter

SENT = NOW.timestamp()


def seen(body: Any = "{}", *, now: float = SENT + 60, **fields: Any) -> View:
    text = body if isinstance(body, str) else orjson.dumps(body).decode()
    parked = letter(text, **{"sent_at": SENT, "attributes": {"fleet-failure": envelope()}, **fields})
    return view(parked, retention=4 * 86_400, origin=Origin(sources=(SOURCE,)), now=now)


@pytest.mark.parametrize(
    ("age", "left", "soon", "words"),
    [
        (timedelta(days=3, hours=20), 14_400, True, "4 h 0 min"),
        (timedelta(days=3), 86_400, False, "24 h 0 min"),
        (timedelta(seconds=0), 345_600, False, "4 d 0 h"),
        (timedelta(days=3, hours=23, minutes=59), 60, True, "1 min"),
        (timedelta(days=5), -86_400, True, "gone"),
    ],
)
def test_what_is_left_counts_from_the_first_sending(age: timedelta, left: int, soon: bool, words: str) -> None:  # noqa: FBT001
    result = document(seen(now=(NOW + age).timestamp()))
    assert (result["expires_in_s"], result["expires_soon"]) == (left, soon)
    assert expiry.spelled(left) == words


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("order.total", "0", True),
        ("order.total", "0.0", True),
        ("order.total", "false", False),
        ("order.paid", "false", True),
        ("order.paid", "0", False),
        ("order.lines.1.sku", "b", True),
        ("order.lines.*.sku", "a", True),
        ("order.lines.7.sku", "a", False),
        ("order.note", "0", True),
        ("order.nothing", "null", True),
        ("order.missing", "null", False),
        ("a.b", "dotted", True),
        ("order.tags", '["x"]', True),
    ],
)
def test_a_path_into_the_body(path: str, value: str, found: bool) -> None:  # noqa: FBT001
    order = {
        "total": 0,
        "paid": False,
        "lines": [{"sku": "a"}, {"sku": "b"}],
        "note": "0",
        "nothing": None,
        "tags": ["x"],
    }
    each = seen({"order": order, "a.b": "dotted"})
    assert matches(each, Filters(body=((path, value),))) is found


@pytest.mark.parametrize(
    "body",
    [
        {"tenantId": "t1"},
        {"tenant_id": "t1"},
        {"detail": {"tenantId": "t1"}},
        {"dynamodb": {"NewImage": {"tenantId": {"S": "t1"}}}},
        {"Type": "Notification", "Message": '{"tenantId": "t1"}'},
    ],
)
def test_a_tenant_is_found_in_every_wrapper(body: dict[str, Any]) -> None:
    assert matches(seen(body), Filters(tenants=("t1",)))
    assert not matches(seen(body), Filters(tenants=("t2",)))


def test_a_tenant_in_an_attribute_counts_as_well() -> None:
    each = seen("no json", attributes={"tenant": Attribute("String", "t1")})
    assert matches(each, Filters(tenants=("t1",), attributes=(("tenant", "t1"),)))
    assert not matches(each, Filters(body=(("a", "1"),)))


def test_points_in_time_and_pairs_are_read_or_refused() -> None:
    assert moment("2h", now=NOW) == NOW - timedelta(hours=2)
    assert moment("2026-11-21T09:00:00", now=NOW) == NOW
    for wrong in ("yesterday", "2x", ""):
        with pytest.raises(ValueError, match=r".*"):
            moment(wrong, now=NOW)
    assert pair("a=b=c") == ("a", "b=c")
    for wrong in ("a", "=b"):
        with pytest.raises(ValueError, match="PATH=VALUE"):
            pair(wrong)


def test_those_closest_to_their_end_come_first_and_the_limit_counts_from_there() -> None:
    views = [seen(id=f"m-{age}", sent_at=SENT - age) for age in (10, 30, 20)]
    assert [each.id for each in selected(views, Filters(limit=2))] == ["m-30", "m-20"]


def test_what_a_plan_takes_only_with_to_is_not_counted_as_replayable_and_says_why() -> None:
    topic = seen(letters.notification()[0], attributes={})
    written = {name: Attribute("String", text) for name, text in letters.invocation()[1].items()}
    for each in (topic, seen("{}", attributes=written)):
        told = document(each)
        assert (told["replayable"], told["destination"], "--to" in told["why_not"]) == (True, None, True)
        [group] = grouped([each])
        assert (group.replayable, group.replayable_with_to) == (0, 1)
        assert draft([each]).planned == ()
        assert draft([each], to=SOURCE).planned


def test_letters_of_a_fifo_queue_that_died_in_one_millisecond_keep_their_order() -> None:
    views = [seen(id=f"m-{9 - place}", sequence=f"{10**place}") for place in (2, 0, 1)]
    assert [each.id for each in selected(views, Filters())] == ["m-9", "m-8", "m-7"]


def test_groups_tell_first_and_last_failure_and_the_first_to_go() -> None:
    times = ("2026-11-21T08:00:00+00:00", "2026-11-21T08:30:00+00:00")
    views = [seen(id=time, attributes={"fleet-failure": envelope(last_failure=time)}) for time in times]
    [group] = grouped(views)
    assert (group.first_failure.hour, group.last_failure.minute, group.replayable) == (8, 30, 2)


@pytest.mark.parametrize("broken", ["no time", "", None, "2026-11-21T08:00:00"])
def test_an_envelope_without_a_readable_time_falls_back_to_the_sending(broken: object) -> None:
    each = seen(attributes={"fleet-failure": envelope(last_failure=broken)})
    assert each.failed_at == datetime.fromtimestamp(SENT, UTC)


KEY = b"the key of these tests"


def planned(**options: Any) -> plan.Plan:
    world = World()
    world.put(*(f'{{"n": {number}}}' for number in range(30)))
    return world.plan(**options)


def test_a_plan_is_read_back_as_it_was_written() -> None:
    made = planned(canary=(1, 5), rate=50.0, keep=True, filters={"errors": ["E"]})
    assert plan.read(plan.write(made, key=KEY), key=KEY) == made


@given(place=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_a_plan_with_any_bit_flipped_is_refused_or_still_the_same_plan(place: int, bit: int) -> None:
    content = plan.write(planned(rate=2.0), key=KEY)
    changed = bytearray(content)
    changed[place % len(content)] ^= 1 << bit
    try:
        read = plan.read(bytes(changed), key=KEY)
    except PlanRefused:
        return
    assert plan.write(read, key=KEY) == content


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"schema": "fleet-dlq-plan/1"}', b'{"schema": "fleet-dlq-plan/2", "digest": ""}']
)
def test_what_is_no_plan_is_refused(content: bytes) -> None:
    with pytest.raises(PlanRefused):
        plan.read(content, key=KEY)


@pytest.mark.parametrize(
    ("canary", "sizes"), [((1, 5, 20), [1, 5, 20, 4]), ((1,), [1, 29]), ((), [30]), ((30,), [30]), ((20, 20), [20, 10])]
)
def test_steps_are_the_canaries_and_the_rest(canary: tuple[int, ...], sizes: list[int]) -> None:
    made = [*steps(planned(canary=canary))]
    assert [len(step.letters) for step in made] == sizes
    assert [step.canary for step in made] == [place < len(canary) for place in range(len(made))]


@pytest.mark.parametrize("wrong", ["", "0", "1,-5", "a"])
def test_canary_steps_are_numbers_of_letters(wrong: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        canary_sizes(wrong)


def test_a_plan_that_runs_past_an_expiry_says_for_how_many() -> None:
    made = planned(rate=1 / 86_400)  # one a day, and all of them expire in one day
    assert made.late == 30
    assert planned(rate=50.0).late == 0


def test_another_place_is_named_with_both_sides() -> None:
    made = planned()
    result = differences(made, Place("webhooks-dlq", DLQ.replace("us-east-1", "eu-west-1"), "http://127.0.0.1:2"))
    assert [each.split()[0] for each in result] == ["endpoint", "region"]
    assert "us-east-1 in the plan, eu-west-1 here" in result[1]


def test_an_explicit_destination_takes_what_nothing_else_could_place() -> None:
    unknown = seen("{}", id="u", attributes={})
    assert draft([unknown]).refusals()[0]["why_not"].startswith("unrecognised letter")
    assert draft([unknown], to=SOURCE).planned[0].destination == SOURCE
    test_event = seen('{"Event": "s3:TestEvent"}', id="t", attributes={})
    assert not draft([test_event], to=SOURCE).planned
