"""docs/schemas/messages.asyncapi.json, written from the models that read the messages and the examples of docs/data-model.md.

`python -m tests.docs.messages` writes it anew.
"""

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"
FILE = DOCS / "schemas" / "messages.asyncapi.json"

MODELS = {
    "reminder-ticks": "shared.message.envelope:ScheduleTick",
    "reminders": "workers.reminder_dispatch.event:ReminderDue",
    "reminder-receipts": "workers.reminder_dispatch.receipts.event:ReceiptsDue",
    "webhook-events": "shared.message.envelope:BusEvent",
    "webhook-deliveries": "workers.webhook_delivery.event:DeliveryJob",
}
OF_AWS = {
    "uploads": "S3's notification, or in EventBridge's schema registry `aws.s3@ObjectCreated` and `aws.s3@ObjectDeleted`",
    "audit": "A record of a DynamoDB stream, as EventBridge Pipes sends it",
}
"""Queues whose messages are in a form of AWS's own."""

EXAMPLE = re.compile(r"^### `([a-z-]+)`[^\n]*\n(?:(?!^##)[\s\S])*?```json\n(.*?)```", re.MULTILINE | re.DOTALL)


def document() -> dict[str, Any]:
    """AsyncAPI 3.0: a channel for each queue, one message each. https://www.asyncapi.com/docs/reference/specification/v3.0.0"""
    messages = (DOCS / "data-model.md").read_text(encoding="utf-8").partition("\n## Messages\n")[2]
    examples = {queue: json.loads(text) for queue, text in EXAMPLE.findall(messages)}
    told = {queue: (f"`{path.partition(':')[2]}`", _schema(path)) for queue, path in MODELS.items()}
    told |= {queue: (words, {"type": "object"}) for queue, words in OF_AWS.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Messages of sqs-worker-fleet",
            "version": "1",
            "description": "The bodies of the queues, as the workers read them. Rules across fields and where each comes from: docs/data-model.md.",
        },
        "defaultContentType": "application/json",
        "channels": {
            queue: _channel(queue, words, schema, examples[queue]) for queue, (words, schema) in sorted(told.items())
        },
        "operations": {
            f"receive-{queue}": {"action": "receive", "channel": {"$ref": f"#/channels/{queue}"}}
            for queue in sorted(told)
        },
    }


def text() -> str:
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _channel(queue: str, words: str, schema: dict[str, Any], example: Any) -> dict[str, Any]:
    message = {"summary": words, "payload": schema, "examples": [{"payload": example}]}
    return {"address": queue, "messages": {"body": message}}


def _schema(path: str) -> dict[str, Any]:
    """With its parts inside, so that no reference leaves it."""
    module, _, name = path.partition(":")
    made: dict[str, Any] = getattr(importlib.import_module(module), name).model_json_schema(by_alias=True)
    parts = made.pop("$defs", {})

    def inside(node: Any) -> Any:
        match node:
            case {"$ref": str(reference)}:
                return inside(parts[reference.rpartition("/")[2]])
            case dict():
                return {name: inside(each) for name, each in node.items()}
            case list():
                return [inside(each) for each in node]
            case _:
                return node

    found: dict[str, Any] = inside(made)
    return found


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{FILE}\n")
