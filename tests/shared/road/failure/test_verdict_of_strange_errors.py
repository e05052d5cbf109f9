"""Errors of classes that nobody expects are judged too: none of them breaks the road of its message."""

import time
from typing import Any

import pytest

from shared.outcome import Contended, Dead, Later, Reject, Retry
from shared.road.failure.verdict import dead
from tests.shared.road.failure.test_verdict import CANARY, caught, verdict
from tests.traced import allowed


class UnsaidReject(Reject):
    """Leaves no `why`."""

    def __init__(self, why: Any = None) -> None:
        if why is not None:
            self.why = why


class UnsaidLater(Later):
    """Leaves no `after`, or a strange one."""

    def __init__(self, after: Any = None) -> None:
        self.why = "busy"
        if after is not None:
            self.after = after


class UnsaidContended(UnsaidLater, Contended):
    pass


@pytest.mark.parametrize("why", [None, 5, b"gone", ValueError(CANARY)])
def test_a_reject_that_says_nothing_readable_is_final_and_called_by_its_type(why: Any) -> None:
    judged = verdict(UnsaidReject(why))
    assert isinstance(judged, Dead)
    assert (judged.error_type, judged.message) == ("UnsaidReject", "UnsaidReject")


@pytest.mark.parametrize("said", [Reject("\ud800 is gone"), UnsaidReject("\ud800 is gone")])
def test_half_a_character_in_a_reject_becomes_a_question_mark(said: Reject) -> None:
    judged = verdict(said)
    assert isinstance(judged, Dead)
    assert judged.message == "? is gone"


@pytest.mark.parametrize("after", [None, "5", float("nan"), float("inf"), -1])
@pytest.mark.parametrize("kind", [UnsaidLater, UnsaidContended])
def test_an_error_that_asks_for_no_time_that_can_be_waited_for_is_like_any_other(
    kind: type[UnsaidLater], after: Any
) -> None:
    assert verdict(kind(after)) == Retry("busy")
    assert isinstance(verdict(kind(after), attempt=5, max_attempts=5), Dead)


def test_an_error_whose_parts_raise_is_judged_like_any_other() -> None:
    class HostileError(Exception):
        @property
        def response(self) -> Any:
            raise ZeroDivisionError

        def __bool__(self) -> bool:
            raise ZeroDivisionError

        def __str__(self) -> str:
            raise ZeroDivisionError

    def fail() -> None:
        raise ValueError from HostileError()

    assert verdict(HostileError()) == Retry("HostileError")
    judged = verdict(caught(fail), attempt=5, max_attempts=5)
    assert isinstance(judged, Dead)
    assert judged.message == "ValueError"


def test_a_long_reject_is_judged_in_a_long_texts_time() -> None:
    started = time.thread_time()
    dead(Reject("a" * 200_000), worker="sample")
    dead(Reject("a-" * 100_000 + "@"), worker="sample")
    assert time.thread_time() - started < allowed(0.2)
