"""What the workers log and count, read from their sources; nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shared.telemetry import names

LEVELS = ("debug", "info", "warning", "error", "exception")
MAKERS = ("Counter", "create_counter", "create_histogram", "create_observable_counter", "create_observable_gauge")


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """One name of a log line; `level` is the gravest that it has, `place` the module that logs it."""

    name: str
    level: str
    place: str


@dataclass(frozen=True, slots=True, order=True)
class Metric:
    """A metric as OpenTelemetry has it."""

    name: str
    unit: str
    place: str


def events(root: Path) -> tuple[Event, ...]:
    """Every event of `shared` and `workers`, by name."""
    found: dict[str, Event] = {}
    for place, call in _calls(root):
        if not (isinstance(call.func, ast.Attribute) and call.func.attr in LEVELS and call.args):
            continue
        for name in _texts(call.args[0]):
            event = Event(name, "error" if call.func.attr == "exception" else call.func.attr, place)
            if name not in found or LEVELS.index(event.level) > LEVELS.index(found[name].level):
                found[name] = event
    return tuple(sorted(found.values()))


def metrics(root: Path) -> tuple[Metric, ...]:
    """Every metric of `shared` and `workers`, by name."""
    found: dict[str, Metric] = {}
    for place, call in _calls(root):
        maker = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if maker not in MAKERS:
            continue
        unit = next(
            (word.value.value for word in call.keywords if word.arg == "unit" and isinstance(word.value, ast.Constant)),
            "",
        )
        for name in (name for argument in call.args for name in _texts(argument) if "." in name):
            found[name] = Metric(name, str(unit).strip("{}"), place)
    return tuple(sorted(found.values()))


def _calls(root: Path) -> Iterator[tuple[str, ast.Call]]:
    for package in ("shared", "workers"):
        for path in sorted((root / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield path.relative_to(root).as_posix(), node


def _texts(node: ast.expr) -> Iterator[str]:
    """A text, the two of a choice, or a name of shared/telemetry/names.py."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=one, orelse=other):
            yield from (*_texts(one), *_texts(other))
        case ast.Attribute(value=ast.Name(id="names"), attr=attribute):
            yield str(getattr(names, attribute))
        case _:
            return
