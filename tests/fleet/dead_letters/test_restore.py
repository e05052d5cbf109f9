"""A restore brings every letter back once: whatever is refused, cut, lost on the way or done by two at a time."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.model.plan.outgoing import Parcel
from fleet.dead_letters.queues.archive import Archive, Label
from fleet.dead_letters.queues.dead_letter_queue import Unsent
from fleet.dead_letters.restoring import Look, Restored, Restoring
from tests.aws import Aws
from tests.fleet.dead_letters.conftest import Lines
from tests.fleet.dead_letters.fakes import DLQ
from tests.fleet.dead_letters.schemas import valid
from tests.sqs_server.running import SqsServer

ACT = ("--yes", "--reason", "because")


@dataclass
class Faulty:
    """S3, which refuses some calls; `after` so many calls of that name."""

    client: Any
    refuses: frozenset[str] = frozenset()
    after: int = 0

    def __getattr__(self, name: str) -> Any:
        def refused(**_: Any) -> None:
            raise ClientError({"Error": {"Code": "InvalidObjectState", "Message": "no"}}, name)

        if name not in self.refuses:
            return getattr(self.client, name)
        self.after -= 1
        return refused if self.after < 0 else getattr(self.client, name)


@dataclass
class Queue:
    """What was sent, and what is said of some letters."""

    refused: frozenset[str] = frozenset()
    uncertain: frozenset[str] = frozenset()
    sent: list[str] = field(default_factory=list)

    async def __call__(self, destination: str, parcels: Sequence[Parcel]) -> Unsent:
        ids = {each.id for each in parcels}
        self.sent += [each.id for each in parcels if each.id not in self.refused]
        return Unsent(self.refused & ids, self.uncertain & ids)


@dataclass
class Bench:
    """An archive of one queue in a bucket of its own, and what is let loose on it."""

    aws: Aws
    bucket: str
    queue: Queue = field(default_factory=Queue)

    def archive(self, **faults: Any) -> Archive:
        return Archive(Faulty(self.aws.s3, **faults), bucket=self.bucket)  # type: ignore[arg-type]  # it stands in for the client

    def put(
        self, *letters: DeadLetter, archive_id: str = "a", number: int = 0, at: float = 1.0, arn: str = DLQ
    ) -> None:
        name = arn.rpartition(":")[2]
        label = Label(archive_id, name, at, 2e9, "tester", "because", len(letters), queue_arn=arn)
        self.archive().put(label, letters, number=number)

    async def restore(
        self,
        archive: Archive | None = None,
        *,
        present: Collection[str] = (),
        marked: Collection[str] = (),
        unseen: str = "",
        **options: Any,
    ) -> Restored:
        async def look() -> Look:
            return Look(frozenset(present), frozenset(marked), unseen)

        given: dict[str, Any] = {"arn": DLQ, "post": self.queue, "look": look, **options}
        restoring = Restoring(archive=archive or self.archive(), **given)
        await restoring.run()
        return restoring.back

    def left(self, arn: str = DLQ) -> list[str]:
        return [letter.id for batch in self.archive().batches(arn) for letter in batch.letters]


@pytest.fixture
def bench(aws: Aws) -> Bench:
    return Bench(aws, aws.bucket("archive"))


def three(**more: Any) -> list[DeadLetter]:
    return [DeadLetter(f"m-{number}", f'{{"n": {number}}}', **more) for number in range(3)]


async def test_where_an_object_may_not_be_deleted_its_letters_come_back_once(bench: Bench) -> None:
    bench.put(*three())
    back = await bench.restore(bench.archive(refuses=frozenset({"delete_object"})))
    assert (len(back.done), back.is_partly, bench.left()) == (3, False, [])
    assert (await bench.restore()).done == []
    assert len(bench.queue.sent) == 3


async def test_where_it_may_not_be_changed_either_that_is_said_and_they_come_back_once(bench: Bench) -> None:
    bench.put(*three())
    back = await bench.restore(bench.archive(refuses=frozenset({"delete_object", "put_object"}), after=1))
    assert (len(back.done), len(back.stuck), back.is_partly) == (3, 1, True)
    back = await bench.restore()
    assert (back.done, back.uncertain, len(bench.queue.sent)) == ([], ["m-0", "m-1", "m-2"], 3)
    assert len((await bench.restore(again=True)).done) == 3
    assert (len(bench.queue.sent), bench.left()) == (6, [])


async def test_nothing_is_sent_of_a_batch_that_cannot_be_claimed(bench: Bench) -> None:
    bench.put(*three())
    with pytest.raises(ClientError):
        await bench.restore(bench.archive(refuses=frozenset({"put_object"})))
    assert (bench.queue.sent, len(bench.left())) == ([], 3)


async def test_a_batch_of_which_s3_answers_only_a_part_is_named_and_left(bench: Bench) -> None:
    bench.put(*three())
    bench.put(DeadLetter("m-9", "{}"), number=1)

    class Cut(Faulty):
        def __getattr__(self, name: str) -> Any:
            def get(**given: Any) -> Any:
                answer = self.client.get_object(**given)
                content = answer["Body"].read().splitlines(keepends=True)
                return {**answer, "Body": BytesIO(b"".join(content[:-2] or content))}

            return get if name == "get_object" else super().__getattr__(name)

    back = await bench.restore(Archive(Cut(bench.aws.s3), bucket=bench.bucket))  # type: ignore[arg-type]  # as above
    assert [each.why for each in back.foreign] == ["it holds 1 of its 3 letters"]
    assert (back.done, back.is_partly, bench.left()) == (["m-9"], True, ["m-0", "m-1", "m-2"])
    assert (await bench.restore()).done == ["m-0", "m-1", "m-2"]


async def test_a_batch_that_changed_while_its_letters_were_sent_is_left_and_named(bench: Bench) -> None:
    bench.put(*three())

    class Slow(Queue):
        async def __call__(self, destination: str, parcels: Sequence[Parcel]) -> Unsent:
            bench.put(DeadLetter("m-9", "{}"))
            return await super().__call__(destination, parcels)

    bench.queue = Slow()
    back = await bench.restore()
    assert (len(back.done), len(back.stuck), bench.left()) == (3, 1, ["m-9"])
    bench.put(*three())
    bench.queue.refused = frozenset({"m-1"})
    assert (len((await bench.restore()).stuck), bench.left()) == (1, ["m-9"])


async def test_two_restores_at_once_bring_a_batch_back_once(bench: Bench) -> None:
    bench.put(*three())

    async def other() -> Look:
        assert len((await bench.restore()).done) == 3
        return Look()

    back = await bench.restore(look=other)
    assert (back.done, len(back.uncertain), len(bench.queue.sent)) == ([], 3, 3)


async def test_a_claim_whose_answer_was_lost_is_known_again(bench: Bench) -> None:
    bench.put(*three())

    class Lost(Faulty):
        def __getattr__(self, name: str) -> Any:
            def put(**given: Any) -> Any:
                self.client.put_object(**given)
                return self.client.put_object(**given)  # botocore tries again

            return put if name == "put_object" else super().__getattr__(name)

    back = await bench.restore(Archive(Lost(bench.aws.s3), bucket=bench.bucket))  # type: ignore[arg-type]  # as above
    assert (len(back.done), bench.left()) == (3, [])


async def test_a_letter_whose_send_got_no_answer_stays_and_is_not_sent_again_unasked(bench: Bench) -> None:
    bench.put(*three())
    bench.queue.uncertain = frozenset({"m-1"})
    back = await bench.restore()
    assert (back.done, back.uncertain, bench.left()) == (["m-0", "m-2"], ["m-1"], ["m-1"])
    bench.queue.uncertain = frozenset()
    back = await bench.restore()
    assert (back.done, back.uncertain, len(bench.queue.sent)) == ([], ["m-1"], 3)
    assert (await bench.restore(again=True)).done == ["m-1"]


async def test_a_letter_that_was_refused_comes_back_with_the_next_restore(bench: Bench) -> None:
    bench.put(*three())
    bench.queue.refused = frozenset({"m-1"})
    back = await bench.restore()
    assert (back.failed, back.is_partly, bench.left()) == (["m-1"], True, ["m-1"])
    bench.queue.refused = frozenset()
    assert (await bench.restore()).done == ["m-1"]


async def test_a_restore_that_is_cut_ends_the_batch_that_it_has_in_hand(bench: Bench) -> None:
    bench.put(*three())
    bench.put(DeadLetter("m-9", "{}"), number=1)
    inside = asyncio.Event()

    class Slow(Queue):
        async def __call__(self, destination: str, parcels: Sequence[Parcel]) -> Unsent:
            inside.set()
            await asyncio.sleep(0)
            return await super().__call__(destination, parcels)

    bench.queue = Slow()
    running = asyncio.ensure_future(bench.restore())
    await inside.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (len(bench.queue.sent), bench.left()) == (3, ["m-9"])


async def test_nothing_of_a_fifo_group_overtakes_a_letter_that_was_not_accepted(bench: Bench) -> None:
    fifo = f"{DLQ}.fifo"
    bench.put(*three(group="g"), DeadLetter("m-3", "{}", group="h"), arn=fifo)
    bench.put(DeadLetter("m-4", "{}", group="g"), number=1, arn=fifo)
    bench.queue.refused = frozenset({"m-1"})
    back = await bench.restore(arn=fifo)
    assert (bench.queue.sent, sorted(back.failed)) == (["m-0", "m-3"], ["m-1", "m-2", "m-4"])
    bench.queue.refused = frozenset()
    await bench.restore(arn=fifo)
    assert bench.queue.sent == ["m-0", "m-3", "m-1", "m-2", "m-4"]


@pytest.mark.slow
def test_the_command_counts_what_is_uncertain_and_ends_with_4(lossy_server: SqsServer, lossy: Lines) -> None:
    _, dead = lossy_server.make_pair("orders")
    for number in range(12):
        lossy_server.sqs.send_message(QueueUrl=dead, MessageBody=f'{{"n": {number}}}')
    lossy("dlq", "archive", "orders-dlq", *ACT)
    lossy_server.control.fault("reset", "SendMessageBatch", count=1, after=True)
    [back] = lossy.json("restore", "orders-dlq", *ACT, exits=4)
    valid("dlq-restored", back)
    assert (back["restored"], back["uncertain"]) == (2, 10)
    assert (lossy.audit()[-1]["outcome"], lossy.audit()[-1]["counts"]["uncertain"]) == ("partly", 10)
    assert "10 may be back" in lossy("dlq", "restore", "orders-dlq").stdout
    lossy("dlq", "purge", "orders-dlq", "--confirm", "orders-dlq", "--limit", "5", *ACT)
    refused = lossy("dlq", "restore", "orders-dlq", *ACT, exits=4)
    assert "use --uncertain" in refused.stderr
    here = len(lossy_server.control.messages("orders-dlq"))
    [back] = lossy.json("restore", "orders-dlq", "--uncertain", *ACT)
    assert (here, 3 <= back["restored"] <= 5) == (7, True)
    assert len(lossy_server.control.messages("orders-dlq")) == 7 + back["restored"]


def test_letters_come_back_from_a_bucket_that_was_locked_after_they_were_put_there(
    lossy_server: SqsServer, lossy: Lines, aws: Aws
) -> None:
    _, dead = lossy_server.make_pair("orders")
    bucket = lossy.environment["DLQ_ARCHIVE_BUCKET_NAME"]
    lossy_server.sqs.send_message(QueueUrl=dead, MessageBody="{}")
    lossy("dlq", "archive", "orders-dlq", *ACT)
    aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    aws.s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    assert "1 letters; bring them back" in lossy("dlq", "restore", "orders-dlq").stderr
    [back] = lossy.json("restore", "orders-dlq", *ACT)
    assert back["restored"] == 1
    assert "has an object lock" in lossy("dlq", "archive", "orders-dlq", *ACT, exits=5).stderr
