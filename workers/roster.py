"""Who is in the fleet: each folder beside this file that has an `app.py`, with its APP and its Lambda door. Nothing is imported."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared import App


def found(folder: Path) -> Mapping[str, str]:
    """Each worker's name on the command line, and the module of its app: `audit_archive` is called `audit-archive`."""
    packages = sorted(path.parent.name for path in folder.glob("*/app.py"))
    return MappingProxyType({name.replace("_", "-"): f"workers.{name}.app" for name in packages})


WORKERS: Mapping[str, str] = found(Path(__file__).parent)


def app(name: str) -> App:
    """The worker called `name`; only its own modules are imported. Raises KeyError."""
    loaded: App = import_module(WORKERS[name]).APP
    return loaded
