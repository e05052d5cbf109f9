"""S3's short calls off botocore's long path: PutObject of bytes with their SHA-256, HeadObject, and GetObject of a few bytes by their
range. Longer bodies are streams, and stay aiobotocore's.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from io import BytesIO
from typing import Any, Self

import aiohttp
from botocore.utils import percent_encode

from shared.aws.answers.expected import Expected
from shared.aws.answers.head import Unread
from shared.aws.connections import Answer, Connections, NotConnected
from shared.aws.fallback import Cut, Fallback, as_botocore, kind_of, pass_by, waited, warn_aside
from shared.aws.pattern import SIGNATURE, text
from shared.aws.signer import Signer
from shared.outcome import is_outage

EMPTY = sha256(b"").hexdigest()
HASH = "x-amz-content-sha256"
NAMES = {"ContentType": "content-type", "IfNoneMatch": "if-none-match", "ChecksumSHA256": "x-amz-checksum-sha256"}
PINS = {"Range": "range", "IfMatch": "if-match"}
MODE = "x-amz-checksum-mode"
META = "x-amz-meta-"
OTHERS = frozenset({"user-agent", "expect", "authorization", "content-length", "amz-sdk-invocation-id", "amz-sdk-request",
                    "x-amz-date", "x-amz-security-token", HASH, MODE, *NAMES.values(), *PINS.values()})  # fmt: skip
"""Headers that a request of these calls may have, beside metadata; any other is somebody's hook."""
NOT_THERE = 404
ORDINARY = {("HeadObject", NOT_THERE), ("PutObject", 412), *(("GetObject", status) for status in (NOT_THERE, 412, 416))}
"""Answers that are part of a day's work: there is no such object (any more), there is one already, or another one."""
SMALL = 65_536
"""Bytes of a range that is read at once."""
_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{1,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ObjectCall:
    """A call as it goes over the wire; `hash` is the body's SHA-256 in hex, `query` the object's version."""

    bucket: str
    segment: str
    headers: Mapping[str, str]
    body: bytes
    hash: str
    query: str = ""

    @property
    def target(self) -> str:
        """What the request's URL ends with."""
        return f"{self.segment}?{self.query}" if self.query else self.segment


@dataclass(frozen=True, slots=True)
class Place:
    """Where the objects of a bucket are, as botocore has found it, and the scope that it signs for. `mode`: whether it asks for
    checksums of what is read, "" where it does not.
    """

    url: str
    agent: str
    region: str
    service: str
    mode: str = ""


class Held:
    """A body that is here, as aiobotocore reads one from aiohttp."""

    def __init__(self, url: str, content: bytes) -> None:
        self.url = url
        self._left = BytesIO(content)

    @property
    def content(self) -> Self:
        return self

    async def read(self, most: int = -1) -> bytes:
        return self._left.read(most)

    def at_eof(self) -> bool:
        return self._left.tell() == len(self._left.getbuffer())

    def close(self) -> None:
        """There is nothing open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.close()


class FastObjects:
    """Stands where an aiobotocore client of S3 stands. The first call for each bucket (of reads, their own first one) is botocore's and
    shows where the bucket is; after an answer that is not an ordinary one the next is again, since buckets move.
    """

    def __init__(
        self,
        client: Any,
        *,
        look: Callable[[], Awaitable[None]] | None = None,
        answered: Callable[[str], None] = lambda _call: None,
        cut: Cut = pass_by,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._look = look
        self._answered = answered
        self._cut = cut
        self._now = now
        self._fallback = Fallback(client, see=self._learn)
        self._places: dict[tuple[str, bool], Place] = {}
        self._streams: set[str] = set()
        """Buckets whose store sends more than is asked for, or does not say how much."""
        self._kept: dict[str, Connections] = {}
        self._is_aside = False
        model = client.meta.service_model
        self._expected = {
            name: Expected(model.operation_model(name)) for name in ("PutObject", "HeadObject", "GetObject")
        }
        self.put_object = partial(self._call, "PutObject", "PUT", read_put)
        self.head_object = partial(self._call, "HeadObject", "HEAD", read_head)
        self.get_object = partial(self._call, "GetObject", "GET", read_get)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def _call(
        self, action: str, method: str, read: Callable[[dict[str, Any]], ObjectCall | None], **asked: Any
    ) -> Any:
        wanted = None if self._is_aside else read(asked)
        is_read = method == "GET"
        if wanted is None or (is_read and wanted.bucket in self._streams):
            return await self._fallback.call(action, asked)
        place = self._places.get((wanted.bucket, is_read))
        if place is None:
            return await self._fallback.call(action, asked, segment=f"{wanted.bucket}\n{wanted.target}")
        if self._look is not None:
            await self._look()
        if (keys := await self._fallback.keys()) is None:
            return await self._fallback.call(action, asked)
        request = build_request(method, place, wanted, keys, now=self._now())
        try:
            exchange = self._kept[place.url].exchange(
                request, is_bodiless=method == "HEAD", most=SMALL if is_read else None
            )
            answer = await waited(exchange, self._cut, kind_of(action, asked))
        except (NotConnected, Unread) as error:
            if isinstance(error, Unread):
                self._streams.add(wanted.bucket)
                warn_aside("s3", "reads that are answered with more than was asked for, or without a length")
            return await self._fallback.call(action, asked)
        except aiohttp.ClientError as error:
            return await self._fallback.call(action, asked, error)
        return await self._judge(action, asked, wanted, f"{place.url}{wanted.target}", answer)

    async def _judge(self, action: str, asked: dict[str, Any], wanted: ObjectCall, url: str, received: Answer) -> Any:
        status, head, content, is_usual = received
        is_read = action == "GetObject"
        held = as_botocore(url, status, head, content, raw=Held(url, content) if is_read else None)
        is_plain = b"x-amz-checksum-" not in head.lower() if is_read else not content
        is_good = status == 200 or (is_read and status == 206)
        if is_usual and is_good and is_plain and self._expected[action].is_met(status, held.headers, content):
            if self._fallback.owes_successes:
                await self._fallback.succeeded(action)
            self._answered(kind_of(action, asked))
            return await self._fallback.parse(action, held)
        is_own = (action, status) in ORDINARY and self._expected[action].is_refusal(status, held.headers, content)
        if is_own:  # S3 sends their bodies in chunks
            refusal = await self._fallback.refusal(action, held)
            if not is_outage(refusal):  # else it is botocore's, and the breaker hears of it
                if (action, status) != ("HeadObject", NOT_THERE):  # of a bucket that is not there either
                    self._answered(kind_of(action, asked))
                raise refusal
        if is_plain or not is_good:  # else botocore looks at its checksum
            self._places.pop((wanted.bucket, is_read), None)
        return await self._fallback.call(action, asked, held)

    def _learn(self, action: str, request: Any, segment: str) -> None:
        bucket, _, key = segment.partition("\n")
        target = self._fallback.target(request.url)
        place = place_of(request, key) if target is not None else None
        if target is None or place is None:
            self._is_aside = True
            warn_aside("s3", "requests of another form, or a proxy")
            return
        self._places[bucket, action == "GetObject"] = place
        if place.url not in self._kept:
            self._kept[place.url] = Connections(target)
            self._fallback.close_with(self._kept[place.url].close)


def read_put(asked: dict[str, Any]) -> ObjectCall | None:
    """None where only botocore knows what to make of it: what it would refuse, a body that is not bytes, one without its
    SHA-256 (botocore adds another checksum, over TLS behind the body), and every other option.
    """
    if asked.keys() - NAMES.keys() - {"Bucket", "Key", "Body", "Metadata"} or not isinstance(asked.get("Body"), bytes):
        return None
    headers = {NAMES[name]: value for name, value in asked.items() if name in NAMES}
    named = {f"{META}{name}".lower(): value for name, value in (asked.get("Metadata") or {}).items()}
    if len(named) < len(asked.get("Metadata") or {}):  # names that differ in capitals alone: two headers, or one
        return None
    headers |= named
    try:
        digest = base64.b64decode(headers["x-amz-checksum-sha256"], validate=True)
    except (KeyError, ValueError, TypeError):
        return None
    if len(digest) != sha256().digest_size:
        return None
    return _read(asked, headers, asked["Body"], digest.hex())


def read_head(asked: dict[str, Any]) -> ObjectCall | None:
    return _read(asked, {}, b"", EMPTY) if asked.keys() == {"Bucket", "Key"} else None


def read_get(asked: dict[str, Any]) -> ObjectCall | None:
    """None unless it is of a small range, and maybe of one version or one ETag: other bodies are read as they come."""
    if asked.keys() - PINS.keys() - {"Bucket", "Key", "VersionId"}:
        return None
    found = _RANGE.fullmatch(asked["Range"]) if isinstance(asked.get("Range"), str) else None
    if found is None or not int(found[1]) <= int(found[2]) < int(found[1]) + SMALL:
        return None
    version = asked.get("VersionId", "")
    if not isinstance(version, str) or not version.isascii() or ("VersionId" in asked and not version):
        return None
    wanted = _read(asked, {PINS[name]: value for name, value in asked.items() if name in PINS}, b"", EMPTY)
    query = f"versionId={percent_encode(version, safe='-_.~')}" if version else ""
    return replace(wanted, query=query) if wanted is not None else None


def _read(asked: dict[str, Any], headers: dict[str, str], body: bytes, digest: str) -> ObjectCall | None:
    bucket, key = asked.get("Bucket"), asked.get("Key")
    if (
        not isinstance(bucket, str)
        or not isinstance(key, str)
        or not bucket.replace("-", "").replace(".", "").isalnum()
    ):
        return None
    if {"", ".", ".."} & {*key.split("/")} or not all(map(_is_plain, headers.items())):
        return None
    try:
        return ObjectCall(bucket, percent_encode(key, safe="-._~/"), headers, body, digest)
    except UnicodeEncodeError:
        return None


def _is_plain(header: tuple[str, Any]) -> bool:
    """Whether a header reads the same to whoever signs, sends and checks it."""
    name, value = header
    return isinstance(value, str) and value != "" and f"{name}{value}".isascii() and " " not in name \
        and f"{name}{value}".isprintable() and ":" not in name and value == " ".join(value.split())  # fmt: skip


def place_of(request: Any, segment: str) -> Place | None:
    """None where the request is of a form not known here, or does not sign its body."""
    headers = {name.lower(): text(value) for name, value in request.headers.items()}
    found = SIGNATURE.fullmatch(headers.get("authorization", ""))
    others = {name for name in headers.keys() - OTHERS if not name.startswith(META)}
    if found is None or others or not request.url.endswith(f"/{segment}") or len(headers.get(HASH, "")) != len(EMPTY):
        return None
    region, service, _ = found.groups()
    return Place(request.url.removesuffix(segment), headers["user-agent"], region, service, headers.get(MODE, ""))


def build_request(method: str, place: Place, wanted: ObjectCall, keys: Any, *, now: float) -> bytes:
    """A request, ready to be sent; `now` in epoch seconds."""
    fixed = {**wanted.headers, HASH: wanted.hash}
    if method == "GET" and place.mode:
        fixed[MODE] = place.mode
    signer = Signer(place.url, fixed, region=place.region, service=place.service, method=method, is_encoded_once=True)
    fixed |= signer.sign(wanted.body, keys, now=now, segment=wanted.segment, digest=wanted.hash, query=wanted.query)
    fixed |= {"host": signer.host, "user-agent": place.agent, "accept-encoding": "identity"}
    if method == "PUT":
        fixed["content-length"] = str(len(wanted.body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fixed.items())
    return f"{method} {signer.path}{wanted.target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + wanted.body
