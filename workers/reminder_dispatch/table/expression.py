"""A conditional write in DynamoDB's words, and whether a row that refuses it is one that it has made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workers.reminder_dispatch.schedule.occurrence import MOVED, Move, Row
from workers.reminder_dispatch.table.attributes import typed, untyped
from workers.reminder_dispatch.table.keys import Key


def update_of(key: Key, move: Move) -> dict[str, Any]:
    """What UpdateItem, or the Update of a transaction, is asked for, but for the table. A row that is not there is not made."""
    names = {"#pk": "PK"}
    values: dict[str, Any] = {}
    conditions, sets, drops = ["attribute_exists(#pk)"], [], []
    for number, (name, value) in enumerate(move.expect.items()):
        names[f"#e{number}"], values[f":e{number}"] = name, value
        absent = f"attribute_not_exists(#e{number}) OR " if value is None else ""  # or it is NULL
        conditions.append(f"({absent}#e{number} = :e{number})")
    for number, (name, value) in enumerate(move.put.items()):
        names[f"#p{number}"], values[f":p{number}"] = name, value
        sets.append(f"#p{number} = :p{number}")
    for number, name in enumerate(move.drop):
        names[f"#d{number}"] = name
        drops.append(f"#d{number}")
    return {
        "Key": typed({"PK": key.pk, "SK": key.sk}),
        "UpdateExpression": "SET " + ", ".join(sets) + (" REMOVE " + ", ".join(drops) if drops else ""),
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": typed(values),
    }


def moved_row(row: Row) -> dict[str, Any]:
    """What the Put of a transaction is asked for, but for the table: an occurrence that moved, where there is none, or one that was not sent
    there: older zone data had it there, or an older revision.
    """
    return {
        "Item": typed(row),
        "ConditionExpression": "attribute_not_exists(PK) OR (#s = :f AND #w = :m) OR (#s IN (:p, :f) AND #r < :r)",
        "ExpressionAttributeNames": {"#s": "status", "#w": "reason", "#r": "revision"},
        "ExpressionAttributeValues": typed(
            {":p": "PENDING", ":f": "FAILED", ":m": MOVED, ":r": row.get("revision") or 0}
        ),
    }


def is_signed(move: Move) -> bool:
    """Whether nobody else writes the same: a claim, or what its holder records."""
    return "owner" in move.put or "owner" in move.expect


def has_made(move: Move, item: Mapping[str, Any]) -> bool:
    """Whether a row, as DynamoDB types it, is as the move leaves it."""
    found = untyped(item)
    return all(found.get(name) == value for name, value in move.put.items()) and found.keys().isdisjoint(move.drop)
