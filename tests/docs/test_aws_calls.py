"""The page of the AWS calls names each fast call, and no other."""

import re
from pathlib import Path

from shared.aws.operation import FAST

PAGE = Path(__file__).parents[2] / "docs" / "aws-calls.md"


def test_the_page_names_each_fast_call_and_no_other() -> None:
    table = PAGE.read_text().partition("## Which calls")[2].partition("## Which cases")[0]
    columns = [row.split("|")[2] for row in table.splitlines() if row.startswith("| ")][1:]
    named = set(re.findall(r"\b(?:[A-Z][a-z]+){2,}\b|Query", " ".join(columns)))
    known = {action for calls in FAST.values() for action in calls.values()} | {"PutObject", "HeadObject", "GetObject"}
    assert named == known
