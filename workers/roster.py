"""Who is in the fleet: each worker's name on the command line, and the module that holds its APP and its Lambda door."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared import App

WORKERS: Mapping[str, str] = MappingProxyType(
    {
        "upload-notification": "workers.upload_notification.app",
        "webhook-delivery": "workers.webhook_delivery.app",
        "reminder-dispatch": "workers.reminder_dispatch.app",
        "audit-archive": "workers.audit_archive.app",
    }
)


def app(name: str) -> App:
    """The worker called `name`; only its own modules are imported. Raises KeyError."""
    found: App = import_module(WORKERS[name]).APP
    return found
