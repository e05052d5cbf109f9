"""Each worker's variables and AWS actions, from the code and the templates: `python -m fleet.dev.reference` writes docs/reference.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleet.dev.environments import PROJECT
from shared.app import App
from shared.settings import meaning, queue_variables
from workers import roster

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

PAGE = PROJECT / "docs" / "reference.md"
HEAD = """# Reference: each worker's variables and AWS actions

Written from the code by `python -m fleet.dev.reference`, which `make templates` runs as well; a test says when it is stale.

Every worker reads the runtime's own variables as well ([consumer/settings.md](consumer/settings.md#environment), and of bodies in S3
[consumer/bodies.md](consumer/bodies.md)). Log lines and metrics are in [telemetry.md](telemetry.md). A missing or wrong one ends the start with exit code 2, all of them named at once.
"""


def page(root: Path = PROJECT) -> str:
    """The whole text."""
    roles = json.loads((root / "infra" / "templates" / "access.json").read_text(encoding="utf-8"))["Resources"]
    parts = [HEAD]
    for name in roster.WORKERS:
        parts += [f"## {name}\n", _table(("variable", "default", "meaning"), _variables(roster.app(name)))]
        actions = ", ".join(f"`{each}`" for each in sorted(_actions(roles, name)))
        parts.append(f"AWS actions of its role: {actions}.\n")
    return "\n".join(parts)


def _variables(app: App) -> Iterator[tuple[str, str, str]]:
    for name in (name for queue in app.queues for name in queue_variables(queue)):
        yield f"`{name}`", "required", meaning(name)
    told: set[str] = set()
    for model in app.settings:
        for field, info in model.model_fields.items():
            if field not in told and info.description:
                told.add(field)
                yield f"`{field.upper()}`", _default(info), info.description


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.default
    if value is None or value == "":
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | str):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, tuple) and all(isinstance(each, int | float) for each in value):
        return ", ".join(f"{each:g}" for each in value)
    return "see the meaning"


def _actions(resources: Mapping[str, Any], worker: str) -> set[str]:
    """Of the role that the template has for the worker, whatever a stage's conditions leave out."""
    role = "".join(word.capitalize() for word in worker.split("-")) + "Role"
    return {*_found(resources[role]["Properties"]["Policies"])}


def _found(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        actions = part.get("Action", ())
        yield from [actions] if isinstance(actions, str) else actions
        part = [*part.values()]
    if isinstance(part, list):
        for each in part:
            yield from _found(each)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
