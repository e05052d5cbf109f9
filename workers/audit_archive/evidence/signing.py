"""Who made a digest: an ed25519 key in a file signs, and public keys in a PEM file check."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from workers.audit_archive.chain.digest import Signature

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey

_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FileKey:
    """An ed25519 key in a PEM file: for emulators, and for places without KMS."""

    private: Ed25519PrivateKey

    @classmethod
    def new(cls) -> FileKey:
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def read(cls, path: Path) -> FileKey:
        """Raises OSError; ValueError where the file holds no ed25519 key without a passphrase."""
        try:
            found = load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ValueError("the file holds no private key in PEM without a passphrase") from error
        if not isinstance(found, Ed25519PrivateKey):
            raise ValueError("the file's key is not an ed25519 key")  # noqa: TRY004  # its value is wrong, not its caller
        return cls(found)

    async def sign(self, message: bytes) -> Signature:
        value = b64encode(self.private.sign(message)).decode()
        return Signature(key=fingerprint(self.private.public_key()), algorithm="ed25519", value=value)

    def to_pem(self) -> bytes:
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def public_pem(self) -> str:
        return public_pem(_der(self.private.public_key()))


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The public keys that an auditor trusts, by fingerprint."""

    keys: Mapping[str, PublicKey]

    @classmethod
    def read(cls, pem: bytes) -> KeyRing:
        """Every public key of a file; text between them is for people. Raises ValueError."""
        found = [_public(block) for block in _PEM.findall(pem)]
        if not found:
            raise ValueError("no public key in PEM is in it")
        return cls({fingerprint(key): key for key in found})

    def judge(self, signature: Signature, message: bytes) -> Literal["valid", "unknown key", "bad signature"]:
        """A key that is not here tells nothing of the message."""
        key = self.keys.get(signature.key)
        if key is None:
            return "unknown key"
        try:
            value = b64decode(signature.value, validate=True)
            if isinstance(key, Ed25519PublicKey) and signature.algorithm == "ed25519":
                key.verify(value, message)
                return "valid"
            if isinstance(key, EllipticCurvePublicKey) and signature.algorithm == "ecdsa-sha256":
                key.verify(value, message, ECDSA(SHA256()))
                return "valid"
        except (InvalidSignature, ValueError):  # ValueError: not base64
            pass
        return "bad signature"


def fingerprint(key: PublicKey) -> str:
    """SHA-256 of the key's DER (SubjectPublicKeyInfo) in hex: whoever has the key can compute its name."""
    return hashlib.sha256(_der(key)).hexdigest()


def public_pem(der: bytes) -> str:
    """A public key as a key file holds it, with its fingerprint above."""
    lines = b64encode(der).decode()
    body = "\n".join(lines[start : start + 64] for start in range(0, len(lines), 64))
    return f"{hashlib.sha256(der).hexdigest()}\n-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"


def _public(block: bytes) -> PublicKey:
    try:
        found = load_pem_public_key(block)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("one of its blocks is not a public key") from error
    if isinstance(found, EllipticCurvePublicKey) and isinstance(found.curve, SECP256R1):
        return found
    if isinstance(found, Ed25519PublicKey):
        return found
    raise ValueError("one of its keys is neither ed25519 nor ECDSA on P-256")


def _der(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
