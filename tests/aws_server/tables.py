"""DynamoDB's tables in memory: the operations that the fleet uses, each atomic, with conditions and transactions."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from tests.simulation.world.expressions import Expression, Item

Asked = Mapping[str, Any]
CONDITION = "ConditionalCheckFailedException"
CANCELLED = "TransactionCanceledException"


class Refused(Exception):
    """An error answer of DynamoDB; `more` stands beside its code."""

    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.more = more


class Table:
    """Rows by hash key, then by sort key; without a sort key that is one empty text."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self.rows: defaultdict[str, dict[str, Item]] = defaultdict(dict)
        self._index: defaultdict[str, dict[tuple[str, ...], Item]] = defaultdict(dict)

    def place(self, item: Asked) -> tuple[str, str]:
        values = [next(iter(item[name].values())) for name in self._names]
        return values[0], values[1] if len(values) > 1 else ""

    def get(self, key: Asked) -> Item | None:
        first, second = self.place(key)
        return self.rows[first].get(second)

    def put(self, item: Item) -> None:
        first, second = self.place(item)
        self._leave_index(self.rows[first].get(second))
        self.rows[first][second] = item
        if "GSI1PK" in item and "GSI1SK" in item:
            self._index[item["GSI1PK"]["S"]][self.in_index(item)] = item

    def drop(self, key: Asked) -> None:
        first, second = self.place(key)
        self._leave_index(self.rows[first].pop(second, None))

    def in_index(self, item: Asked) -> tuple[str, ...]:
        """Where an item stands among those of its index key."""
        return item["GSI1SK"]["S"], *self.place(item)

    def indexed(self, first: str, after: Asked | None) -> list[Item]:
        """What stands under a key of the index GSI1, in order, from behind an item."""
        found = sorted(self._index[first].items())
        place = self.in_index(after) if after else ()
        return [item for at, item in found if at > place]

    def _leave_index(self, item: Item | None) -> None:
        if item and "GSI1PK" in item and "GSI1SK" in item:
            self._index[item["GSI1PK"]["S"]].pop(self.in_index(item), None)

    def under(self, condition: Callable[[Item], bool], first: str) -> list[Item]:
        """What stands under a hash key and meets a condition, by its sort key."""
        return [item for _, item in sorted(self.rows[first].items()) if condition(item)]


