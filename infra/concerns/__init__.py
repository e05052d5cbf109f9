"""Concerns beside the fleet's four: one file each, with its queue, what fills it, and what its worker may do. They are found by being here."""

from importlib import import_module
from pathlib import Path
from typing import Final

from infra.resources.concern import Concern


def read() -> tuple[Concern, ...]:
    """The `CONCERN` of each file of this folder, in the order of their names."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__")
    return tuple(import_module(f"infra.concerns.{name}").CONCERN for name in names)


CONCERNS: Final = read()
