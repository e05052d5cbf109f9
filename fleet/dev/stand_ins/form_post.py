"""S3's side of a presigned form for development: checks it as S3 does, and puts the file into the emulator, which takes no forms.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

import orjson
from aiohttp import BodyPartReader, web
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

LARGEST_FILE: Final = 64 * 1024 * 1024
"""Bytes of one file, which is held in memory; S3 takes 5 GB."""
LARGEST_FIELDS: Final = 20_000
"""Bytes of all fields before the file, as S3 has it."""

_UNSIGNED: Final = frozenset({"policy", "x-amz-signature"})
"""Fields that no condition has to name."""
_PUT_AS: Final = {"Content-Type": "ContentType", "x-amz-checksum-sha256": "ChecksumSHA256"}


class Refused(Exception):
    """S3 would not take the form: `status` and `code` as S3 says it."""

    def __init__(self, code: str, why: str, status: int = 403) -> None:
        super().__init__(why)
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True)
class FormPost:
    """Takes forms that were signed with this key for this bucket."""

    bucket: str
    access_key_id: str
    secret: str = field(repr=False)
    s3: Callable[[], Awaitable[S3Client]] = field(repr=False)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def take(self, request: web.Request) -> web.Response:
        """204 with the ETag, or S3's error as XML."""
        try:
            fields, file = await _fields_and_file(request)
            content = await _content(file, check(fields, self, now=self.now()))
            return await self._put(fields, content)
        except Refused as refused:
            said = f"<Error><Code>{refused.code}</Code><Message>{escape(str(refused))}</Message></Error>"
            return web.Response(status=refused.status, text=said, content_type="application/xml")

    async def _put(self, fields: Mapping[str, str], content: bytes) -> web.Response:
        more: Any = {_PUT_AS[name]: value for name, value in fields.items() if name in _PUT_AS}
        claimed = fields.get("x-amz-checksum-sha256")
        if claimed and base64.b64encode(hashlib.sha256(content).digest()).decode() != claimed:
            raise Refused("BadDigest", "the file is not what its checksum says", 400)
        try:
            client = await self.s3()
            made = await client.put_object(Bucket=self.bucket, Key=fields["key"], Body=content, **more)
        except ClientError as error:
            raise Refused(error.response["Error"]["Code"], "the emulator did not take the file", 500) from error
        return web.Response(status=204, headers={"ETag": made["ETag"]})


def check(fields: Mapping[str, str], post: FormPost, *, now: datetime) -> tuple[int, int]:
    """The range of bytes that the policy allows. Raises Refused where the form is not what was signed, or too late."""
    try:
        policy = orjson.loads(base64.b64decode(fields.get("policy", ""), validate=True))
        expires, conditions = datetime.fromisoformat(policy["expiration"]), [*policy["conditions"]]
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("InvalidPolicyDocument", "there is no policy that can be read", 400) from error
    access_key_id, _, scope = fields.get("x-amz-credential", "").partition("/")
    key = f"AWS4{post.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    proof = hmac.digest(key, fields["policy"].encode(), hashlib.sha256).hex()
    is_ours = access_key_id == post.access_key_id and fields.get("x-amz-algorithm") == "AWS4-HMAC-SHA256"
    if not is_ours or not hmac.compare_digest(proof.encode(), fields.get("x-amz-signature", "").encode()):
        raise Refused("SignatureDoesNotMatch", "the policy was not signed with this run's key")
    if expires <= now:
        raise Refused("AccessDenied", "Invalid according to Policy: Policy expired.")
    return _range({**fields, "bucket": post.bucket}, conditions)


def _range(fields: Mapping[str, str], conditions: list[Any]) -> tuple[int, int]:
    least, most, named = 0, LARGEST_FILE, {*_UNSIGNED}
    for condition in conditions:
        match condition:
            case ["content-length-range", int(low), int(high)]:
                least, most = low, min(high, most)
                continue
            case {**pair} if len(pair) == 1:
                [(given, wanted)] = pair.items()
                name = str(given)
                holds = fields.get(name) == wanted
            case ["eq" | "starts-with" as how, str(given), str(wanted)]:
                name = given.removeprefix("$")
                value = fields.get(name, "")
                holds = value == wanted if how == "eq" else value.startswith(wanted)
            case _:
                raise Refused("InvalidPolicyDocument", "a condition is none", 400)
        if not holds:
            raise Refused("AccessDenied", f"Invalid according to Policy: Policy Condition failed: {name}")
        named.add(name)
    if extra := ({"key"} | fields.keys()) - named:
        raise Refused("AccessDenied", f"Invalid according to Policy: Extra input fields: {', '.join(sorted(extra))}")
    return least, most


async def _fields_and_file(request: web.Request) -> tuple[dict[str, str], BodyPartReader]:
    """The fields before the file; what comes after it is not read, as S3 does it."""
    if not request.content_type.startswith("multipart/form-data"):
        raise Refused("MalformedPOSTRequest", "the body is no multipart/form-data", 400)
    fields: dict[str, str] = {}
    size = 0
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or not part.name:
                raise Refused("MalformedPOSTRequest", "a part has no name", 400)
            if part.name == "file":
                return fields, part
            value = bytearray()
            while chunk := await part.read_chunk():
                value += chunk
                size += len(chunk)
                if size > LARGEST_FIELDS:
                    raise Refused("MaxPostPreDataLengthExceeded", "the fields are too long", 400)
            fields[part.name] = value.decode()
    except ValueError as error:
        raise Refused("MalformedPOSTRequest", "the form cannot be read", 400) from error
    raise Refused("InvalidArgument", "POST requires exactly one file upload per request.", 400)


async def _content(file: BodyPartReader, allowed: tuple[int, int]) -> bytes:
    content = bytearray()
    least, most = allowed
    while chunk := await file.read_chunk():
        content += chunk
        if len(content) > most:
            raise Refused("EntityTooLarge", "the file is larger than the policy allows", 400)
    if len(content) < least:
        raise Refused("EntityTooSmall", "the file is smaller than the policy allows", 400)
    return bytes(content)
