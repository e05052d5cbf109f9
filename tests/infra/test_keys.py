"""A key of the stage's own: what is encrypted with it where it is given, and who may use it."""

import pytest

from tests.infra.template import ACCOUNT, Template, messaging, stack

KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1"


def statement(sid: str) -> dict[str, object]:
    [found] = [each for each in stack("keys").properties("Key")["KeyPolicy"]["Statement"] if each["Sid"] == sid]
    return dict(found)


@pytest.mark.parametrize("given", ["NONE", KEY])
def test_every_table_bucket_and_queue_is_encrypted_and_with_the_stages_key_where_there_is_one(given: str) -> None:
    template: Template = messaging(KeyArn=given)
    own = given == KEY
    queues = template.resources("AWS::SQS::Queue").values()
    assert len(queues) > 10
    for queue in (each["Properties"] for each in queues):
        assert (queue.get("KmsMasterKeyId"), queue.get("SqsManagedSseEnabled")) == (
            (KEY, None) if own else (None, True)
        )
    tables = template.resources("AWS::DynamoDB::Table").values()
    assert len(tables) == 4
    for table in tables:
        keyed = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}
        assert table["Properties"]["SSESpecification"] == (keyed if own else {"SSEEnabled": True})
    for bucket in template.resources("AWS::S3::Bucket").values():
        [rule] = bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY} if own else {"SSEAlgorithm": "AES256"}
        assert rule["ServerSideEncryptionByDefault"] == default
        assert rule.get("BucketKeyEnabled", False) is own


@pytest.mark.parametrize("name", ["messaging", "workers", "services"])
def test_so_is_every_log_group(name: str) -> None:
    doors = {f"{worker}Door": "both" for worker in ("AuditArchive", "ReminderDispatch", "UploadNotification")}
    for given in ("NONE", KEY):
        groups = stack(name, KeyArn=given, **doors).resources("AWS::Logs::LogGroup")
        assert groups
        assert {group["Properties"].get("KmsKeyId", "NONE") for group in groups.values()} == {given}


def test_the_key_turns_each_year_and_outlives_its_stack() -> None:
    template = stack("keys")
    assert template.properties("Key")["EnableKeyRotation"] is True
    key = template.text["Resources"]["Key"]
    assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_services_use_it_for_this_account_and_roles_of_this_stage_through_the_services_that_keep_data() -> None:
    senders = statement("Senders")
    services = [f"{name}.amazonaws.com" for name in ("events", "s3", "sns", "cloudwatch")]
    assert senders["Principal"] == {"Service": services}
    assert senders["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    for sid in ("Roles", "Tables"):
        condition = statement(sid)["Condition"]
        assert isinstance(condition, dict)
        assert condition["ArnLike"] == {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/fleet-*-dev"}
        assert condition["StringEquals"]["kms:CallerAccount"] == ACCOUNT
        assert condition["StringEquals"]["kms:ViaService"]
    assert statement("Logs")["Condition"] == {
        "ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:eu-central-1:{ACCOUNT}:*"}
    }


def test_every_role_of_the_stage_is_called_as_the_key_expects() -> None:
    names = [
        role["Properties"]["RoleName"]
        for name in ("messaging", "access", "pipeline", "care")
        for role in stack(name, Backup="true").resources("AWS::IAM::Role").values()
    ]
    assert names
    assert not [name for name in names if not (name.startswith("fleet-") and name.endswith("-dev"))]
