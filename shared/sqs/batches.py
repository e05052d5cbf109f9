"""Batch calls of SQS: ten entries in a call, and what each `Failed` entry means."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.message.delivery import Delivery

BATCH = 10
"""Entries SQS takes in one batch call."""
LOST = frozenset({"ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"})
"""Codes with which SQS says that a receipt handle is no longer ours, spelt without the query protocol's prefix."""


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
            refused += _refused(chunk, answer.get("Failed", []))
    return refused


def _refused(chunk: Sequence[Delivery], failed: Sequence[Mapping[str, Any]]) -> list[Refused]:
    return [
        Refused(chunk[int(entry["Id"])], code, lost=is_lost(code))
        for entry in failed
        for code in [str(entry.get("Code", ""))]
    ]


def is_lost(code: str) -> bool:
    """True where this error code means that the lease is gone, in either of SQS's protocols."""
    return re.split("[.#]", code)[-1] in LOST
