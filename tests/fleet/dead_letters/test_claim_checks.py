"""Dead letters whose body is in S3: told where, replayed with their pointer, mended with a body of their own."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.message.pointer import MARK, Pointer
from tests.aws import Aws
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.schemas import valid

pytestmark = pytest.mark.slow  # the whole command on the emulator, some seconds a story

ACT = ("--yes", "--reason", "the bucket is open again")
POINTER = Pointer("payloads", "claims/sha256-0123", 2_000_000)
MARKED: dict[str, Any] = {MARK: {"DataType": "Number", "StringValue": str(POINTER.size)}}


@pytest.fixture
def claimed(ground: Ground) -> Ground:
    ground.park(POINTER.body, attributes=MARKED)
    return ground


def test_show_says_that_the_body_is_in_s3_and_where(claimed: Ground, cli: Lines) -> None:
    [letter] = cli.json("list", claimed.name)
    [result] = cli.json("show", claimed.name, letter["id"])
    valid("dlq-letter-content", result)
    assert result["body_in_s3"] == {"bucket": "payloads", "key": "claims/sha256-0123", "bytes": 2_000_000}
    shown = cli("dlq", "show", claimed.name, letter["id"]).stdout
    assert "body in S3: 2000000 bytes at s3://payloads/claims/sha256-0123" in shown
    revealed = cli("dlq", "show", claimed.name, letter["id"], "--reveal", "--reason", "to fetch it").stdout
    assert POINTER.body in revealed


def test_names_that_are_spelt_as_no_bucket_or_key_stay_hidden(ground: Ground, cli: Lines) -> None:
    ground.park(Pointer("payloads", "jane.doe@example.org", 5).body, attributes=MARKED)
    [letter] = cli.json("list", ground.name)
    for result in (
        cli("dlq", "show", ground.name, letter["id"]),
        cli("dlq", "show", ground.name, letter["id"], "--json"),
    ):
        assert "jane" not in result.stdout
        assert "payloads" not in result.stdout


def test_a_letter_with_its_body_says_nothing_of_s3(ground: Ground, cli: Lines) -> None:
    ground.park({"a": 1})
    [letter] = cli.json("list", ground.name)
    [result] = cli.json("show", ground.name, letter["id"])
    valid("dlq-letter-content", result)
    assert result["body_in_s3"] is None


def test_a_replay_sends_the_pointer_with_its_mark(claimed: Ground, cli: Lines) -> None:
    cli("dlq", "plan", claimed.name, "-o", cli.plan())
    [moved] = cli.json("replay", cli.plan(), *ACT)
    assert (moved["sent"], moved["failed"]) == (1, 0)
    [message] = claimed.content(claimed.source)
    assert message["Body"] == POINTER.body
    assert message["MessageAttributes"][MARK]["StringValue"] == "2000000"


def test_an_archive_keeps_the_pointer_with_its_mark(claimed: Ground, cli: Lines, aws: Aws) -> None:
    cli.environment["DLQ_ARCHIVE_BUCKET_NAME"] = aws.bucket("archive")
    cli("dlq", "archive", claimed.name, *ACT)
    cli("dlq", "restore", claimed.name, *ACT)
    [letter] = claimed.content()
    assert (letter["Body"], letter["MessageAttributes"][MARK]["StringValue"]) == (POINTER.body, "2000000")


def test_a_mended_letter_carries_its_new_body_itself(claimed: Ground, cli: Lines, aws: Aws, tmp_path: Path) -> None:
    cli.environment |= {"DLQ_EDIT_ENABLED": "true", "DLQ_ARCHIVE_BUCKET_NAME": aws.bucket("archive")}
    [letter] = cli.json("list", claimed.name)
    (tmp_path / "body").write_text(json.dumps({"tenantId": "t1"}))
    to = ("--to", claimed.arn_of(claimed.source))
    cli("dlq", "edit", claimed.name, letter["id"], "--body-file", str(tmp_path / "body"), *to, *ACT)
    [message] = claimed.content(claimed.source)
    assert message["Body"] == '{"tenantId": "t1"}'
    assert MARK not in message["MessageAttributes"]


def test_an_editor_is_not_opened_on_a_pointer(claimed: Ground, cli: Lines) -> None:
    cli.environment["DLQ_EDIT_ENABLED"] = "true"
    [letter] = cli.json("list", claimed.name)
    result = cli("dlq", "edit", claimed.name, letter["id"], exits=2)
    assert "its body is in S3" in result.stderr
