"""What an operator is told and shown, judged without any queue: small things that each answer one question."""

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import orjson
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoRegionError

from fleet.cli.command import Misconfigured, report_faults
from fleet.cli.dlq.frame import print_json
from fleet.cli.plan_file import private, read_plan, whole
from fleet.dead_letters.audit.log import AuditLog, Entry, PartlyKept
from fleet.dead_letters.audit.mirror import Mirror
from fleet.dead_letters.model import redaction
from fleet.dead_letters.model.groups import document, grouped
from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.model.plan.draft import draft
from fleet.dead_letters.model.plan.outgoing import Parcel
from fleet.dead_letters.model.plan.plan import PlanRefused
from fleet.dead_letters.model.shapes import Origin, Standing
from fleet.dead_letters.model.view import View, view
from fleet.dead_letters.queues.archive import Batch, Label
from fleet.dead_letters.queues.catalog import QueueInfo
from fleet.dead_letters.queues.dead_letter_queue import Unsent
from fleet.dead_letters.queues.stack import NoSuchStack, outputs
from fleet.dead_letters.queues.topics import Topics, routed
from fleet.dead_letters.replay.inventory import Desk, Open, Sights, Watched
from fleet.dead_letters.replay.journal import Progress
from fleet.dead_letters.replay.report import status
from fleet.dead_letters.restoring import Look, Restoring
from fleet.dead_letters.settings import ReplaySettings
from shared.message.delivery import Attribute
from tests.fleet.dead_letters.fakes import DLQ, SOURCE, FakeBox, World, envelope, letter

LINE = Entry("purge", "hooks-dlq", "because", "begun", "tester")


def refusal(code: str, call: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, call)


@dataclass
class Bucket:
    """S3, as far as a mirror asks; it refuses where it `keeps` nothing."""

    keeps: bool = True
    objects: dict[str, bytes] = field(default_factory=dict)

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:
        if not self.keeps:
            raise refusal("AccessDenied", "PutObject")
        self.objects[f"{Bucket}/{Key}"] = Body


def test_each_line_has_its_copy_in_the_mirror_under_its_anchor(tmp_path: Path) -> None:
    bucket = Bucket()
    log = AuditLog(tmp_path / "log", now=lambda: "now", mirror=Mirror(bucket, place="s3://kept/audit"))
    log.append(LINE)
    anchor = log.newest()
    assert anchor is not None
    assert bucket.objects == {f"kept/audit/000000001-{anchor.hash}.json": (tmp_path / "log").read_bytes()}


def test_a_mirror_that_refuses_a_line_is_named(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "log", now=lambda: "now", mirror=Mirror(Bucket(keeps=False), place="s3://kept/audit"))
    with pytest.raises(PartlyKept) as refused:
        log.append(LINE)
    assert "its mirror s3://kept/audit/" in str(refused.value.strerror)


def test_what_made_room_for_an_envelope_stays_hidden() -> None:
    written = {"worker": "w", "displaced": "alice", "attempts": 3}
    assert redaction.reason(written) == {"worker": "w", "displaced": "[hidden]", "attempts": 3}


def test_only_names_on_the_list_are_shown_with_their_values() -> None:
    shown = orjson.loads(redaction.body('{"tenantId": "t1", "customer": "alice", "total": 3, "file": "cv.pdf"}'))
    assert shown == {
        "tenantId": "t1",
        "customer": "[text, 5 characters]",
        "total": "[number]",
        "file": "[text, 6 characters]",
    }


def test_json_for_a_terminal_holds_no_character_that_it_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "\x9b31m\u202e\x1b"})
    line = capsys.readouterr().out.rstrip("\n")
    assert line.isprintable()
    assert orjson.loads(line) == {"name": "\x9b31m\u202e\x1b"}


