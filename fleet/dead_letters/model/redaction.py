"""What of a letter may be shown to anybody: names and plain identifiers, at every depth; pure.

Told by what is allowed, not by what is forbidden: a field that nobody thought of stays hidden.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from fleet.dead_letters.model.letter import DeadLetter, stored_body
from shared.message.delivery import Attribute

SHOWN = frozenset(
    """
    id eventid event_id eventname eventversion eventsource type version status attempt attempts time timestamp source
    detail-type account region tenantid tenant_id endpointid endpoint_id eventtype event_type reminderid reminder_id
    sessionid session_id dueat due_at notbefore firstattemptat occurredat createdat size sequencer awsregion eventtime
    streamviewtype sequencenumber sizebytes approximatecreationdatetime shardid streamarn startsequencenumber
    endsequencenumber batchsize condition busarn subscriberarn targetarn errorcode exhaustedretrycondition retryattempts
    topicarn messageid rule_arn target_arn schedule_arn error_code exhausted_retry_condition retry_attempts traceparent
    fleet-failure fleet-replay extendedpayloadsize sqslargepayloadsize
    """.split()
)
"""Field names, in lower case, whose plain values are shown."""

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/#-]{0,199}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
_DEEPEST = 32


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


def _attribute(name: str, value: Attribute) -> str:
    if value.binary is not None:
        return f"[{value.data_type}, {len(value.binary)} bytes]"
    text = value.text or ""
    if name in ("fleet-failure", "fleet-replay"):
        return text
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
    return name.lower() in SHOWN and _PLAIN.fullmatch(value) is not None


def _key(name: str) -> str:
    """Maps may be keyed by an address or a number: only what looks like a field's name is shown."""
    return name if _NAME.fullmatch(name) else f"[name, {len(name)} characters]"
