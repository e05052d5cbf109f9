"""The first bytes of an uploaded object: exactly the one that its message is about, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from botocore.exceptions import ClientError

from shared import Unavailable
from workers.upload_notification.content.sniff import HEAD
from workers.upload_notification.event import UploadFinished, UploadScanned
from workers.upload_notification.ports import Absent, Head

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

log = structlog.get_logger()

_GONE = frozenset({"NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed", "405"})  # the last two of a delete marker
_REPLACED = frozenset({"PreconditionFailed", "412", "InvalidRange", "416"})

TAG = "fleet-quarantine"
"""The tag of an object in which threats were found: let bucket policies deny its reading."""


MOST_TAGS = 10
"""Tags of one object (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html)."""


class S3Objects:
    """Objects of the uploads bucket."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    async def head(self, upload: UploadFinished) -> Head | Absent:
        """One GET of at most HEAD bytes, of this version and this ETag. Raises botocore's error or Unavailable where it may pass."""
        try:
            answer = await self._client.get_object(
                Bucket=upload.bucket, Key=upload.key, Range=f"bytes=0-{HEAD - 1}", **_pinned(upload)
            )
        except ClientError as error:
            code = error.response["Error"].get("Code", "")
            if code in _GONE:
                return Absent("vanished")
            if code in _REPLACED:
                return Absent("replaced")
            raise
        if upload.etag and answer["ETag"].strip('"') != upload.etag.strip('"'):
            answer["Body"].close()
            return Absent("replaced")  # a store that does not know If-Match
        data = await _read(answer["Body"])
        is_cut = len(data) < min(upload.size, HEAD)
        if is_cut and not upload.etag:
            return Absent("replaced")  # by a smaller one, which nothing but its size tells
        if is_cut or not answer.get("ContentRange", "bytes 0-").startswith("bytes 0-"):
            raise Unavailable("S3 did not send the head of an object", code="CutBody")
        return Head(data)

    async def checksum(self, upload: UploadFinished) -> str:
        """The SHA-256 of this version's content in Base64, as S3 keeps it; "" where it has none. Raises botocore's error where it may pass.

        A GET of a range tells none, so this is a HEAD. That of a multipart upload is of its parts' checksums (`...-7`), and none of the file.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
        """
        try:
            answer = await self._client.head_object(
                Bucket=upload.bucket, Key=upload.key, ChecksumMode="ENABLED", **_pinned(upload)
            )
        except ClientError as error:
            if error.response["Error"].get("Code", "") in _GONE | _REPLACED:
                return ""
            raise
        is_same = not upload.etag or answer["ETag"].strip('"') == upload.etag.strip('"')
        found = answer.get("ChecksumSHA256", "") if is_same else ""
        return "" if "-" in found else found

    async def quarantine(self, upload: UploadFinished | UploadScanned) -> None:
        """Tag the object, beside the tags that it has, or in the place of the last where it has all that S3 allows. Raises botocore's error; one that is gone, or replaced by another, needs no tag."""
        where: dict[str, Any] = {"Bucket": upload.bucket, "Key": upload.key}
        where |= {"VersionId": upload.version} if upload.version else {}
        try:
            if not upload.version:  # a tag is not refused for an ETag that is another by now
                await self._client.head_object(Bucket=upload.bucket, Key=upload.key, **_pinned(upload))
            found = (await self._client.get_object_tagging(**where))["TagSet"]
            tags = [tag for tag in found if tag["Key"] != TAG]
            if len(tags) >= MOST_TAGS:
                # Whoever uploads may bring ten tags: that must not keep a threat readable, or its verdict untold.
                tags = tags[: MOST_TAGS - 1]
                log.warning("quarantine_took_a_tag", session_id=upload.session_id)
            tags.append({"Key": TAG, "Value": "threats_found"})
            await self._client.put_object_tagging(**where, Tagging={"TagSet": tags})
        except ClientError as error:
            if error.response["Error"].get("Code", "") not in _GONE | _REPLACED:
                raise


def _pinned(upload: UploadFinished | UploadScanned) -> dict[str, Any]:
    pinned: dict[str, Any] = {"VersionId": upload.version} if upload.version else {}
    return pinned | ({"IfMatch": f'"{upload.etag}"'} if upload.etag else {})


async def _read(body: Any) -> bytes:
    """No more than was asked for, also from a store that does not know ranges."""
    try:
        async with body:
            parts = bytearray()
            while len(parts) < HEAD and (part := await body.read(HEAD - len(parts))):
                parts += part
            return bytes(parts)
    except Exception as error:  # whichever library breaks off, it is not the message's fault
        raise Unavailable("S3 did not send the head of an object", code=type(error).__name__) from error
