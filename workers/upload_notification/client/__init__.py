"""What a producer calls: upload sessions opened, looked at, connected and closed, without an attribute written by hand.

async with open_sessions(os.environ) as sessions:
    opened = await sessions.open(Opening(tenant_id="acme", allowed_types=("image/*",), max_bytes=10_000_000))
    post = await sessions.form(opened.session_id, "photo.jpg")
"""

from workers.upload_notification.client.form import Form, checked_key
from workers.upload_notification.client.opened import ClientSettings, open_sessions
from workers.upload_notification.client.opening import Opening, WrongField
from workers.upload_notification.client.sessions import NoSuchSession, Opened, Refused, Sessions
from workers.upload_notification.client.state import State

__all__ = [
    "ClientSettings",
    "Form",
    "NoSuchSession",
    "Opened",
    "Opening",
    "Refused",
    "Sessions",
    "State",
    "WrongField",
    "checked_key",
    "open_sessions",
]
