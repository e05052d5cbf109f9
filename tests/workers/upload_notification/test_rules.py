"""What a change means for a session, for every state that the session may be in."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.workers.upload_notification.fakes import NOON, Row, finished, removed, row, session, uploaded
from workers.upload_notification.event import Change
from workers.upload_notification.rules import (
    MOST_OTHERS,
    Arrange,
    Expire,
    Ignore,
    Move,
    Note,
    TakeOver,
    Wait,
    Withdraw,
    judge,
    mark,
    usual,
)
from workers.upload_notification.store.updates import image

PAST = int(NOON.timestamp()) - 1
OTHER = finished("09", name="other.jpg", at=60)


@pytest.mark.parametrize("status", ["AWAITING_SCAN", "SCANNED", "UPLOADING", "UPLOADED", "SCANNING"])
def test_an_open_session_takes_an_upload(status: str) -> None:
    assert judge(finished(), session(row(status=status)), now=NOON) == Move(finished())


@pytest.mark.parametrize("status", ["COMPLETE", "REJECTED", "SOMETHING_NEW", ""])
def test_a_session_in_any_other_state_takes_none(status: str) -> None:
    assert judge(finished(), session(row(status=status)), now=NOON) == Ignore("closed")


def test_another_content_under_the_key_of_a_verdict_is_said_so() -> None:
    concluded = session(uploaded(finished("05"), status="COMPLETE"))
    assert judge(finished("06"), concluded, now=NOON) == Ignore("overwritten")
    assert judge(finished("06", name="another.jpg"), concluded, now=NOON) == Ignore("closed")
    assert judge(finished("05"), concluded, now=NOON) == Ignore("duplicate")


def test_an_upload_without_a_session_is_orphaned() -> None:
    assert judge(finished(), None, now=NOON) == Ignore("orphaned")


def test_a_removal_after_its_session_is_nothing_to_speak_of() -> None:
    assert judge(removed(), None, now=NOON) == Ignore("removed_after_session")


@pytest.mark.parametrize("change", [finished(), removed()])
def test_a_session_whose_time_is_over_expires_although_the_table_still_has_it(change: Change) -> None:
    late = session(row(expiresAt=PAST))
    assert judge(change, late, now=NOON) == Expire("s1")


def test_a_session_does_not_expire_while_its_upload_is_announced() -> None:
    told = session(uploaded(finished(), announced=False, lease=7, expiresAt=PAST))
    assert judge(finished(), told, now=NOON) == judge(removed(), told, now=NOON) == Wait(7)


def test_an_expired_session_stays_expired_and_untouched() -> None:
    assert judge(finished(), session(row(status="EXPIRED")), now=NOON) == Ignore("expired")


def test_a_complete_session_does_not_turn_expired() -> None:
    assert judge(finished(), session(row(status="COMPLETE", expiresAt=PAST)), now=NOON) == Ignore("expired")


def test_a_session_expires_at_the_second_it_names() -> None:
    ends_now = session(row(expiresAt=int(NOON.timestamp())))
    assert judge(finished(), ends_now, now=NOON) == Expire("s1")
    assert judge(finished(), ends_now, now=NOON - timedelta(seconds=1)) == Move(finished())


def test_a_session_without_an_expiry_never_ends() -> None:
    endless = row()
    del endless["expiresAt"]
    assert judge(finished(), session(endless), now=NOON + timedelta(days=9999)) == Move(finished())


def test_an_older_sequencer_is_stale() -> None:
    newer, older = finished("0055AED6DCD90281E5"), finished("0055AED6DCD90281E4")
    assert judge(older, session(uploaded(newer)), now=NOON) == Ignore("stale")


def test_a_shorter_sequencer_may_be_the_newer_one() -> None:
    newer, older = finished("62"), finished("617f0837b476e463")
    assert judge(newer, session(uploaded(older)), now=NOON) == Move(newer)


def test_what_was_announced_is_not_announced_again() -> None:
    assert judge(finished(), session(uploaded(finished())), now=NOON) == Ignore("duplicate")


def test_what_somebody_announces_right_now_is_left_to_them() -> None:
    assert judge(finished(), session(uploaded(finished(), announced=False, lease=5)), now=NOON) == Wait(5)


@pytest.mark.parametrize(
    "row", [uploaded(finished(), announced=False, lease=-1), uploaded(finished(), announced=False)]
)
def test_what_nobody_announced_is_taken_over_when_the_lease_has_run_out(row: Row) -> None:
    assert judge(finished(), session(row), now=NOON) == TakeOver(finished())


def test_an_unannounced_upload_is_taken_over_also_when_its_session_went_on() -> None:
    went_on = uploaded(finished(), announced=False, status="COMPLETE")
    assert judge(finished(), session(went_on), now=NOON) == TakeOver(finished())


def arranged(change: Change, found: Row) -> tuple[str, list[str]]:
    """The keys of the current file and of the others, after a change in a session that has or had several files."""
    step = judge(change, session(found), now=NOON)
    assert isinstance(step, Arrange)
    name = step.current.key.rpartition("/")[2] if step.current else ""
    return name, [each.key.rpartition("/")[2] for each in step.others]


def test_an_upload_under_another_name_takes_over_if_it_is_newer_and_the_older_one_is_remembered() -> None:
    assert arranged(OTHER, uploaded(finished("ff"))) == ("other.jpg", ["a.jpg"])
    assert arranged(finished("ff"), uploaded(OTHER)) == ("other.jpg", ["a.jpg"])


def test_of_two_names_at_the_same_instant_the_same_one_wins_in_either_order() -> None:
    first, second = finished(name="a.jpg"), finished(name="b.jpg")
    assert arranged(second, uploaded(first)) == ("b.jpg", ["a.jpg"])
    assert arranged(first, uploaded(second)) == ("b.jpg", ["a.jpg"])


def test_the_same_upload_with_a_later_time_is_written_for_the_next_comparison() -> None:
    again = judge(finished(at=0.5), session(uploaded(finished())), now=NOON)
    assert isinstance(again, Arrange)
    assert again.current
    assert (again.current.uploaded_at, again.current.announced, again.moves) == (
        "2026-11-21T12:00:00.500Z",
        True,
        False,
    )
    assert judge(finished(at=-0.5), session(uploaded(finished())), now=NOON) == Ignore("duplicate")
    assert judge(finished(at=0.5), session(uploaded(finished(), status="COMPLETE")), now=NOON) == Ignore("duplicate")


def test_the_newest_files_are_remembered_and_no_more_than_a_row_holds() -> None:
    found = uploaded(finished("01", name="current", at=9999))
    for place in range(MOST_OTHERS + 5):
        step = judge(finished("01", name=f"f{place:03}", at=place), session(found), now=NOON)
        assert isinstance(step, Arrange)
        found["otherFiles"] = [image(each) for each in step.others]
    assert len(found["otherFiles"]) == MOST_OTHERS
    assert found["otherFiles"][0]["key"].endswith(f"f{MOST_OTHERS + 4:03}")


def test_a_duplicate_of_an_upload_that_another_replaced_is_old_news() -> None:
    replaced = uploaded(OTHER) | {mark(finished().key): finished().order}
    assert judge(finished(), session(replaced), now=NOON) == Ignore("superseded")


@pytest.mark.parametrize("status", ["UPLOADED", "SCANNING"])
def test_the_removal_of_the_current_upload_takes_it_back(status: str) -> None:
    assert judge(removed(), session(uploaded(finished(), status=status)), now=NOON) == Withdraw(removed())


def test_the_removal_of_another_file_is_only_noted() -> None:
    assert judge(removed(), session(uploaded(OTHER)), now=NOON) == Note(removed())


def test_the_removal_of_a_former_version_leaves_the_current_one() -> None:
    current, removal = session(uploaded(finished("05", version="v2"))), removed("06", version="v1")
    assert judge(removal, current, now=NOON) == Note(removal)
    assert judge(removed("06", version="v2"), current, now=NOON) == Withdraw(removed("06", version="v2"))
    assert judge(removed("06"), current, now=NOON) == Withdraw(removed("06")), "a delete marker hides them all"


def test_a_version_that_was_removed_before_its_creation_is_told_does_not_come_back_and_a_newer_one_does() -> None:
    gone = row() | {mark(finished().key, "v1"): removed("06").order}
    came_late = replace(removed("04"), id=finished("04").id, occurred_at=NOON)
    assert judge(finished("04", version="v1"), session(gone), now=NOON) == Note(came_late)
    assert judge(finished("05", version="v2"), session(gone), now=NOON) == Move(finished("05", version="v2"))


def test_a_removal_that_comes_before_its_upload_is_noted() -> None:
    assert judge(removed(), session(row()), now=NOON) == Note(removed())


def test_a_removal_does_not_reopen_a_session_that_is_complete() -> None:
    assert judge(removed(), session(uploaded(finished(), status="COMPLETE")), now=NOON) == Note(removed())


def test_a_removal_older_than_the_upload_is_stale() -> None:
    assert judge(removed("04"), session(uploaded(finished("05"))), now=NOON) == Ignore("stale")


def test_a_removal_that_was_noted_is_a_duplicate() -> None:
    noted = row(**{mark(removed().key): removed().order})
    assert judge(removed(), session(noted), now=NOON) == Ignore("duplicate")


def test_an_upload_that_comes_after_its_removal_is_stale() -> None:
    noted = row(**{mark(removed("06").key): removed("06").order})
    assert judge(finished("05"), session(noted), now=NOON) == Ignore("stale")


def test_the_usual_step_needs_no_look_at_the_row() -> None:
    assert usual(finished()) == Move(finished())
    assert usual(removed()) == Withdraw(removed())
