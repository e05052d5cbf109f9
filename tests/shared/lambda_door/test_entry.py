"""Lambda's door, over a real queue of the emulator: what is reported, and what lives from one invocation to the next."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shared.app import App
from shared.clients import Clients
from shared.lambda_door.entry import Sandbox, make_lambda_handler
from shared.message.delivery import Delivery
from shared.message.identity import ATTRIBUTE
from shared.outcome import Reject
from shared.telemetry import logging
from shared.worker import BatchResult
from tests.aws import Aws
from tests.lambda_events import FakeContext, lambda_event
from tests.made import make_worker


class Desk:
    """A queue with its dead-letter queue, an app that reads it, and a sandbox around that."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.queue_url = aws.queue("uploads", VisibilityTimeout="60")
        self.dead_letter_url = aws.queue("uploads-dlq")
        self.queue_name = self.queue_url.rsplit("/", 1)[-1]
        self.handled: list[str] = []
        self.opened = 0
        self.closed = 0
        self.loops: set[int] = set()
        self.running = 0
        self.most_running = 0
        self.behaviour: dict[str, Callable[[], Any]] = {}
        self.sandboxes: list[Sandbox] = []

    def sandbox(self, *, batch: bool = False, **options: Any) -> Sandbox:
        environment = {
            **self.aws.endpoint.environment,
            "UPLOADS_QUEUE_URL": self.queue_url,
            "UPLOADS_DLQ_URL": self.dead_letter_url,
        }

        @asynccontextmanager
        async def open_workers(_environment: Mapping[str, str], _clients: Clients) -> AsyncIterator[tuple[Any, ...]]:
            self.opened += 1
            handling: dict[str, Any] = {"handle_batch": self._handle_batch} if batch else {"handle": self._handle}
            yield (make_worker(decode=_word, **handling, **options),)
            self.closed += 1

        made = Sandbox(App("sample", ("uploads",), open_workers), environment)
        self.sandboxes.append(made)
        return made

    def received(self, *words: str) -> list[Mapping[str, Any]]:
        """Put words on the queue and receive them, as the event source mapping does."""
        for word in words:
            self.aws.sqs.send_message(QueueUrl=self.queue_url, MessageBody=json.dumps({"word": word}))
        return self.receive(len(words))

    def receive(self, count: int) -> list[Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        while len(found) < count:
            answer = self.aws.sqs.receive_message(
                QueueUrl=self.queue_url,
                MaxNumberOfMessages=10,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            found |= {message["MessageId"]: message for message in answer.get("Messages", [])}
        return sorted(found.values(), key=lambda message: str(message["Body"]))

    def event(self, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return lambda_event(messages, queue_name=self.queue_name)

    async def _handle(self, word: str) -> None:
        self.loops.add(id(asyncio.get_running_loop()))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(0)
            result = self.behaviour.get(word, lambda: None)()
            if asyncio.iscoroutine(result):
                await result
            self.handled.append(word)
        finally:
            self.running -= 1

    async def _handle_batch(self, words: Sequence[str]) -> BatchResult:
        self.handled += words
        return [ConnectionError() if word in self.behaviour else None for word in words]


def _word(delivery: Delivery) -> str:
    return str(json.loads(delivery.body)["word"])


def _raise(error: BaseException) -> Callable[[], Any]:
    def fail() -> None:
        raise error

    return fail


def ids(report: Mapping[str, Any]) -> list[str]:
    return [failure["itemIdentifier"] for failure in report["batchItemFailures"]]


@pytest.fixture
def desk(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    for name, value in aws.endpoint.environment.items():
        monkeypatch.setenv(name, value)
    made = Desk(aws)
    yield made
    for sandbox in made.sandboxes:
        sandbox.close()


def test_an_empty_batch_and_a_whole_success_report_nothing(desk: Desk) -> None:
    sandbox = desk.sandbox()
    assert sandbox.invoke({"Records": []}, remaining=30) == {"batchItemFailures": []}
    assert sandbox.invoke(desk.event(desk.received("a", "b")), remaining=30) == {"batchItemFailures": []}
    assert sorted(desk.handled) == ["a", "b"]


def test_only_what_failed_is_reported(desk: Desk) -> None:
    desk.behaviour["b"] = _raise(ConnectionError())
    messages = desk.received("a", "b", "c")
    assert ids(desk.sandbox().invoke(desk.event(messages), remaining=30)) == [messages[1]["MessageId"]]


def test_when_everything_failed_all_ids_are_returned_and_nothing_is_raised(desk: Desk) -> None:
    desk.behaviour = {word: _raise(ConnectionError()) for word in "ab"}
    messages = desk.received("a", "b")
    assert sorted(ids(desk.sandbox().invoke(desk.event(messages), remaining=30))) == sorted(
        message["MessageId"] for message in messages
    )


def test_a_failed_message_is_hidden_for_its_backoff_and_not_for_the_whole_visibility_timeout(desk: Desk) -> None:
    desk.behaviour["a"] = _raise(ConnectionError())
    desk.sandbox().invoke(desk.event(desk.received("a")), remaining=30)
    [again] = desk.receive(1)  # a backoff of at most four seconds; the queue's own timeout is sixty
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"


def test_a_rejected_message_is_in_the_dead_letter_queue_with_its_reason_and_is_not_reported(desk: Desk) -> None:
    desk.behaviour["a"] = _raise(Reject("no such session"))
    report = desk.sandbox().invoke(desk.event(desk.received("a")), remaining=30)
    [letter] = desk.aws.sqs.receive_message(QueueUrl=desk.dead_letter_url, MessageAttributeNames=["All"])["Messages"]
    assert report == {"batchItemFailures": []}
    assert json.loads(letter["MessageAttributes"][ATTRIBUTE]["StringValue"])["message"] == "no such session"
    assert letter["Body"] == '{"word": "a"}'


def test_an_unreadable_record_never_sinks_its_batch(desk: Desk) -> None:
    [good] = desk.received("a")
    event = desk.event([good])
    timeless = event["Records"][0] | {"messageId": "timeless", "attributes": {"SentTimestamp": "9" * 400}}
    event["Records"] = [{"messageId": "broken"}, "no record", timeless, *event["Records"], {"body": "nameless"}]
    assert ids(desk.sandbox().invoke(event, remaining=30)) == ["broken", "timeless"]
    assert desk.handled == ["a"]


def test_a_record_of_a_queue_that_the_app_does_not_read_is_given_back(desk: Desk) -> None:
    messages = desk.received("a")
    event = lambda_event(messages, queue_name="another-queue")
    assert ids(desk.sandbox().invoke(event, remaining=30)) == [messages[0]["MessageId"]]
    assert desk.handled == []


@pytest.mark.parametrize("event", [{"detail-type": "tick"}, {"Records": {}}, None, [], "text", 7])
def test_an_event_that_is_not_from_sqs_is_refused_with_a_clear_error(desk: Desk, event: object) -> None:
    with pytest.raises(TypeError, match="event source mapping"):
        desk.sandbox().invoke(event, remaining=30)


@pytest.mark.parametrize(
    "record",
    [
        {"eventSource": "aws:s3", "s3": {"object": {"key": "a"}}},
        {"EventSource": "aws:sns", "Sns": {"MessageId": "1", "Message": "a"}},
        {
            "eventSource": "aws:dynamodb",
            "eventID": "1",
            "eventSourceARN": "arn:aws:dynamodb:us-east-1:1:table/t/stream/1",
        },
        {"messageId": None, "body": "a"},
        None,
    ],
)
def test_records_of_another_source_are_refused_for_no_ids_would_say_that_they_are_done(
    desk: Desk, record: object
) -> None:
    with pytest.raises(TypeError, match="event source mapping"):
        desk.sandbox().invoke({"Records": [record, record]}, remaining=30)
    assert desk.handled == []


def test_one_loop_and_one_set_of_clients_serve_every_invocation(desk: Desk) -> None:
    sandbox = desk.sandbox()
    for word in "abcde":
        sandbox.invoke(desk.event(desk.received(word)), remaining=30)
    assert (desk.opened, len(desk.loops)) == (1, 1)
    sandbox.close()
    desk.sandboxes.clear()
    assert desk.closed == 1


def test_no_more_records_are_handled_at_once_than_the_worker_allows(desk: Desk) -> None:
    desk.sandbox(concurrency=2).invoke(desk.event(desk.received(*"abcdef")), remaining=30)
    assert desk.most_running == 2
    assert sorted(desk.handled) == list("abcdef")


def test_near_the_deadline_what_is_not_finished_is_returned_as_failed(desk: Desk) -> None:
    desk.behaviour["b"] = lambda: asyncio.sleep(3600)
    messages = desk.received("a", "b", "c")
    report = desk.sandbox(concurrency=1).invoke(desk.event(messages), remaining=1.5)
    assert sorted(ids(report)) == sorted([messages[1]["MessageId"], messages[2]["MessageId"]])
    assert desk.handled == ["a"]


def test_in_a_batch_worker_the_invocation_is_the_batch(desk: Desk) -> None:
    desk.behaviour["b"] = _raise(ConnectionError())
    messages = desk.received("a", "b", "c")
    report = desk.sandbox(batch=True).invoke(desk.event(messages), remaining=30)
    assert ids(report) == [messages[1]["MessageId"]]
    assert desk.handled == ["a", "b", "c"]


def test_a_door_opens_nothing_before_its_first_real_invocation(desk: Desk) -> None:
    @asynccontextmanager
    async def open_workers(_environment: Mapping[str, str], _clients: Clients) -> AsyncIterator[tuple[Any, ...]]:
        desk.opened += 1
        yield ()

    handler = make_lambda_handler(App("sample", ("uploads",), open_workers), {})
    with pytest.raises(TypeError, match="Records"):
        handler({}, FakeContext())
    assert desk.opened == 0


def test_what_an_invocation_logs_names_its_request_and_nothing_later_does() -> None:
    said: list[Mapping[str, Any]] = []
    loops: list[asyncio.AbstractEventLoop] = []

    @asynccontextmanager
    async def open_workers(_environment: Mapping[str, str], _clients: Clients) -> AsyncIterator[tuple[Any, ...]]:
        loops.append(asyncio.get_running_loop())
        said.append(logging.ABOUT.get())
        yield ()

    handler = make_lambda_handler(App("sample", (), open_workers), {})
    handler({"Records": []}, FakeContext(aws_request_id="c6af9ac6"))
    loops[0].close()  # Lambda keeps its own
    assert (said, logging.ABOUT.get()) == ([{"request_id": "c6af9ac6"}], {})
