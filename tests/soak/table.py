"""The ledger's table in memory: DynamoDB as far as the fleet asks for it, and a count of what was completed."""

from collections import Counter
from typing import Any

from tests.simulation.world.expressions import Expression, Item

Answer = tuple[int, dict[str, Any]]


class Table:
    """One table, known by its actions. Nothing is awaited while a write is judged, so that every write is conditional in
    earnest. `completed` counts keys whose work was recorded as done, by the key without its worker; `alone` the runs by
    themselves that a consumer began and did not take back, by the message's id and the consumer.
    """

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self.completed: Counter[str] = Counter()
        self.alone: Counter[tuple[str, str]] = Counter()
        self.claims = 0

    def ask(self, action: str, asked: dict[str, Any], *, consumer: str = "") -> Answer:
        """Status and answer to one call."""
        key = asked["Item" if action == "PutItem" else "Key"]["key"]["S"]
        item = self._items.get(key, {})
        if action == "GetItem":
            return 200, {"Item": item} if item else {}
        if "ConditionExpression" in asked and not _expression("ConditionExpression", asked, item).holds():
            return 400, {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "no"}
        new = self._written(action, asked, item)
        self._items.pop(key, None)
        if new:
            self._items[key] = new
        self._count(key, item, new)
        if key.startswith("last#"):
            self.alone[key.rpartition("#")[2], consumer] += int(asked["ExpressionAttributeValues"][":by"]["N"])
        return 200, {"Attributes": new} if asked.get("ReturnValues", "NONE") != "NONE" else {}

    def _written(self, action: str, asked: dict[str, Any], item: Item) -> Item:
        match action:
            case "PutItem":
                return dict(asked["Item"])
            case "UpdateItem":
                return {**asked["Key"], **_expression("UpdateExpression", asked, item).carried_out()}
            case "DeleteItem":
                return {}
            case _:
                raise NotImplementedError(action)

    def _count(self, key: str, before: Item, after: Item) -> None:
        self.claims += after.get("state") == {"S": "CLAIMED"}
        if before.get("state") == {"S": "CLAIMED"} and after.get("state") == {"S": "DONE"}:
            self.completed[key.partition("#")[2]] += 1


def _expression(name: str, asked: dict[str, Any], item: Item) -> Expression:
    names, values = asked.get("ExpressionAttributeNames", {}), asked.get("ExpressionAttributeValues", {})
    return Expression(asked[name], item, names, values)
