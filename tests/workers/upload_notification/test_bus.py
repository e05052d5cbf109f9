"""How an upload comes to the event bus."""

import json
from functools import partial

from shared.bus import EventBus
from tests.aws import Aws
from tests.waiting import until
from tests.workers.upload_notification.fakes import finished, session, uploaded
from workers.upload_notification.announcement import detail, entry

UPLOAD = finished(name="ü.jpg")
SESSION = session(uploaded(UPLOAD))


async def test_a_rule_finds_the_event_on_the_real_bus(aws: Aws) -> None:
    bus, queue = aws.names["EVENT_BUS_NAME"], aws.queue("uploads-heard")
    arn = aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = json.dumps({"source": ["fleet.uploads"], "detail": {"id": [UPLOAD.id]}})
    aws.events.put_rule(Name="uploads-heard", EventBusName=bus, EventPattern=pattern)
    aws.events.put_targets(Rule="uploads-heard", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])

    async with aws.open("events") as client:
        await EventBus(client, bus=bus).put(entry(UPLOAD, SESSION))

    (body,) = await until(partial(aws.bodies, queue), what="the event on the queue")
    heard = json.loads(body)
    assert (heard["detail-type"], heard["detail"]) == ("upload.completed", detail(UPLOAD, SESSION))
