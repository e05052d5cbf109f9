"""Keys and anchors as settings name them: read, refused, and used on the emulator."""

import uuid
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.clients import Clients
from shared.settings import SettingsError, read_settings
from tests.aws import Aws
from workers.audit_archive.chain.digest import Head, Signature
from workers.audit_archive.evidence.anchors import BucketPlace, InParameter, LogPlace, ParameterPlace, places, read_head
from workers.audit_archive.evidence.kms import KmsKey
from workers.audit_archive.evidence.places import (
    EvidenceSettings,
    InFile,
    InKms,
    open_anchor,
    open_anchors,
    open_signing,
    public_key,
    signing_key,
)
from workers.audit_archive.evidence.signing import FileKey, KeyRing


@pytest.fixture
def environment(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    return aws.environment


HEAD = Head(7, "a" * 64, 12, "b" * 64, "c" * 64)


def test_anchors_are_named_by_their_forms() -> None:
    assert places("log, s3://other-account/audit/heads/, s3://whole, ssm:/fleet/prod/head") == (
        LogPlace(),
        BucketPlace("other-account", "audit/heads/"),
        BucketPlace("whole", ""),
        ParameterPlace("/fleet/prod/head"),
    )
    for wrong in ("", "s3://", "ssm:", "file:/x", "log,", "s3://UPPER/x"):
        with pytest.raises(ValueError, match="an anchor is `log`"):
            places(wrong)


def test_a_setting_that_is_wrong_is_named_with_its_forms() -> None:
    assert signing_key("kms:alias/audit") == InKms("alias/audit")
    assert signing_key("file:/k.pem") == InFile(Path("/k.pem"))
    with pytest.raises(SettingsError, match=r"AUDIT_SIGNING_KEY: .*a signing key is `kms:alias/NAME`"):
        read_settings(EvidenceSettings, {"AUDIT_SIGNING_KEY": "secret"})
    with pytest.raises(SettingsError, match=r"AUDIT_ANCHORS: .*an anchor is `log`"):
        read_settings(EvidenceSettings, {"AUDIT_ANCHORS": "elsewhere"})
    assert read_settings(EvidenceSettings, {}).audit_anchors == (LogPlace(),)
    with pytest.raises(ValidationError):
        Signature(key="short", algorithm="ed25519", value="")


def test_a_head_is_read_as_it_is_printed() -> None:
    assert read_head(str(HEAD)) == Head(7, "a" * 64)
    assert [read_head(text) for text in ("", "7", f"0:{'a' * 64}", "7:abc", f"7:{'A' * 64}")] == [None] * 5


async def test_a_key_file_signs_and_what_is_none_is_named(tmp_path: Path) -> None:
    good, foreign, missing = tmp_path / "good.pem", tmp_path / "foreign.pem", tmp_path / "missing.pem"
    key = FileKey.new()
    good.write_bytes(key.to_pem())
    foreign.write_text("-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n")
    async with Clients({}) as clients:
        sign = await open_signing(InFile(good), clients)
        assert sign is not None
        signature = await sign(b"message")
        ring = KeyRing.read((await public_key(InFile(good), clients)).encode())
        for path, why in ((foreign, "holds no private key"), (missing, "No such file")):
            with pytest.raises(SettingsError, match=f"AUDIT_SIGNING_KEY: .*{why}"):
                await open_signing(InFile(path), clients)
        assert await open_signing(None, clients) is None
    assert ring.judge(signature, b"message") == "valid"
    assert ring.judge(signature, b"another") == "bad signature"
    assert ring.judge(signature.model_copy(update={"algorithm": "ecdsa-sha256"}), b"message") == "bad signature"
    assert ring.judge(signature.model_copy(update={"value": "?"}), b"message") == "bad signature"
    assert KeyRing.read(FileKey.new().public_pem().encode()).judge(signature, b"message") == "unknown key"
    for wrong in (b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"):
        with pytest.raises(ValueError, match="public key"):
            KeyRing.read(wrong)


async def test_a_key_in_kms_signs_under_its_alias_and_one_of_another_kind_is_refused(
    environment: dict[str, str],
) -> None:
    name = f"alias/{uuid.uuid4().hex}"
    async with Clients(environment) as clients:
        kms = await clients.open("kms")
        made = await kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
        await kms.create_alias(AliasName=name, TargetKeyId=made["KeyMetadata"]["KeyId"])
        ring = KeyRing.read((await public_key(InKms(name), clients)).encode())
        signature = await KmsKey(kms, key=name).sign(b"m" * 10_000)
        assert ring.judge(signature, b"m" * 10_000) == "valid"
        assert ring.judge(signature, b"m") == "bad signature"
        other = await kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
        with pytest.raises(SettingsError, match="AUDIT_SIGNING_KEY names a KMS key that is not ECC_NIST_P256"):
            await public_key(InKms(other["KeyMetadata"]["KeyId"]), clients)


async def test_heads_are_kept_in_another_bucket_and_in_a_parameter(aws: Aws, environment: dict[str, str]) -> None:
    bucket, parameter = aws.bucket("heads"), f"/fleet/{uuid.uuid4().hex}"
    async with Clients(environment) as clients:
        opened = await open_anchors(places(f"log,s3://{bucket}/audit,ssm:{parameter}"), clients)
        assert [anchor.name for anchor in opened] == ["log", f"s3://{bucket}/audit", f"ssm:{parameter}"]
        later = Head(8, "d" * 64, 13, "e" * 64, "c" * 64)
        for head in (HEAD, HEAD, later):
            for anchor in opened:
                await anchor.keep(head)
        other = await open_anchor(BucketPlace(bucket, "audit/"), clients)
        assert await other.heads() == [Head(7, "a" * 64), Head(8, "d" * 64)]
        kept = await open_anchor(ParameterPlace(parameter), clients)
        assert await kept.heads() == [later]
        assert isinstance(kept, InParameter)
        for wrong in ("7", '{"sequence":"7","sha256":"a"}', '{"sequence":7,"sha256":null}', '{"sequence":7}', "[]"):
            await kept.client.put_parameter(Name=parameter, Value=wrong, Type="String", Overwrite=True)
            with pytest.raises(ValueError, match="holds something else than a head"):
                await kept.heads()
        aws.s3.put_object(Bucket=bucket, Key="audit/notes.txt", Body=b"")
        with pytest.raises(ValueError, match="holds something else than heads"):
            await other.heads()
