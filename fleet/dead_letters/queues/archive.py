"""Letters put away in S3 with a countdown, and fetched back: the only soft delete there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import orjson
from botocore.exceptions import ClientError

from fleet.dead_letters.model import record
from fleet.dead_letters.model.letter import DeadLetter

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PREFIX = "dead-letters"


@dataclass(frozen=True, slots=True)
class Label:
    """What is written on an archived batch. Times in epoch seconds; past `expires_at` nobody wants it any more."""

    archive_id: str
    queue: str
    archived_at: float
    expires_at: float
    who: str
    reason: str
    letters: int
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """One object of the archive: at most ten letters, so that a crash while restoring doubles no more than those."""

    key: str
    label: Label
    letters: tuple[DeadLetter, ...]


def following(keys: Sequence[str]) -> int:
    """The number of the batch that comes after these: a restore may have taken some of them away."""
    return max((int(key.rpartition("/")[2].partition(".")[0]) for key in keys), default=-1) + 1


class Archive:
    """A bucket, below `dead-letters/{queue}/{archive id}/`."""

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
        key = f"{PREFIX}/{label.queue}/{label.archive_id}/{number:06d}.jsonl"
        self._write(key, label, letters)
        return key

    def replace(self, batch: Batch, letters: Sequence[DeadLetter]) -> None:
        """Keep only these of a batch; none removes it."""
        if letters:
            self._write(batch.key, batch.label, letters)
        else:
            self._client.delete_object(Bucket=self._bucket, Key=batch.key)

    def batches(self, queue: str, *, archive_id: str = "") -> Iterator[Batch]:
        """All that is archived of a queue, one batch in memory at a time."""
        for key in self.keys(queue, archive_id=archive_id):
            yield self.read(key)

    def keys(self, queue: str, *, archive_id: str = "") -> list[str]:
        """Of all batches of a queue, or of one of its archives."""
        prefix = f"{PREFIX}/{queue}/{archive_id}/" if archive_id else f"{PREFIX}/{queue}/"
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def _write(self, key: str, label: Label, letters: Sequence[DeadLetter]) -> None:
        content = orjson.dumps({"version": 1, **asdict(label)}, option=orjson.OPT_APPEND_NEWLINE)
        content += b"".join(record.line(each) for each in letters)
        self._client.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType="application/x-ndjson")

    def read(self, key: str) -> Batch:
        content = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        head, *lines = content.splitlines()
        label = orjson.loads(head)
        label.pop("version")
        return Batch(key, Label(**label), tuple(record.read(each) for each in lines))
