"""`fleet workers`: what a container said of itself, and the orders that it follows."""

from fleet.cli.workers.look import _lines, document
from shared.container.controls import Orders
from shared.container.heartbeat import SILENT, Beat

NOW = 1_000_000.0
HEARD = (
    Beat("host:7", NOW - 12, "0.1.0", NOW - 3, ("sessions: it is down (Timeout)",)),
    Beat("host:8", NOW - SILENT - 1, "0.1.0"),
    Beat("host:9", NOW - SILENT - 2, "0.1.0", has_ended=True),
)


def test_a_worker_is_told_with_its_orders_and_each_process() -> None:
    orders = Orders(paused=True, rate=20.0, number="1")
    found = document("sample", orders, HEARD, now=NOW, following=frozenset({"host:7"}), unreadable="")
    assert [(each["is_silent"], each["follows"]) for each in found["processes"]] == [
        (False, True),
        (True, False),
        (False, None),
    ]
    assert _lines(found).splitlines() == [
        "sample: paused, concurrency the worker's own, rate 20.0",
        "  host:7  heard 12 s ago  0.1.0  last done 3 s ago  follows",
        "    sessions: it is down (Timeout)",
        "  host:8  silent: 151 s ago  0.1.0  last done never  does not follow yet",
        "  host:9  ended 152 s ago  0.1.0  last done never",
    ]


def test_a_worker_of_which_nothing_was_heard_says_so() -> None:
    found = document("sample", Orders(), (), now=NOW, following=frozenset(), unreadable="rate is no number")
    assert _lines(found) == "sample: rate is no number\n  no heartbeat of a container"


def test_orders_that_no_living_container_follows_are_not_told_as_if_they_held() -> None:
    for orders, heard, following, by_nobody in (
        (Orders(paused=True, number="1"), (), (), True),
        (Orders(rate=2.0, number="1"), HEARD, (), True),
        (Orders(rate=2.0, number="1"), HEARD, ("host:8", "host:9"), True),
        (Orders(paused=True, number="1"), HEARD, ("host:7",), False),
        (Orders(number="2"), (), (), False),
    ):
        found = document("sample", orders, heard, now=NOW, following=frozenset(following), unreadable="")
        assert found["followed_by_nobody"] is by_nobody
        assert ("no container that is heard of follows" in _lines(found)) is by_nobody
