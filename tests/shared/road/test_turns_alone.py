"""What waits for its turn, without a worker around it."""

from shared.road.turns import Turns
from shared.worker import FairShares, Fifo
from tests.fakes import delivery


def test_what_was_taken_out_has_no_turn_any_more() -> None:
    turns = Turns(Fifo())
    turns.arrive(delivery("a", group="g"))
    assert len(turns.take_all()) == 1
    assert (len(turns), turns.next()) == (0, None)


def test_a_message_without_a_group_waits_for_no_group_that_is_named_like_it() -> None:
    turns = Turns(FairShares(at_once=1))
    turns.arrive(delivery("a", group="m-1"))
    turns.arrive(delivery("b", message_id="m-1"))
    assert turns.next() is not None
    assert turns.next() is not None


def test_groups_that_have_ended_take_no_memory() -> None:
    turns = Turns(FairShares(at_once=1))
    turns.arrive(delivery("a"))
    ended = turns.next()
    assert ended is not None
    turns.end(ended, stays=False)
    assert not turns._running
