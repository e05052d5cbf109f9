"""Bodies above the queue's limit, kept in one S3 bucket: put before they are sent, read before they are decoded.

Nothing is ever deleted here: a dead letter, a replay or a second delivery still points to the object. The bucket's
lifecycle removes it.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from shared.aws.fallback import Cut, pass_by, waited
from shared.message import pointer
from shared.message.delivery import Attribute, Delivery
from shared.message.pointer import Pointer
from shared.outcome import Reject, Unavailable, code_of

if TYPE_CHECKING:
    from aiobotocore.response import StreamingBody
    from types_aiobotocore_s3 import S3Client

AT_ONCE = 8
"""Objects that one process reads or writes at the same time."""
READING = "GetObject, its body"
"""What fails apart from the call: S3 answers, and the body does not come."""


class S3Payloads:
    """One bucket, below one prefix. `threshold` and `most` in bytes: where bodies begin to go there, and the largest. `failed` hears
    the code where an answer began and its body did not come whole, `cut` how long a body was waited for whose reading was cancelled,
    `came` of each that came.
    """

    def __init__(
        self,
        client: S3Client,
        *,
        bucket: str,
        prefix: str,
        threshold: int,
        most: int,
        failed: Callable[[str], None] = lambda _code: None,
        cut: Cut = pass_by,
        came: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._threshold = threshold
        self._most = most
        self._failed = failed
        self._cut = cut
        self._came = came
        self._turns = asyncio.Semaphore(AT_ONCE)

    @property
    def threshold(self) -> int:
        return self._threshold

    async def check_in(self, body: str, attributes: Mapping[str, Attribute]) -> tuple[str, dict[str, Attribute]]:
        """Store a body; answer what the message carries instead. Raises TooLarge, or botocore's error."""
        content = body.encode()
        pointer.check_storable(len(content), attributes, most=self._most)
        async with self._turns:
            key, digest = await asyncio.to_thread(self._named, content)
            await self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=content,
                ContentType="text/plain; charset=utf-8",
                ChecksumSHA256=digest,  # S3 refuses what arrives otherwise
            )
        stored = Pointer(self._bucket, key, len(content))
        return stored.body, {**attributes, pointer.MARK: stored.mark}

    async def unpack(self, delivery: Delivery) -> Delivery:
        """The delivery with its whole body. Raises Reject where that will never be had, botocore's error or Unavailable where it may."""
        found = pointer.read_pointer(delivery.body, delivery.attributes)
        pointer.check_permitted(found, bucket=self._bucket, prefix=self._prefix, most=self._most)
        async with self._turns:
            content = await self._read(found)
            body = await asyncio.to_thread(pointer.open_body, content, found)
        return pointer.with_body(delivery, body)

    async def _read(self, found: Pointer) -> bytes:
        try:
            answer = await self._client.get_object(Bucket=found.bucket, Key=found.key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                raise Reject("payload expired: its body is no longer in S3") from error
            raise
        async with answer["Body"]:
            if (size := answer.get("ContentLength")) is None:
                raise Unavailable("S3 did not say how long the body is", code="OddAnswer")
            pointer.check_size(found, size)  # before a byte of it is read
            return await self._whole(answer["Body"])  # not of what `as` gives: that skips S3's checksum

    async def _whole(self, body: StreamingBody) -> bytes:
        """Raises Unavailable where it breaks off, or is not what its checksum says: that is not the message's fault."""
        try:
            content: bytes = await waited(body.read(), self._cut, READING)
        except Exception as error:
            self._failed(code_of(error))
            raise Unavailable("S3 did not send the whole body", code=code_of(error)) from error
        self._came()
        return content

    def _named(self, content: bytes) -> tuple[str, str]:
        key = pointer.key_of(content, prefix=self._prefix)
        digest = bytes.fromhex(key.rpartition("sha256-")[2])  # the key tells it: a large body is hashed once
        return key, base64.b64encode(digest).decode()
