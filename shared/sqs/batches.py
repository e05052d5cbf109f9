"""Batch calls of SQS: ten entries in a call, and which of them the answer says were carried out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.message.delivery import Delivery

BATCH = 10
"""Entries SQS takes in one batch call."""
PLACES = tuple(frozenset(map(str, range(count))) for count in range(BATCH + 1))
"""The ids of the entries in a call, by their number."""
LOST = frozenset({"ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"})
"""Codes with which SQS says that a receipt handle is no longer ours, spelt without the query protocol's prefix."""

NOT_NAMED = "NotNamedInAnswer"
"""Our code for an entry of which the answer does not say that it was carried out: it is tried again."""


class MalformedAnswer(Exception):
    """AWS answered 200 with a body of another shape: nothing is known of what was asked. The text quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """One entry of a batch that SQS did not carry out; `lost` when the receipt handle has lost its lease."""

    delivery: Delivery
    code: str
    lost: bool


async def in_chunks(
    deliveries: Sequence[Delivery], call: Callable[[Sequence[Delivery]], Awaitable[Any]]
) -> list[Refused]:
    """Ten in a call, all calls at once. A call that fails whole refuses its own ten; raises where every call failed."""
    if len(deliveries) <= BATCH:  # what settlements gather is: no task for that
        return refused_of(await call(deliveries), deliveries) if deliveries else []
    chunks = [deliveries[start : start + BATCH] for start in range(0, len(deliveries), BATCH)]
    answers = await asyncio.gather(*(call(chunk) for chunk in chunks), return_exceptions=True)
    errors = [answer for answer in answers if isinstance(answer, BaseException)]
    if errors and len(errors) == len(chunks):
        raise errors[0]
    refused: list[Refused] = []
    for chunk, answer in zip(chunks, answers, strict=True):
        if isinstance(answer, BaseException):
            refused += [Refused(each, type(answer).__name__, lost=False) for each in chunk]
        else:
            refused += refused_of(answer, chunk)
    return refused


def refused_of(answer: object, chunk: Sequence[Delivery]) -> list[Refused]:
    """Which of the deliveries in one call the answer does not name as carried out."""
    codes = refused_entries(answer, len(chunk))
    return [Refused(chunk[place], code, lost=is_lost(code)) for place, code in codes.items()]


def refused_entries(answer: object, count: int, *, due: str | None = None) -> dict[int, str]:
    """The places of the entries that this answer does not name as carried out, each with SQS's code or one of ours.

    Entries are sent with their place as `Id`. Done is what stands in `Successful`, not in `Failed`, and has the field
    `due` (MessageId for a send). Whatever is missing counts as refused: an empty, cut or foreign answer with status 200
    says nothing about any entry.
    """
    listed = answer if isinstance(answer, Mapping) else {}
    if due is None and not listed.get("Failed") and _are_all_named(listed.get("Successful"), count):
        return {}
    failed, done = _by_id(listed.get("Failed")), _by_id(listed.get("Successful"))
    return {
        place: str(failed[name].get("Code") or NOT_NAMED) if name in failed else NOT_NAMED
        for place, name in enumerate(map(str, range(count)))
        if name in failed or name not in done or (due is not None and not _is_text(done[name].get(due)))
    }


def _are_all_named(entries: object, count: int) -> bool:
    """As nearly always. Any other answer has a look at each of its entries."""
    if type(entries) is not list or count > BATCH:
        return False
    try:
        return PLACES[count].issubset([entry["Id"] for entry in entries])
    except (TypeError, KeyError):
        return False


def _by_id(entries: object) -> dict[str, Mapping[str, Any]]:
    if not isinstance(entries, list | tuple):
        return {}
    return {entry["Id"]: entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("Id"), str)}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def is_lost(code: str) -> bool:
    """True where this error code means that the lease is gone, in either of SQS's protocols."""
    return re.split("[.#]", code)[-1] in LOST
