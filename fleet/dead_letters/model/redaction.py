"""What of a letter may be shown to anybody: names and plain identifiers, at every depth; pure.

It goes by what is allowed, not by what is forbidden: a field that nobody thought of stays hidden.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import orjson

from fleet.dead_letters.model.letter import DeadLetter, stored_body
from shared.message.delivery import Attribute
from shared.message.identity import ATTRIBUTE, REPLAY, json_object

SHOWN = frozenset(
    """
    id eventid event_id eventname eventversion eventsource type version status attempt attempts time timestamp source
    detail-type account region tenantid tenant_id endpointid endpoint_id eventtype event_type reminderid reminder_id
    sessionid session_id dueat due_at notbefore firstattemptat occurredat createdat size sequencer awsregion eventtime
    streamviewtype sequencenumber sizebytes approximatecreationdatetime shardid streamarn startsequencenumber
    endsequencenumber batchsize condition busarn subscriberarn targetarn errorcode exhaustedretrycondition retryattempts
    topicarn messageid rule_arn target_arn schedule_arn error_code exhausted_retry_condition retry_attempts traceparent correlation-id
    extendedpayloadsize sqslargepayloadsize
    """.split()
)
"""Field names, in lower case, whose plain values are shown."""

REASON = frozenset(
    """
    version source_queue fingerprint attempts first_failure last_failure sent_at trace_id correlation_id
    original_message_id replayed_from plan_id edited_from times_replayed died_before
    """.split()
)
"""Fields of a failure envelope, and of `fleet-replay`, whose plain values are shown."""

TEXTS = frozenset({"worker", "error_type", "message"})
"""Fields of a failure envelope that are shown as they are: the fleet redacted them when it wrote them."""

_KEY = re.compile(
    r"body:[0-9a-f]{32}|stream:(?:[a-z0-9-]{1,32}:[0-9]{12}:[A-Za-z0-9_.-]{1,255}:)?[A-Za-z0-9-]{1,64}|event:[A-Za-z0-9_.:/-]{1,200}"
)
"""Idempotency keys that hold no name that a producer or a customer chose, but for plain ids of events."""

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/#-]{0,199}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?\+\d\d:\d\d")
"""A time with its zone: of all plain values the only one with a plus in it."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
_TELLING = re.compile(r"[\d@]")
_DEEPEST = 32
LONGEST_GIST = 120


def body(text: str) -> str:
    """The body with every value hidden that is not a plain identifier under a known name; pretty-printed JSON."""
    try:
        opened = orjson.loads(text)
    except ValueError:
        return f"[no JSON, {len(text.encode(errors='replace'))} bytes]"
    return orjson.dumps(_hidden(opened, name="", depth=0), option=orjson.OPT_INDENT_2).decode()


def attributes(given: Mapping[str, Attribute]) -> dict[str, str]:
    """Names, and values of those that AWS and the fleet write themselves."""
    return {_key(name): _attribute(name, value) for name, value in given.items()}


def reason(written: Mapping[str, Any]) -> dict[str, Any]:
    """The failure envelope, or the lineage of a replay. Its message and stack were redacted when it was written; an attribute
    that had to make room (`displaced`) is the producer's, and hidden.
    """
    shown: dict[str, Any] = {}
    for name, value in written.items():
        if name in TEXTS and isinstance(value, str):
            shown[name] = value
        elif name == "stack" and isinstance(value, list):
            shown[name] = [str(each) for each in value]
        elif name == "idempotency_key":
            shown[name] = key(str(value))
        elif name in REASON and (isinstance(value, bool | int | float) or _is_plain(str(value))):
            shown[name] = value
        else:
            shown[_key(name)] = "[hidden]"
    return shown


def listed(document: Mapping[str, Any]) -> dict[str, Any]:
    """One line of `list` or `groups`, without names that a producer chose."""
    shown = dict(document)
    for name in ("fingerprint", "plan_id"):
        if shown.get(name) and not _PLAIN.fullmatch(str(shown[name])):
            shown[name] = "[hidden]"
    if shown.get("idempotency_key"):
        shown["idempotency_key"] = key(str(shown["idempotency_key"]))
    return shown


def key(text: str) -> str:
    """An idempotency key that was derived from content or event ids; of another one, such as a producer's own or one that
    holds a file's name, only a digest, by which it can be told apart.
    """
    if _KEY.fullmatch(text):
        return text
    return f"sha256:{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:16]}"


def stored(letter: DeadLetter) -> dict[str, Any] | None:
    """Where the body lies in S3, if it does; names that are not spelt as such stay hidden."""
    pointer = stored_body(letter)
    if pointer is None:
        return None
    shown = (pointer.bucket, pointer.key) if pointer.is_plain else ("[hidden]", "[hidden]")
    return {"bucket": shown[0], "key": shown[1], "bytes": pointer.size}


def printable(text: str) -> str:
    """The text with everything escaped that would speak to a terminal: control, direction and format characters."""
    return "".join(each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in text)


def one_line(text: str) -> str:
    """As `printable`, with line ends escaped too: foreign text cannot write a line of its own."""
    return printable(text).replace("\n", "\\n")


def json_line(document: Any) -> str:
    """JSON in which everything that would speak to a terminal is escaped by its code: any reader reads the same."""
    return escaped(orjson.dumps(document).decode())


def escaped(text: str) -> str:
    """JSON text, with the characters escaped that are not printable."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text)


def gist(text: str) -> str:
    """A reason as a group shows it: on one line, without quoted words and words that hold a digit or an address."""
    bare = re.sub(r"(['\"`]).*?\1", "#", text)
    return printable(" ".join("#" if _TELLING.search(word) else word for word in bare.split()))[:LONGEST_GIST]


def _attribute(name: str, value: Attribute) -> str:
    if value.binary is not None:
        return f"[{value.data_type}, {len(value.binary)} bytes]"
    text = value.text or ""
    if name in (ATTRIBUTE, REPLAY) and (written := json_object(value)):
        return orjson.dumps(reason(written)).decode()
    return text if _is_shown(name, text) else f"[{value.data_type}, {len(text)} characters]"


def _hidden(value: Any, *, name: str, depth: int) -> Any:
    match value:
        case _ if depth > _DEEPEST:
            return "[nested too deep]"
        case dict():
            return {_key(key): _hidden(each, name=key, depth=depth + 1) for key, each in value.items()}
        case list():
            return [_hidden(each, name=name, depth=depth + 1) for each in value]
        case bool() | None:
            return value
        case int() | float():
            return value if name.lower() in SHOWN else "[number]"
        case _:
            return value if _is_shown(name, str(value)) else _hidden_text(str(value), depth)


def _hidden_text(value: str, depth: int) -> Any:
    if value[:1] in ("{", "["):
        try:
            return _hidden(orjson.loads(value), name="", depth=depth + 1)
        except ValueError:
            pass
    return f"[text, {len(value)} characters]"


def _is_shown(name: str, value: str) -> bool:
    return name.lower() in SHOWN and _is_plain(value)


def _is_plain(value: str) -> bool:
    return bool(_PLAIN.fullmatch(value) or _TIME.fullmatch(value))


def _key(name: str) -> str:
    """Maps may be keyed by an address or a number: only what looks like a field's name is shown."""
    return name if _NAME.fullmatch(name) else f"[name, {len(name)} characters]"
