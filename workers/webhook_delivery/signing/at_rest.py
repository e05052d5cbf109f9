"""Secrets as the table holds them: sealed with a data key of their own, which KMS, or a local key, has wrapped.

    sealed:1:v1:{the wrapped data key, base64}:{nonce and AES-256-GCM box, base64}

What is sealed is bound to its tenant and endpoint: in another row it does not open. A secret that stands there in clear is taken as it is.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Protocol

from pydantic import AfterValidator, Field

from shared import code_of
from workers.webhook_delivery.signing.keys import PRIVATE, SecretError

SEALED: Final = "sealed:1:"
LOCAL: Final = "local:"
REMEMBERED: Final = 10_000
"""Secrets that are kept open in memory: those used last."""
_BYTES: Final = 32
_NONCE: Final = 12
_UNREADABLE: Final = frozenset({"InvalidCiphertextException", "NotFoundException"})

Context = Mapping[str, str]


def _key(setting: str | None) -> str | None:
    """Raises ValueError, which quotes nothing, where a local key is none."""
    if setting and setting.startswith(LOCAL):
        _local(setting)
    return setting or None


SecretsKey = Annotated[str | None, AfterValidator(_key), Field(default=None, repr=False)]
"""WEBHOOK_SECRETS_KEY: a KMS key by its id, ARN or alias; for emulators `local:` and 32 bytes in base64."""


class DataKeys(Protocol):
    """Who makes data keys and unwraps them again, each bound to its context. `unwrap` raises SecretError where that cannot be."""

    async def new(self, context: Context) -> tuple[bytes, bytes]:
        """A key, and the same wrapped."""
        ...

    async def unwrap(self, wrapped: bytes, context: Context) -> bytes: ...


class KmsKeys:
    """Under a key of KMS, by its id, ARN or alias. Raises botocore's errors: an outage of KMS is not the fault of a secret.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html
    """

    def __init__(self, client: Any, key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    async def new(self, context: Context) -> tuple[bytes, bytes]:
        made = await self._client.generate_data_key(
            KeyId=self._key_id, KeySpec="AES_256", EncryptionContext={**context}
        )
        return made["Plaintext"], made["CiphertextBlob"]

    async def unwrap(self, wrapped: bytes, context: Context) -> bytes:
        from botocore.exceptions import ClientError

        asked = {"CiphertextBlob": wrapped, "EncryptionContext": {**context}}
        try:
            opened = await self._decrypt(asked)
        except ClientError as error:
            if code_of(error) in _UNREADABLE:
                raise SecretError("a sealed secret does not open with this key, or in this row") from error
            raise
        key: bytes = opened["Plaintext"]
        return key

    async def _decrypt(self, asked: Mapping[str, Any]) -> Any:
        from botocore.exceptions import ClientError

        try:
            return await self._client.decrypt(KeyId=self._key_id, **asked)
        except ClientError as error:
            if code_of(error) != "IncorrectKeyException":
                raise
            # The alias names another key than when this was sealed: KMS finds that one itself, and the role says whether it may be used.
            return await self._client.decrypt(**asked)


class LocalKeys:
    """Under a key of this machine: for emulators."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    async def new(self, context: Context) -> tuple[bytes, bytes]:
        key = secrets.token_bytes(_BYTES)
        return key, _shut(self._key, key, context)

    async def unwrap(self, wrapped: bytes, context: Context) -> bytes:
        return _unshut(self._key, wrapped, context)


class Seals:
    """Seals what is registered, where there are keys, and opens each secret once."""

    def __init__(self, keys: DataKeys | None) -> None:
        self._keys = keys
        self._open: OrderedDict[tuple[str, str, str], str] = OrderedDict()

    async def seal(self, secret: str, *, tenant_id: str, endpoint_id: str) -> str:
        """The secret itself where there are no keys."""
        if self._keys is None:
            return secret
        context = _context(tenant_id, endpoint_id)
        key, wrapped = await self._keys.new(context)
        kind = "v1a" if secret.startswith(PRIVATE) else "v1"
        return f"{SEALED}{kind}:{_text(wrapped)}:{_text(_shut(key, secret.encode(), context))}"

    async def open(self, text: str, *, tenant_id: str, endpoint_id: str) -> str:
        """Raises SecretError where it does not open, or botocore's error where KMS does not answer."""
        if not text.startswith(SEALED):
            return text
        place = (tenant_id, endpoint_id, text)
        if place in self._open:
            self._open.move_to_end(place)
            return self._open[place]
        if self._keys is None:
            raise SecretError("a sealed secret needs WEBHOOK_SECRETS_KEY")
        context = _context(tenant_id, endpoint_id)
        try:
            _, wrapped, box = text.removeprefix(SEALED).split(":")
            key = await self._keys.unwrap(base64.b64decode(wrapped, validate=True), context)
            found = _unshut(key, base64.b64decode(box, validate=True), context).decode()
        except (ValueError, binascii.Error) as error:
            raise SecretError("a sealed secret is damaged") from error
        self._open[place] = found
        while len(self._open) > REMEMBERED:
            self._open.popitem(last=False)
        return found


def is_sealed(text: str) -> bool:
    return text.startswith(SEALED)


def kind_of(text: str) -> str:
    """Of a secret's text, sealed or not."""
    if text.startswith(SEALED):
        return text.removeprefix(SEALED).partition(":")[0]
    return "v1a" if text.startswith(PRIVATE) else "v1"


async def open_seals(setting: str | None, kms: Callable[[], Any]) -> Seals:
    """By WEBHOOK_SECRETS_KEY. `kms` opens the client where one is needed."""
    if not setting:
        return Seals(None)
    if not setting.startswith(LOCAL):
        return Seals(KmsKeys(await kms(), setting))
    return Seals(LocalKeys(_local(setting)))


def _local(setting: str) -> bytes:
    try:
        key = base64.b64decode(setting.removeprefix(LOCAL), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _BYTES:
        raise ValueError(f"a local key is {LOCAL} and the base64 of {_BYTES} bytes")
    return key


def _context(tenant_id: str, endpoint_id: str) -> Context:
    return {"tenantId": tenant_id, "endpointId": endpoint_id}


def _shut(key: bytes, content: bytes, context: Context) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, content, _bound(context))


def _unshut(key: bytes, box: bytes, context: Context) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(box[:_NONCE], box[_NONCE:], _bound(context))
    except InvalidTag as error:
        raise SecretError("a sealed secret does not open with this key, or in this row") from error


def _bound(context: Context) -> bytes:
    return json.dumps([*context.items()]).encode()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
