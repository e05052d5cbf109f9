"""Batch calls: what fails the whole call, and each entry's own end."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from tests.sqs_server.errors import SqsError
from tests.sqs_server.plan import Plan

MOST_ENTRIES = 10
ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


def checked_entries(params: dict[str, Any], *, of: str) -> list[dict[str, Any]]:
    """The entries. Raises what SQS answers before it looks into any of them."""
    entries: list[dict[str, Any]] = params.get("Entries") or []
    if not entries:
        raise SqsError("EmptyBatchRequest", f"There should be at least one {of}RequestEntry in the request.")
    if len(entries) > MOST_ENTRIES:
        raise SqsError(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {MOST_ENTRIES}. You have sent {len(entries)}.",
        )
    names = [entry.get("Id") for entry in entries]
    for name in names:
        if not isinstance(name, str) or not ENTRY_ID.fullmatch(name):
            raise SqsError(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
                "It can be at most 80 letters long.",
            )
    if len(set(names)) < len(names):
        raise SqsError("BatchEntryIdsNotDistinct", f"Id {max(names, key=names.count)} repeated.")
    return entries


def carried_out(
    entries: Sequence[dict[str, Any]], work: Callable[[dict[str, Any]], dict[str, Any]], plan: Plan | None
) -> dict[str, Any]:
    """Each entry done or failed by itself; a fault's plan may fail some, before or after they were done."""
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for place, entry in enumerate(entries):
        refusal = plan.refusal(place, entry) if plan is not None else None
        try:
            if refusal is not None and not refusal.after:
                raise refusal.error
            result = work(entry)
            if refusal is not None:
                raise refusal.error
            result["Id"] = entry["Id"]
            done.append(result)
        except SqsError as error:
            failed.append(
                {
                    "Id": entry["Id"],
                    "SenderFault": error.is_senders,
                    "Code": error.query_code,
                    "Message": error.message,
                }
            )
    answer = {}
    if done:
        answer["Successful"] = done
    if failed:
        answer["Failed"] = failed
    return answer
