"""Upload sessions of a producer: opened, shown, connected, closed; each change one conditional write."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from shared import SettingsError
from workers.upload_notification import rules
from workers.upload_notification.client.form import Form, form
from workers.upload_notification.client.opening import Opening, WrongField, hashed
from workers.upload_notification.client.state import State, state_of
from workers.upload_notification.ports import BROWSER, BUS
from workers.upload_notification.store.updates import LIVE, NOT_BEGUN, one_of, typed

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_s3 import S3Client

CLOSED: Final = "closed"
"""The `reason` of a session that its producer has closed."""

ASKED: Final = ("secretHash", "tenantId", "allowedTypes", "maxBytes", "minBytes", "scanRequired")
"""Attributes that say what was opened; nobody changes them."""

LONGEST_ID: Final = 2048
"""Bytes of a partition key (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)."""


class NoSuchSession(LookupError):
    """There is no session of this id, or the secret is another's: whoever asks is not told which."""


class Refused(Exception):
    """A rule forbids it; the text says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session. Its secret is told this once: only its hash is kept, and no repr tells it."""

    session_id: str
    secret: str = field(repr=False)
    expires_at: int


class Sessions:
    """Over aiobotocore clients of DynamoDB and S3, whose errors it raises. `now`: the time, with its zone."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        *,
        table: str,
        now: Callable[[], datetime],
        bucket: str = "",
        s3: Callable[[], Awaitable[S3Client]] | None = None,
    ) -> None:
        self._client = dynamodb
        self.table = table
        self._now = now
        self._bucket = bucket
        self._s3 = s3

    async def open(self, opening: Opening) -> Opened:
        """Raises WrongField, or Refused where there is another session of this id. The same opening once more is the same session."""
        row = opening.row(self._now())
        expires = int(row["expiresAt"]["N"])
        if not await self._put(row):
            found = await self._row(opening.session_id)
            if any(found.get(name) != row.get(name) for name in ASKED):
                raise Refused(f"there is another session {opening.session_id}: leave the id out, and one is made")
            expires = state_of(found, at=self._now().timestamp()).expires_at
        return Opened(opening.session_id, opening.secret, expires)

    async def show(self, session_id: str, *, secret: str | None = None) -> State:
        """Raises NoSuchSession, also where `secret` is given and not the session's own."""
        return state_of(await self._row(session_id, secret=secret), at=self._now().timestamp())

    async def form(
        self,
        session_id: str,
        name: str,
        *,
        content_type: str = "",
        sha256: str = "",
        seconds: int = 900,
        secret: str | None = None,
    ) -> Form:
        """A presigned POST for one file of the session, good until it expires; with `sha256` (Base64) S3 checks and keeps it. Raises
        NoSuchSession, WrongField, SettingsError without a bucket, or Refused where it takes no file any more.
        """
        if self._s3 is None:
            raise SettingsError("UPLOAD_BUCKET_NAME is not set: the bucket that browsers upload to")
        at = self._now().timestamp()
        shown = state_of(await self._row(session_id, secret=secret), at=at)
        if shown.is_final or shown.is_over:
            raise Refused(f"the session is {shown.status}, or its time is over: open another")
        if not 1 <= seconds <= 604_800:
            raise WrongField("seconds", "1 to 604,800, a week")
        left = min(seconds, shown.expires_at - int(at)) if shown.expires_at else seconds
        asked: Any = {"content_type": content_type, "sha256": sha256, "seconds": left, "at": at}
        return await form(await self._s3(), self._bucket, shown.document, name, **asked)

    async def token(self, session_id: str, *, secret: str) -> str:
        """A token with which one WebSocket connection may be made; it takes the place of one that nobody used. Raises NoSuchSession or Refused."""
        token = secrets.token_urlsafe(32)
        if not await self._update(
            session_id,
            "SET connectHash = :token",
            f"secretHash = :secret AND {LIVE}",
            {":token": hashed(token), ":secret": hashed(secret), ":now": int(self._now().timestamp())},
        ):
            await self._row(session_id, secret=secret)
            raise Refused("the session's time is over: open another")
        return token

    async def admit(self, session_id: str, token: str) -> bool:
        """Whether `token` is the session's; it admits once."""
        now = int(self._now().timestamp())
        return await self._update(
            session_id,
            "REMOVE connectHash",
            f"connectHash = :token AND {LIVE}",
            {":token": hashed(token), ":now": now},
        )

    async def connect(self, session_id: str, connection_id: str) -> bool:
        """Have this connection told of the session's uploads, in the place of one before; False where there is no such session any more."""
        change, values = "SET wsConnectionId = :id", {":id": connection_id, ":now": int(self._now().timestamp())}
        usual = f"{LIVE} AND NOT contains(announcedTo, :browser)"
        if await self._update(session_id, change, usual, {**values, ":browser": BROWSER}):
            return True
        # An unfinished announcement was heard by the connection before, and nobody knows what became of that: this one hears it as well.
        both = {":bus": BUS, ":both": f"{BROWSER}+{BUS}"}
        if await self._update(
            session_id, f"{change}, announcedTo = :bus", f"{LIVE} AND announcedTo = :both", {**values, **both}
        ):
            return True
        return await self._update(session_id, f"{change} REMOVE announcedTo", LIVE, values)

    async def disconnect(self, session_id: str, connection_id: str) -> bool:
        """Forget exactly this connection; False where the session has another by now, or none."""
        return await self._update(session_id, "REMOVE wsConnectionId", "wsConnectionId = :id", {":id": connection_id})

    async def close(self, session_id: str) -> State:
        """It takes no file any more; a final session stays as it is. Raises NoSuchSession, or Refused while its file is announced: a verdict
        that was told is written.
        """
        opened, states = one_of(rules.OPEN)
        values = {":expired": rules.EXPIRED, ":reason": CLOSED, **states}
        is_closed = await self._update(
            session_id,
            "SET #status = :expired, reason = :reason",
            f"attribute_exists(sessionId) AND {opened} AND {NOT_BEGUN}",
            values,
        )
        shown = await self.show(session_id)
        if is_closed or shown.is_final:
            return shown
        if shown.status not in rules.OPEN:
            raise Refused("its status is none that a session has: mend its row")
        raise Refused(
            "its file is being announced: look at it again when browser and bus were told;"
            " where that takes longer than minutes, its message may be a dead letter of uploads"
        )

    async def watch(self, session_id: str, *, pause: Callable[[], Awaitable[None]]) -> AsyncIterator[State]:
        """The session's states, each once, until a final one; `pause` is waited for between two looks. Raises NoSuchSession."""
        before: State | None = None
        while True:
            shown = await self.show(session_id)
            if shown != before:
                yield shown
            if shown.is_final:
                return
            before = shown
            await pause()

    async def _row(self, session_id: str, *, secret: str | None = None) -> dict[str, Any]:
        if not _is_key(session_id):
            raise NoSuchSession(session_id)
        found = await self._client.get_item(
            TableName=self.table, Key={"sessionId": {"S": session_id}}, ConsistentRead=True
        )
        row: dict[str, Any] = found.get("Item", {})
        is_theirs = secret is None or secrets.compare_digest(row.get("secretHash", {}).get("S", ""), hashed(secret))
        if not row or not is_theirs:
            raise NoSuchSession(session_id)
        return row

    async def _put(self, row: dict[str, Any]) -> bool:
        return await self._holds(
            self._client.put_item(TableName=self.table, Item=row, ConditionExpression="attribute_not_exists(sessionId)")
        )

    async def _update(self, session_id: str, change: str, condition: str, values: dict[str, Any]) -> bool:
        if not _is_key(session_id):
            return False
        names: Any = (
            {"ExpressionAttributeNames": {"#status": "status"}} if "#status" in change else {}
        )  # an empty map is an error
        return await self._holds(
            self._client.update_item(
                TableName=self.table,
                Key={"sessionId": {"S": session_id}},
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeValues={name: typed(value) for name, value in values.items()},
                **names,
            )
        )

    async def _holds(self, write: Awaitable[Any]) -> bool:
        try:
            await write
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


def _is_key(session_id: str) -> bool:
    """Whether there can be a row of this id at all: DynamoDB answers any other with an error, whoever made it up."""
    try:
        return 1 <= len(session_id.encode()) <= LONGEST_ID
    except UnicodeEncodeError:
        return False
