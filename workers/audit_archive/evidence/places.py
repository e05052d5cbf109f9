"""The signing key and the anchors that settings name, opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, assert_never

from pydantic import BeforeValidator, Field

from shared import Clients, Settings, SettingsError
from workers.audit_archive.chain.chain import Sign
from workers.audit_archive.chain.newest import Vouching
from workers.audit_archive.evidence.anchors import (
    Anchor,
    BucketPlace,
    InBucket,
    InLog,
    InParameter,
    LogPlace,
    ParameterPlace,
    Place,
    places,
)
from workers.audit_archive.evidence.kms import KmsKey
from workers.audit_archive.store.bucket import S3Bucket
from workers.audit_archive.store.seal import Seals

if TYPE_CHECKING:
    from workers.audit_archive.evidence.signing import FileKey, KeyRing


@dataclass(frozen=True, slots=True)
class InFile:
    """`file:/path/to/key.pem`"""

    path: Path


@dataclass(frozen=True, slots=True)
class InKms:
    """`kms:alias/NAME`, `kms:KEY-ID` or `kms:ARN`"""

    key: str


SigningKey = InFile | InKms


def signing_key(text: str) -> SigningKey:
    """Raises ValueError that names the forms."""
    kind, _, name = text.partition(":")
    if name and kind == "kms":
        return InKms(name)
    if name and kind == "file":
        return InFile(Path(name))
    raise ValueError("a signing key is `kms:alias/NAME`, `kms:ARN` or `file:/path/to/key.pem`")


class EvidenceSettings(Settings):
    """What is shown of the archive to those who do not trust its bucket."""

    audit_signing_key: Annotated[SigningKey | None, BeforeValidator(signing_key)] = Field(
        default=None,
        description="`kms:alias/NAME` (ECC_NIST_P256, SIGN_VERIFY) or `file:PATH` (ed25519); unset, digests are not signed",
    )
    audit_anchors: Annotated[tuple[Place, ...], BeforeValidator(places)] = Field(
        default=(LogPlace(),),
        description="`log`, `s3://bucket/prefix`, `ssm:/name`, with commas: where the head of the chain is kept besides",
    )


async def open_signing(key: SigningKey | None, clients: Clients) -> Sign | None:
    """What signs; None where no key is named. Raises SettingsError."""
    match key:
        case None:
            return None
        case InKms(name):
            return KmsKey(await clients.open("kms"), key=name).sign
        case InFile(path):
            return _read(path).sign
        case other:
            assert_never(other)


async def public_key(key: SigningKey, clients: Clients) -> str:
    """Its public half, as a key file for auditors holds it. Raises SettingsError."""
    match key:
        case InKms(name):
            from workers.audit_archive.evidence.signing import public_pem

            try:
                return public_pem(await KmsKey(await clients.open("kms"), key=name).public_der())
            except ValueError as error:
                raise SettingsError(str(error)) from error
        case InFile(path):
            return _read(path).public_pem()
        case other:
            assert_never(other)


def vouching_of(key: SigningKey | None, seals: Seals, clients: Clients) -> Vouching | None:
    """What knows the workers' own digests; None where they are not signed. The public key is only read where it is asked for."""
    if key is None:
        return None

    async def own() -> KeyRing:
        from workers.audit_archive.evidence.signing import KeyRing

        return KeyRing.read((await public_key(key, clients)).encode())

    return Vouching(seals, own)


async def open_anchors(places: Sequence[Place], clients: Clients) -> list[Anchor]:
    """The anchors in the order of their setting."""
    return [InLog() if isinstance(place, LogPlace) else await open_anchor(place, clients) for place in places]


async def open_anchor(place: BucketPlace | ParameterPlace, clients: Clients) -> InBucket | InParameter:
    """An anchor that can be read again."""
    match place:
        case BucketPlace(bucket, prefix):
            found = S3Bucket(await clients.open("s3"), name=bucket)
            return InBucket(found, prefix, name=f"s3://{bucket}/{prefix}".rstrip("/"))
        case ParameterPlace(parameter):
            return InParameter(await clients.open("ssm"), parameter, name=f"ssm:{parameter}")
        case other:
            assert_never(other)


def _read(path: Path) -> FileKey:
    from workers.audit_archive.evidence.signing import FileKey

    try:
        return FileKey.read(path)
    except OSError as error:
        raise SettingsError(f"AUDIT_SIGNING_KEY: {path}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"AUDIT_SIGNING_KEY: {path}: {error}") from error