def test_a_file_that_was_open_to_all_becomes_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text("")
    path.chmod(0o644)
    private(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_no_plain_file_is_no_plan(tmp_path: Path) -> None:
    with pytest.raises(PlanRefused, match="is not a plain file"):
        read_plan(tmp_path)


def test_a_group_tells_the_gist_of_what_was_said() -> None:
    parked = letter(attributes={"fleet-failure": envelope(message="no endpoint 17 of 'alice'")})
    seen = view(parked, retention=3600, origin=Origin(), now=1_800_000_000.0)
    assert [document(each)["message"] for each in grouped([seen])] == ["no endpoint # of #"]


def judged(**attributes: Any) -> View:
    return view(letter(attributes=attributes), retention=3600, origin=Origin(), now=1_800_000_000.0)


def test_a_letter_that_cannot_be_judged_is_listed_as_such() -> None:
    odd = judged(RULE_ARN="rule", TARGET_ARN=Attribute("String", 5))  # type: ignore[arg-type]  # as no service writes it
    assert odd.standing.unreadable
    assert "cannot be read (TypeError)" in odd.standing.why_not


def test_a_letter_without_a_known_destination_is_left_out_of_a_plan() -> None:
    [(_, why)] = draft([judged(RequestID="1", ErrorCode="200")]).refused
    assert "--to" in why


@dataclass
class SilentSns:
    asked: int = 0

    def get_paginator(self, _call: str) -> Any:
        self.asked += 1
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")


def test_a_silent_sns_is_waited_for_once() -> None:
    sns = SilentSns()
    topics = Topics(sns)
    assert [topics.behind(f"{SOURCE}-{number}", DLQ) for number in range(3)] == [(), (), ()]
    assert (sns.asked, topics.silent) == (1, "EndpointConnectionError")


class DenyingSns:
    """Somebody else's topic cannot be asked about; of the own one, nobody subscribed."""

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, *, TopicArn: str) -> list[Any]:
        if TopicArn == "own":
            return [{"Subscriptions": []}]
        raise refusal("AuthorizationError" if TopicArn == "theirs" else "NotFound", "ListSubscriptionsByTopic")


def test_a_topic_that_may_not_be_asked_about_is_told_with_the_action_that_was_denied() -> None:
    topics = Topics(DenyingSns())
    assert [topics.behind(each, DLQ) for each in ("theirs", "gone", "own")] == [(), (), ()]
    assert topics.denied == {"theirs": "AuthorizationError at ListSubscriptionsByTopic"}
    judged = Standing("sns", replayable=True, topic="theirs", why_not="give --to")
    seen = view(letter(), retention=3600, origin=Origin(), now=1_800_000_000.0)
    [told] = routed([replace(seen, standing=judged)], topics, queue_arn=DLQ)
    assert told.standing.why_not == "SNS could not be asked (AuthorizationError at ListSubscriptionsByTopic): give --to"


@dataclass
class Stacks:
    """CloudFormation with one stack, or none."""

    meta: Any
    found: list[dict[str, Any]]

    def describe_stacks(self, *, StackName: str) -> Any:
        if not self.found:
            raise refusal("ValidationError", "DescribeStacks")
        assert StackName == "fleet-messaging-prod"
        return {"Stacks": self.found}


@dataclass
class Meta:
    region_name: str = "eu-west-1"


def test_a_stage_is_read_off_the_outputs_of_its_stack() -> None:
    stack = {"Outputs": [{"OutputKey": "UploadsDlqUrl", "OutputValue": "https://sqs/uploads-dlq"}]}
    found = outputs(Stacks(Meta(), [stack]), project="fleet", stage="prod")
    assert found == {"UPLOADS_DLQ_URL": "https://sqs/uploads-dlq"}
    with pytest.raises(NoSuchStack, match="no stack fleet-messaging-prod in eu-west-1"):
        outputs(Stacks(Meta(), []), project="fleet", stage="prod")


def test_a_missing_region_is_told_with_where_it_was_looked_for_and_how_to_name_a_stage() -> None:
    with (
        pytest.raises(Misconfigured, match=r"AWS_DEFAULT_REGION is not set, .*`fleet --stage prod dlq ls`"),
        report_faults(),
    ):
        raise NoRegionError


def test_an_endpoint_that_is_no_url_is_told_with_the_variables_to_look_at_and_without_its_value() -> None:
    with pytest.raises(Misconfigured, match="AWS_ENDPOINT_URL") as told, report_faults():
        boto3.client("sqs", region_name="eu-west-1", endpoint_url="no-url")
    assert "no-url" not in str(told.value)
    with pytest.raises(ValueError, match="a bug"), report_faults():
        raise ValueError("a bug")


