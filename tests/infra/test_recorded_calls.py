"""The committed record of calls is what the stories make, run again: a call more or less is a stale record, or a wrong grant."""

from pathlib import Path

import pytest

from tests.infra.recording import of_people, of_workers
from tests.infra.test_access import CONCERN_OF, beside, recorded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_500)]


def test_workers_call_in_their_stories_what_the_record_says(tmp_path: Path) -> None:
    found = of_workers(tmp_path)
    four = {who: made - beside(who) for who, made in found.items() if who not in CONCERN_OF}
    assert four == {who: recorded()[who] for who in four}
    assert len(four) == 4


def test_people_and_producers_call_in_theirs_what_the_record_says(tmp_path: Path) -> None:
    found = of_people(tmp_path)
    assert {who: made - beside(who) for who, made in found.items()} == {who: recorded()[who] for who in found}
    assert len(found) == 3
