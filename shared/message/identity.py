"""What makes two messages the same work: the idempotency key, the ledger's key, and what must not change under it; pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import orjson

from shared.message.delivery import Attribute
from shared.message.envelope import document, unwrapped
from shared.message.verbatim import exact
from shared.outcome import Reject

ATTRIBUTE = "fleet-failure"
"""The message attribute that carries the envelope, as JSON text."""

REPLAY = "fleet-replay"
"""The message attribute of a message that was replayed by hand, as JSON text: which letter it was, and its key."""

KEY_ATTRIBUTES = ("idempotency-key", "Idempotency-Key", "idempotency_key")
"""Message attributes in which a producer may state the key itself."""

CREATED = "ObjectCreated"
"""What the names of S3's events of new objects begin with."""

UNVERSIONED = "null"
"""The version of every object that is put while its bucket's versioning is suspended: it tells none from another."""

_STREAM_ARN = re.compile(r"arn:[^:]+:dynamodb:([^:]+):([^:]+):table/([^/:]+)")

LONGEST_KEY = 512
"""Characters of an idempotency key."""

LONGEST_LEDGER_KEY = 1024
"""Bytes of a key that are kept as they are: a hash key of DynamoDB has 2,048 at most. A longer one, or one that
has no bytes in UTF-8, becomes its SHA-256.
"""


def idempotency_key(body: str, attributes: Mapping[str, Attribute], *, own: str = "") -> str:
    """The key of the effect that this message asks for: the first of these that is there, and never the MessageId.

    1. what a replay or an earlier burial wrote down; `own`, the key that the worker itself gives the event (known to
       whoever buries it); the producer's attribute `idempotency-key`;
    2. the identity that the source gave: `stream:{region}:{account}:{table}:{eventID}` of a stream record (without the three
       where it names no table),
       `event:{source}:{detail-type}:{tenantId}:{detail.id or id}` of a bus event, without the third part where the
       detail names no tenant and with its JSON behind an empty part where that is no text (a colon inside of a part is
       `%3A`, a percent sign `%25`),
       `s3:{bucket}/{key}@{versionId or sequencer}` (the version "null" is none) of an S3 notification with one record, with `:{ObjectRemoved, ...}`
       behind it where it made no object: a version is removed under the id it was made under;
    3. `body:{the first 32 hex digits of the body's SHA-256}`.
    """
    written = (json_object(attributes.get(name)).get("idempotency_key") for name in (REPLAY, ATTRIBUTE))
    stated = (each.text for name in KEY_ATTRIBUTES if (each := attributes.get(name)) is not None)
    for key in (*written, own, *stated):
        if isinstance(key, str) and 1 <= len(key) <= LONGEST_KEY:
            return key
    source = _source_identity(body)
    if source and len(source) <= LONGEST_KEY:
        return source
    return f"body:{hashlib.sha256(body.encode(errors='replace')).hexdigest()[:32]}"


def ledger_key(worker: str, key: object) -> str:
    """`{worker}#{key}`. Raises Reject where there is no key: one entry would otherwise stand for all such events."""
    if not isinstance(key, str) or not key:
        raise Reject("the event has no idempotency key")
    if not _fits(key):
        key = f"sha256:{digest(key)}"
    return f"{worker}#{key}"


def _fits(key: str) -> bool:
    """Half a surrogate pair, which JSON can hold, has no bytes that DynamoDB takes."""
    try:
        return len(key.encode()) <= LONGEST_LEDGER_KEY
    except UnicodeEncodeError:
        return False


def digest(text: str) -> str:
    """SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def payload(body: str) -> str:
    """What a producer says in a body, and nothing that is new each time it says so: out of the SNS envelope, of a bus
    event its source, type and detail; the order of names and the blanks of JSON do not count, each digit of a number and
    each value of a name that comes twice does. Other text is itself.

    The body and not the decoded event: a decoder that learns a field must not make yesterday's payloads look forged.
    """
    try:
        said = document(body)
        if orjson.dumps(said) != body.encode():  # else it is all there, for it can be written again as it came
            said = exact(unwrapped(body))
        if said.keys() >= {"source", "detail-type", "detail"}:
            said = {name: said[name] for name in ("source", "detail-type", "detail")}
        return orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()
    except (Reject, TypeError):  # no JSON object, or one nested too deeply
        return body


def json_object(attribute: Attribute | None) -> dict[str, Any]:
    """The JSON object in an attribute; empty where there is none, or something that the fleet did not write."""
    try:
        opened = orjson.loads(attribute.text or "") if attribute is not None else None
    except ValueError:  # not written by us
        opened = None
    return opened if isinstance(opened, dict) else {}


def _source_identity(body: str) -> str:
    """Read tolerantly: a letter may hold anything."""
    try:
        opened = document(body)
    except Reject:
        return ""
    match opened:
        case {"eventID": str(event_id), "dynamodb": dict()}:
            return f"stream:{_joined(*_table(opened.get('eventSourceARN')), event_id)}"
        case {"detail-type": str(kind), "source": str(source), "id": str(bus_id), "detail": detail}:
            said = detail if isinstance(detail, dict) else {}
            own, tenant = said.get("id"), said.get("tenantId")
            whose = (tenant,) if isinstance(tenant, str) else _other(tenant)
            parts = (source, kind, *whose, own if isinstance(own, str) and own else bus_id)
            return f"event:{_joined(*parts)}"
        case {"Records": [{"s3": {"bucket": {"name": str(bucket)}, "object": dict(thing)}} as record]}:
            version = thing.get("versionId")
            mark = version if version and version != UNVERSIONED else thing.get("sequencer")
            happened = str(record.get("eventName") or CREATED).removeprefix("s3:").partition(":")[0]
            other = "" if happened == CREATED else f":{happened}"
            return f"s3:{bucket}/{thing.get('key')}@{mark}{other}" if mark else ""
        case _:
            return ""


def _table(arn: object) -> tuple[str, ...]:
    """Region, account and table of a stream's ARN; empty where it is none."""
    found = _STREAM_ARN.match(arn) if isinstance(arn, str) else None
    return found.groups() if found else ()


def _other(tenant: object) -> tuple[str, ...]:
    """A tenant that is no text is another one all the same: two parts, which no text is."""
    return ("", orjson.dumps(tenant).decode()) if tenant is not None else ()


def _joined(*parts: str) -> str:
    return ":".join(each.replace("%", "%25").replace(":", "%3A") for each in parts)
