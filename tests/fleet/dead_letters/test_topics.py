"""Letters of a topic: back to the one queue whose subscription uses this dead-letter queue, or a word why not."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from fleet.dead_letters.model.shapes import Standing
from fleet.dead_letters.queues.topics import Subscription, Topics, towards
from tests.aws import Aws
from tests.fleet.dead_letters import letters
from tests.fleet.dead_letters.conftest import Ground, Lines

QUEUE = "arn:aws:sqs:us-east-1:000000000000:orders"
ACT = ("--yes", "--reason", "the queue takes them again")


def result(*found: Subscription) -> Standing:
    return towards(Standing("sns", replayable=True, why_not="unknown", topic=letters.TOPIC), found)


def test_one_queue_is_the_destination_however_many_subscriptions_lead_there() -> None:
    found = result(Subscription("sqs", QUEUE), Subscription("sqs", QUEUE))
    assert (found.destination, found.why_not) == (QUEUE, "")


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ((), "unknown"),
        ((Subscription("sqs", QUEUE), Subscription("sqs", f"{QUEUE}-2")), "(orders, orders-2)"),
        ((Subscription("lambda", "arn:aws:lambda:us-east-1:000000000000:function:f"),), "its subscriber is lambda"),
        ((Subscription("https", "https://shop.example/hook"),), "its subscriber is https"),
        ((Subscription("sqs", QUEUE, raw=True),), "takes raw messages"),
    ],
)
def test_any_other_subscriber_is_told_of_and_needs_a_name(found: tuple[Subscription, ...], why: str) -> None:
    judged = result(*found)
    assert (judged.replayable, judged.destination) == (True, "")
    assert why in judged.why_not


@pytest.fixture
def sns(aws: Aws) -> Any:
    return aws.session.client("sns", endpoint_url=aws.url)


def subscribed(sns: Any, ground: Ground, *queues: str) -> str:
    """A topic whose subscriptions of these queues, by ARN, use the ground's dead-letter queue."""
    topic = sns.create_topic(Name=f"{ground.name}-topic")["TopicArn"]
    policy = json.dumps({"deadLetterTargetArn": ground.arn})
    for queue in queues:
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RedrivePolicy": policy})
    return str(topic)


def test_a_notification_goes_back_to_the_queue_that_subscribed_envelope_and_all(
    ground: Ground, cli: Lines, sns: Any
) -> None:
    body, attributes = letters.notification(subscribed(sns, ground, ground.arn_of(ground.source)))
    ground.put(body, attributes=letters.typed(attributes))
    [letter] = cli.json("list", ground.name)
    assert (letter["shape"], letter["destination"]) == ("sns", ground.arn_of(ground.source))
    cli("dlq", "plan", ground.name, "-o", cli.plan())
    cli("dlq", "replay", cli.plan(), *ACT)
    [arrived] = ground.content(ground.source)
    assert arrived["Body"] == body
    assert not {*attributes} & {*arrived["MessageAttributes"]}


def test_a_topic_that_nobody_knows_or_whose_subscriptions_use_another_queue_needs_a_name(
    ground: Ground, cli: Lines, sns: Any
) -> None:
    topic = subscribed(sns, ground)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=ground.arn_of(ground.source))
    ground.put(letters.notification()[0], letters.notification(topic)[0])
    for letter in cli.json("list", ground.name):
        assert (letter["destination"], "--to" in letter["note"]) == (None, True)
    assert Topics(sns).behind(letters.TOPIC, ground.arn) == ()


def page(status: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = b"<html><body>maintenance<br></body>"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@pytest.mark.slow
@pytest.mark.parametrize("status", [200, 403, 500])
def test_an_answer_of_sns_that_is_not_xml_leaves_its_letters_alone(status: int, ground: Ground, cli: Lines) -> None:
    ground.park({"n": 1})
    body, attributes = letters.notification()
    ground.put(body, attributes=letters.typed(attributes))
    with ThreadingHTTPServer(("127.0.0.1", 0), page(status)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        cli.environment["AWS_ENDPOINT_URL_SNS"] = f"http://127.0.0.1:{server.server_port}"
        listed = {each["shape"]: each for each in cli.json("list", ground.name)}
        [planned] = cli.json("plan", ground.name, "-o", cli.plan(), exits=4)
        server.shutdown()
        thread.join()
    assert listed["sns"]["destination"] is None
    assert "--to" in listed["sns"]["note"]
    assert (planned["planned"], [each["shape"] for each in planned["refused"]]) == (1, ["sns"])
