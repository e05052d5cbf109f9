"""What no worker can read is in its dead-letter queue at once, whole and with the reason, through both doors."""

import json
import uuid

import pytest

from tests.e2e.outside import Outside

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

QUEUES = (
    "uploads",
    "webhook-events",
    "webhook-deliveries",
    "reminder-ticks",
    "reminders",
    "reminder-receipts",
    "audit",
)
READERS = {
    "uploads": "upload-notification",
    "webhook-events": "webhook-delivery",
    "webhook-deliveries": "webhook-delivery",
    "reminder-ticks": "reminder-dispatch",
    "reminder-receipts": "reminder-dispatch",
    "reminders": "reminder-dispatch",
    "audit": "audit-archive",
}


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("form", ["not json {}", '"{}"', '{{"some": "{}"}}'])
async def test_a_malformed_message_is_buried_whole_with_its_reason(fleet: Outside, queue: str, form: str) -> None:
    body = form.format(f"secret-{uuid.uuid4().hex}")
    message_id = fleet.send(queue, body)
    reason = await fleet.letter(queue, body)
    assert (reason["source_queue"], reason["worker"]) == (queue, READERS[queue])
    assert (reason["original_message_id"], reason["attempts"]) == (message_id, 1)
    assert reason["fingerprint"]
    assert "secret-" not in json.dumps(reason)


async def test_a_test_event_of_s3_is_not_a_failure(fleet: Outside) -> None:
    fleet.send("uploads", json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "any"}))
    await fleet.until(lambda: fleet.waiting("uploads") == 0, "an empty queue")
