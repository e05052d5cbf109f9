"""Letters put away in S3 with a countdown, and fetched back: the only soft delete there is."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

import orjson
from botocore.exceptions import ClientError

from fleet.dead_letters.model import record
from fleet.dead_letters.model.letter import UNREADABLE, DeadLetter
from fleet.dead_letters.model.shapes import arn_name
from shared.outcome import FORBIDDEN, code_of, is_outage

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PREFIX = "dead-letters"
EDIT = "edit-"
"""How the id of an archive begins that holds the original of an edited letter: so these are found without reading all others."""
VERSION = 1
Copy = Literal["", "perhaps", "sent"]
_GONE = frozenset({"NoSuchKey", "404"})
_CHANGED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}) | _GONE
"""What S3 says where an object is no longer the one that a condition names."""
_OURS = re.compile(r"[^/]+/[0-9]{6,}\.jsonl")
"""What follows the prefix of a queue in the key of a batch."""


@dataclass(frozen=True, slots=True)
class Label:
    """What is written on an archived batch. Times in epoch seconds; past `expires_at` nobody wants it any more. `queue_arn` is ""
    on batches that were written before it was kept. `uncertain`: ids that may be back in the queue; `claim`: whose restore wrote
    that. `copy`: whether a mended copy of an edited letter was sent, "" where this is not an edit.
    """

    archive_id: str
    queue: str
    archived_at: float
    expires_at: float
    who: str
    reason: str
    letters: int
    replaced: bool = False
    queue_arn: str = ""
    uncertain: tuple[str, ...] = ()
    claim: str = ""
    copy: Copy = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """One object of the archive: at most ten letters, so that a crash while restoring leaves no more than those uncertain."""

    key: str
    label: Label
    letters: tuple[DeadLetter, ...]
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Foreign:
    """An object below a queue's prefix that holds none of its letters, and why: it is named, and left as it is."""

    key: str
    why: str


class Damaged(ValueError):
    """A batch without all the letters that its label counts; says how many there are."""


def following(keys: Sequence[str]) -> int:
    """The number of the batch that comes after these: a restore may have taken some of them away. Other keys do not count."""
    named = (key.split("/")[-2:] for key in keys if key.count("/"))
    return max((int(name[:-6]) for home, name in named if _OURS.fullmatch(f"{home}/{name}")), default=-1) + 1


