"""Work with an idempotency key, done once: claim, handle, record; and what a duplicate finds."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, assert_never

import orjson
import structlog
from tenacity import AsyncRetrying, stop_after_attempt, wait_random_exponential

from shared.message.delivery import Delivery
from shared.message.identity import digest, ledger_key, payload
from shared.outcome import Contended, Reject, Unavailable, code_of
from shared.road.failure.verdict import others_trouble
from shared.road.ledger import AlreadyDone, Busy, Claim, Claimed, Ledger, Reused
from shared.road.ports import Ports
from shared.telemetry import metrics
from shared.worker import Worker

log = structlog.get_logger()

KEPT_SECONDS = 15 * 86_400.0
"""How long a completed key is remembered: longer than the 14 days for which SQS can keep a message."""

MOST_RESULT = 32 * 1024
"""Bytes of a stored result as JSON: far below DynamoDB's 400 KB for an item, and each kilobyte of it is a paid write."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Seconds between two looks of a duplicate that waits, doubled each time, with jitter."""

COMPLETING = 10.0
"""Seconds, at most and never more than the worker's timeout, for writing down that work is done."""

RELEASE_SECONDS = 0.75
"""Seconds for one call to the ledger after the work has failed or was cut: whoever cuts does not wait for long."""


class KeyReused(Reject):
    """The message's idempotency key was completed with another payload."""


class LedgerSilent(Unavailable):
    """A claim was not answered within half of the worker's timeout, however short that is: nothing has run, and no message is at fault."""


class Unstorable(ValueError):
    """A handler's result cannot be stored; the text says why, and quotes nothing of it."""


class KeyedWork:
    """One receipt of keyed work; `handle` is the handler."""

    def __init__(
        self,
        worker: Worker[Any],
        ports: Ports,
        delivery: Delivery,
        event: Any,
        handle: Callable[[Any], Awaitable[object]],
    ) -> None:
        assert worker.once is not None
        assert ports.ledger is not None
        self._worker = worker.name
        self._timeout = worker.limits.timeout
        self._once = worker.once
        self._ledger: Ledger = ports.ledger
        self._finished = ports.finished
        self._dice = ports.dice
        self._now = ports.now
        self._delivery = delivery
        self._event = event
        self._handle = handle
        self._owner = uuid.uuid4().hex

    async def do(self) -> None:
        """Return when the work is done, now or before. Raises what the handler raises, Contended where somebody else
        is at it, KeyReused where its key was used for something else, and the ledger's error where nothing could be
        claimed: in all these cases nothing is written down.

        The claim (with a wait for it) and the handler have one `timeout` each.
        """
        key = ledger_key(self._worker, self._key())
        match await self._claim(key):
            case Claimed():
                await self._run(key)
            case AlreadyDone(result=result):
                metrics.claim(worker=self._worker, outcome="absorbed")
                if self._once.on_duplicate is not None:
                    async with asyncio.timeout(self._timeout):
                        await self._once.on_duplicate(self._event, orjson.loads(result) if result else None)
            case Reused():
                metrics.claim(worker=self._worker, outcome="reused")
                raise KeyReused("the idempotency key was used before with another payload")
            case Busy(seconds=seconds):
                raise Contended("somebody else is at this work", after=max(1.0, seconds))
            case other:
                assert_never(other)

    def _key(self) -> object:
        """An error of `key` is permanent, as one of `decode` is: the same body would raise it again, unless it is this machine's."""
        try:
            return self._once.key(self._event)
        except Exception as error:
            if others_trouble(error) is not None:
                raise
            raise Reject(f"the event's idempotency key cannot be read: {type(error).__name__}") from error

    def _what_must_not_change(self) -> str:
        if self._once.fingerprint is not None:
            return self._once.fingerprint(self._event)
        return payload(self._delivery.body)

    async def _claim(self, key: str) -> Claim:
        fingerprint = digest(self._what_must_not_change())
        held, pause = None, FIRST_PAUSE
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    claim = await self._ask(key, fingerprint)
                    if not isinstance(claim, Busy) or self._once.duplicates == "refuse":
                        return claim
                    held = claim
                    await asyncio.sleep(min(pause * (0.5 + self._dice()), claim.seconds + FIRST_PAUSE))
                    pause = min(pause * 2, LONGEST_PAUSE)
        except TimeoutError:
            if held is None:
                raise
            return held

    async def _ask(self, key: str, fingerprint: str) -> Claim:
        try:
            async with asyncio.timeout(self._timeout / 2):  # the lease began when we asked, and must last
                return await self._ledger.claim(
                    key, owner=self._owner, now=self._now(), lease=self._timeout * 2, fingerprint=fingerprint
                )
        except BaseException as error:
            await self._release(key)  # the claim may be ours, and only its answer lost
            if isinstance(error, TimeoutError):
                raise LedgerSilent("the ledger did not answer in time", code="ReadTimeoutError") from error
            raise

    async def _run(self, key: str) -> None:
        try:
            result = await self._handle(self._event)  # inside its own limit
        except BaseException:
            await self._release(key)
            raise
        self._finished(self._delivery)  # also where the door's time ends before this is written down
        await self._complete(key, self._store(result))

    async def _complete(self, key: str, result: str) -> None:
        """The effect has happened, whether or not it can be recorded. So the message is done in any case: if it came back, the
        handler would only run once more.
        """
        try:
            async with asyncio.timeout(min(COMPLETING, self._timeout)):
                ours: bool = await AsyncRetrying(
                    wait=wait_random_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE),
                    stop=stop_after_attempt(6),
                    reraise=True,
                )(self._write_down, key, result)
        except asyncio.CancelledError:
            with suppress(Exception):
                async with asyncio.timeout(RELEASE_SECONDS):
                    await self._write_down(key, result)
            raise
        except Exception as error:  # other copies are kept off until the claim's lease ends, and may run after it
            metrics.claim(worker=self._worker, outcome="unrecorded")
            log.warning("completion_not_recorded", worker=self._worker, error_type=code_of(error))
            return
        if not ours:  # this process stood still for longer than its lease: the work was, or is being, done twice
            metrics.claim(worker=self._worker, outcome="lost")
            log.warning("claim_lost", worker=self._worker)

    async def _write_down(self, key: str, result: str) -> bool:
        async with asyncio.timeout(COMPLETING / 3):
            return await self._ledger.complete(
                key, owner=self._owner, now=self._now(), keep=KEPT_SECONDS, result=result
            )

    async def _release(self, key: str) -> None:
        """Never hides the error that led here: a claim that cannot be released ends with its lease."""
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._ledger.release(key, owner=self._owner)
        except Exception as error:
            log.warning("claim_not_released", worker=self._worker, error_type=code_of(error))

    def _store(self, result: object) -> str:
        try:
            return to_json(result)
        except Unstorable as error:  # without its result, the work is done all the same
            log.warning("result_not_stored", worker=self._worker, why=str(error))
            return ""


def to_json(result: object) -> str:
    """A handler's result as JSON; "" for None. Raises Unstorable where it is not JSON or above 32 KiB.

    What JSON has no word for comes back as JSON has it: a tuple as a list, a dataclass as an object, NaN as null.
    """
    if result is None:
        return ""
    try:
        text = orjson.dumps(result)
    except TypeError as error:
        raise Unstorable(f"a result of type {type(result).__name__} is not JSON") from error
    if len(text) > MOST_RESULT:
        raise Unstorable(f"a result of {len(text)} bytes is above the limit of {MOST_RESULT}")
    return text.decode()
