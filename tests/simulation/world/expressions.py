"""DynamoDB's condition and update expressions, as far as the fleet writes them."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

Item = dict[str, dict[str, Any]]
_TOKEN = re.compile(r"\s*(<=|>=|<>|[=<>(),+-]|[#:]?\w+)")
_read = lru_cache(maxsize=1_000)(_TOKEN.findall)


_FUNCTIONS: dict[str, Callable[[Mapping[str, Any], str], bool]] = {
    "begins_with": lambda whole, part: str(whole["S"]).startswith(part),
    "contains": lambda whole, part: part in str(whole.get("S", "")),
    "attribute_type": lambda whole, kind: kind in whole,
}


class Expression:
    """A reader of one expression over one item; `names` and `values` are the placeholders of the request."""

    def __init__(self, text: str, item: Mapping[str, Any], names: Mapping[str, str], values: Mapping[str, Any]) -> None:
        self._tokens = _read(text)
        self._at = 0
        self._item = item
        self._names = names
        self._values = values

    def holds(self) -> bool:
        """Of a condition."""
        answer = self._either()
        assert self._next() == "", "the whole condition was read"
        return answer

    def carried_out(self) -> Item:
        """Of an update: the new item."""
        new: Item = {**self._item}
        clause = ""
        while token := self._next():
            if token in {"SET", "REMOVE", "ADD"}:
                clause = token
            elif token != ",":
                self._change(new, clause, self._names.get(token, token))
        return new

    def _change(self, new: Item, clause: str, name: str) -> None:
        if clause == "REMOVE":
            new.pop(name, None)
        elif clause == "ADD":
            new[name] = _sum(new.get(name, {"N": "0"}), self._values[self._next()], 1)
        else:
            assert self._next() == "="
            value = self._operand()
            while self._peek() in {"+", "-"}:
                sign = 1 if self._next() == "+" else -1
                value = _sum(value, self._operand(), sign)
            new[name] = value

    def _either(self) -> bool:
        answer = self._both()
        while self._peek() == "OR":
            self._next()
            answer = self._both() or answer
        return answer

    def _both(self) -> bool:
        answer = self._one()
        while self._peek() == "AND":
            self._next()
            answer = self._one() and answer
        return answer

    def _one(self) -> bool:
        token = self._peek()
        if token == "NOT":
            self._next()
            return not self._one()
        if token == "(":
            self._next()
            answer = self._either()
            assert self._next() == ")"
            return answer
        if token in {"attribute_not_exists", "attribute_exists"}:
            self._next(), self._next()
            name = self._next()
            assert self._next() == ")"
            return (self._names.get(name, name) in self._item) == (token == "attribute_exists")
        if token in {"begins_with", "contains", "attribute_type"}:
            self._next(), self._next()
            whole, _, part, _ = self._operand(), self._next(), self._operand(), self._next()
            return whole is not None and _FUNCTIONS[token](whole, part["S"])
        left, sign = self._operand(), self._next()
        return left in self._list() if sign == "IN" else self._compare(left, sign)

    def _compare(self, left: Any, sign: str) -> bool:
        right = self._operand()
        if sign != "BETWEEN":
            return _compared(left, sign, right)
        assert self._next() == "AND"
        most = self._operand()
        return _compared(left, ">=", right) and _compared(left, "<=", most)

    def _list(self) -> list[Any]:
        assert self._next() == "("
        found = [self._operand()]
        while self._next() == ",":
            found.append(self._operand())
        return found

    def _operand(self) -> Any:
        token = self._next()
        if token == "if_not_exists":
            assert self._next() == "("
            found = self._operand()
            assert self._next() == ","
            other = self._operand()
            assert self._next() == ")"
            return other if found is None else found
        return self._values[token] if token.startswith(":") else self._item.get(self._names.get(token, token))

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token


def _sum(left: Any, right: Any, sign: int) -> dict[str, str]:
    return {"N": str(float(left["N"]) + sign * float(right["N"])).removesuffix(".0")}


def _compared(left: Any, sign: str, right: Any) -> bool:
    if left is None or right is None:
        return sign == "<>"
    [(kind, one)], [(other_kind, other)] = left.items(), right.items()
    if kind != other_kind:
        return sign == "<>"
    if kind == "N":
        one, other = float(one), float(other)
    return bool({"=": one == other, "<>": one != other, "<": one < other, "<=": one <= other, ">": one > other,
                 ">=": one >= other}[sign])  # fmt: skip