class Archive:
    """A bucket, below `dead-letters/{account}/{region}/{queue}/{archive id}/`; what lies below `dead-letters/{queue}/` was put
    there before queues of one name were told apart, and is read as well.
    """

    def __init__(self, client: S3Client, *, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    @property
    def bucket(self) -> str:
        return self._bucket

    def is_locked(self) -> bool:
        """Whether this bucket keeps what it has: personal data must not be put where it cannot be removed."""
        try:
            answer = self._client.get_object_lock_configuration(Bucket=self._bucket)
        except ClientError:
            return False
        return answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"

    def put(self, label: Label, letters: Sequence[DeadLetter], *, number: int) -> str:
        """Store one batch and answer its key."""
        key = f"{_home(label.queue_arn)}{label.archive_id}/{number:06d}.jsonl"
        self._write(key, label, letters)
        return key

    def claim(self, batch: Batch, ids: Collection[str]) -> Batch | None:
        """Write down that these letters may be back from now on; None where the batch is no longer the one that was read, for
        somebody else has it in hand.
        """
        label = replace(batch.label, uncertain=tuple(sorted(ids)), claim=uuid.uuid4().hex)
        try:
            etag = self._write(batch.key, label, batch.letters, IfMatch=batch.etag)
        except ClientError as error:
            if code_of(error) not in _CHANGED:
                raise
            found = self._judged_again(batch.key)  # our own, where only the answer was lost
            return found if found is not None and found.label.claim == label.claim else None
        return replace(batch, label=label, etag=etag)

    def replace(self, batch: Batch, letters: Sequence[DeadLetter], uncertain: Collection[str] = ()) -> None:
        """Keep only these of a batch, of which `uncertain` may be back; none removes it, or empties it where that is refused.
        Raises ClientError where the batch is no longer the one that was read: then it stays as it is.
        """
        label = replace(batch.label, letters=len(letters), uncertain=tuple(sorted(uncertain)), claim="")
        if letters:
            self._write(batch.key, label, letters, IfMatch=batch.etag)
            return
        try:
            self._client.delete_object(Bucket=self._bucket, Key=batch.key, IfMatch=batch.etag)
        except ClientError as error:
            if code_of(error) not in _GONE:  # by our own call, where only the answer was lost
                self._write(batch.key, label, (), IfMatch=batch.etag)

    def found(self, queue_arn: str, *, archive_id: str = "") -> Iterator[Batch | Foreign]:
        """All that is archived of a queue, or in one of its archives, one batch in memory at a time; also what is there and
        does not belong there, or may not be read by whoever asks: one such object does not keep the others.
        """
        for home in (_home(queue_arn), f"{PREFIX}/{arn_name(queue_arn)}/"):
            yield from self._below(home, f"{archive_id}/" if archive_id else "", queue_arn, bears=FORBIDDEN)

    def edits(self, queue_arn: str) -> Iterator[Batch | Foreign]:
        """The originals of edited letters; one that may not be read may tell of a copy that was sent, so that nothing goes on without it."""
        return self._below(_home(queue_arn), EDIT, queue_arn)

    def _below(
        self, home: str, begin: str, queue_arn: str, *, bears: Collection[str] = ()
    ) -> Iterator[Batch | Foreign]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=f"{home}{begin}")
        for key in [each["Key"] for page in pages for each in page.get("Contents", [])]:
            yield self._judged(key, home, queue_arn, bears)

    def batches(self, queue_arn: str, *, archive_id: str = "") -> Iterator[Batch]:
        """The same without what does not belong there."""
        return (each for each in self.found(queue_arn, archive_id=archive_id) if isinstance(each, Batch))

    def _judged(self, key: str, home: str, queue_arn: str, bears: Collection[str]) -> Batch | Foreign:
        if not _OURS.fullmatch(key.removeprefix(home)):
            return Foreign(key, "its name is not that of an archived batch")
        try:
            batch = self._read(key)
        except ClientError as error:
            if is_outage(error) and code_of(error) not in bears:
                raise
            return Foreign(key, f"it cannot be fetched ({code_of(error)})")
        except Damaged as error:
            return Foreign(key, str(error))
        except UNREADABLE as error:
            return Foreign(key, f"it is not an archived batch ({type(error).__name__})")
        why = _contradiction(batch, queue_arn)
        return Foreign(key, why) if why else batch

    def _judged_again(self, key: str) -> Batch | None:
        try:
            return self._read(key)
        except (ClientError, *UNREADABLE):
            return None

    def _write(self, key: str, label: Label, letters: Sequence[DeadLetter], **condition: Any) -> str:
        """Answers its ETag."""
        content = orjson.dumps({"version": VERSION, **asdict(label)}, option=orjson.OPT_APPEND_NEWLINE)
        content += b"".join(record.line(each) for each in letters)
        answer = self._client.put_object(
            Bucket=self._bucket, Key=key, Body=content, ContentType="application/x-ndjson", **condition
        )
        return answer["ETag"]

    def _read(self, key: str) -> Batch:
        """Raises what is in UNREADABLE."""
        answer = self._client.get_object(Bucket=self._bucket, Key=key)
        head, *lines = answer["Body"].read().splitlines()
        label, letters = _label(orjson.loads(head)), tuple(record.read(each) for each in lines)
        if len(letters) != label.letters:
            raise Damaged(f"it holds {len(letters)} of its {label.letters} letters")
        return Batch(key, label, letters, answer["ETag"])


def _home(queue_arn: str) -> str:
    region, account, name = queue_arn.split(":")[3:6]
    return f"{PREFIX}/{account}/{region}/{name}/"


def _label(found: Any) -> Label:
    """Raises ValueError or what else is in UNREADABLE."""
    if found["version"] != VERSION:
        raise ValueError("another version")
    label = Label(**{each.name: found[each.name] for each in fields(Label) if each.name in found})
    if not all(isinstance(each, int | float) for each in (label.archived_at, label.expires_at, label.letters)):
        raise ValueError("not numbers")
    return replace(label, uncertain=tuple(map(str, label.uncertain)))


def _contradiction(batch: Batch, queue_arn: str) -> str:
    """Why these letters are not of this queue. A queue's dead letters stay in its region and account, so that those that SQS
    moved tell also on a batch that does not name its queue in full.
    """
    if batch.label.queue_arn not in {"", queue_arn} or batch.label.queue != arn_name(queue_arn):
        return f"it holds letters of {batch.label.queue_arn or batch.label.queue}"
    here = queue_arn.split(":")[3:5]
    others = (each.moved_from for each in batch.letters if each.moved_from and each.moved_from.split(":")[3:5] != here)
    stranger = next(others, "")
    return f"it holds letters that SQS moved from {stranger}" if stranger else ""
