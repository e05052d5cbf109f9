"""What the handler asks of the table and of the browser's connection, and the answers it may get."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

from shared import BusEntry
from workers.upload_notification.content.gate import Verdict
from workers.upload_notification.event import UploadFinished, UploadScanned
from workers.upload_notification.rules import Session, Write
from workers.upload_notification.scans import ScanPolicy, ScanWrite

BUS: Final = "bus"
BROWSER: Final = "browser"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The write was made; the row as it is now."""

    session: Session


@dataclass(frozen=True, slots=True)
class Refused:
    """The write's condition did not hold; the row as it was instead, None where there is none."""

    session: Session | None


class SessionStore(Protocol):
    """Upload sessions. Every write is one conditional update: of several at once, one is accepted."""

    async def write(self, step: Write | ScanWrite, *, now: datetime) -> Accepted | Refused:
        """Move, TakeOver and an Arrange with an `upload` also take the announcement's lease, until `now` and LEASE."""

    async def announced(
        self, upload: UploadFinished, verdict: Verdict | None, *, connection: str = "", checksum: str = ""
    ) -> Session | None:
        """Remember that the upload was announced, with which verdict and checksum. Nothing happens, and the row as it is instead is answered,
        if it is no longer the current one, somebody else has concluded its session, the browser has another connection than `connection`,
        which was told ("" for none), or threats were found meanwhile in what was clean.
        """

    async def release(self, session: Session, *, informed: frozenset[str], busy_since: float | None) -> None:
        """Give the lease of an unfinished announcement back, if it is still the one that `session` shows, and remember who was told and
        since when (epoch seconds) the browser takes nothing. A browser that has another connection than `session` by now was not told.
        Where nobody knows whether somebody was told, the row goes on saying that it was begun.
        """

    async def disconnect(self, session_id: str, connection_id: str) -> str:
        """Forget exactly this connection; answers the one that the session has now, "" for none."""


@dataclass(frozen=True, slots=True)
class Posted:
    """The browser's connection took the message."""


@dataclass(frozen=True, slots=True)
class Gone:
    """There is no such connection (any more): 410."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """What the session holds is not a connection id: 400."""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The message is longer than the connection takes: 413."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Throttled, or the browser reads too slowly, also after a few tries: 429."""


@dataclass(frozen=True, slots=True)
class Forbidden:
    """This worker may not post there: 403, a fault of configuration."""


Answer = Posted | Gone | Malformed | TooLarge | Busy | Forbidden

Post = Callable[[str, bytes], Awaitable[Answer]]
"""Post bytes to a connection id; anything but an Answer is raised and may pass."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first bytes of an object."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Absent:
    """The object of this upload is not there any more; what took its place, or its removal, has a message of its own."""

    why: Literal["vanished", "replaced"]


Count = Callable[[str], None]
"""Count one outcome, for the metric that alarms read."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Joined in app.py. `put_event` raises unless the bus has accepted the event; `checksum` answers the file's SHA-256, "" for none or where
    nobody wants it; `quarantine` marks an object in which threats were
    found; `unknown_scan` says what becomes of a file of which a scan tells nothing.
    """

    store: SessionStore
    post: Post
    head: Callable[[UploadFinished], Awaitable[Head | Absent]]
    put_event: Callable[[BusEntry], Awaitable[object]]
    checksum: Callable[[UploadFinished], Awaitable[str]]
    quarantine: Callable[[UploadFinished | UploadScanned], Awaitable[object]]
    unknown_scan: ScanPolicy
    count: Count
    now: Callable[[], datetime]
