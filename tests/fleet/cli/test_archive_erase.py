"""`fleet archive erase` and `find --subject`: found before, not found after, and the chain verifies."""

import asyncio
import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fleet.cli import fleet
from shared.message.envelope import StreamRecord
from tests.aws import Aws
from tests.fleet.archive.made import KEYS, TABLE, nine
from tests.workers.audit_archive.fakes import REDACTOR, World, record
from workers.audit_archive.chain.chain import Maker
from workers.audit_archive.hiding import BySubject
from workers.audit_archive.redaction.subjects import subjects
from workers.audit_archive.rules import audit_row
from workers.audit_archive.store.subject_keys import DynamoDbSubjects, Held, SubjectKeys

HASH_KEYS = ",".join(f"{key.id}:{base64.b64encode(key.secret).decode()}" for key in KEYS)


def of(owner: str, number: int) -> StreamRecord:
    new = {"sessionId": {"S": f"s-{number}"}, "owner": {"S": owner}, "email": {"S": "a@b.example"}}
    return record(f"e{number}", new=new, table=TABLE, sequence_number=str(number), created_at=nine(number))


async def filled(aws: Aws, table: str, bucket: str) -> None:
    world = World()
    async with aws.open("dynamodb") as client:
        keys = SubjectKeys(DynamoDbSubjects(client, table=table), KEYS, lambda: datetime.now(UTC))
        records = [of("anna", 1), of("bert", 2), of("anna", 3)]
        hide = await BySubject(REDACTOR, subjects(f"{TABLE}:owner"), keys.of)(
            [(TABLE, (each.new,)) for each in records]
        )
    await world.worker().keep([audit_row(each, hide=hide) for each in records])
    await Maker(bucket=world.bucket, now=world.clock).make()
    for key, (body, metadata) in world.bucket.objects.items():
        aws.s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=dict(metadata))


class Stage:
    def __init__(self, aws: Aws, log: Path) -> None:
        self.table, self.bucket = aws.table("name", label="subject-keys"), aws.bucket("archive")
        self.environment = {
            **aws.environment,
            "AUDIT_HASH_KEYS": HASH_KEYS,
            "SUBJECT_KEYS_TABLE_NAME": self.table,
            "AUDIT_BUCKET_NAME": self.bucket,
            "DLQ_AUDIT_LOG": str(log),
        }

    def run(self, *arguments: str, **more: str) -> Result:
        return CliRunner().invoke(fleet, ["archive", *arguments], env=self.environment | more, prog_name="fleet")

    def found(self, *arguments: str) -> list[str]:
        result = self.run("find", "--as", "json", *arguments)
        assert result.exit_code == 0, result.output
        return [json.loads(line)["event_id"] for line in result.stdout.splitlines()]


@pytest.fixture
def stage(aws: Aws, tmp_path: Path) -> Stage:
    made = Stage(aws, tmp_path / "log.jsonl")
    asyncio.run(filled(aws, made.table, made.bucket))
    return made


@pytest.mark.slow
def test_a_subject_is_found_before_it_is_erased_and_nothing_of_it_after(stage: Stage, tmp_path: Path) -> None:
    assert stage.found("--subject", "anna") == ["e1", "e3"]
    assert stage.found("--subject", "anna", "--id", "a@b.example") == ["e1", "e3"]
    assert stage.found("--subject", "nobody") == []
    would = stage.run("erase", "anna")
    assert (would.exit_code, would.stdout) == (
        0,
        "would erase 1 keys (0 erased before); act with --yes --reason ...\n",
    )
    assert stage.run("erase", "anna", "--yes").exit_code == 2  # no reason
    assert stage.found("--subject", "anna") == ["e1", "e3"]
    done = stage.run("erase", "anna", "--yes", "--reason", "asked for it")
    assert (done.exit_code, done.stdout[:14]) == (0, "1 keys erased ")
    after = stage.run("find", "--subject", "anna")
    assert (after.stdout, "the subject was erased on 20" in after.stderr) == ("", True)
    assert stage.found("--id", "anna") == stage.found("--id", "a@b.example") == []
    assert stage.found("--subject", "bert") == ["e2"]
    begun, ended = (json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines())
    assert (begun["outcome"], ended["outcome"], ended["counts"]) == ("begun", "done", {"erased": 1, "erased_before": 0})
    assert "anna" not in (tmp_path / "log.jsonl").read_text()
    again = stage.run("erase", ended["ids"][0], "--yes", "--reason", "after a restore")
    assert again.stdout[:32] == "0 keys erased (1 erased before);"
    assert "all as the digests say" in stage.run("verify", "--as-of", "2026-11-21T12:01:00Z").stdout


@pytest.mark.slow
def test_nothing_is_erased_where_its_evidence_cannot_be_kept(stage: Stage) -> None:
    refused = stage.run("erase", "anna", "--yes", "--reason", "why", DLQ_AUDIT_LOG="/proc/no/log")
    assert refused.exit_code == 5
    assert stage.run("erase", "anna").stdout.startswith("would erase 1 keys (0 erased before)")


async def test_the_table_keeps_a_key_once_and_a_tombstone_for_good(aws: Aws) -> None:
    async with aws.open("dynamodb") as client:
        table = DynamoDbSubjects(client, table=aws.table("name", label="subject-keys"))
        assert await table.put_new("a", b"1" * 32)
        assert not await table.put_new("a", b"2" * 32)
        assert await table.erase("a", "2026") == Held(b"1" * 32)
        assert not await table.put_new("a", b"2" * 32)
        assert await table.read([*"ab", *map(str, range(120))]) == {"a": Held(erased_at="2026")}
