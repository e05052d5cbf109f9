"""The tables of docs/telemetry.md, read from the code: `python -m tests.docs.telemetry_page` writes them anew."""

import ast
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from shared.telemetry import names

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "telemetry.md"
LEVELS = {**{name: name for name in ("debug", "info", "warning", "error", "critical")}, "exception": "error"}
"""Methods of a logger, and the level of what each says."""
KINDS = {
    "create_counter": "counter",
    "create_histogram": "histogram",
    "create_observable_counter": "counter",
    "create_observable_gauge": "gauge",
    "Counter": "counter",
}
BEGINS, ENDS = "<!-- {} begins: written by tests/docs/telemetry_page.py -->", "<!-- {} ends -->"


@dataclass
class Event:
    """One event of the log, from all places that say it; `more`: it has fields that its place does not spell out."""

    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    places: set[str] = field(default_factory=set)
    more: bool = False


Assigned = Mapping[str, ast.expr]


@cache
def calls() -> Sequence[tuple[str, ast.Call, Assigned]]:
    """Each call of the library and the workers that log or count, with its module and what names stand for there."""
    found: list[tuple[str, ast.Call, Assigned]] = []
    for path in sorted(each for wing in ("shared", "workers") for each in (ROOT / wing).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "structlog" not in text and "meter" not in text:
            continue
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        nodes = [*ast.walk(ast.parse(text))]
        assigned = {
            target.id: node.value
            for node in nodes
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        found += [(module, node, assigned) for node in nodes if isinstance(node, ast.Call)]
    return found


def texts(node: ast.expr, assigned: Assigned) -> list[str]:
    """The constants that this may be."""
    match node:
        case ast.Name(id=name) if name in assigned:
            return texts(assigned[name], {})
        case ast.Constant(value=str() as text):
            return [text]
        case ast.IfExp(body=one, orelse=other):
            return [*texts(one, assigned), *texts(other, assigned)]
        case ast.Attribute(value=ast.Name(id="names"), attr=name):
            return [str(getattr(names, name))]
        case _:
            return []


def events() -> dict[str, Event]:
    found: dict[str, Event] = {}
    for module, call, assigned in calls():
        levels = said(call.func, assigned)
        for name in texts(call.args[0], assigned) if levels and call.args else []:
            event = found.setdefault(name, Event())
            event.levels |= levels
            event.places.add(module)
            event.fields |= {each.arg for each in call.keywords if each.arg not in (None, "exc_info")}
            event.more = event.more or any(each.arg is None for each in call.keywords)
    return found


def said(callee: ast.expr, assigned: Assigned) -> set[str]:
    """The levels at which this logs; empty where it is no logger's. One of two methods may have been chosen under another name."""
    match callee:
        case ast.Attribute(attr=method, value=ast.Name(id="log") | ast.Call()) if method in LEVELS:
            return {LEVELS[method]}
        case ast.Name(id=name) if name in assigned:
            return said(assigned[name], {})
        case ast.IfExp(body=one, orelse=other):
            return said(one, {}) | said(other, {})
        case _:
            return set()


def metrics() -> dict[str, tuple[str, str, str]]:
    """Kind, unit and module of each metric."""
    found: dict[str, tuple[str, str, str]] = {}
    for module, call, assigned in calls():
        callee = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        given = {each.arg: each.value for each in call.keywords}
        if callee not in KINDS:
            continue
        for name in [text for argument in call.args for text in texts(argument, assigned) if "." in text]:
            kind = "gauge" if "goes_down" in given else KINDS[callee]
            found[name] = (kind, "".join(texts(given["unit"], assigned)) if "unit" in given else "", module)
    return found


def rows(head: Iterable[str], body: Iterable[Iterable[str]]) -> str:
    columns = [*head]
    lines = [columns, ["---"] * len(columns), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def tables() -> dict[str, str]:
    """By their names on the page."""

    def code(words: Iterable[str]) -> str:
        return ", ".join(f"`{each}`" for each in sorted(words))

    told = (
        (
            f"`{name}`",
            ", ".join(sorted(each.levels)),
            code(each.fields) + (" …" if each.more else ""),
            code(each.places),
        )
        for name, each in sorted(events().items())
    )
    measured = (
        (f"`{name}`", kind, unit, f"`{prometheus(name, kind)}`" if kind != "histogram" else "", f"`{module}`")
        for name, (kind, unit, module) in sorted(metrics().items())
    )
    return {
        "events": rows(("event", "level", "fields", "said by"), told),
        "metrics": rows(("metric", "kind", "unit", "at `/metrics`", "counted by"), measured),
    }


def prometheus(name: str, kind: str) -> str:
    text = name.replace(".", "_")
    return f"{text}_seconds" if name == names.LAST_SUCCESS else text + ("_total" if kind == "counter" else "")


def written(page: str) -> str:
    """The page with the tables as the code has them now."""
    for name, table in tables().items():
        begins, ends = BEGINS.format(name), ENDS.format(name)
        before, _, rest = page.partition(begins)
        page = f"{before}{begins}\n\n{table}\n{ends}{rest.partition(ends)[2]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
