"""The form with which a browser posts one file to S3, and nothing that the session would refuse."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from workers.upload_notification.client.opening import LARGEST_OBJECT, WrongField
from workers.upload_notification.content.sniff import SVG
from workers.upload_notification.event import PREFIX, Ignored, session_of

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_TYPE: Final = re.compile(
    r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}( *; *[a-z]+=[A-Za-z0-9._-]+)?", re.ASCII
)
_SHA256: Final = re.compile("[A-Za-z0-9+/]{43}=", re.ASCII)
_NO_LETTER: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
"""Controls, line breaks, and what no message carries. Other blanks and joiners are letters: macOS names screenshots with U+202F."""
LONGEST_KEY: Final = 1024
"""Bytes of an object's key in UTF-8."""


@dataclass(frozen=True, slots=True)
class Form:
    """A presigned POST: send `fields` and then the file, as multipart/form-data, to `url`, before `expires_at` (epoch seconds). Whoever
    has it may upload: its repr does not tell the fields.
    """

    url: str
    fields: Mapping[str, str] = field(repr=False)
    key: str
    expires_at: int


async def form(
    client: S3Client,
    bucket: str,
    document: Mapping[str, Any],
    name: str,
    *,
    content_type: str,
    sha256: str,
    seconds: int,
    at: float,
) -> Form:
    """Of the session that `document` shows: S3 itself refuses another key, a size out of its range, a type that it does not name, and
    with `sha256` (Base64) another content.

    What the browser says of the type is checked here; what the file is, the content gate finds out. Raises WrongField.
    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
    """
    key = checked_key(
        document["sessionId"], name, allowed=document.get("allowedTypes", ()), content_type=content_type, sha256=sha256
    )
    fields = {"Content-Type": content_type} if content_type else {}
    fields |= {"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-sha256": sha256} if sha256 else {}
    range_: list[Any] = ["content-length-range", document.get("minBytes", 1), document.get("maxBytes", LARGEST_OBJECT)]
    conditions = [range_, *({field: value} for field, value in fields.items())]
    post: Any = await client.generate_presigned_post(
        bucket, key, Fields=fields, Conditions=conditions, ExpiresIn=seconds
    )
    return Form(
        url=_regional(post["url"], client.meta.region_name),
        fields=post["fields"],
        key=key,
        expires_at=int(at) + seconds,
    )


def checked_key(session_id: str, name: str, *, allowed: Sequence[str], content_type: str, sha256: str) -> str:
    """The key of a file of this name. Raises WrongField for what no form can be made of."""
    key = f"{PREFIX}{session_id}/{name}"
    # S3 puts the browser's own name in the place of ${filename}, and any key of the session's would be good.
    is_fixed = "${" not in name and not _NO_LETTER.search(name)
    if isinstance(session_of(key), Ignored) or len(key.encode(errors="surrogatepass")) > LONGEST_KEY or not is_fixed:
        raise WrongField(
            "name",
            "a file's name: without control characters and line breaks, not '.' or '..', no '/' at its end, no '${', 1,024 bytes with the session's prefix",
        )
    if content_type and not (_TYPE.fullmatch(content_type) and _names(allowed, content_type)):
        raise WrongField("contentType", "a type such as image/png, one of the session's allowedTypes")
    if sha256 and not _SHA256.fullmatch(sha256):
        raise WrongField("sha256", "the SHA-256 of the file in Base64, 44 characters")
    return key


def _regional(url: str, region: str) -> str:
    """The bucket's address in its region: the global one redirects a new bucket's forms, which no browser follows with its file."""
    return url.replace(".s3.amazonaws.com/", f".s3.{region}.amazonaws.com/")


def _names(allowed: Any, content_type: str) -> bool:
    """As the content gate has it: image/* is every picture but SVG."""
    kind = content_type.partition(";")[0].strip().lower()
    stem, _, _ = kind.partition("/")
    return not allowed or content_type in allowed or kind in allowed or (f"{stem}/*" in allowed and kind != SVG)
