"""Stories played with tracing switched on, as a process of their own, because a tracer provider is global and for good.

Each story's spans go to stdout as JSON: {story: {"spans": [...], "returned": what the story returned}}.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager
from functools import cache
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from shared.consumer import lay_road
from shared.message.dead_letter import Letter
from shared.message.delivery import Attribute, Delivery
from shared.message.identity import ATTRIBUTE
from shared.outcome import Later, Reject
from shared.road.ports import Ports
from shared.sqs.queue import SqsQueue
from shared.sqs.sender import Message, NotSent, SqsSender
from shared.telemetry import tracing
from tests.fakes import delivery
from tests.made import make_worker
from tests.sqs_server.control_client import Controls
from tests.sqs_server.running import SqsServer, sqs_server

CANARY = "canary-7f3a"
CREATOR = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01"
X_RAY = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"

Story = Callable[[], Coroutine[Any, Any, object]]
STORIES: list[Story] = []
AT_THE_END = ExitStack()


def story(play: Story) -> Story:
    STORIES.append(play)
    return play


def carrying(traceparent: str = CREATOR, *, queue: str = "uploads") -> Delivery:
    return delivery(f'"{CANARY}"', queue=queue, attributes={"traceparent": Attribute("String", traceparent)})


async def travelled(found: Delivery, handle: Callable[[str], Awaitable[None]]) -> list[Letter]:
    """Take one message along the road; the letters that were buried."""
    letters: list[Letter] = []

    def hide(_delivery: Delivery, _seconds: float) -> None:
        """Hidden."""

    async def bury(letter: Letter) -> None:
        letters.append(letter)

    worker = make_worker(decode=lambda each: each.body, handle=handle)
    await lay_road(worker, Ports(hide=hide, bury=bury, dice=lambda: 0.5)).travel(found)
    return letters


@cache
def running() -> SqsServer:
    """One server for all stories."""
    return AT_THE_END.enter_context(sqs_server())


@asynccontextmanager
async def deliveries() -> AsyncIterator[tuple[Controls, Any, str]]:
    """The controls of a server that keeps what it is asked, a client for it, and the URL of its only queue."""
    server = running()
    server.control.reset()
    server.control.options(keep_requests=True)
    async with server.open() as client:
        yield server.control, client, server.make("deliveries")


async def nothing(_body: str) -> None:
    """Done at once."""


@story
async def one_message_is_sent() -> object:
    async with deliveries() as (control, client, url):
        await SqsSender(client, name="deliveries", url=url)([Message(CANARY)])
        return control.batches("SendMessageBatch")


@story
async def many_messages_are_sent() -> object:
    async with deliveries() as (control, client, url):
        await SqsSender(client, name="deliveries", url=url)([Message(CANARY) for _ in range(12)])
        return control.batches("SendMessageBatch")


@story
async def a_send_fails() -> object:
    async with deliveries() as (control, client, url):
        control.fault("refuse", code="InternalError")
        try:
            await SqsSender(client, name="deliveries", url=url)([Message(CANARY)])
        except NotSent as error:
            return type(error).__name__
        return "sent"


@story
async def messages_are_received() -> object:
    async with deliveries() as (_control, client, url):
        queue = SqsQueue(client, name="uploads", url=url, dead_letter_url=url)
        parent = {"traceparent": {"DataType": "String", "StringValue": CREATOR}}
        header = {"AWSTraceHeader": {"DataType": "String", "StringValue": X_RAY}}
        for carried in (
            {"MessageAttributes": parent, "MessageSystemAttributes": header},
            {"MessageSystemAttributes": header},
            {},
        ):
            await client.send_message(QueueUrl=url, MessageBody=CANARY, **carried)
        found = await queue.receive(limit=10, wait=0, visibility=30)
        assert await queue.receive(limit=10, wait=0, visibility=30) == []
        return len(found)


@story
async def a_message_is_done() -> object:
    with capture_logs() as lines:
        await travelled(carrying(), nothing)
    return lines


@story
async def a_message_without_a_trace_is_done() -> object:
    return await travelled(delivery(CANARY), nothing)


@story
async def a_message_by_x_ray_is_done() -> object:
    return await travelled(delivery(CANARY, trace_header=X_RAY), nothing)


@story
async def a_message_that_nobody_wants_traced_is_done() -> object:
    return await travelled(delivery(CANARY, trace_header=X_RAY.replace("Sampled=1", "Sampled=0")), nothing)


@story
async def a_handler_sends_on() -> object:
    async with deliveries() as (control, client, url):
        send = SqsSender(client, name="deliveries", url=url)

        async def handle(body: str) -> None:
            await send([Message(body)])

        await travelled(carrying(), handle)
        return control.batches("SendMessageBatch")


@story
async def a_message_fails() -> object:
    async def handle(body: str) -> None:
        raise ValueError(body)

    return await travelled(carrying(), handle)


@story
async def a_message_waits() -> object:
    async def handle(_body: str) -> None:
        raise Later("not yet", after=60)

    return await travelled(carrying(), handle)


@story
async def a_message_is_buried() -> object:
    async def handle(_body: str) -> None:
        raise Reject("endpoint is gone")

    [letter] = await travelled(carrying(), handle)
    return json.loads(letter.attributes[ATTRIBUTE].text or "")["trace_id"]


@story
async def a_message_is_cut() -> object:
    async def handle(_body: str) -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(travelled(carrying(), handle))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel("the lease is lost")
    await asyncio.wait({task})
    return task.cancelled()


@story
async def a_batch_is_done() -> object:
    async def handle(bodies: Any) -> Any:
        return [None] * len(bodies)

    async def untouched(*_: object) -> None:
        raise AssertionError("nothing is hidden or buried")

    worker = make_worker(name="sample", queue="audit", decode=lambda each: each.body, handle_batch=handle)
    road = lay_road(worker, Ports(hide=lambda *_: None, bury=untouched))
    found = [carrying(queue="audit"), carrying(OTHER, queue="audit"), delivery("{}", queue="audit")]
    return await road.travel_together(found)


@story
async def a_batch_is_settled_later() -> object:
    with tracing.settling("audit", how="delete", deliveries=[carrying(), carrying(OTHER), delivery()]):
        """Deleted."""
    return None


def plain(span: ReadableSpan) -> dict[str, Any]:
    assert span.context is not None
    return {
        "name": span.name,
        "kind": span.kind.name,
        "trace": f"{span.context.trace_id:032x}",
        "span": f"{span.context.span_id:016x}",
        "parent": f"{span.parent.span_id:016x}" if span.parent else None,
        "attributes": dict(span.attributes or {}),
        "links": [f"{link.context.trace_id:032x}-{link.context.span_id:016x}" for link in span.links],
        "status": span.status.status_code.name,
        "events": [event.name for event in span.events],
        "seconds": ((span.end_time or 0) - (span.start_time or 0)) / 1e9,
    }


async def tell() -> dict[str, Any]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    everything = {}
    for each in STORIES:
        returned = await each()
        everything[each.__name__] = {
            "returned": returned,
            "spans": [plain(span) for span in exporter.get_finished_spans()],
        }
        exporter.clear()
    return everything


if __name__ == "__main__":
    with AT_THE_END:
        sys.stdout.write(json.dumps(asyncio.run(tell()), default=repr))
