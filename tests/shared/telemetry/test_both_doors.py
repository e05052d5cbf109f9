"""Every message is linked to whoever sent it, one by one and in batches, whichever door it comes in by."""

import random

import pytest

from shared.message.delivery import Delivery, from_lambda, from_poll
from shared.telemetry import tracing
from tests.lambda_events import lambda_record


def received(number: int, *, w3c: bool, x_ray: bool) -> dict[str, object]:
    """A message as SQS hands it out, whose trace id is its number."""
    trace, system = f"{number:032x}", {"ApproximateReceiveCount": "1"}
    attributes = {"traceparent": {"DataType": "String", "StringValue": f"00-{trace}-{number:016x}-01"}} if w3c else {}
    if x_ray:
        system["AWSTraceHeader"] = f"Root=1-{trace[:8]}-{trace[8:]};Parent={number:016x};Sampled=1"
    found = {"MessageId": f"m-{number}", "ReceiptHandle": f"r-{number}", "Body": "{}"}
    return {**found, "Attributes": system, "MessageAttributes": attributes}


def by_poll(message: dict[str, object]) -> Delivery:
    return from_poll(message, queue="uploads", received_at=0.0)


def by_lambda(message: dict[str, object]) -> Delivery:
    return from_lambda(lambda_record(message, queue_name="fleet-uploads-dev"), queue="uploads")


@pytest.mark.parametrize("door", [by_poll, by_lambda])
@pytest.mark.parametrize(("w3c", "x_ray"), [(True, True), (True, False), (False, True)])
def test_of_a_hundred_messages_a_hundred_are_linked(door: object, *, w3c: bool, x_ray: bool) -> None:
    assert callable(door)
    numbers = random.Random(7).sample(range(1, 2**60), 100)
    deliveries = [door(received(number, w3c=w3c, x_ray=x_ray)) for number in numbers]
    single = [tracing.creation_context(each) for each in deliveries]
    assert [each and each.trace_id for each in single] == numbers
    assert [link.context.trace_id for link in tracing._links(deliveries)] == numbers
