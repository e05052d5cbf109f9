"""The page of the AWS calls names each fast call, and no other."""

import re
from pathlib import Path

from shared.aws.operation import FAST
from tests.bench.units.limits import most

PAGE = Path(__file__).parents[2] / "docs" / "aws-calls.md"
CALL = re.compile(r"\b(?:[A-Z][a-z]+){2,}\b|Query")
STORIES = {
    "upload, a browser waits": "upload, a browser waits",
    "the same, into a session with `allowedTypes`": "upload into a session with allowedTypes",
    "webhook, delivered at its first attempt": "webhook, delivered at its first attempt",
    "the same, five at once to one endpoint": "webhook, five at once to one endpoint",
    "webhook, delivered at its second attempt": "webhook, delivered at its second attempt",
    "fan-out of 80 events of one tenant at once": "fan-out of 80 events at once",
    "reminder by push": "reminder by push",
    "reminder with a rule": "reminder with a rule",
}
"""What the page calls a message, and what the bench that counts its calls does."""


def test_the_page_names_each_fast_call_and_no_other() -> None:
    table = PAGE.read_text().partition("## Which calls")[2].partition("## Which cases")[0]
    columns = [row.split("|")[2] for row in table.splitlines() if row.startswith("| ")][1:]
    named = set(re.findall(CALL, " ".join(columns)))
    known = {action for calls in FAST.values() for action in calls.values()} | {"PutObject", "HeadObject", "GetObject"}
    assert named == known


def test_the_page_names_each_call_that_a_message_costs() -> None:
    """Those of the archive go by object, not by message."""
    table = PAGE.read_text().partition("## Calls that several messages share")[2].partition("Why not fewer")[0]
    named: dict[str, set[str]] = {}
    others: set[str] = set()
    for row in [row for row in table.splitlines() if row.startswith("| ")][1:]:
        _, message, calls, _, more, _ = row.split("|")
        others = set(CALL.findall(more)) | (others if "the same" in more else set())
        named[message.strip()] = set(CALL.findall(calls)) | others
    for message, story in STORIES.items():
        assert named[message] == {call for call in most()[story] if call[0].isupper()}
