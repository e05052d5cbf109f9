"""A producer's sessions, on the table that the worker reads and the bucket that S3 keeps."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from shared.clients import Clients
from tests.aws import Aws
from tests.workers.upload_notification.fakes import finished
from workers.upload_notification.client import NoSuchSession, Opening, Refused, Sessions, WrongField
from workers.upload_notification.client.form import form
from workers.upload_notification.content.gate import Complete, Gate, Rejected
from workers.upload_notification.ports import Accepted
from workers.upload_notification.rules import Move, TakeOver
from workers.upload_notification.store.sessions import DynamoDbSessions

START = datetime.now(UTC).replace(microsecond=0)
WANTED = Opening("acme", ("image/*",), max_bytes=1000, min_bytes=1, scan_required=True, seconds=600)


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Desk:
    """The client, the worker's own look at the same table, and the time."""

    sessions: Sessions
    store: DynamoDbSessions
    clock: Clock
    bucket: str


@pytest.fixture
async def desk(aws: Aws) -> AsyncIterator[Desk]:
    clock, table, bucket = Clock(), aws.table_like("sessions"), aws.bucket()
    async with aws.open("dynamodb") as dynamodb, aws.open("s3") as s3:

        async def opened() -> Any:
            return s3

        sessions = Sessions(dynamodb, table=table, now=clock, bucket=bucket, s3=opened)
        yield Desk(sessions, DynamoDbSessions(dynamodb, table=table), clock, bucket)


async def test_what_is_opened_is_what_the_worker_reads(desk: Desk) -> None:
    opened = await desk.sessions.open(WANTED)
    answer = await desk.store.write(Move(finished(session_id=opened.session_id)), now=START)
    assert isinstance(answer, Accepted)
    found = answer.session
    assert (found.tenant_id, found.gate, found.scan_required) == ("acme", Gate(("image/*",), 1000, 1), True)
    assert found.expires_at == opened.expires_at == START.timestamp() + 600
    shown = await desk.sessions.show(opened.session_id)
    assert (shown.status, shown.document["size"], shown.document["maxBytes"]) == ("UPLOADED", 7, 1000)
    assert not {"secretHash", "connectHash", "wsConnectionId"} & shown.document.keys()
    assert opened.secret not in repr(opened) + repr(WANTED)


async def test_the_same_opening_once_more_is_the_same_session_and_no_other(desk: Desk) -> None:
    first = await desk.sessions.open(WANTED)
    desk.clock.now += timedelta(seconds=5)
    assert await desk.sessions.open(WANTED) == first
    with pytest.raises(Refused, match="leave the id out"):
        await desk.sessions.open(replace(WANTED, secret="b" * 40))


@pytest.mark.parametrize(
    "other", [{"max_bytes": 999}, {"allowed_types": ()}, {"scan_required": False}, {"tenant_id": "other"}]
)
async def test_an_opening_of_the_same_id_and_secret_on_other_terms_is_another(
    desk: Desk, other: dict[str, Any]
) -> None:
    known = replace(WANTED, session_id="s-1", secret="s" * 40)
    await desk.sessions.open(known)
    with pytest.raises(Refused, match="another session s-1"):
        await desk.sessions.open(replace(known, **other))


async def test_a_token_admits_one_connection_and_an_older_one_none(desk: Desk) -> None:
    opened = await desk.sessions.open(WANTED)
    old = await desk.sessions.token(opened.session_id, secret=opened.secret)
    token = await desk.sessions.token(opened.session_id, secret=opened.secret)
    tried = [await desk.sessions.admit(opened.session_id, each) for each in (old, "", token, token)]
    assert tried == [False, False, True, False]
    with pytest.raises(NoSuchSession):
        await desk.sessions.token(opened.session_id, secret="another")
    with pytest.raises(NoSuchSession):
        await desk.sessions.show(opened.session_id, secret="another")
    assert (await desk.sessions.show(opened.session_id, secret=opened.secret)).status == "AWAITING_SCAN"


async def test_a_session_is_not_closed_while_a_verdict_is_told_that_is_not_written_yet(desk: Desk) -> None:
    session_id = (await desk.sessions.open(WANTED)).session_id
    moved = await desk.store.write(Move(finished(session_id=session_id)), now=START)
    assert isinstance(moved, Accepted)
    with pytest.raises(Refused, match="being announced"):
        await desk.sessions.close(session_id)
    await desk.store.announced(finished(session_id=session_id), Complete("image/png"))
    assert (await desk.sessions.close(session_id)).status == "COMPLETE"


