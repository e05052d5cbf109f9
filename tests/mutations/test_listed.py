"""The list of mutations keeps up with the code that it mutates."""

from tests.mutations.__main__ import ROOT
from tests.mutations.listed import MUTATIONS


def test_every_listed_line_stands_exactly_once_where_it_is_to_be_changed() -> None:
    gone = [each.title for each in MUTATIONS if (ROOT / each.file).read_text().count(each.old) != 1]
    assert gone == []


def test_the_tests_that_have_to_notice_are_there() -> None:
    named = {name.partition("::")[::2] for each in MUTATIONS for name in each.tests}
    assert [file for file, _ in named if not (ROOT / file).is_file()] == []
    assert [name for file, name in named if name and f"def {name}(" not in (ROOT / file).read_text()] == []
