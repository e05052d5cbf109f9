"""What vouches for the archive: a key of the kind that the worker signs with, heads that nobody rewrites, and settings that name both."""

import uuid

import pytest

from fleet.dev.deploy import session, stand, template
from fleet.dev.emulators.ministack import Endpoint
from tests.infra.recorded import statements
from tests.infra.template import stack
from workers.audit_archive.evidence.anchors import BucketPlace, LogPlace, ParameterPlace, places
from workers.audit_archive.evidence.places import InKms, signing_key


def test_the_key_signs_as_the_worker_asks_it_to_and_outlives_its_stack() -> None:
    evidence = stack("evidence")
    key = evidence.properties("SigningKey")
    assert (key["KeySpec"], key["KeyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY")
    resource = evidence.text["Resources"]["SigningKey"]
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


@pytest.mark.parametrize(("stage", "mode"), [("dev", "GOVERNANCE"), ("prod", "COMPLIANCE")])
def test_a_head_is_locked_for_as_long_as_rows_are_kept(stage: str, mode: str) -> None:
    evidence = stack("evidence", stage)
    heads = evidence.properties("Heads")
    assert heads["ObjectLockConfiguration"]["Rule"] == {"DefaultRetention": {"Mode": mode, "Days": 395}}
    assert (heads["ObjectLockEnabled"], heads["VersioningConfiguration"]) == (True, {"Status": "Enabled"})
    assert all(heads["PublicAccessBlockConfiguration"].values())
    assert evidence.text["Resources"]["Heads"]["DeletionPolicy"] == "RetainExceptOnCreate"
    [tls] = evidence.properties("HeadsPolicy")["PolicyDocument"]["Statement"]
    assert (tls["Effect"], tls["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_the_worker_finds_both_in_its_settings_and_may_write_where_they_say() -> None:
    evidence = stack("evidence")
    said = {each["Name"]: each["Value"] for each in map(evidence.properties, ("AuditSigningKey", "AuditAnchors"))}
    assert signing_key(said["/fleet/dev/audit-archive/AUDIT_SIGNING_KEY"]) == InKms("SigningKey.Arn")
    log, bucket, parameter = places(said["/fleet/dev/audit-archive/AUDIT_ANCHORS"])
    assert (log, bucket) == (LogPlace(), BucketPlace(evidence.properties("Heads")["BucketName"], "heads/"))
    assert parameter == ParameterPlace("/fleet/dev/audit-head")
    given = statements(stack("access", AuditSigningKeyArn="key"), "AuditArchiveRole")
    permitted = {(action, resource) for each in given for action in each["Action"] for resource in each["Resource"]}
    assert ("s3:PutObject", "arn:aws:s3:::fleet-audit-heads-dev/heads/*") in permitted
    assert ("ssm:PutParameter", "arn:aws:ssm:eu-central-1:111122223333:parameter/fleet/dev/audit-head") in permitted


def test_keys_of_persons_are_kept_and_what_is_erased_can_come_back_for_a_week_only() -> None:
    evidence = stack("evidence")
    table = evidence.properties("SubjectKeysTable")
    assert table["KeySchema"] == [{"AttributeName": "name", "KeyType": "HASH"}]
    assert (table["DeletionProtectionEnabled"], table["SSESpecification"]) == (True, {"SSEEnabled": True})
    recovery = table["PointInTimeRecoverySpecification"]
    assert recovery == {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 7}
    assert not {"StreamSpecification", "TimeToLiveSpecification"} & table.keys()
    setting = evidence.properties("SubjectKeysTableName")
    assert setting["Name"] == "/fleet/dev/audit-archive/SUBJECT_KEYS_TABLE_NAME"
    assert setting["Value"] in {"SubjectKeysTable", "fleet-subject-keys-dev"}


@pytest.mark.slow
def test_it_stands_twice_and_its_key_is_the_one_that_the_settings_name(emulator: Endpoint) -> None:
    project = f"v{uuid.uuid4().hex[:8]}"
    for _ in range(2):
        stand(emulator, f"{project}-evidence-dev", template("evidence").read_text(), ProjectName=project)
    ssm = session(emulator).client("ssm", endpoint_url=emulator.url)
    kms = session(emulator).client("kms", endpoint_url=emulator.url)
    name = f"/{project}/dev/audit-archive/AUDIT_SIGNING_KEY"
    arn = ssm.get_parameter(Name=name)["Parameter"]["Value"].removeprefix("kms:")
    [key] = [each for each in kms.list_keys()["Keys"] if each["KeyArn"] == arn]
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyUsage"] == "SIGN_VERIFY"
