"""Keys that were replaced before their stated end: read again where they are kept, and used at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from shared.outcome import KEYS_REFUSED, code_of

log = structlog.get_logger()

DENIED = frozenset({"AccessDenied", "AccessDeniedException"})
"""What a role's keys are answered whose sessions were revoked, and what a permission is that is missing."""

AHEAD = 900.0
"""Seconds before their stated end at which new keys are asked for, beside the calls: a role that does not answer holds none up."""
AGAIN = 30.0
"""Seconds between two such tries."""
LAST = 5.0
"""Seconds before their end from which on calls wait for new keys."""


class Renewal:
    """Looks after the credentials of one session, for all of its clients. Keys that have an end are replaced before it. `resolve` finds a session's credentials anew,
    `files` are those where people keep them; `every` so many seconds at most they are looked at, or read after a refusal.
    """

    def __init__(self, resolve: Callable[[], Awaitable[Any]], *, files: tuple[Path, ...], every: float = 1.0) -> None:
        self._resolve = resolve
        self._files = files
        self._every = every
        self._seen = self._marks()
        self._looked_at = 0.0
        self._read_at = self._tried_at = self._sought_at = float("-inf")
        self._first: Any = None
        self._has_failed = False
        self._trying: asyncio.Task[None] | None = None

    def watch(self, client: Any) -> Callable[[], Awaitable[None]]:
        """Have this client's calls use new keys: those in a file that changed, and others once the old are refused. What
        is returned is for calls that botocore does not make: to be asked before they are signed.
        """
        signer = client._request_signer  # noqa: SLF001  # it has the object that all signers of a session share, or None
        _refresh_late(signer._credentials)  # noqa: SLF001
        service = client.meta.service_model.service_id.hyphenize()

        async def look(**_event: Any) -> None:
            if signer._credentials is None:  # noqa: SLF001
                signer._credentials = await self._first_keys()  # noqa: SLF001
            else:
                await self.look(signer._credentials)  # noqa: SLF001

        async def after(parsed: Any, **_event: Any) -> None:
            code = parsed.get("Error", {}).get("Code")
            if code in KEYS_REFUSED:
                await self.renew(signer._credentials)  # noqa: SLF001
            elif code in DENIED:
                self._renew_beside(signer._credentials, _anew)  # noqa: SLF001

        client.meta.events.register(f"before-call.{service}", look)
        client.meta.events.register(f"after-call.{service}", after)
        return look

    async def _first_keys(self) -> Any:
        """The keys of a process that had none when it started: one object for all of its clients. None while there are none."""
        now = asyncio.get_running_loop().time()
        if self._first is None and now >= self._sought_at + self._every:
            self._sought_at = now
            await self._try(self._seek, None)
        return self._first

    async def _seek(self, _none: None) -> None:
        self._first = await self._resolve()
        _refresh_late(self._first)

    async def look(self, credentials: Any) -> None:
        """Read the keys again where a file of theirs is another than it was."""
        now = asyncio.get_running_loop().time()
        if now < self._looked_at + self._every:
            return
        self._looked_at = now
        if credentials is not None and (marks := self._marks()) != self._seen:
            self._seen = marks
            await self._try(self._resolve_anew, credentials)
        if _has_an_end(credentials) and credentials.refresh_needed(AHEAD):
            self._renew_beside(credentials, _ahead)

    def _renew_beside(self, credentials: Any, read: Callable[[Any], Awaitable[None]]) -> None:
        """Beside the calls, and not again for a while: keys that are good elsewhere go on signing."""
        now = asyncio.get_running_loop().time()
        is_free = self._trying is None or self._trying.done()
        if is_free and now >= self._tried_at + AGAIN and _has_an_end(credentials):
            self._tried_at = now
            self._trying = asyncio.create_task(self._try(read, credentials))

    def close(self) -> None:
        """Ask for no keys any more."""
        if self._trying is not None:
            self._trying.cancel()

    async def renew(self, credentials: Any) -> None:
        """Put the keys of this moment in the place of the old ones, which were refused."""
        now = asyncio.get_running_loop().time()
        if credentials is None or now < self._read_at + self._every:
            return
        self._read_at = now
        await self._try(_refresh if _has_an_end(credentials) else self._resolve_anew, credentials)

    async def _try(self, read: Callable[[Any], Awaitable[None]], credentials: Any) -> None:
        """The old keys stay where no new ones can be had: a file may be half written, a role may answer a second later."""
        try:
            await read(credentials)
        except (BotoCoreError, ClientError, OSError, RuntimeError, ValueError, LookupError) as error:
            if not self._has_failed:
                log.warning("keys_not_renewed", error_type=code_of(error))
            self._has_failed = True
        else:
            self._has_failed = False

    async def _resolve_anew(self, credentials: Any) -> None:
        found = await self._resolve()
        if type(found) is type(credentials):
            await found.get_frozen_credentials()
            vars(credentials).update(vars(found))

    def _marks(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_mark(file) for file in self._files)


def _refresh_late(credentials: Any) -> None:
    """Have botocore itself refresh them only shortly before their end: sooner, each call would try it, and wait for a role that does not answer."""
    if _has_an_end(credentials):
        credentials._advisory_refresh_timeout = credentials._mandatory_refresh_timeout = LAST  # noqa: SLF001


def _has_an_end(credentials: Any) -> bool:
    """Whether botocore refreshes them."""
    return hasattr(credentials, "_expiry_time")


async def _ahead(credentials: Any) -> None:
    """New keys, while the old ones are good: who signs meanwhile does not wait. Raises what the refreshing raises."""
    async with credentials._refresh_lock:  # noqa: SLF001
        await credentials._protected_refresh(is_mandatory=True)  # noqa: SLF001


async def _anew(credentials: Any) -> None:
    """Keys of a new session. Raises what the refreshing raises."""
    _forget(getattr(credentials._refresh_using, "__self__", None))  # noqa: SLF001
    await _ahead(credentials)


async def _refresh(credentials: Any) -> None:
    """Keys that botocore refreshes, before the end that they were given with. Raises what the refreshing raises."""
    _forget(getattr(credentials._refresh_using, "__self__", None))  # noqa: SLF001
    ends = credentials._expiry_time  # noqa: SLF001
    credentials._expiry_time = datetime.now(UTC)  # noqa: SLF001
    try:
        await credentials.get_frozen_credentials()
    except BaseException:
        credentials._expiry_time = ends  # noqa: SLF001  # they may be good for other services
        raise


def _forget(fetcher: Any) -> None:
    """An assumed role's keys stay in a cache until their end, and would be found there again."""
    cache = getattr(fetcher, "_cache", None)
    if isinstance(cache, dict):
        cache.pop(fetcher._cache_key, None)  # noqa: SLF001


def _mark(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
