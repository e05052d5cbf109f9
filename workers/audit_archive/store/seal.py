"""A seal on each object: whoever has not the worker's secret cannot bring a digest to list an object of his own."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workers.audit_archive.redaction.redact import HashKey

_PURPOSE = b"audit archive: seal of an object"
"""Makes another secret of the one that hashes personal data, so that no hash can be taken for a seal."""


@dataclass(frozen=True, slots=True)
class Seals:
    """Sets seals with the first key, and takes those of any."""

    keys: Sequence[HashKey]
    _secrets: Mapping[str, bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        secrets = {key.id: hmac.digest(key.secret, _PURPOSE, "sha256") for key in self.keys}
        object.__setattr__(self, "_secrets", secrets)

    def seal(self, key: str, sha256: str) -> str:
        """Of the object that is to stand at `key` with content of this SHA-256 (hex)."""
        return self._made(self.keys[0].id, key, sha256)

    def fits(self, seal: str, key: str, sha256: str) -> bool:
        """False also where the seal's own key is not known any more."""
        key_id = seal.partition(":")[0]
        return key_id in self._secrets and hmac.compare_digest(seal, self._made(key_id, key, sha256))

    def _made(self, key_id: str, key: str, sha256: str) -> str:
        return f"{key_id}:{hmac.digest(self._secrets[key_id], f'{key}#{sha256}'.encode(), 'sha256').hex()}"
