"""A seal on each object: whoever has not the worker's secret cannot bring a digest to list an object of his own."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence

from workers.audit_archive.redaction.keys import HashKey

_PURPOSE = b"audit archive: seal of an object"
"""Makes another secret of the one that hashes personal data, so that no hash can be taken for a seal."""

_NAMES = b"name of a key in claims"  # of the key and not of its id, which somebody may use again
_TAG = 2
_REMEMBERED = 4
"""Bytes of a claim that name the key, and that tell one content from another."""


class Seals:
    """Sets seals with the first key, and takes those of any. `again` reads the keys anew."""

    def __init__(
        self, keys: Sequence[HashKey], *, again: Callable[[], Awaitable[Sequence[HashKey]]] | None = None
    ) -> None:
        self._again = again
        self.take(keys)

    def take(self, keys: Sequence[HashKey]) -> None:
        """These keys from now on."""
        self._first = keys[0].id
        self._secrets = {key.id: hmac.digest(key.secret, _PURPOSE, "sha256") for key in keys}
        self._tags = {key_id: hmac.digest(secret, _NAMES, "sha256")[:_TAG] for key_id, secret in self._secrets.items()}

    async def know(self, seal: str) -> None:
        """Look whether there is a newer key, where none that is known made this seal: another process may have read it first, and
        whose object is taken for foreign is in no digest. Raises SettingsError or ValueError where that cannot be told.
        """
        if self._again is not None and seal.partition(":")[0] not in self._secrets:
            self.take(await self._again())

    def seal(self, key: str, sha256: str) -> str:
        """Of the object that is to stand at `key` with content of this SHA-256 (hex)."""
        return self._made(self._first, key, sha256)

    def fits(self, seal: str, key: str, sha256: str) -> bool:
        """False also where the seal's own key is not known any more."""
        key_id = seal.partition(":")[0]
        return key_id in self._secrets and hmac.compare_digest(seal, self._made(key_id, key, sha256))

    def claim(self, content: str) -> bytes:
        """What a claim remembers of its event's content: six bytes, by which nobody without the keys can tell a guess."""
        return self._tags[self._first] + self._remembered(self._first, content)

    def contradicts(self, claimed: bytes, content: str) -> bool:
        """True where a claim remembers another content. False also where the key that it was made with is not known."""
        known = [key_id for key_id, tag in self._tags.items() if claimed.startswith(tag)]
        return bool(known) and not any(claimed.endswith(self._remembered(key_id, content)) for key_id in known)

    def _remembered(self, key_id: str, content: str) -> bytes:
        return hmac.digest(self._secrets[key_id], b"content of a claim#" + content.encode(), "sha256")[:_REMEMBERED]

    def _made(self, key_id: str, key: str, sha256: str) -> str:
        return f"{key_id}:{hmac.digest(self._secrets[key_id], f'{key}#{sha256}'.encode(), 'sha256').hex()}"
