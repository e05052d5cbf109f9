"""Whether a mended body would be read: by the very model of the worker that takes it."""

from __future__ import annotations

from importlib import import_module

import orjson
from pydantic import ValidationError

from shared.message.delivery import Delivery
from shared.outcome import Reject
from shared.settings import in_words
from workers.roster import WORKERS

_OF_THE_FOUR = {
    "reminder-ticks": "workers.reminder_dispatch.event:decode_tick",
    "reminder-receipts": "workers.reminder_dispatch.receipts.event:decode_receipts",
    "reminders": "workers.reminder_dispatch.event:decode_due",
    "webhook-events": "workers.webhook_delivery.event:published",
    "webhook-deliveries": "workers.webhook_delivery.event:job_or_event",
    "audit": "workers.audit_archive.event:decode",
    "uploads": "shared.message.s3_events:s3_changes",
}
_FOUR = ("audit-archive", "reminder-dispatch", "upload-notification", "webhook-delivery")

READERS = _OF_THE_FOUR | {
    name: f"{module.rpartition('.')[0]}.event:decode" for name, module in WORKERS.items() if name not in _FOUR
}
"""The pure reader of each queue of the fleet; imported when a body is mended. A worker beside the four has one queue, of its name."""


class NotMended(Exception):
    """No worker would read this body."""


def check(body: str, *, queue: str) -> bool:
    """Whether a reader of the fleet read it; False where the queue is none of the fleet's and the body is JSON.

    `queue` is the queue's name, `fleet-uploads-dev` or `uploads`. Raises NotMended, without quoting the body.
    """
    name = logical(queue)
    try:
        if name is None:
            orjson.loads(body)
            return False
        module, _, function = READERS[name].partition(":")
        read = getattr(import_module(module), function)
        read(body if name == "uploads" else Delivery(queue=name, message_id="", receipt_handle="", body=body))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        places = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'body'}: {in_words(fault)}" for fault in faults)
        raise NotMended(f"{name} would refuse this body: {places}") from None
    except Reject as error:
        raise NotMended(f"{name} would refuse this body: {error.why}") from None
    except ValueError:
        raise NotMended("the body is not JSON") from None
    return True


def logical(queue: str) -> str | None:
    """The fleet's own name of a queue: the longest that the name holds between hyphens."""
    held = [name for name in READERS if f"-{name}-" in f"-{queue}-"]
    return max(held, key=len, default=None)