async def test_a_session_of_which_only_one_was_told_is_neither_closed_nor_over_and_takes_no_other_file(
    desk: Desk,
) -> None:
    session_id = (await desk.sessions.open(WANTED)).session_id
    moved = await desk.store.write(Move(finished(session_id=session_id)), now=START)
    assert isinstance(moved, Accepted)
    await desk.store.release(moved.session, informed=frozenset({"bus"}), busy_since=None)
    with pytest.raises(Refused, match="being announced"):
        await desk.sessions.close(session_id)
    desk.clock.now += timedelta(seconds=600)
    assert (await desk.sessions.show(session_id)).status == "UPLOADED", "its verdict comes"
    with pytest.raises(Refused, match="its time is over"):
        await desk.sessions.form(session_id, "a.png")
    taken = await desk.store.write(TakeOver(finished(session_id=session_id)), now=desk.clock.now)
    assert isinstance(taken, Accepted)
    await desk.store.announced(finished(session_id=session_id), Complete("image/png"))
    assert (await desk.sessions.show(session_id)).status == "COMPLETE"


async def test_a_connection_is_noted_and_only_itself_forgotten(desk: Desk) -> None:
    session_id = (await desk.sessions.open(WANTED)).session_id
    assert await desk.sessions.connect(session_id, "first")
    assert await desk.sessions.connect(session_id, "second")
    assert not await desk.sessions.disconnect(session_id, "first"), "the session has a newer one"
    assert (await desk.sessions.show(session_id)).is_connected
    assert await desk.sessions.disconnect(session_id, "second")
    assert not (await desk.sessions.show(session_id)).is_connected
    assert not await desk.sessions.connect("nobody", "third")


@pytest.mark.parametrize(("informed", "known"), [({"browser"}, set()), ({"bus"}, {"bus"})])
async def test_a_new_connection_hears_what_only_the_one_before_has_heard(
    desk: Desk, *, informed: set[str], known: set[str]
) -> None:
    session_id = (await desk.sessions.open(WANTED)).session_id
    upload = finished(session_id=session_id)
    moved = await desk.store.write(Move(upload), now=START)
    assert isinstance(moved, Accepted)
    await desk.store.release(moved.session, informed=frozenset(informed), busy_since=None)
    assert await desk.sessions.connect(session_id, "second")
    taken = await desk.store.write(TakeOver(upload), now=START)
    assert isinstance(taken, Accepted)
    assert (taken.session.connection_id, {*taken.session.informed}) == ("second", known)


async def test_after_its_time_a_session_admits_nobody_and_is_shown_expired(desk: Desk) -> None:
    opened = await desk.sessions.open(WANTED)
    token = await desk.sessions.token(opened.session_id, secret=opened.secret)
    desk.clock.now += timedelta(seconds=600)
    assert not await desk.sessions.admit(opened.session_id, token)
    assert not await desk.sessions.connect(opened.session_id, "late")
    assert (await desk.sessions.show(opened.session_id)).status == "EXPIRED"
    for refused in (
        desk.sessions.token(opened.session_id, secret=opened.secret),
        desk.sessions.form(opened.session_id, "a.png"),
    ):
        with pytest.raises(Refused):
            await refused


async def test_a_closed_session_takes_no_file_and_closing_again_changes_nothing(desk: Desk) -> None:
    session_id = (await desk.sessions.open(WANTED)).session_id
    for _ in range(2):
        closed = await desk.sessions.close(session_id)
        assert (closed.status, closed.document["reason"], closed.is_final) == ("EXPIRED", "closed", True)
    assert not isinstance(await desk.store.write(Move(finished(session_id=session_id)), now=START), Accepted)
    with pytest.raises(NoSuchSession):
        await desk.sessions.close("nobody")


async def test_a_session_of_a_status_that_is_none_is_not_said_to_be_announced(aws: Aws, desk: Desk) -> None:
    session_id = (await desk.sessions.open(WANTED)).session_id
    aws.dynamodb.update_item(
        TableName=desk.sessions.table,
        Key={"sessionId": {"S": session_id}},
        UpdateExpression="SET #status = :odd",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":odd": {"S": "UPLOADIN"}},
    )
    with pytest.raises(Refused, match="mend its row"):
        await desk.sessions.close(session_id)


