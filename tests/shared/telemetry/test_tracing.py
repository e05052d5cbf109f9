"""The spans of the road, to the letter of the messaging conventions 1.44."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from shared.telemetry import tracing
from tests.fakes import delivery
from tests.shared.telemetry.alone import report_of

CANARY = "canary-7f3a"
CREATOR = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
OTHER = "1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331"
X_RAY = "5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8"


def about(queue: str, operation: str, **more: object) -> dict[str, object]:
    return {
        "messaging.system": "aws_sqs",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": queue,
        **{name.replace("__", "."): value for name, value in more.items()},
    }


def joined(span: dict[str, Any]) -> str:
    return f"{span['trace']}-{span['span']}"


@dataclass(frozen=True)
class Story:
    returned: Any
    spans: list[dict[str, Any]]

    def only(self, name: str) -> dict[str, Any]:
        [found] = [span for span in self.spans if span["name"] == name]
        return found


@pytest.fixture(scope="module")
def stories() -> dict[str, Story]:
    return {name: Story(**each) for name, each in report_of("traced_stories").items()}


@pytest.mark.slow
def test_one_message_is_made_by_its_send(stories: dict[str, Story]) -> None:
    story = stories["one_message_is_sent"]
    [send] = story.spans
    assert (send["name"], send["kind"], send["links"]) == ("send deliveries", "PRODUCER", [])
    assert send["attributes"] == about("deliveries", "send")
    assert carried_by(story.returned[0][0]) == joined(send)


def test_of_a_batch_each_message_is_made_by_a_create_of_its_own(stories: dict[str, Story]) -> None:
    story = stories["many_messages_are_sent"]
    send, creates = story.only("send deliveries"), [each for each in story.spans if each["name"] == "create deliveries"]
    assert (send["kind"], send["attributes"]) == (
        "CLIENT",
        about("deliveries", "send", messaging__batch__message_count=12),
    )
    assert {(each["kind"], each["parent"]) for each in creates} == {("PRODUCER", send["span"])}
    assert all(each["attributes"] == about("deliveries", "create") for each in creates)
    entries = [entry for call in story.returned for entry in call]
    assert [carried_by(entry) for entry in entries] == [joined(each) for each in creates]


def test_both_trace_headers_of_a_message_tell_the_same(stories: dict[str, Story]) -> None:
    entries = [entry for call in stories["many_messages_are_sent"].returned for entry in call]
    assert len({carried_by(entry) for entry in entries}) == len(entries) == 12
    assert [x_ray_of(entry) for entry in entries] == [carried_by(entry) for entry in entries]


def test_a_failed_send_tells_the_type_of_its_error_and_no_text(stories: dict[str, Story]) -> None:
    story = stories["a_send_fails"]
    send = story.only("send deliveries")
    assert (story.returned, send["status"], send["attributes"]["error.type"]) == ("NotSent", "ERROR", "NotSent")
    assert send["events"] == []


def test_a_receive_links_to_every_creator_and_an_empty_one_is_not_told(stories: dict[str, Story]) -> None:
    story = stories["messages_are_received"]
    [receive] = story.spans
    assert (receive["name"], receive["kind"], receive["parent"]) == ("receive uploads", "CLIENT", None)
    assert receive["attributes"] == about("uploads", "receive", messaging__batch__message_count=3)
    assert receive["links"] == [CREATOR, X_RAY]
    assert 0 < receive["seconds"] < 10


def test_a_message_is_processed_as_child_and_link_of_its_creator(stories: dict[str, Story]) -> None:
    [process] = stories["a_message_is_done"].spans
    assert (process["name"], process["kind"]) == ("process uploads", "CONSUMER")
    assert process["attributes"] == about("uploads", "process", messaging__message__id="m-1")
    assert (f"{process['trace']}-{process['parent']}", process["links"]) == (CREATOR, [CREATOR])
    assert process["status"] == "UNSET"


def test_a_message_without_a_creator_begins_a_trace(stories: dict[str, Story]) -> None:
    [process] = stories["a_message_without_a_trace_is_done"].spans
    assert (process["parent"], process["links"]) == (None, [])


def test_where_there_is_no_w3c_context_x_ray_tells_the_creator(stories: dict[str, Story]) -> None:
    [process] = stories["a_message_by_x_ray_is_done"].spans
    assert (f"{process['trace']}-{process['parent']}", process["links"]) == (X_RAY, [X_RAY])


def test_a_trace_that_nobody_wants_is_not_told(stories: dict[str, Story]) -> None:
    assert stories["a_message_that_nobody_wants_traced_is_done"].spans == []


def test_what_a_handler_sends_belongs_to_the_same_trace(stories: dict[str, Story]) -> None:
    story = stories["a_handler_sends_on"]
    process, send = story.only("process uploads"), story.only("send deliveries")
    assert send["parent"] == process["span"]
    assert carried_by(story.returned[0][0]).startswith(CREATOR[:32])


def test_an_error_marks_its_message_and_the_settlement_is_its_child(stories: dict[str, Story]) -> None:
    story = stories["a_message_fails"]
    process, settle = story.only("process uploads"), story.only("settle uploads")
    assert (process["status"], process["attributes"]["error.type"]) == ("ERROR", "_OTHER")
    assert (settle["kind"], settle["parent"]) == ("CLIENT", process["span"])
    assert settle["attributes"] == about("uploads", "settle", fleet__settled="hide")


def test_a_message_that_waits_is_not_an_error(stories: dict[str, Story]) -> None:
    process = stories["a_message_waits"].only("process uploads")
    assert (process["status"], "error.type" in process["attributes"]) == ("UNSET", False)


def test_a_buried_message_tells_why_and_its_letter_names_the_trace(stories: dict[str, Story]) -> None:
    story = stories["a_message_is_buried"]
    process, settle = story.only("process uploads"), story.only("settle uploads")
    assert (process["status"], process["attributes"]["error.type"]) == ("ERROR", "Reject")
    assert settle["attributes"] == about("uploads", "settle", fleet__settled="bury", error__type="Reject")
    assert story.returned == process["trace"]


def test_a_message_that_is_cut_says_so(stories: dict[str, Story]) -> None:
    story = stories["a_message_is_cut"]
    process = story.only("process uploads")
    assert (story.returned, process["attributes"]["error.type"]) == (True, "CancelledError")


def test_a_batch_has_no_parent_and_links_to_all_its_creators(stories: dict[str, Story]) -> None:
    [process] = stories["a_batch_is_done"].spans
    assert (process["name"], process["kind"], process["parent"]) == ("process audit", "CONSUMER", None)
    assert process["attributes"] == about("audit", "process", messaging__batch__message_count=3)
    assert process["links"] == [CREATOR, OTHER]


def test_a_batch_that_is_settled_later_links_to_its_creators(stories: dict[str, Story]) -> None:
    [settle] = stories["a_batch_is_settled_later"].spans
    assert settle["links"] == [CREATOR, OTHER]
    assert settle["attributes"] == about("audit", "settle", fleet__settled="delete", messaging__batch__message_count=3)


def test_no_span_holds_a_payload(stories: dict[str, Story]) -> None:
    assert all(CANARY not in json.dumps(story.spans) for story in stories.values())


def carried_by(entry: dict[str, Any]) -> str:
    _version, trace, span, _flags = entry["MessageAttributes"]["traceparent"]["StringValue"].split("-")
    return f"{trace}-{span}"


def x_ray_of(entry: dict[str, Any]) -> str:
    found = tracing.creation_context(
        delivery(trace_header=entry["MessageSystemAttributes"]["AWSTraceHeader"]["StringValue"])
    )
    assert found is not None
    return f"{found.trace_id:032x}-{found.span_id:016x}"
