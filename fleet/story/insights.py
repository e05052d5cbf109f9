"""What CloudWatch's logs say of a message, asked by Logs Insights; nothing is written.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from fleet.story.moment import JOINING, Ids, Moment, logged
from workers import roster

PREFIXES = ("/aws/lambda/", "/ecs/")
EDGE = "edge-"
"""How the names of the uploads' edge functions begin."""
MOST_GROUPS, MOST_LINES, LONGEST_QUERY = 50, 10_000, 10_000
"""What one query takes: log groups, lines of its answer, characters.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""
PASSES = 5
"""Queries at most: each may name an id that earlier lines have, too."""
PATIENCE = 60.0
"""Seconds for which one query may run."""
AHEAD = 900
"""Seconds by which clocks of those who write may be before ours."""
ENDS = frozenset({"Failed", "Cancelled", "Timeout", "Unknown"})


class NoAnswer(OSError):
    """A query did not come to its end."""


class Insights:
    """The logs of a stage's workers, of the last `hours` before `now` (epoch seconds); `sleep` waits between two looks at a query."""

    def __init__(
        self, client: Any, *, project: str, stage: str, hours: int, now: float, sleep: Callable[[float], None]
    ) -> None:
        self._client = client
        self._project, self._stage = project, stage
        self._times = {"startTime": int(now) - hours * 3600, "endTime": int(now) + AHEAD}
        self._sleep = sleep

    def groups(self) -> list[str]:
        """The log groups of this stage's workers and edge that there are; another project's name may begin like this one's."""
        ask, found = self._client.get_paginator("describe_log_groups"), list[str]()
        for begin in (f"{prefix}{self._project}-" for prefix in PREFIXES):
            for page in ask.paginate(logGroupNamePrefix=begin):
                names = [group["logGroupName"] for group in page["logGroups"]]
                found += [name for name in names if self._is_own(name.removeprefix(begin))]
        return found[:MOST_GROUPS]

    def _is_own(self, end: str) -> bool:
        resource, found, rest = end.rpartition(f"-{self._stage}")
        return bool(found) and not rest and (resource in roster.WORKERS or resource.startswith(EDGE))

    def moments(self, groups: list[str], ids: Ids) -> tuple[list[Moment], bool]:
        """Lines that name one of the ids, which learn the others of their message; and whether these are all lines. Raises NoAnswer and
        botocore's errors.
        """
        moments: list[Moment] = []
        whole = True
        for _ in range(PASSES):
            before = len(ids)
            lines = self._lines(groups, query_for(ids))
            moments = [moment for line in lines if (moment := logged(line.encode(), ids)) is not None]
            whole = len(lines) < MOST_LINES
            if len(ids) == before:
                break
        return moments, whole

    def _lines(self, groups: list[str], query: str) -> list[str]:
        asked: Any = {"logGroupNames": groups, "queryString": query, "limit": MOST_LINES, **self._times}
        name, waited, pause = self._client.start_query(**asked)["queryId"], 0.0, 0.25
        while waited < PATIENCE:
            answer = self._client.get_query_results(queryId=name)
            if answer["status"] == "Complete":
                return [*_messages(answer["results"])]
            if answer["status"] in ENDS:
                raise NoAnswer(f"the query ended as {answer['status']}")
            self._sleep(pause)
            waited, pause = waited + pause, min(2.0, pause * 2)
        self._client.stop_query(queryId=name)
        raise NoAnswer(f"the query took more than {PATIENCE:.0f} s: ask for fewer hours")


def query_for(ids: Iterable[str]) -> str:
    """Lines that name the first of the ids anywhere, or state another one as their own; those of the ids that a query holds."""
    asked, *told = map(_literal, ids)
    head, tail = f"fields @message | filter @message like /{asked}", f"/ | sort @timestamp asc | limit {MOST_LINES}"
    own = f'|"(?:{"|".join(JOINING)})": ?"(?:'
    names, room = [], LONGEST_QUERY - len(head) - len(own) - len('))"') - len(tail)
    for name in told:
        if (room := room - len(name) - 1) < 0:
            break
        names.append(name)
    others = f'{own}{"|".join(names)})"' if names else ""
    return f"{head}{others}{tail}"


def _literal(text: str) -> str:
    return re.escape(text).replace("/", r"\/")


def _messages(results: Iterable[Any]) -> Iterable[str]:
    for row in results:
        yield from (cell["value"] for cell in row if cell["field"] == "@message")
