"""The keys of Standard Webhooks 1.0.0, and the tokens that each makes: `v1` (HMAC-SHA256) and `v1a` (ed25519).

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal

PREFIX, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret."""
_NEW: Final = 32
_SEED: Final = 32

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)


class SignatureError(Exception):
    """The webhook is not proven genuine, or cannot be signed; the text quotes no secret, signature or body."""


class SecretError(SignatureError):
    """A key is not its prefix and the base64 of as many bytes as it has."""


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A shared key, `whsec_`. It shows itself nowhere: not in repr, str, logs or errors."""

    key: bytes = field(repr=False)

    def __repr__(self) -> str:
        return "Secret(***)"

    @classmethod
    def read(cls, text: str | bytes) -> Secret:
        """From its text form; padding may be missing. Raises SecretError."""
        key = _bytes(text, PREFIX)
        if not SHORTEST <= len(key) <= LONGEST:
            raise SecretError(f"a secret has {SHORTEST} to {LONGEST} bytes, this one has {len(key)}")
        return cls(key)

    def token(self, signed: bytes) -> str:
        return "v1," + base64.b64encode(hmac.digest(self.key, signed, hashlib.sha256)).decode()

    def fits(self, token: bytes, signed: bytes) -> bool:
        """In constant time."""
        return hmac.compare_digest(token, self.token(signed).encode())


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What a receiver verifies `v1a` with, `whpk_`: it may be known to everybody."""

    key: bytes

    @classmethod
    def read(cls, text: str | bytes) -> PublicKey:
        """Raises SecretError."""
        key = _bytes(text, PUBLIC)
        if len(key) != _SEED:
            raise SecretError(f"a public key has {_SEED} bytes, this one has {len(key)}")
        return cls(key)

    def text(self) -> str:
        return PUBLIC + base64.b64encode(self.key).decode()

    def fits(self, token: bytes, signed: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        version, _, encoded = token.partition(b",")
        if version != b"v1a" or not _BASE64.fullmatch(encoded.decode("latin-1")):
            return False
        with suppress(InvalidSignature, ValueError):
            signature = base64.b64decode(encoded)
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, signed)
            return True
        return False


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """What signs `v1a`, `whsk_`: a seed. It shows itself nowhere; `public` is for the receiver."""

    seed: bytes = field(repr=False)

    def __repr__(self) -> str:
        return "PrivateKey(***)"

    @classmethod
    def read(cls, text: str | bytes) -> PrivateKey:
        """From its text form of 64 bytes (seed and public key) or 32 (seed alone). Raises SecretError."""
        key = _bytes(text, PRIVATE)
        if len(key) not in {_SEED, 2 * _SEED}:
            raise SecretError(f"a private key has {_SEED} or {2 * _SEED} bytes, this one has {len(key)}")
        found = cls(key[:_SEED])
        if len(key) > _SEED and not hmac.compare_digest(found.public().key, key[_SEED:]):
            raise SecretError("a private key's second half is the public key of its first")
        return found

    def public(self) -> PublicKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return PublicKey(Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw())

    def text(self) -> str:
        """Of 64 bytes, as other implementations write it."""
        return PRIVATE + base64.b64encode(self.seed + self.public().key).decode()

    def token(self, signed: bytes) -> str:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(signed)
        return "v1a," + base64.b64encode(signature).decode()

    def fits(self, token: bytes, signed: bytes) -> bool:
        return self.public().fits(token, signed)


SigningKey = Secret | PrivateKey
VerifyingKey = Secret | PrivateKey | PublicKey


def signing_key(text: str) -> SigningKey:
    """By its prefix. Raises SecretError."""
    return PrivateKey.read(text) if str(text).startswith(PRIVATE) else Secret.read(text)


def verifying_key(text: str) -> VerifyingKey:
    """By its prefix. Raises SecretError."""
    return PublicKey.read(text) if str(text).startswith(PUBLIC) else signing_key(text)


def new_key(kind: Literal["v1", "v1a"]) -> str:
    """A random one in its text form."""
    if kind == "v1a":
        return PrivateKey(secrets.token_bytes(_SEED)).text()
    return PREFIX + base64.b64encode(secrets.token_bytes(_NEW)).decode()


def _bytes(text: str | bytes, prefix: str) -> bytes:
    if not isinstance(text, str) or not text.startswith(prefix):
        raise SecretError(f"a secret begins with {prefix}")
    encoded = text.removeprefix(prefix)
    bare = encoded.rstrip("=")
    if not _BASE64.fullmatch(encoded) or len(bare) % 4 == 1 or (encoded != bare and len(encoded) % 4):
        raise SecretError(f"a secret is standard base64 after {prefix}")
    return base64.b64decode(bare + "=" * (-len(bare) % 4))
