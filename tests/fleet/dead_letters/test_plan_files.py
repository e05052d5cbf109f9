"""A plan is what its author sealed; what it changes is shown, kept and written down; odd files are refused in words."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from fleet.dead_letters.model.letter import DeadLetter, sha256
from fleet.dead_letters.model.plan import plan as planning
from fleet.dead_letters.model.plan.plan import PlanRefused
from fleet.dead_letters.queues.archive import Archive, Batch, Label, following
from tests.aws import Aws
from tests.fleet.dead_letters import letters
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.fakes import World
from tests.fleet.dead_letters.schemas import valid

ACT = ("--yes", "--reason", "because")
KEY = b"the key of these tests"


def sealed(change: Callable[[dict[str, Any]], Any], *, key: bytes = KEY) -> bytes:
    """A plan file with a change, sealed again by somebody who has the key."""
    world = World()
    world.put('{"n": 1}')
    document = planning.document(world.plan())
    change(document)
    return orjson.dumps({**document, "digest": planning._digest(document, key)})


def test_a_plan_that_another_key_sealed_is_refused() -> None:
    assert planning.read(sealed(lambda _: None), key=KEY).letters
    with pytest.raises(PlanRefused, match="another key"):
        planning.read(sealed(lambda _: None, key=b""), key=KEY)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda each: each.update(rate=-1.0), "`rate`"),
        (lambda each: each.update(rate=0), "`rate`"),
        (lambda each: each.update(rate="fast"), "`rate`"),
        (lambda each: each.update(rate=True), "`rate`"),
        (lambda each: each.update(watch=-1), "`watch`"),
        (lambda each: each.update(watch=1e300), "`watch`"),
        (lambda each: each.update(canary=[0]), "`canary`"),
        (lambda each: each.update(canary=[1, -5]), "`canary`"),
        (lambda each: each.update(canary=[1.5]), "`canary`"),
        (lambda each: each.update(canary="15"), "`canary`"),
        (lambda each: each.update(keep="no"), "`keep`"),
        (lambda each: each.update(filters=[]), "`filters`"),
        (lambda each: each.update(queue=7), "`queue`"),
        (lambda each: each.update(queue_arn="dlq"), "`queue_arn`"),
        (lambda each: each.update(letters=[]), "`letters`"),
        (lambda each: each.update(letters={}), "`letters`"),
        (lambda each: each.update(letters=["m-1"]), "a letter"),
        (lambda each: each["letters"][0].update(id=None), "`id`"),
        (lambda each: each["letters"][0].update(destination="arn:aws:sqs"), "`destination`"),
        (lambda each: each["letters"][0].update(expires_at="soon"), "`expires_at`"),
        (lambda each: each["letters"][0].update(mended=5), "mended body"),
        (lambda each: each.update(via="somebody"), "lacks a field"),
    ],
)
def test_what_a_plan_may_not_ask_for_is_refused_in_words(change: Callable[[dict[str, Any]], None], words: str) -> None:
    with pytest.raises(PlanRefused, match=words):
        planning.read(sealed(change), key=KEY)


@pytest.mark.parametrize("depth", [100, 300, 1_200])
def test_nesting_is_refused_in_words(depth: int) -> None:
    content = b'{"schema": "fleet-dlq-plan/2", "filters": ' + b"[" * depth + b"]" * depth + b"}"
    with pytest.raises(PlanRefused):
        planning.read(content, key=KEY)


def test_odd_files_are_refused_in_words(cli: Lines) -> None:
    fifo, broken, secret = cli.home / "fifo", cli.home / "broken", cli.home / "directory"
    os.mkfifo(fifo)
    broken.write_bytes(b"\xff\xfe{")
    secret.mkdir()
    for command in (("replay",), ("resume",), ("cancel",), ("status",), ("replay", *ACT)):
        for file in (fifo, broken, Path("/dev/zero")):
            refused = cli("dlq", command[0], str(file), *command[1:], exits=5)
            assert "is not a pl" in refused.stderr
        cli("dlq", command[0], str(secret), *command[1:], exits=2)


@pytest.fixture
def mended(ground: Ground, cli: Lines, aws: Aws) -> str:
    """A plan that changes the body of one of two letters; its id."""
    cli.environment |= {"DLQ_ARCHIVE_BUCKET_NAME": aws.bucket("archive"), "DLQ_EDIT_ENABLED": "true"}
    ground.park({"n": 1}, {"n": 2})
    exported = cli.home / "letters"
    cli("dlq", "export", ground.name, "-o", str(exported), "--reason", "to mend")
    assert exported.stat().st_mode & 0o777 == 0o600
    exported.write_text(exported.read_text().replace('{\\"n\\": 1}', '{\\"n\\": 9}'))
    cli("dlq", "import", ground.name, str(exported), "--to", ground.source, "-o", cli.plan())
    assert Path(cli.plan()).stat().st_mode & 0o777 == 0o600
    return str(json.loads(Path(cli.plan()).read_bytes())["plan_id"])


def test_changed_bodies_are_shown_kept_and_written_down(mended: str, ground: Ground, cli: Lines) -> None:
    [dry] = cli.json("replay", cli.plan())
    valid("dlq-replay", dry)
    [(name, digests)] = dry["changed_bodies"].items()
    assert digests == f"{sha256(json.dumps({'n': 1}))}->{sha256(json.dumps({'n': 9}))}"
    assert f"changes the body of {name}" in cli("dlq", "replay", cli.plan()).stdout
    cli("dlq", "replay", cli.plan(), *ACT)
    assert {each["Body"] for each in ground.content(ground.source)} == {'{"n": 9}', '{"n": 2}'}
    assert [entry["digests"] for entry in cli.audit()[-2:]] == [dry["changed_bodies"]] * 2
    [kept] = cli.json("restore", ground.name)
    valid("dlq-archived", kept)
    assert (kept["archive_id"], kept["letters"], kept["replaced"]) == (mended, 1, True)


@pytest.mark.usefixtures("mended")
def test_changed_bodies_are_not_sent_where_editing_is_off(ground: Ground, cli: Lines) -> None:
    off = {"DLQ_EDIT_ENABLED": "false"}
    assert "DLQ_EDIT_ENABLED" in cli("dlq", "replay", cli.plan(), exits=0, **off).stdout
    assert "changes bodies" in cli("dlq", "replay", cli.plan(), *ACT, exits=5, **off).stderr
    assert "archive" in cli("dlq", "replay", cli.plan(), *ACT, exits=2, DLQ_ARCHIVE_BUCKET_NAME="").stderr
    assert (ground.counts(), ground.counts(ground.source)) == ((2, 0), (0, 0))


@pytest.mark.slow
def test_a_changed_letter_in_other_hands_is_not_sent_before_it_is_kept(mended: str, ground: Ground, cli: Lines) -> None:
    held = ground.aws.sqs.receive_message(QueueUrl=ground.dead, MaxNumberOfMessages=10)["Messages"]
    assert "could not be archived" in cli("dlq", "replay", cli.plan(), *ACT, exits=5).stderr
    for each in held:
        ground.aws.sqs.change_message_visibility(
            QueueUrl=ground.dead, ReceiptHandle=each["ReceiptHandle"], VisibilityTimeout=0
        )
    cli("dlq", "resume", cli.plan(), *ACT)
    assert [kept["archive_id"] for kept in cli.json("restore", ground.name)] == [mended]


def test_originals_are_kept_where_a_setting_gives_the_name_of_the_plans_queue_to_another(
    mended: str, ground: Ground, cli: Lines, aws: Aws
) -> None:
    cli.environment[f"{ground.name.upper().replace('-', '_')}_DLQ_URL"] = aws.queue("other-dlq")
    cli("dlq", "replay", cli.plan(), *ACT)
    assert {each["Body"] for each in ground.content(ground.source)} == {'{"n": 9}', '{"n": 2}'}
    assert [(batch.label.archive_id, len(batch.letters)) for batch in archived(ground, cli)] == [(mended, 1)]


def test_originals_that_an_earlier_run_archived_are_not_archived_again(mended: str, ground: Ground, cli: Lines) -> None:
    first, second = json.loads(Path(cli.plan()).read_bytes())["letters"]
    changed, other = (first, second) if first.get("mended") else (second, first)
    archive = Archive(ground.aws.s3, bucket=cli.environment["DLQ_ARCHIVE_BUCKET_NAME"])
    label = Label(mended, ground.name, 1.0, 2e9, "tester", "cut short", 1, replaced=True, queue_arn=ground.arn)
    archive.put(label, [DeadLetter(changed["id"], json.dumps({"n": 1}))], number=7)
    cli("dlq", "replay", cli.plan(), *ACT)
    assert [each.id for batch in archived(ground, cli) for each in batch.letters] == [changed["id"]]
    assert other["id"] != changed["id"]


def test_a_batch_is_numbered_after_the_last_one_and_overwrites_none() -> None:
    assert [following([]), following(["a/000000.jsonl"]), following(["a/000004.jsonl", "a/000007.jsonl"])] == [0, 1, 8]
    assert following(["a/000004.jsonl", "a/notes.txt", "notes"]) == 5


def test_a_damaged_batch_of_an_earlier_run_is_not_overwritten(mended: str, ground: Ground, cli: Lines) -> None:
    [first] = [each for each in json.loads(Path(cli.plan()).read_bytes())["letters"] if each.get("mended")]
    bucket = cli.environment["DLQ_ARCHIVE_BUCKET_NAME"]
    archive = Archive(ground.aws.s3, bucket=bucket)
    label = Label(mended, ground.name, 1.0, 2e9, "tester", "cut short", 2, replaced=True, queue_arn=ground.arn)
    key = archive.put(label, [DeadLetter("m-1", "{}")], number=0)
    damaged = ground.aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    cli("dlq", "replay", cli.plan(), *ACT)
    assert ground.aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read() == damaged
    assert [each.id for batch in archived(ground, cli) for each in batch.letters] == [first["id"]]


def archived(ground: Ground, cli: Lines) -> list[Batch]:
    archive = Archive(ground.aws.s3, bucket=cli.environment["DLQ_ARCHIVE_BUCKET_NAME"])
    return [*archive.batches(ground.arn)]


@pytest.mark.slow
def test_restore_leaves_what_a_changed_copy_replaced(mended: str, ground: Ground, cli: Lines) -> None:
    cli("dlq", "replay", cli.plan(), *ACT)
    left = cli("dlq", "restore", ground.name, *ACT, exits=3)
    assert "1 letters stay archived" in left.stderr
    assert ground.counts() == (0, 0)
    cli("dlq", "restore", ground.name, "--archive-id", mended, *ACT)
    assert [each["Body"] for each in ground.content()] == ['{"n": 1}']


def test_restore_leaves_what_edit_replaced(ground: Ground, cli: Lines, aws: Aws) -> None:
    cli.environment |= {"DLQ_ARCHIVE_BUCKET_NAME": aws.bucket("archive"), "DLQ_EDIT_ENABLED": "true"}
    ground.park({"n": 1})
    [letter] = cli.json("list", ground.name)
    cli("dlq", "edit", ground.name, letter["id"], "--body-file", "-", "--to", ground.source, *ACT, stdin='{"n": 2}')
    cli("dlq", "restore", ground.name, *ACT, exits=3)
    assert ground.counts() == (0, 0)


@pytest.mark.slow
def test_a_destination_in_another_account_needs_the_setting(ground: Ground, cli: Lines) -> None:
    for number, function in enumerate(
        ("arn:aws:lambda:us-east-1:222222222222:function:thief", "arn:aws:sqs:us-east-1:222222222222:thief")
    ):
        plan = f"{cli.plan()}{number}"
        body, attributes = letters.bus_event(function)
        ground.put(body, attributes=letters.typed(attributes))
        cli("dlq", "plan", ground.name, "--to", function, "-o", plan)
        for words in ((), ACT):
            assert "is not in account 000000000000" in cli("dlq", "replay", plan, *words, exits=5).stderr
        allowed = cli("dlq", "replay", plan, exits=5, DLQ_OTHER_ACCOUNTS="111111111111,222222222222").stderr
        assert "is not in account" not in allowed  # it is refused for being missing


def test_the_edit_of_one_letter_goes_to_the_very_queue_that_is_named(ground: Ground, cli: Lines, aws: Aws) -> None:
    cli.environment |= {"DLQ_ARCHIVE_BUCKET_NAME": aws.bucket("archive"), "DLQ_EDIT_ENABLED": "true"}
    ground.park({"n": 1})
    [letter] = cli.json("list", ground.name)
    elsewhere = ground.arn_of(ground.source).replace("000000000000", "222222222222")
    words = ("edit", ground.name, letter["id"], "--body-file", "-", "--to", elsewhere, *ACT)
    assert "222222222222" in cli("dlq", *words, stdin='{"n": 2}', exits=5).stderr
    assert (ground.counts(), ground.counts(ground.source)) == ((1, 0), (0, 0))


def test_the_key_is_made_once_and_only_its_owner_can_read_it(ground: Ground, cli: Lines) -> None:
    ground.park({"n": 1})
    cli("dlq", "plan", ground.name, "--to", ground.source, "-o", cli.plan())
    key = cli.home / "state/fleet/dlq-plan.key"
    assert (len(key.read_bytes()), key.stat().st_mode & 0o777) == (32, 0o600)
    cli("dlq", "replay", cli.plan())
    shared = {"DLQ_PLAN_KEY": "a key that two people share"}
    assert "another key" in cli("dlq", "replay", cli.plan(), exits=5, **shared).stderr
    cli("dlq", "plan", ground.name, "--to", ground.source, "-o", f"{cli.plan()}2", exits=0, **shared)
    cli("dlq", "replay", f"{cli.plan()}2", exits=0, **shared, XDG_STATE_HOME="")
    cli("dlq", "replay", f"{cli.plan()}2", **{**shared, "DLQ_PLAN_KEY": "short"}, exits=2)
    assert not [path for path in key.parent.iterdir() if path != key]


def test_a_plan_or_export_into_a_directory_that_is_not_there_ends_in_words(ground: Ground, cli: Lines) -> None:
    ground.park({"n": 1})
    missing = str(cli.home / "missing/file")
    for words in (
        ("plan", ground.name, "--to", ground.source, "-o", missing),
        ("export", ground.name, "-o", missing, "--reason", "why"),
    ):
        assert "missing" in cli("dlq", *words, exits=None).stderr
        assert cli.last.exit_code in (1, 5)


@pytest.mark.parametrize(
    ("option", "value"), [("--rate", "nan"), ("--rate", "inf"), ("--watch", "nan"), ("--watch", "inf")]
)
def test_a_number_that_is_none_is_wrong_usage(option: str, value: str, cli: Lines) -> None:
    answer = cli("dlq", "plan", "any-dlq", option, value, "-o", cli.plan(), exits=2)
    assert option in answer.stderr


@pytest.mark.parametrize("canary", [("--watch", "0"), ()], ids=["given", "set"])
def test_a_canary_that_nobody_watches_is_refused(canary: tuple[str, ...], ground: Ground, cli: Lines) -> None:
    ground.park({"n": 1})
    refused = cli("dlq", "plan", ground.name, "--canary", "1", *canary, "-o", cli.plan(), exits=2)
    assert "--canary needs a --watch above 0" in refused.stderr
    assert not Path(cli.plan()).exists()
    with pytest.raises(PlanRefused, match="needs a `watch`"):
        planning.read(sealed(lambda each: each.update(canary=[1], watch=0)), key=KEY)


@pytest.mark.parametrize("option", ["--limit", "--canary"])
def test_a_number_beyond_all_letters_is_refused_in_words(option: str, cli: Lines) -> None:
    assert option in cli("dlq", "plan", "any", option, "9" * 20, "-o", cli.plan(), exits=2).stderr


def test_of_a_file_that_was_written_anew_only_the_plan_that_was_looked_at_is_carried_out(
    ground: Ground, cli: Lines
) -> None:
    ground.park({"n": 1}, {"n": 2})
    looked_at = cli.json("plan", ground.name, "--limit", "1", "-o", cli.plan())[0]["plan_id"]
    other = cli.json("plan", ground.name, "-o", cli.plan())[0]["plan_id"]
    for act in ("replay", "resume"):
        for more in ((), ACT):
            said = cli("dlq", act, cli.plan(), "--plan-id", looked_at, *more, exits=5).stderr
            assert f"holds the plan {other} now" in said
    assert (ground.counts(), ground.counts(ground.source)) == ((2, 0), (0, 0))
    assert cli.json("replay", cli.plan(), "--plan-id", other, *ACT)[0]["sent"] == 2
