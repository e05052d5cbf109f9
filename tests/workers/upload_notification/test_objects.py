"""The first bytes of an object: of exactly the one that a message is about."""

import base64
import hashlib
import uuid
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.outcome import Unavailable
from tests.aws import Aws
from tests.workers.upload_notification.fakes import finished
from tests.workers.upload_notification.scripted_server import Reply, ScriptedServer
from workers.upload_notification.event import UploadFinished
from workers.upload_notification.objects import S3Objects
from workers.upload_notification.ports import Absent, Head


def put(aws: Aws, content: bytes, key: str = "") -> UploadFinished:
    bucket, key = aws.names["UPLOAD_BUCKET_NAME"], key or f"session-uploads/{uuid.uuid4().hex}/a b+%20\u00fc.jpg"
    answer = aws.s3.put_object(Bucket=bucket, Key=key, Body=content)
    return replace(finished(), bucket=bucket, key=key, size=len(content), etag=answer["ETag"].strip('"'))


async def test_the_head_of_the_very_object_is_read_and_no_more(aws: Aws) -> None:
    content = bytes(range(256)) * 20
    async with aws.open("s3") as client:
        objects = S3Objects(client)
        upload = put(aws, content)
        assert await objects.head(upload) == Head(content[:4096])
        assert await objects.head(replace(upload, etag="")) == Head(content[:4096])
        assert await objects.head(put(aws, b"short")) == Head(b"short")

        put(aws, b"another", key=upload.key)
        assert await objects.head(upload) == Absent("replaced")
        aws.s3.delete_object(Bucket=upload.bucket, Key=upload.key)
        assert await objects.head(upload) == Absent("vanished")


async def test_the_checksum_of_the_very_object_is_told_where_it_has_one(aws: Aws) -> None:
    content = b"hello"
    sha = base64.b64encode(hashlib.sha256(content).digest()).decode()
    async with aws.open("s3") as client:
        objects, upload = S3Objects(client), put(aws, content)
        assert await objects.checksum(upload) == ""
        where: Any = {"Bucket": upload.bucket, "Key": upload.key}
        aws.s3.put_object(**where, Body=content, ChecksumSHA256=sha)
        assert await objects.checksum(upload) == sha
        put(aws, b"another", key=upload.key)
        assert await objects.checksum(upload) == ""
        aws.s3.delete_object(**where)
        assert await objects.checksum(upload) == ""


async def test_the_checksum_of_a_multipart_uploads_parts_is_none_of_the_file() -> None:
    server = ScriptedServer([Reply(200, etag='"e-tag"', headers={"x-amz-checksum-sha256": "abc=-7"})])
    async with server.client("s3") as client:
        assert await S3Objects(client).checksum(finished()) == ""


async def test_an_object_with_threats_is_tagged_beside_the_tags_that_it_has(aws: Aws) -> None:
    async with aws.open("s3") as client:
        objects, upload = S3Objects(client), put(aws, b"X5O!P%@AP")
        where: Any = {"Bucket": upload.bucket, "Key": upload.key}
        aws.s3.put_object_tagging(**where, Tagging={"TagSet": [{"Key": "team", "Value": "a"}]})
        for _ in range(2):
            await objects.quarantine(upload)
        tags = {tag["Key"]: tag["Value"] for tag in aws.s3.get_object_tagging(**where)["TagSet"]}
        assert tags == {"team": "a", "fleet-quarantine": "threats_found"}
        put(aws, b"another, which is clean", key=upload.key)
        aws.s3.delete_object_tagging(**where)  # as S3 itself does with a new object
        await objects.quarantine(upload)
        assert aws.s3.get_object_tagging(**where)["TagSet"] == []
        aws.s3.delete_object(**where)
        await objects.quarantine(upload)


async def test_an_object_that_has_all_the_tags_that_s3_allows_is_tagged_in_the_place_of_its_last(aws: Aws) -> None:
    async with aws.open("s3") as client:
        upload = put(aws, b"X5O!P%@AP")
        where: Any = {"Bucket": upload.bucket, "Key": upload.key}
        aws.s3.put_object_tagging(**where, Tagging={"TagSet": [{"Key": f"k{n}", "Value": "a"} for n in range(10)]})
        with capture_logs() as logs:
            for _ in range(2):
                await S3Objects(client).quarantine(upload)
        tags = {tag["Key"] for tag in aws.s3.get_object_tagging(**where)["TagSet"]}
        assert (len(tags), len(tags & {f"k{n}" for n in range(10)})) == (10, 9)
        assert "fleet-quarantine" in tags
        assert [each["event"] for each in logs] == ["quarantine_took_a_tag"]


async def head_by(*replies: Reply, **fields: Any) -> tuple[Head | Absent, ScriptedServer]:
    server = ScriptedServer([*replies])
    async with server.client("s3") as client:
        return await S3Objects(client).head(replace(finished(), **fields)), server


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(404, body="<Error><Code>NoSuchKey</Code></Error>"), "vanished"),
        (Reply(404, body="<Error><Code>NoSuchVersion</Code></Error>"), "vanished"),
        (Reply(405, body="<Error><Code>MethodNotAllowed</Code></Error>"), "vanished"),
        (Reply(412, body="<Error><Code>PreconditionFailed</Code></Error>"), "replaced"),
        (Reply(416, body="<Error><Code>InvalidRange</Code></Error>"), "replaced"),
        (Reply(200, body="x" * 10, etag='"another"'), "replaced"),
    ],
)
async def test_an_object_that_is_gone_or_another_is_absent(reply: Reply, why: Any) -> None:
    found, server = await head_by(reply, version="v1")
    assert found == Absent(why)
    [(path, _)] = server.calls
    assert "versionId=v1" in path


async def test_a_store_that_knows_no_ranges_is_read_no_further_than_the_head() -> None:
    found, _ = await head_by(Reply(200, body="x" * 100_000, etag='"e-tag"'))
    assert found == Head(b"x" * 4096)


async def test_a_body_that_breaks_off_is_no_fault_of_the_message() -> None:
    with pytest.raises(Unavailable, match="head of an object"):
        await head_by(Reply(200, body="x" * 100, etag='"e-tag"', cut=True))


@pytest.mark.parametrize(
    "reply",
    [
        Reply(206, body="x" * 3, etag='"e-tag"', headers={"Content-Range": "bytes 0-2/9000"}),
        Reply(206, body="", etag='"e-tag"'),
        Reply(200, body="", etag='"e-tag"'),
        Reply(206, body="x" * 4096, etag='"e-tag"', headers={"Content-Range": "bytes 100-4195/9000"}),
    ],
)
async def test_an_answer_with_less_than_the_head_of_the_file_is_none(reply: Reply) -> None:
    with pytest.raises(Unavailable, match="head of an object"):
        await head_by(reply, size=9_000)


async def test_a_smaller_object_in_the_place_of_one_without_an_etag_has_replaced_it() -> None:
    found, _ = await head_by(Reply(206, body="x" * 3, etag='"another"'), size=9_000, etag="")
    assert found == Absent("replaced")