class Tables:
    """All tables; `answer` carries one operation out. Raises Refused."""

    def __init__(self) -> None:
        self._tables: dict[str, Table] = {}
        self._actions: dict[str, Callable[[Asked], dict[str, Any]]] = {
            "CreateTable": self._create,
            "GetItem": self._get,
            "BatchGetItem": self._batch_get,
            "Query": self._query,
            "PutItem": self._write,
            "UpdateItem": self._write,
            "DeleteItem": self._write,
            "BatchWriteItem": self._batch_write,
            "TransactWriteItems": self._transact,
        }

    def answer(self, action: str, asked: Asked) -> dict[str, Any]:
        if action not in self._actions:
            raise Refused("UnknownOperationException", action)
        return self._actions[action](asked)

    def values(self, table: str, name: str) -> list[str]:
        """One attribute of all rows."""
        rows = (row for under in self._tables[table].rows.values() for row in under.values())
        return [next(iter(row[name].values())) for row in rows if name in row]

    def _create(self, asked: Asked) -> dict[str, Any]:
        names = {each["KeyType"]: each["AttributeName"] for each in asked["KeySchema"]}
        self._tables[asked["TableName"]] = Table(tuple(names[kind] for kind in ("HASH", "RANGE") if kind in names))
        return {"TableDescription": {"TableName": asked["TableName"], "TableStatus": "ACTIVE"}}

    def _table(self, asked: Asked) -> Table:
        found = self._tables.get(asked["TableName"])
        if found is None:
            raise Refused("ResourceNotFoundException", "Requested resource not found")
        return found

    def _get(self, asked: Asked) -> dict[str, Any]:
        item = self._table(asked).get(asked["Key"])
        return {} if item is None else {"Item": _projected(item, asked)}

    def _batch_get(self, asked: Asked) -> dict[str, Any]:
        found: dict[str, list[Item]] = {}
        for name, part in asked["RequestItems"].items():
            table = self._table({"TableName": name})
            items = (table.get(key) for key in part["Keys"])
            found[name] = [_projected(item, part) for item in items if item is not None]
        return {"Responses": found, "UnprocessedKeys": {}}

    def _query(self, asked: Asked) -> dict[str, Any]:
        condition = asked["KeyConditionExpression"]
        first = next(iter(asked["ExpressionAttributeValues"][condition.split()[2]].values()))
        if asked.get("IndexName") == "GSI1" and condition.startswith("GSI1PK = ") and condition.count(" ") == 2:
            return self._query_index(asked, first)
        if "IndexName" in asked or "ExclusiveStartKey" in asked:
            raise Refused("ValidationException", "this server knows one index by its hash key, and no other pages")
        items = self._table(asked).under(lambda item: _expression(condition, asked, item).holds(), first)
        return {"Items": [_projected(item, asked) for item in items], "Count": len(items)}

    def _query_index(self, asked: Asked, first: str) -> dict[str, Any]:
        table = self._table(asked)
        items = table.indexed(first, asked.get("ExclusiveStartKey"))
        page = items[: asked.get("Limit", len(items))]
        more = {}
        if len(page) < len(items):
            names = ("GSI1PK", "GSI1SK", "PK", "SK")
            more["LastEvaluatedKey"] = {name: page[-1][name] for name in names}
        return {"Items": [_projected(item, asked) for item in page], "Count": len(page), **more}

    def _write(self, asked: Asked) -> dict[str, Any]:
        table = self._table(asked)
        old = table.get(asked.get("Item") or asked["Key"]) or {}
        if _holds(asked, old):
            new = _carry_out(table, asked, old)
            return {"Attributes": new} if asked.get("ReturnValues", "NONE") == "ALL_NEW" else {}
        more = {"Item": old} if old and asked.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" else {}
        raise Refused(CONDITION, "The conditional request failed", **more)

    def _batch_write(self, asked: Asked) -> dict[str, Any]:
        for name, writes in asked["RequestItems"].items():
            for each in writes:
                self._table({"TableName": name}).put(each["PutRequest"]["Item"])
        return {"UnprocessedItems": {}}

    def _transact(self, asked: Asked) -> dict[str, Any]:
        writes = [write for entry in asked["TransactItems"] for write in entry.values()]
        tables = [self._table(write) for write in writes]
        olds = [table.get(write.get("Item") or write["Key"]) or {} for table, write in zip(tables, writes, strict=True)]
        fit = [_holds(write, old) for write, old in zip(writes, olds, strict=True)]
        if not all(fit):
            reasons = [{"Code": "None" if each else "ConditionalCheckFailed"} for each in fit]
            raise Refused(CANCELLED, "Transaction cancelled", CancellationReasons=reasons)
        for table, write, old in zip(tables, writes, olds, strict=True):
            _carry_out(table, write, old)
        return {}


def _holds(asked: Asked, item: Item) -> bool:
    return "ConditionExpression" not in asked or _expression(asked["ConditionExpression"], asked, item).holds()


def _carry_out(table: Table, asked: Asked, old: Item) -> Item:
    """A put, an update or a delete; the new row, empty where there is none."""
    if "Item" in asked:
        new: Item = asked["Item"]
    elif "UpdateExpression" in asked:
        new = {**asked["Key"], **_expression(asked["UpdateExpression"], asked, old).carried_out()}
    else:
        table.drop(asked["Key"])
        return {}
    table.put(new)
    return new


def _projected(item: Item, asked: Asked) -> Item:
    if "ProjectionExpression" not in asked:
        return item
    names = asked.get("ExpressionAttributeNames", {})
    wanted = (names.get(name, name) for name in map(str.strip, asked["ProjectionExpression"].split(",")))
    return {name: item[name] for name in wanted if name in item}


def _expression(text: str, asked: Asked, item: Item) -> Expression:
    return Expression(text, item, asked.get("ExpressionAttributeNames", {}), asked.get("ExpressionAttributeValues", {}))
