"""docs/api.md: what a worker's author and a producer import, from signatures and docstrings as they stand in the source.

`python -m tests.docs.api_page` writes it anew. Nothing is imported: the page is the same on every Python.
"""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "api.md"

HEAD = """# API: what is imported

Written from the source by `python -m tests.docs.api_page`; a test says when it is stale. Every other module is the library's or the worker's own.
"""
FACES = {
    "shared": "For the author of a worker ([add-a-worker.md](add-a-worker.md), [consumer.md](consumer.md)).",
    "workers.upload_notification.client": "For a producer of upload sessions ([uploads.md](uploads.md#open-a-session)).",
    "workers.reminder_dispatch.client": "For a producer of reminders ([reminders.md](reminders.md#the-producers-client)).",
    "workers.webhook_delivery.client": "For a producer of endpoints and events ([webhook-worker.md](webhook-worker.md#endpoints)).",
}
SHOWN_METHODS = {"__call__"}


@dataclass(frozen=True)
class Found:
    """Where a name is defined: its statement, and the text behind it that speaks for an alias."""

    node: ast.stmt
    words: str


def page() -> str:
    parts = [HEAD]
    for face, words in FACES.items():
        parts += [f"## `{face}`\n", f"{words}\n"]
        parts += [_entry(name, found(face, name)) for name in names(face)]
    return "\n".join(parts)


def names(face: str) -> list[str]:
    """What `__all__` lists."""
    [listed] = [
        node.value
        for node in module(face).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    return sorted(ast.literal_eval(listed), key=str.lower)


@cache
def module(name: str) -> ast.Module:
    path = ROOT / name.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def found(place: str, name: str) -> Found:
    """Its definition, behind however many imports."""
    body = module(place).body
    for node, behind in zip(body, [*body[1:], None], strict=True):
        if name in _defines(node):
            is_text = isinstance(behind, ast.Expr) and isinstance(behind.value, ast.Constant)
            return Found(node, str(behind.value.value) if is_text else "")  # type: ignore[union-attr]  # of such an expression
    for each in ast.walk(module(place)):
        if isinstance(each, ast.ImportFrom) and name in [alias.name for alias in each.names]:
            return found(str(each.module), name)
    raise LookupError(f"{place} has no {name}")


def _defines(node: ast.stmt) -> set[str]:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return {name}
        case ast.Assign(targets=targets):
            return {each.id for each in targets if isinstance(each, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case _:
            return set()


def _entry(name: str, where: Found) -> str:
    node = where.node
    match node:
        case ast.ClassDef():
            code = [_class_line(node), *(f"    {each}" for each in _fields(node))]
            lines = [f"### {name}\n", _code(code), _words(ast.get_docstring(node))]
            return "\n".join(filter(None, [*lines, *(_method(each) for each in _methods(node))]))
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return "\n".join([f"### {name}\n", _code([_signature(node)]), _words(ast.get_docstring(node))])
        case _:
            return "\n".join(
                [f"### {name}\n", _code(ast.unparse(node).splitlines()), _words(inspect.cleandoc(where.words))]
            )


def _class_line(node: ast.ClassDef) -> str:
    bases = ", ".join(ast.unparse(each) for each in [*node.bases, *(key.value for key in node.keywords)])
    return f"class {node.name}({bases})" if bases else f"class {node.name}"


def _fields(node: ast.ClassDef) -> Iterator[str]:
    """What a value of it is made of, or what an instance is made with."""
    for each in node.body:
        match each:
            case ast.AnnAssign(target=ast.Name(id=name)) if not name.startswith("_"):
                yield ast.unparse(each)
            case ast.FunctionDef(name="__init__"):
                yield _signature(each)
            case _:
                pass


def _methods(node: ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            is_seen = not each.name.startswith("_") or each.name in SHOWN_METHODS
            is_rule = any("validator" in ast.unparse(one) for one in each.decorator_list)
            if is_seen and not is_rule:
                yield each


def _method(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    is_value = any(ast.unparse(each) in {"property", "cached_property"} for each in node.decorator_list)
    signature = f"{node.name}: {ast.unparse(node.returns)}" if is_value and node.returns else _signature(node)
    return f"{_code([signature])}\n{_words(ast.get_docstring(node))}"


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    arguments = re.sub(r"^(self|cls)(, |$)", "", ast.unparse(node.args))
    answer = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{kind} {node.name}({arguments}){answer}"


def _code(lines: list[str]) -> str:
    return "```text\n" + "\n".join(lines) + "\n```\n"


def _words(text: str | None) -> str:
    """A docstring as prose; what it raises as a list, and what is code in it as code."""
    if not text:
        return ""
    prose, _, raised = text.partition("\nRaises:\n")
    listed = re.sub(r"^ {4}(?=\S)", "- ", raised, flags=re.MULTILINE)
    return f"{prose}\n" + (f"\nRaises:\n\n{listed}\n" if raised else "")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
