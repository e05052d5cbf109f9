"""Push notifications by Expo: requests of at most 100 recipients, and each ticket back at its recipient."""

from __future__ import annotations

import gzip
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, assert_never

import aiohttp
import orjson

from shared import Secret
from workers.reminder_dispatch.channels.channel import (
    TOO_LATE,
    Accepted,
    Answer,
    Busy,
    Lost,
    Misconfigured,
    Note,
    Refused,
)
from workers.reminder_dispatch.channels.push.answer import Rejected, Reply, Tickets, read, text_of, ticket_answer
from workers.reminder_dispatch.channels.push.rate import PER_SECOND, RateCap, Room, request_size

LARGEST_PAYLOAD = 4_096
"""Bytes that FCM and APNs carry; Expo accepts more and then reports MessageTooBig."""

COMPRESSED_ABOVE = 1_024
"""Bytes of a request body, as Expo's own SDK does it."""

TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=5)

_TOKEN = re.compile(r"Expo(nent)?PushToken\[[^\[\]\s]{1,500}\]|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

NO_TOKEN = Secret("EXPO_ACCESS_TOKEN", ())


def open_session() -> aiohttp.ClientSession:
    """A session for `Expo`; to be called and closed in the running event loop.

    Every request has a connection of its own: a kept one that the server closes at the wrong moment looks like a
    request whose fate is unknown, and one handshake for a hundred recipients is cheap.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True), cookie_jar=aiohttp.DummyCookieJar(), timeout=TIMEOUT
    )


class Expo:
    """Expo's push API (https://docs.expo.dev/push-notifications/sending-notifications/). `per_second`: recipients of one project that
    this process may send to in any second; where several send, each has its share of Expo's limit. A token that Expo refuses is
    read again, and of two that a rotation left the other one is tried, before an answer is Misconfigured.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        url: str,
        access_token: Secret = NO_TOKEN,
        per_second: int = PER_SECOND,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._session = session
        self._url = url
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        self._access_token = access_token
        self._caps: dict[str, RateCap] = {}
        self._per_second = per_second
        self._now = now

    @asynccontextmanager
    async def room(self, project: str, count: int, *, until: datetime) -> AsyncIterator[Room | None]:
        """Waits until a request to `count` recipients of the project has room in its rate, and keeps that; None where there is none
        before `until`.
        """
        left = (until - self._now()).total_seconds()
        async with self._cap(project).room(min(count, request_size(self._per_second)), within=left) as room:
            yield room

    async def push(self, notes: Sequence[Note], *, until: datetime, room: Room | None = None) -> Sequence[Answer]:
        """One answer for each note, in order; raises nothing of Expo's. The notes are of one project, and so is `room`: where it was
        kept, the first request does not wait. None begins at `until` or later.

        A request that is refused as a whole is split, by project where Expo names the projects and else in halves, so
        that one bad notification never takes its neighbours along. After an answer that will be the same for every
        request (too many, no connection, unauthorized) and after a lost request the rest is not tried.
        """
        faults = {number: why for number, note in enumerate(notes) if (why := unsendable(note)) is not None}
        numbers = [number for number in range(len(notes)) if number not in faults]
        answers: dict[int, Answer] = {number: Refused(why, known=True) for number, why in faults.items()}
        answers |= await self._push(notes, numbers, until, room)
        return [answers[number] for number in range(len(notes))]

    async def _push(
        self, notes: Sequence[Note], numbers: Sequence[int], until: datetime, room: Room | None
    ) -> dict[int, Answer]:
        """The answers to the notes with these numbers."""
        answers: dict[int, Answer] = {}
        most = request_size(self._per_second)
        waiting = deque(numbers[start : start + most] for start in range(0, len(numbers), most))
        rest: Busy | Misconfigured | None = None
        while waiting:
            asked = waiting.popleft()
            sent = rest or await self._send([notes[number] for number in asked], until, room)
            reply = _alone(sent, answers.values()) if isinstance(sent, Rejected) and len(asked) == 1 else sent
            match reply:
                case Tickets(entries):
                    answers |= zip(asked, map(ticket_answer, entries), strict=True)
                case Rejected(projects=projects):
                    waiting.extendleft(reversed(_parts(asked, notes, projects)))
                case Refused() | Busy(of="message"):
                    answers |= dict.fromkeys(asked, reply)
                case Busy() | Misconfigured():
                    rest = replace(reply, unsure=False) if isinstance(reply, Busy) else reply  # the rest never goes out
                    answers |= dict.fromkeys(asked, reply)
                case Lost():
                    rest = Busy("not tried after a request without answer", of="us")
                    answers |= dict.fromkeys(asked, reply)
                case other:
                    assert_never(other)
        return answers

    async def _send(self, notes: Sequence[Note], until: datetime, room: Room | None) -> Reply:
        body = orjson.dumps([_message(note) for note in notes])
        headers = self._headers
        if len(body) > COMPRESSED_ABOVE:
            body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
        left = (until - self._now()).total_seconds()
        if left <= 0 or not await self._cap(notes[0].project).take(len(notes), within=left, room=room):
            return TOO_LATE

        async def attempt(token: str | None) -> Reply:
            if not fits_a_header(token):
                return Misconfigured("EXPO_ACCESS_TOKEN: a control character is in it")
            return await self._post(body, headers | bearer(token), until, recipients=len(notes))

        return await self._access_token.accepted(attempt, refused=lambda reply: isinstance(reply, Misconfigured))

    def _cap(self, project: str) -> RateCap:
        """The project's; of those that nobody uses any more none is kept."""
        cap = self._caps.pop(project, None) or RateCap(limit=self._per_second)
        self._caps[project] = cap  # whose use is the latest stands last
        while (oldest := next(iter(self._caps))) != project and self._caps[oldest].is_idle:
            del self._caps[oldest]
        return cap

    async def _post(self, body: bytes, headers: Mapping[str, str], until: datetime, *, recipients: int) -> Reply:
        if self._now() >= until:
            return TOO_LATE
        try:
            async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                status, text = response.status, await text_of(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return Busy("no connection to Expo")
        except (aiohttp.ClientError, TimeoutError):
            return Lost("no answer from Expo")
        return read(status, text, recipients=recipients)


def unsendable(note: Note) -> str | None:
    """Why Expo would never take it; None where it may."""
    if not _TOKEN.fullmatch(note.token):
        return "no Expo push token"
    payload = {name: value for name, value in _message(note).items() if name != "to"}
    return "MessageTooBig" if len(orjson.dumps(payload)) > LARGEST_PAYLOAD else None


def _message(note: Note) -> dict[str, Any]:
    message: dict[str, Any] = {"to": note.token, "title": note.title, "body": note.body, **note.more}
    return {**message, "data": note.data} if note.data else message


def _alone(refusal: Rejected, answers: Iterable[Answer]) -> Refused | Busy:
    """What a refusal says of the one recipient of its request: the end, where Expo says why. What somebody before Expo says is that
    recipient's own where others of them were taken, and else the channel's.
    """
    if refusal.by_expo:
        return Refused(refusal.why)
    return Busy(refusal.why, of="message" if any(isinstance(each, Accepted) for each in answers) else "channel")


def _parts(numbers: Sequence[int], notes: Sequence[Note], projects: dict[str, str]) -> list[list[int]]:
    """Smaller requests in place of a refused one of several recipients."""
    parts: dict[str, list[int]] = {}
    for number in numbers:
        parts.setdefault(projects.get(notes[number].token, ""), []).append(number)
    if len(parts) > 1:
        return list(parts.values())
    half = len(numbers) // 2
    return [list(numbers[:half]), list(numbers[half:])]


def bearer(token: str | None) -> dict[str, str]:
    """The header that shows Expo's access token, where there is one."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def fits_a_header(token: str | None) -> bool:
    """Whether a request can carry it at all: a control character ends a header, and aiohttp raises before it sends anything."""
    return token is None or token.isprintable()
