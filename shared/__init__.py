"""The road a message takes from an SQS queue to its end; it knows no worker. All that a worker's author needs is here:
`from shared import App, Each, Worker, ...` (and `shared.telemetry`); the rooms behind it are the library's own business.

A name is looked up when it is first asked for, so that importing this package, or any room of it, costs nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.app import App, OpenWorkers
    from shared.backoff import Backoff
    from shared.bus import BusEntry, EventBus, NotPut
    from shared.clients import Clients
    from shared.configuration.blocking import blocking
    from shared.configuration.secret import Secret
    from shared.lambda_door.entry import make_lambda_handler
    from shared.lambda_door.function import make_function
    from shared.message.correlation import correlation_id
    from shared.message.delivery import Attribute, Delivery
    from shared.message.envelope import (
        BusEvent,
        Image,
        ScheduleTick,
        StreamRecord,
        Wire,
        bus_event,
        document,
        schedule_tick,
        stream_record,
    )
    from shared.message.fields import mistyped
    from shared.message.parsing import parsed
    from shared.message.s3_events import S3Change, S3Changes, padded_sequencer, s3_changes
    from shared.message.verbatim import json_members, sorted_json
    from shared.outcome import Contended, Later, Reject, Unavailable, code_of
    from shared.road.once import KeyReused
    from shared.settings import Settings, SettingsError, in_words, read_settings
    from shared.sqs.sender import Message, NotSent, Send
    from shared.worker import BatchResult, Each, FairShares, Fifo, Limits, Once, Together, Worker

__all__ = [
    "App",
    "Attribute",
    "Backoff",
    "BatchResult",
    "BusEntry",
    "BusEvent",
    "Clients",
    "Contended",
    "Delivery",
    "Each",
    "EventBus",
    "FairShares",
    "Fifo",
    "Image",
    "KeyReused",
    "Later",
    "Limits",
    "Message",
    "NotPut",
    "NotSent",
    "Once",
    "OpenWorkers",
    "Reject",
    "S3Change",
    "S3Changes",
    "ScheduleTick",
    "Secret",
    "Send",
    "Settings",
    "SettingsError",
    "StreamRecord",
    "Together",
    "Unavailable",
    "Wire",
    "Worker",
    "blocking",
    "bus_event",
    "code_of",
    "correlation_id",
    "document",
    "in_words",
    "json_members",
    "make_function",
    "make_lambda_handler",
    "mistyped",
    "padded_sequencer",
    "parsed",
    "read_settings",
    "s3_changes",
    "schedule_tick",
    "sorted_json",
    "stream_record",
]

_HOMES = {
    "App": "shared.app",
    "OpenWorkers": "shared.app",
    "Backoff": "shared.backoff",
    "BusEntry": "shared.bus",
    "EventBus": "shared.bus",
    "NotPut": "shared.bus",
    "Clients": "shared.clients",
    "blocking": "shared.configuration.blocking",
    "Secret": "shared.configuration.secret",
    "make_function": "shared.lambda_door.function",
    "make_lambda_handler": "shared.lambda_door.entry",
    "Attribute": "shared.message.delivery",
    "Delivery": "shared.message.delivery",
    "BusEvent": "shared.message.envelope",
    "Image": "shared.message.envelope",
    "S3Change": "shared.message.s3_events",
    "S3Changes": "shared.message.s3_events",
    "ScheduleTick": "shared.message.envelope",
    "StreamRecord": "shared.message.envelope",
    "Wire": "shared.message.envelope",
    "bus_event": "shared.message.envelope",
    "code_of": "shared.outcome",
    "correlation_id": "shared.message.correlation",
    "document": "shared.message.envelope",
    "in_words": "shared.settings",
    "mistyped": "shared.message.fields",
    "padded_sequencer": "shared.message.s3_events",
    "s3_changes": "shared.message.s3_events",
    "schedule_tick": "shared.message.envelope",
    "stream_record": "shared.message.envelope",
    "parsed": "shared.message.parsing",
    "json_members": "shared.message.verbatim",
    "sorted_json": "shared.message.verbatim",
    "Contended": "shared.outcome",
    "Later": "shared.outcome",
    "Reject": "shared.outcome",
    "Unavailable": "shared.outcome",
    "KeyReused": "shared.road.once",
    "Settings": "shared.settings",
    "SettingsError": "shared.settings",
    "read_settings": "shared.settings",
    "Message": "shared.sqs.sender",
    "NotSent": "shared.sqs.sender",
    "Send": "shared.sqs.sender",
    "BatchResult": "shared.worker",
    "Each": "shared.worker",
    "FairShares": "shared.worker",
    "Fifo": "shared.worker",
    "Limits": "shared.worker",
    "Once": "shared.worker",
    "Together": "shared.worker",
    "Worker": "shared.worker",
}

if not TYPE_CHECKING:  # else a type checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return found
