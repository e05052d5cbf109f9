"""Secrets are sealed in the table, opened once, and bound to their row."""

import base64
from collections.abc import Mapping
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from shared.settings import SettingsError, read_settings
from tests.workers.webhook_delivery.fakes import PRIVATE_KEY, SECRET, Clock
from tests.workers.webhook_delivery.table import InDynamoDb
from workers.webhook_delivery.client import ClientSettings, Endpoints, Registration
from workers.webhook_delivery.signing import Seals, SecretError, kind_of, open_seals
from workers.webhook_delivery.signing.at_rest import KmsKeys
from workers.webhook_delivery.store.table import DynamoDbStore

LOCAL = "local:" + base64.b64encode(bytes(range(32))).decode()
ROW = {"tenant_id": "acme", "endpoint_id": "ep-1"}


class Kms:
    """KMS as far as it is asked here: a data key opens under the context that it was made for. It takes what botocore's description of
    it takes.
    """

    def __init__(self) -> None:
        self.model = botocore.session.get_session().get_service_model("kms")
        self.calls: list[str] = []
        self.fault = ""
        self.alias = "first"
        """The key behind any alias; what was wrapped under another one opens where none is named."""

    def check(self, operation: str, asked: Mapping[str, Any]) -> None:
        shape: Any = self.model.operation_model(operation).input_shape
        specs: Any = self.model.shape_for("DataKeySpec")
        report = ParamValidator().validate(asked, shape)
        assert not report.has_errors(), report.generate_report()
        assert asked.get("KeySpec", "AES_256") in specs.enum

    async def generate_data_key(self, **asked: Any) -> dict[str, bytes]:
        self.calls.append("generate_data_key")
        self.check("GenerateDataKey", asked)
        return {"Plaintext": bytes(32), "CiphertextBlob": self._wrapped(self.alias, asked)}

    @staticmethod
    def _wrapped(key: str, asked: Mapping[str, Any]) -> bytes:
        return f"{key} {asked['EncryptionContext']!r}".encode()

    async def decrypt(self, **asked: Any) -> dict[str, bytes]:
        self.calls.append("decrypt")
        self.check("Decrypt", asked)
        key = asked["CiphertextBlob"].split(b" ")[0].decode()
        wrong = asked["CiphertextBlob"] != self._wrapped(key, asked)
        other = "IncorrectKeyException" if "KeyId" in asked and key != self.alias else ""
        if code := self.fault or other or ("InvalidCiphertextException" if wrong else ""):
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "Decrypt")
        return {"Plaintext": bytes(32)}


async def local(setting: str = LOCAL) -> Seals:
    return await open_seals(setting, lambda: pytest.fail("no KMS is needed"))


async def test_what_is_sealed_opens_in_its_own_row_alone_and_is_opened_once() -> None:
    kms = Kms()
    seals, other = Seals(KmsKeys(kms, "alias/webhooks")), Seals(KmsKeys(kms, "alias/webhooks"))
    sealed = await seals.seal(SECRET, **ROW)
    assert SECRET.removeprefix("whsec_") not in sealed
    for _ in range(3):
        assert await other.open(sealed, **ROW) == SECRET
    assert kms.calls == ["generate_data_key", "decrypt"]
    with pytest.raises(SecretError, match="in this row"):
        await other.open(sealed, tenant_id="acme", endpoint_id="ep-2")
    with pytest.raises(SecretError):
        await (await local()).open(sealed, **ROW)
    kms.fault = "KMSInternalException"
    with pytest.raises(ClientError):
        await Seals(KmsKeys(kms, "alias/webhooks")).open(sealed, **ROW)


async def test_what_was_sealed_before_the_alias_named_another_key_still_opens() -> None:
    kms = Kms()
    sealed = await Seals(KmsKeys(kms, "alias/webhooks")).seal(SECRET, **ROW)
    kms.alias = "second"
    seals = Seals(KmsKeys(kms, "alias/webhooks"))
    assert await seals.open(sealed, **ROW) == SECRET
    newer = await seals.seal(SECRET, **ROW)
    assert await Seals(KmsKeys(kms, "alias/webhooks")).open(newer, **ROW) == SECRET
    assert kms.calls == ["generate_data_key", "decrypt", "decrypt", "generate_data_key", "decrypt"]
    with pytest.raises(SecretError, match="in this row"):
        await seals.open(sealed, tenant_id="acme", endpoint_id="ep-2")
    kms.fault = "AccessDeniedException"
    with pytest.raises(ClientError):
        await Seals(KmsKeys(kms, "alias/webhooks")).open(sealed, **ROW)


async def test_a_local_key_seals_too_and_what_is_damaged_does_not_open() -> None:
    seals = await local()
    sealed = await seals.seal(PRIVATE_KEY, **ROW)
    assert (kind_of(sealed), kind_of(PRIVATE_KEY), kind_of(SECRET)) == ("v1a", "v1a", "v1")
    assert await (await local()).open(sealed, **ROW) == PRIVATE_KEY
    assert await seals.open(SECRET, **ROW) == SECRET, "one that stood there before is taken as it is"
    another = await local("local:" + base64.b64encode(bytes(32)).decode())
    for wrong in (sealed[:-4] + "AAAA", sealed[:40], sealed + "!", "sealed:1:v1:a:b:c", "sealed:1:"):
        with pytest.raises(SecretError):
            await (await local()).open(wrong, **ROW)
    for keys in (another, Seals(None)):
        with pytest.raises(SecretError):
            await keys.open(sealed, **ROW)


async def test_the_table_holds_no_secret_in_clear_and_the_worker_signs_with_all(dynamodb: InDynamoDb) -> None:
    clock, seals = Clock(), await local()
    plain = Endpoints(dynamodb.client, table=dynamodb.name, now=clock)
    endpoints = Endpoints(dynamodb.client, table=dynamodb.name, now=clock, seals=seals)
    await plain.add(Registration("acme", "https://a.example/", ("*",), "ep-1", SECRET))
    first = await endpoints.rotate("acme", "ep-1", kind="v1a")
    second = await endpoints.rotate("acme", "ep-1")
    key = {"PK": {"S": "TENANT#acme"}, "SK": {"S": "ENDPOINT#ep-1"}}
    raw = str((await dynamodb.client.get_item(TableName=dynamodb.name, Key=key))["Item"])
    assert [each in raw for each in (first.secret, second.secret, SECRET)] == [False, False, True], "of before the key"
    assert [each.kind for each in (await endpoints.show("acme", "ep-1")).keys] == ["v1a", "v1a", "v1"]
    store = DynamoDbStore(dynamodb.client, table=dynamodb.name, seals=seals, now=lambda: clock().timestamp())
    found = await store.endpoint("acme", "ep-1")
    assert found is not None
    assert found.secrets == (second.secret, first.secret, SECRET)
    blind = await DynamoDbStore(dynamodb.client, table=dynamodb.name).endpoint("acme", "ep-1")
    assert blind is not None
    assert blind.secrets[0].startswith("sealed:"), "and an attempt says secret_invalid"


def test_a_local_key_that_is_none_is_a_wrong_setting_by_name_and_not_quoted() -> None:
    for wrong in ("local:", "local:c2hvcnQ=", "local:!"):
        with pytest.raises(SettingsError, match="WEBHOOK_SECRETS_KEY") as refused:
            read_settings(ClientSettings, {"WEBHOOKS_TABLE_NAME": "t", "WEBHOOK_SECRETS_KEY": wrong})
        assert "c2hvcnQ" not in str(refused.value)
