"""Keys that were replaced before their stated end: read again where they are kept, and used at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

REFUSED = frozenset(
    {
        "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidSignatureException",
        "InvalidToken", "SignatureDoesNotMatch", "TokenRefreshRequired", "UnrecognizedClientException",
    }
)  # fmt: skip
"""Codes by which a service says that it does not know these keys, or no longer."""

LOOK = 1.0
"""Seconds between two looks at the files, and between two readings after refusals."""


class Renewal:
    """Looks after the credentials of one session, for all of its clients. `resolve` finds a session's credentials anew,
    `files` are those where people keep them.
    """

    def __init__(self, resolve: Callable[[], Awaitable[Any]], *, files: tuple[Path, ...]) -> None:
        self._resolve = resolve
        self._files = files
        self._seen = self._marks()
        self._looked_at = 0.0
        self._read_at = float("-inf")

    def watch(self, client: Any) -> Callable[[], Awaitable[None]]:
        """Have this client's calls use new keys: those in a file that changed, and others once the old are refused. What
        is returned is for calls that botocore does not make: to be asked before they are signed.
        """
        credentials = client._get_credentials()  # noqa: SLF001  # the object that all signers of a session share
        service = client.meta.service_model.service_id.hyphenize()

        async def look(**_event: Any) -> None:
            await self.look(credentials)

        async def look_now() -> None:
            await self.look(credentials)

        async def after(parsed: Any, **_event: Any) -> None:
            if parsed.get("Error", {}).get("Code") in REFUSED:
                await self.renew(credentials)

        client.meta.events.register(f"before-call.{service}", look)
        client.meta.events.register(f"after-call.{service}", after)
        return look_now

    async def look(self, credentials: Any) -> None:
        """Read the keys again where a file of theirs is another than it was."""
        now = asyncio.get_running_loop().time()
        if now < self._looked_at + LOOK:
            return
        self._looked_at = now
        if (marks := self._marks()) != self._seen:
            self._seen = marks
            self._read_at = float("-inf")
            await self.renew(credentials)

    async def renew(self, credentials: Any) -> None:
        """Put the keys of this moment in the place of the old ones; keys that botocore refreshes are refreshed at the next call."""
        now = asyncio.get_running_loop().time()
        if credentials is None or now < self._read_at + LOOK:
            return
        self._read_at = now
        if hasattr(credentials, "_expiry_time"):
            credentials._expiry_time = datetime.now(UTC)  # noqa: SLF001
            return
        if (found := await self._resolve()) is not None:
            fresh = await found.get_frozen_credentials()
            credentials.access_key, credentials.secret_key, credentials.token = fresh[:3]

    def _marks(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_mark(file) for file in self._files)


def _mark(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