async def test_a_watched_session_tells_each_state_once(desk: Desk) -> None:
    session_id = (await desk.sessions.open(WANTED)).session_id
    steps = iter(
        [
            None,
            desk.store.write(Move(finished(session_id=session_id)), now=START),
            None,
            desk.store.announced(finished(session_id=session_id), Rejected("empty")),
        ]
    )

    async def pause() -> None:
        if step := next(steps):
            await step

    seen = [each.status async for each in desk.sessions.watch(session_id, pause=pause)]
    assert seen == ["AWAITING_SCAN", "UPLOADED", "REJECTED"]


async def test_a_forms_policy_allows_the_sessions_key_size_and_type_and_no_other(desk: Desk) -> None:
    session_id = (await desk.sessions.open(WANTED)).session_id
    made = await desk.sessions.form(session_id, "über uns +1.png", content_type="image/png", seconds=60)
    assert (made.key, made.expires_at) == (f"session-uploads/{session_id}/über uns +1.png", START.timestamp() + 60)
    assert (made.fields["key"], made.fields["Content-Type"]) == (made.key, "image/png")
    assert made.fields["policy"] not in repr(made)
    conditions = orjson.loads(base64.b64decode(made.fields["policy"]))["conditions"]
    for wanted in (
        ["content-length-range", 1, 1000],
        {"Content-Type": "image/png"},
        {"key": made.key},
        {"bucket": desk.bucket},
    ):
        assert wanted in conditions


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "eu-central-1"])
async def test_a_form_is_what_s3_takes_in_every_region(region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": region}
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with Clients(environment) as clients:
        document, asked = {"sessionId": "s1"}, {"content_type": "", "sha256": "", "seconds": 60, "at": 0.0}
        made = await form(await clients.open("s3"), "fleet-uploads-prod", document, "a.png", **asked)  # type: ignore[arg-type]
    assert made.url == f"https://fleet-uploads-prod.s3.{region}.amazonaws.com/"
    assert made.fields["x-amz-algorithm"] == "AWS4-HMAC-SHA256"


async def test_a_form_with_a_checksum_has_s3_check_it(desk: Desk) -> None:
    session_id = (await desk.sessions.open(Opening())).session_id
    sha = "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="
    made = await desk.sessions.form(session_id, "a.png", sha256=sha)
    policy = orjson.loads(base64.b64decode(made.fields["policy"]))
    for name, value in {"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-sha256": sha}.items():
        assert made.fields[name] == value
        assert {name: value} in policy["conditions"]
    with pytest.raises(WrongField, match="sha256: "):
        await desk.sessions.form(session_id, "a.png", sha256="abc")


async def test_a_form_lives_no_longer_than_its_session(desk: Desk) -> None:
    session_id = (await desk.sessions.open(replace(WANTED, max_bytes=None, min_bytes=None))).session_id
    desk.clock.now += timedelta(seconds=590)
    made = await desk.sessions.form(session_id, "a.png")
    assert made.expires_at == START.timestamp() + 600
    conditions = orjson.loads(base64.b64decode(made.fields["policy"]))["conditions"]
    assert ["content-length-range", 1, 5_368_709_120] in conditions
    for wrong in (0, 604_801):
        with pytest.raises(WrongField, match=r"^seconds: "):
            await desk.sessions.form(session_id, "a.png", seconds=wrong)


@pytest.mark.parametrize("name", ["", "folder/", "a/../b", ".", "x\ny", "x" * 1024])
async def test_a_name_that_no_file_of_a_session_can_have_gets_no_form(desk: Desk, name: str) -> None:
    session_id = (await desk.sessions.open(WANTED)).session_id
    with pytest.raises(WrongField, match=r"^name: "):
        await desk.sessions.form(session_id, name)
    with pytest.raises(WrongField, match=r"^contentType: "):
        await desk.sessions.form(session_id, "a.pdf", content_type="application/pdf")


@pytest.mark.parametrize(("told", "left"), [(["bus"], ["bus"]), (["browser"], []), (["browser", "bus"], ["bus"])])
async def test_a_new_connection_is_told_of_an_unfinished_announcement_and_the_bus_not_again(
    desk: Desk, told: list[str], left: list[str]
) -> None:
    session_id = (await desk.sessions.open(WANTED)).session_id
    upload = finished(session_id=session_id)
    moved = await desk.store.write(Move(upload), now=START)
    assert isinstance(moved, Accepted)
    await desk.store.release(moved.session, informed=frozenset(told), busy_since=None)
    assert await desk.sessions.connect(session_id, "newer")
    taken = await desk.store.write(TakeOver(upload), now=START)
    assert isinstance(taken, Accepted)
    assert (taken.session.connection_id, sorted(taken.session.informed)) == ("newer", left)
