"""A secret that may be rotated while the process runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from shared.clients import Clients
from shared.clock import lease_time
from shared.outcome import code_of
from shared.settings import SettingsError

SECRET: Final = "_SECRET_ARN"  # noqa: S105  the end of a name
"""How the name of a variable ends that says where its secret is: the ARN or the name of one in Secrets Manager."""
CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
"""Secrets Manager's own labels (https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html)."""
LIFETIME: Final = 300.0
"""Seconds after which what was read is read again before it is used."""
RETRY: Final = 30.0
"""Seconds for which an old text is used on where Secrets Manager does not answer, before it is asked again."""
TIMEOUT: Final = 5.0
"""Seconds for one reading: a message waits for it."""

Result = TypeVar("Result")
Read = Callable[[], Awaitable[tuple[str, ...]]]

log = structlog.get_logger()


class Secret:
    """What the variable NAME says, or the secret behind NAME_SECRET_ARN: its current version (AWSCURRENT) and, once it was read
    again, the one before (AWSPREVIOUS), for while a rotation is under way either may be the one that a peer takes.

    At the start the current version is known: `read_environment` has read it. It is read again before it is used where it is
    older than LIFETIME, and at once where a peer refuses it. A plain variable never changes and is never asked for.
    """

    def __init__(
        self, name: str, texts: tuple[str, ...], *, read: Read | None = None, clock: Callable[[], float] = lease_time
    ) -> None:
        self._name = name
        self._texts = texts
        self._read = read
        self._clock = clock
        self._read_at = clock()
        self._old_at = self._read_at + LIFETIME
        self._failed_at = self._retry_at = float("-inf")
        self._reading = asyncio.Lock()

    @classmethod
    def of(cls, environment: Mapping[str, str], name: str) -> Secret:
        """The secret in the variable `name` of an environment that a door has read; without texts where it is not set."""
        text, arn = environment.get(name), environment.get(f"{name}{SECRET}")
        return cls(name, (text,) if text else (), read=partial(_versions, environment, name, arn) if arn else None)

    async def texts(self) -> tuple[str, ...]:
        """The versions, the current one first. Where Secrets Manager does not answer, those that were read last."""
        if self._read is not None and self._clock() >= self._old_at:
            await self._try_again()
        return self._texts

    async def read_again(self) -> tuple[str, ...]:
        """The versions, by a reading that began after this was called; of many callers one asks, and where that one failed while the
        others waited, it failed for them too. Raises SettingsError where the secret cannot be read.
        """
        if self._read is None:
            return self._texts
        asked_at = self._clock()
        async with self._reading:
            if self._failed_at > asked_at:
                raise SettingsError(f"{self._name}{SECRET}: the secret could not be read a moment ago")
            if self._read_at <= asked_at:
                began_at = self._clock()
                try:
                    texts = await self._read()
                except SettingsError:
                    self._failed_at = self._clock()
                    raise
                if texts[:1] != self._texts[:1]:
                    log.info("secret_rotated", secret=self._name)
                self._texts, self._read_at, self._old_at = texts, began_at, began_at + LIFETIME
        return self._texts

    async def accepted(
        self, attempt: Callable[[str | None], Awaitable[Result]], *, refused: Callable[[Result], bool]
    ) -> Result:
        """What `attempt` gave with the first version that was not refused: those in memory, then those of another reading. Where all
        are refused, the last refusal; None is attempted where there is no secret.
        """
        tried: list[str | None] = []
        answers: list[Result] = []
        for read in (self.texts, self._try_again):
            for text in [each for each in await read() or (None,) if each not in tried]:
                tried.append(text)
                answers.append(await attempt(text))
                if not refused(answers[-1]):
                    return answers[-1]
        return answers[-1]

    async def _try_again(self) -> tuple[str, ...]:
        if self._clock() >= self._retry_at:
            try:
                await self.read_again()
            except SettingsError as error:
                if self._clock() >= self._retry_at:  # of many that waited for one reading, the first says so
                    self._retry_at = self._clock() + RETRY
                    log.warning("secret_not_read", secret=self._name, reason=str(error))
        return self._texts


class NoTextError(SettingsError):
    """A version is blank, or is bytes."""


async def read_version(client: Any, name: str, arn: str, stage: str = CURRENT) -> str:
    """One version's text, without the blanks and newlines around it that a file brings along. Raises SettingsError, of the cause where
    there is no such version; NoTextError.
    """
    try:
        answer = await client.get_secret_value(SecretId=arn, VersionStage=stage)
    except (ClientError, BotoCoreError) as error:
        raise SettingsError(f"{name}{SECRET}: the secret cannot be read ({code_of(error)})") from error
    text = str(answer.get("SecretString") or "").strip()
    if not text:
        raise NoTextError(f"{name}{SECRET}: the secret has no text")
    return text


async def read_versions(client: Any, name: str, arn: str) -> tuple[str, ...]:
    """The current version's text, and that of the one before where there is one. Raises SettingsError."""
    current = await read_version(client, name, arn)
    try:
        return current, await read_version(client, name, arn, PREVIOUS)
    except NoTextError:
        return (current,)  # a slip that was put right: what is blank is no version that anybody takes
    except SettingsError as error:
        if error.__cause__ is None or code_of(error.__cause__) != "ResourceNotFoundException":
            raise
        return (current,)  # never rotated


async def _versions(environment: Mapping[str, str], name: str, arn: str) -> tuple[str, ...]:
    # Clients of its own: while Secrets Manager is away, work goes on with what is known, and no breaker stops it.
    try:
        async with asyncio.timeout(TIMEOUT), Clients(environment) as clients:
            return await read_versions(await clients.open("secretsmanager"), name, arn)
    except TimeoutError as error:
        raise SettingsError(f"{name}{SECRET}: the secret cannot be read in {TIMEOUT:g} s") from error
