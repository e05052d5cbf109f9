"""Of an archive's objects one may not be read by whoever restores: the others come back, and an edit's original stops everything."""

import io
from collections.abc import Sequence
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from fleet.dead_letters.queues.archive import Archive, Batch, Foreign, Label

ARN = "arn:aws:sqs:eu-central-1:111122223333:orders-dlq"


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "GetObject")


class Bucket:
    """What the archive asks of S3, of objects in memory; one key is refused."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.refused: dict[str, ClientError] = {}

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> dict[str, str]:
        self.objects[Key] = Body
        return {"ETag": "e"}

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:
        if Key in self.refused:
            raise self.refused[Key]
        return {"Body": io.BytesIO(self.objects[Key]), "ETag": "e"}

    def get_paginator(self, _: str) -> "Bucket":
        return self

    def paginate(self, *, Prefix: str, **_: Any) -> Sequence[dict[str, Any]]:
        return [{"Contents": [{"Key": key} for key in sorted(self.objects) if key.startswith(Prefix)]}]


def kept(bucket: Bucket, archive_id: str) -> tuple[Archive, list[str]]:
    """An archive of two empty batches, and their keys."""
    archive = Archive(cast("Any", bucket), bucket="archive")
    label = Label(archive_id, "orders-dlq", 1.0, 2e9, "tester", "because", 0, queue_arn=ARN)
    return archive, [archive.put(label, [], number=number) for number in range(2)]


def test_an_object_that_is_denied_is_named_and_the_others_are_read() -> None:
    bucket = Bucket()
    archive, (denied, read) = kept(bucket, "20261127-090000-abcdef")
    bucket.refused[denied] = refusal("AccessDenied")
    first, second = archive.found(ARN)
    assert first == Foreign(denied, "it cannot be fetched (AccessDenied)")
    assert isinstance(second, Batch)
    assert second.key == read


def test_an_outage_of_the_bucket_still_ends_it() -> None:
    bucket = Bucket()
    archive, (down, _) = kept(bucket, "20261127-090000-abcdef")
    bucket.refused[down] = refusal("SlowDown")
    with pytest.raises(ClientError, match="SlowDown"):
        list(archive.found(ARN))


def test_where_an_edits_original_is_denied_nobody_can_tell_what_was_sent() -> None:
    bucket = Bucket()
    archive, (denied, _) = kept(bucket, "edit-20261127-090000-abcdef")
    bucket.refused[denied] = refusal("AccessDenied")
    with pytest.raises(ClientError, match="AccessDenied"):
        list(archive.edits(ARN))
