"""A signing key that never leaves KMS: ECDSA on P-256 over SHA-256."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import TYPE_CHECKING

from workers.audit_archive.chain.digest import Signature

if TYPE_CHECKING:
    from types_aiobotocore_kms import KMSClient


class KmsKey:
    """Needs kms:Sign and kms:GetPublicKey. `key` is an id, an ARN, or `alias/NAME`."""

    def __init__(self, client: KMSClient, *, key: str) -> None:
        self._client = client
        self._key = key
        self._arn = ""
        self._fingerprint = ""

    async def sign(self, message: bytes) -> Signature:
        """Raises ValueError where the key is of another kind."""
        if not self._fingerprint:
            await self.public_der()
        answer = await self._client.sign(
            KeyId=self._arn,  # an alias may come to name another key between the two calls
            Message=hashlib.sha256(message).digest(),
            MessageType="DIGEST",  # KMS takes 4,096 bytes of a message, and any message's digest
            SigningAlgorithm="ECDSA_SHA_256",
        )
        value = b64encode(answer["Signature"]).decode()
        return Signature(key=self._fingerprint, algorithm="ecdsa-sha256", value=value)

    async def public_der(self) -> bytes:
        """The public key (SubjectPublicKeyInfo). Raises ValueError where the key is of another kind."""
        answer = await self._client.get_public_key(KeyId=self._key)
        if "ECDSA_SHA_256" not in answer.get("SigningAlgorithms", []) or answer.get("KeyUsage") != "SIGN_VERIFY":
            raise ValueError("AUDIT_SIGNING_KEY names a KMS key that is not ECC_NIST_P256 for SIGN_VERIFY")
        der = answer["PublicKey"]
        self._arn, self._fingerprint = answer["KeyId"], hashlib.sha256(der).hexdigest()
        return der
