"""CloudWatch's logs as a source of a message's story: the query, its end, and what it is not allowed to do."""

import json
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from fleet.story.insights import LONGEST_QUERY, MOST_LINES, PATIENCE, Insights, NoAnswer, query_for
from fleet.story.moment import Ids
from tests.aws import Aws

NOW = 1_795_000_000.0


def line(**fields: object) -> str:
    return json.dumps({"timestamp": "2026-11-21T09:00:00Z", "event": "message_done", **fields})


class Logs:
    """What Logs Insights answers: of `lines`, those that the query's pattern finds; `states` one by one, then Complete."""

    def __init__(self, *lines: str, states: tuple[str, ...] = (), groups: tuple[str, ...] = ()) -> None:
        self.lines, self.states, self.groups = lines, [*states], groups
        self.asked: list[Mapping[str, Any]] = []
        self.stopped: list[str] = []

    def get_paginator(self, _name: str) -> "Logs":
        return self

    def paginate(self, *, logGroupNamePrefix: str) -> list[Any]:
        found = [each for each in self.groups if each.startswith(logGroupNamePrefix)]
        return [{"logGroups": [{"logGroupName": each} for each in found]}]

    def start_query(self, **asked: Any) -> dict[str, str]:
        self.asked.append(asked)
        return {"queryId": str(len(self.asked))}

    def get_query_results(self, *, queryId: str) -> dict[str, Any]:
        if self.states:
            return {"status": self.states.pop(0), "results": []}
        names = self.asked[int(queryId) - 1]["queryString"].split("/")[1].replace("\\", "").split("|")
        found = [each for each in self.lines if any(name in each for name in names)]
        return {"status": "Complete", "results": [[{"field": "@message", "value": each}] for each in found]}

    def stop_query(self, *, queryId: str) -> None:
        self.stopped.append(queryId)


def insights(logs: Logs, *, waits: list[float] | None = None) -> Insights:
    return Insights(
        logs, project="fleet", stage="prod", hours=2, now=NOW, sleep=(waits if waits is not None else []).append
    )


def test_a_story_is_followed_from_line_to_line_over_workers_and_no_further() -> None:
    logs = Logs(
        line(worker="uploads", session_id="s-1", correlation_id="s-1", message_id="m-1"),
        line(worker="webhooks", correlation_id="s-1", event_id="msg_7"),
        line(worker="webhooks", event_id="msg_7", message_id="m-2"),
        line(worker="webhooks", event_id="msg_8", message_id="m-3"),
    )
    ids = Ids("s-1")
    found, whole = insights(logs).moments(["/ecs/fleet-a-prod"], ids)
    assert whole
    assert [each.place for each in found] == ["log uploads", "log webhooks", "log webhooks"]
    assert {"msg_7", "m-2"} <= {*ids}
    assert "m-3" not in {*ids}


def test_the_time_that_is_asked_for_bears_clocks_that_are_ahead() -> None:
    logs = Logs()
    insights(logs).moments(["g"], Ids("s-1"))
    [asked] = logs.asked
    assert (asked["startTime"], asked["logGroupNames"], asked["limit"]) == (int(NOW) - 7200, ["g"], MOST_LINES)
    assert asked["endTime"] > NOW + 600


def test_only_the_stages_own_groups_are_asked() -> None:
    own = (
        "/aws/lambda/fleet-webhook-delivery-prod",
        "/aws/lambda/fleet-edge-resume-prod",
        "/ecs/fleet-audit-archive-prod",
    )
    others = (
        "/ecs/fleet-audit-archive-dev",
        "/ecs/other-audit-archive-prod",
        "/ecs/fleet-eu-audit-archive-prod",
        "/ecs/fleet-audit-archive-prod-old",
        "/aws/lambda/fleet-billing-prod",
    )
    assert insights(Logs(groups=(*own, *others))).groups() == [*own]


def test_a_query_that_runs_is_waited_for_with_longer_and_longer_pauses() -> None:
    waits: list[float] = []
    logs = Logs(line(message_id="s-1"), states=("Scheduled", "Running", "Running"))
    found, _ = insights(logs, waits=waits).moments(["g"], Ids("s-1"))
    assert len(found) == 1
    assert waits == [0.25, 0.5, 1.0]


def test_a_query_that_hangs_is_stopped_after_a_minute_and_one_that_failed_says_so() -> None:
    waits: list[float] = []
    logs = Logs(states=("Running",) * 1_000)
    with pytest.raises(NoAnswer, match="ask for fewer hours"):
        insights(logs, waits=waits).moments(["g"], Ids("s-1"))
    assert logs.stopped == ["1"]
    assert sum(waits) == pytest.approx(PATIENCE, abs=2)
    with pytest.raises(NoAnswer, match="Failed"):
        insights(Logs(states=("Failed",))).moments(["g"], Ids("s-1"))


def test_an_id_is_text_and_no_pattern_and_ends_no_query() -> None:
    query = query_for(["a.*/ | delete", "b"])
    assert query.count("/") - query.count(r"\/") == 2
    assert r'like /a\.\*\/\ \|\ delete|"(?:message_id|' in query
    assert query.count('": ?"(?:b)"/ | sort ') == 1


def test_a_query_never_grows_longer_than_aws_takes() -> None:
    assert len(query_for(f"{uuid.uuid4()}" for _ in range(5_000))) <= LONGEST_QUERY


@pytest.mark.parametrize("forged", ["message_done", "worker", "2026-11-21T09:00:00Z", "1"])
def test_a_word_for_an_id_asks_for_its_own_lines_alone(forged: str) -> None:
    found = re.search(r"like /(.*)/ \|", query_for(["m-1", forged]))
    assert found is not None
    matches = [bool(re.search(found[1], each)) for each in (
        line(message_id="m-1"),
        line(message_id="m-2", correlation_id=forged, worker="w", attempt=1),
        line(message_id="m-3", correlation_id="c-3", worker="w", attempt=1),
    )]  # fmt: skip
    assert matches == [True, True, False]


def test_an_answer_that_is_cut_short_says_so() -> None:
    logs = Logs(*[line(message_id="s-1")] * MOST_LINES)
    found, whole = insights(logs).moments(["g"], Ids("s-1"))
    assert (len(found), whole) == (MOST_LINES, False)


@pytest.mark.slow
def test_the_emulators_logs_are_read(aws: Aws) -> None:
    client = aws.session.client("logs", endpoint_url=aws.url)
    project = f"p{uuid.uuid4().hex[:8]}"
    group, name = f"/ecs/{project}-upload-notification-dev", f"s-{uuid.uuid4().hex}"
    client.create_log_group(logGroupName=group)
    client.create_log_stream(logGroupName=group, logStreamName="one")
    at = int(time.time() * 1000)
    told = [line(worker="uploads", session_id=name, message_id="m-1"), line(session_id="other"), "not json"]
    client.put_log_events(
        logGroupName=group,
        logStreamName="one",
        logEvents=[{"timestamp": at + place, "message": each} for place, each in enumerate(told)],
    )
    source = Insights(client, project=project, stage="dev", hours=1, now=time.time(), sleep=time.sleep)
    assert source.groups() == [group]
    found, whole = source.moments([group], Ids(name))
    assert whole
    assert [(each.place, each.fields["message_id"]) for each in found] == [("log uploads", "m-1")]
