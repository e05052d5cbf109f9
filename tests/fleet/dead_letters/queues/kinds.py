"""Dead-letter queues of every kind with three letters each, and what feeds them: on the emulator, or as it would answer."""

import io
import json
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from shared.message.identity import ATTRIBUTE
from tests.aws import Aws
from tests.fleet.dead_letters import letters
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.fakes import envelope

COUNT = 3
ORDERS = [{"order": number} for number in range(COUNT)]


@dataclass
class Place:
    """Queues and what feeds them, taken away at the end: whoever lists every queue would meet them."""

    aws: Aws
    cli: Lines
    end: ExitStack

    def queue(self, label: str, **attributes: str) -> str:
        suffix = ".fifo" if "FifoQueue" in attributes else ""
        name = f"{self.aws.project}-{label}-{uuid.uuid4().hex[:8]}{suffix}"
        url = self.aws.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]  # type: ignore[arg-type]  # keys are literals in the stubs
        self.end.callback(self.aws.sqs.delete_queue, QueueUrl=url)
        return url

    def unfed(self, **attributes: str) -> Ground:
        """A queue, and another one that letters in it can go to."""
        return Ground(self.aws, self.queue("orders", **attributes), self.queue("orders-dlq", **attributes))

    def fed(self, **attributes: str) -> Ground:
        """The same, and the second one has the first one's dead letters."""
        ground = self.unfed(**attributes)
        policy = json.dumps({"deadLetterTargetArn": ground.arn, "maxReceiveCount": 3})
        self.aws.sqs.set_queue_attributes(QueueUrl=ground.source, Attributes={"RedrivePolicy": policy})
        return ground

    def client(self, service: str) -> Any:
        return self.aws.session.client(service, endpoint_url=self.aws.url)  # type: ignore[call-overload]  # the stubs list every service by name

    def answering(self, service: str, answers: Mapping[str, Any]) -> None:
        """A service that the emulator does not have, as far as it is asked: a JSON document under each path."""
        url = self.end.enter_context(answering(answers))
        self.cli.environment[f"AWS_ENDPOINT_URL_{service.upper()}"] = url


@contextmanager
def answering(answers: Mapping[str, Any]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path.partition("?")[0])
            body = json.dumps(found or {}).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@dataclass(frozen=True)
class Case:
    """A queue with three letters. `to`: what the plan has to be told; `done`: where a function writes down its events."""

    ground: Ground
    fed_by: str
    shape: str
    to: tuple[str, ...] = ()
    destination: str = ""
    done: Path | None = None

    @property
    def goes_to(self) -> str:
        return self.destination or self.ground.arn_of(self.ground.source)

    def written(self, count: int) -> list[int]:
        """The orders that the function wrote down; nothing before there are `count`."""
        lines = self.done.read_text().splitlines() if self.done is not None and self.done.exists() else []
        return [json.loads(line)["order"] for line in lines] if len(lines) >= count else []


def standard(place: Place) -> Case:
    ground = place.fed()
    ground.park(*ORDERS[:2])
    ground.die(ORDERS[2])
    return Case(ground, "queue " + name(ground.source), "sqs")


def fifo(place: Place) -> Case:
    ground = place.fed(FifoQueue="true")
    reason: Any = {ATTRIBUTE: {"DataType": "String", "StringValue": envelope(source_queue=name(ground.source)).text}}
    for number, order in enumerate(ORDERS):
        place.aws.sqs.send_message(
            QueueUrl=ground.dead,
            MessageBody=json.dumps(order),
            MessageAttributes=reason,
            MessageGroupId=f"g-{number % 2}",
            MessageDeduplicationId=str(number),
        )
    return Case(ground, "queue " + name(ground.source), "sqs")


def own_policy(place: Place, most: int = 20) -> Case:
    """Its letters move on after `most` receives."""
    ground = place.fed()
    policy = json.dumps({"deadLetterTargetArn": ground.arn_of(place.queue("last-stop")), "maxReceiveCount": most})
    place.aws.sqs.set_queue_attributes(QueueUrl=ground.dead, Attributes={"RedrivePolicy": policy})
    ground.park(*ORDERS)
    return Case(ground, "queue " + name(ground.source), "sqs")


def rule(place: Place) -> Case:
    ground, events = place.unfed(), place.aws.events
    target = ground.arn_of(ground.source)
    events.put_rule(Name=ground.name, EventPattern='{"source": ["shop"]}')
    place.end.callback(events.delete_rule, Name=ground.name)
    events.put_targets(Rule=ground.name, Targets=[{"Id": "1", "Arn": target, "DeadLetterConfig": {"Arn": ground.arn}}])
    place.end.callback(events.remove_targets, Rule=ground.name, Ids=["1"])
    body, attributes = letters.bus_event(target)
    for number in range(COUNT):
        ground.put(body.replace("order-42", f"order-{number}"), attributes=letters.typed(attributes))
    return Case(ground, f"EventBridge rule default/{ground.name}", "eventbridge-rule")