RUN = Progress(runs=1, began_at=5.0, last_at=9.0)


@pytest.mark.parametrize(
    ("progress", "running", "state", "since", "following"),
    [
        (Progress(), False, "not begun", "1970-01-01T00:00:07.000+00:00", "replay"),
        (RUN, True, "running", "1970-01-01T00:00:05.000+00:00", "cancel"),
        (replace(RUN, end="cancelled"), False, "cancelled", "1970-01-01T00:00:09.000+00:00", "resume"),
        (replace(RUN, end=None), False, "interrupted", "1970-01-01T00:00:09.000+00:00", "resume"),
        (replace(RUN, end="ended"), False, "unfinished", "1970-01-01T00:00:09.000+00:00", "resume"),
        (replace(RUN, end="ended", verdicts={1: "bad"}), False, "stopped", "1970-01-01T00:00:09.000+00:00", "groups"),
    ],
)
def test_a_plan_has_a_state_since_a_moment_and_a_next_command(
    progress: Progress, state: str, since: str, following: str, *, running: bool
) -> None:
    world = World(now=7.0)
    world.put("{}", "[]")
    told = status(world.plan(canary=(1,)), progress, file=Path("p"), running=running)
    assert (told["state"], told["since"], told["next"].split()[2]) == (state, since, following)


async def test_a_canary_that_dies_in_its_destinations_own_dead_letter_queue_is_seen() -> None:
    sent = World()
    [name] = sent.put('{"n": 1}')
    plan = sent.plan()
    there = World()
    there.put('{"n": 1}', attributes={})
    info = QueueInfo("other-dlq", "", f"{DLQ}-2", 3600, 1, 0)
    here = Open(replace(info, arn=DLQ), Origin(), FakeBox(World()), None)  # type: ignore[arg-type]  # it opens no client
    desk = Desk(ReplaySettings(dlq_last_look_seconds=0), None, {}, lambda: 0.0)  # type: ignore[arg-type]  # it asks no catalog
    sights = Sights(desk, here, plan, {}, None, None, (Watched(FakeBox(there), info),), old=set())  # type: ignore[arg-type]
    there.dead = {f"new-{each}": replace(stored, id=f"new-{each}") for each, stored in there.dead.items()}
    assert (await sights(frozenset({name}))).returned == {name}


@dataclass
class Kept:
    """An archive of one batch."""

    batch: Batch

    def found(self, _arn: str, *, archive_id: str) -> Iterator[Batch]:
        assert archive_id in ("", self.batch.label.archive_id)
        yield self.batch

    def claim(self, batch: Batch, _ids: object) -> Batch:
        return batch

    def replace(self, *_given: object) -> None:
        pass


@pytest.mark.parametrize(("archive_id", "back", "left"), [("", [], 1), ("edit-1", ["m-1"], 0)])
async def test_what_a_changed_copy_replaced_comes_back_only_by_its_archives_name(
    archive_id: str, back: list[str], left: int
) -> None:
    label = Label("edit-1", "webhooks-dlq", 1.0, 2e9, "tester", "because", 1, replaced=True, queue_arn=DLQ)
    sent: list[str] = []

    async def post(destination: str, parcels: Sequence[Parcel]) -> Unsent:
        assert destination == DLQ
        sent.extend(each.id for each in parcels)
        return Unsent()

    async def look() -> Look:
        assert archive_id, "what stays in the archive needs no look into the queue"
        return Look(frozenset(), frozenset(), "")

    archive: Any = Kept(Batch("k", label, (DeadLetter("m-1", "{}"),)))
    restoring = Restoring(archive=archive, arn=DLQ, post=post, look=look, archive_id=archive_id)
    await restoring.run()
    assert (sent, restoring.back.replaced) == (back, left)


@pytest.mark.parametrize("end", [KeyboardInterrupt, LookupError])
def test_of_a_file_that_was_not_written_to_its_end_nothing_stays(tmp_path: Path, end: type[BaseException]) -> None:
    def write_half(file: Path) -> None:
        with whole(file) as fresh:
            fresh.write(b"half of")
            raise end

    (tmp_path / "plan.json").write_bytes(b"as it was")
    with pytest.raises(end):
        write_half(tmp_path / "plan.json")
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"as it was"]
