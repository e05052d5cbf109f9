"""The archive's hash keys while their secret is rotated."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from shared import Secret
from workers.audit_archive.redaction.keys import HashKey, hash_keys
from workers.audit_archive.store.seal import Seals

log = structlog.get_logger()


class RotatingKeys:
    """The keys of both versions of AUDIT_HASH_KEYS, those of the current one first: its first key makes new hashes and seals, and what
    other processes made with any of them is taken. A version that cannot be read changes nothing and is logged. `seals` go along.
    """

    def __init__(self, secret: Secret, keys: Sequence[HashKey]) -> None:
        self._secret = secret
        self._keys = keys
        self.seals = Seals(keys, again=self.again)
        self._refused: tuple[str, ...] = ()
        self._taken: tuple[str, ...] = ()

    async def now(self) -> Sequence[HashKey]:
        """The keys, read again where they are older than a secret's lifetime."""
        texts = await self._secret.texts()
        if texts != self._refused:
            try:
                self._take(texts)
            except ValueError as error:
                self._refused = texts  # logged once, and not for each batch
                log.error("audit_hash_keys_unreadable", reason=str(error))  # noqa: TRY400  # what it is made of is secret
        return self._keys

    async def again(self) -> Sequence[HashKey]:
        """The keys, read again: somebody uses one that is not known here. Raises SettingsError, or ValueError that quotes no key."""
        self._take(await self._secret.read_again())
        return self._keys

    def _take(self, texts: tuple[str, ...]) -> None:
        if not texts or texts == self._taken:
            return
        current, *previous = texts
        keys = {key.id: key for key in hash_keys(current)}
        for text in previous:
            for key in _of_before(text):
                if keys.setdefault(key.id, key) != key:
                    log.error("audit_hash_key_id_reused", key_id=key.id)  # what the old key made fits no more
        self._keys, self._taken = tuple(keys.values()), texts
        self.seals.take(self._keys)


def _of_before(text: str) -> Sequence[HashKey]:
    try:
        return hash_keys(text)
    except ValueError as error:
        log.warning("audit_hash_keys_unreadable", version="before", reason=str(error))
        return ()