def pipe(place: Place) -> Case:
    ground = place.unfed()
    source = {"DynamoDBStreamParameters": {"DeadLetterConfig": {"Arn": ground.arn}}}
    answers = {"/v1/pipes": {"Pipes": [{"Name": "orders"}]}, "/v1/pipes/orders": {"SourceParameters": source}}
    place.answering("pipes", answers)
    pointers(place, ground, by="context")
    return Case(ground, "EventBridge pipe orders", "pipe-stream", ("--to", name(ground.source)))


def topic(place: Place) -> Case:
    ground, sns = place.unfed(), place.client("sns")
    made = sns.create_topic(Name=ground.name)["TopicArn"]
    place.end.callback(sns.delete_topic, TopicArn=made)
    policy = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": ground.arn})}
    sns.subscribe(TopicArn=made, Protocol="sqs", Endpoint=ground.arn_of(ground.source), Attributes=policy)
    body, attributes = letters.notification(made)
    for number in range(COUNT):
        ground.put(body.replace(": 7", f": {number}"), attributes=letters.typed(attributes))
    return Case(ground, f"SNS subscription of topic {ground.name}", "sns")


def function(place: Place) -> Case:
    """Its on-failure destination; what failed goes to the function itself."""
    ground, done = place.unfed(), place.cli.home / "done"
    arn = running(place, ground.name, done)
    to_dead = {"OnFailure": {"Destination": ground.arn}}
    place.client("lambda").put_function_event_invoke_config(
        FunctionName=ground.name, DestinationConfig=to_dead, MaximumRetryAttempts=0
    )
    ground.put(*(letters.invocation_record(arn, json.dumps(order))[0] for order in ORDERS))
    who = f"on-failure destination of Lambda function {ground.name}"
    return Case(ground, who, "lambda-async", destination=f"{arn}:$LATEST", done=done)


def function_queue(place: Place) -> Case:
    """Its own dead-letter queue, whose letters do not say which function it was."""
    ground, done = place.unfed(), place.cli.home / "done"
    arn = running(place, ground.name, done, DeadLetterConfig={"TargetArn": ground.arn})
    _, attributes = letters.invocation()
    ground.put(*ORDERS, attributes=letters.typed(attributes))
    return Case(ground, f"Lambda function {ground.name}", "lambda-async", ("--to", arn), arn, done)


def mapping(place: Place) -> Case:
    ground = place.unfed()
    running(place, ground.name, place.cli.home / "done")
    stream = pointers(place, ground)
    client = place.client("lambda")
    made = client.create_event_source_mapping(
        FunctionName=ground.name,
        EventSourceArn=stream,
        StartingPosition="LATEST",
        Enabled=False,
        DestinationConfig={"OnFailure": {"Destination": ground.arn}},
    )
    place.end.callback(client.delete_event_source_mapping, UUID=made["UUID"])
    who = f"Lambda event source mapping of {ground.name}"
    return Case(ground, who, "lambda-stream", ("--to", name(ground.source)))


def scheduler(place: Place) -> Case:
    ground = place.unfed()
    answers = {
        "/schedules": {"Schedules": [{"Name": "nightly"}]},
        "/schedules/nightly": {"Target": {"DeadLetterConfig": {"Arn": ground.arn}}},
    }
    place.answering("scheduler", answers)
    body, attributes = letters.scheduled(ground.arn_of(ground.source))
    for number in range(COUNT):
        ground.put(body.replace("r-1", f"r-{number}"), attributes=letters.typed(attributes))
    return Case(ground, "EventBridge schedule default/nightly", "scheduler")


def name(url: str) -> str:
    return url.rpartition("/")[2]


def pointers(place: Place, ground: Ground, *, by: str = "requestContext") -> str:
    """Three letters that point to one record each, in the stream whose ARN is answered."""
    aws = place.aws
    table = aws.table("id", label="orders", stream=True)
    for number in range(COUNT):
        aws.dynamodb.put_item(TableName=table, Item={"id": {"S": f"o-{number}"}})
    arn = aws.dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    [shard, *_] = aws.streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    first = aws.streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    for record in aws.streams.get_records(ShardIterator=first["ShardIterator"])["Records"]:
        at = record["dynamodb"]["SequenceNumber"]
        batch: Any = {"shardId": shard["ShardId"], "startSequenceNumber": at, "endSequenceNumber": at}
        ground.put(letters.stream_pointer(stream=arn, by=by, **batch)[0])
    return arn


def running(place: Place, name: str, done: Path, **options: Any) -> str:
    """A function that writes each event down, or fails where `broken` lies beside; answers its ARN."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("orders.py", HANDLER)
    client = place.client("lambda")
    made = client.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role="arn:aws:iam::000000000000:role/any",
        Handler="orders.handle",
        Code={"ZipFile": code.getvalue()},
        Environment={"Variables": {"DONE": str(done)}},
        **options,
    )
    place.end.callback(client.delete_function, FunctionName=name)
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    return str(made["FunctionArn"])


HANDLER = """
import json, os

def handle(event, _):
    if os.path.exists(os.environ["DONE"] + ".broken"):
        raise ValueError("no such order")
    with open(os.environ["DONE"], "a") as done:
        done.write(json.dumps(event) + "\\n")
"""


KINDS = (standard, fifo, own_policy, rule, pipe, topic, function, function_queue, mapping, scheduler)
