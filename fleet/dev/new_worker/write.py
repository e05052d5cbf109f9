"""Writes a new worker: all of it, or nothing where something is in its way."""

from __future__ import annotations

from pathlib import Path

from fleet.dev.new_worker.entries import amended
from fleet.dev.new_worker.given import New, check
from fleet.dev.new_worker.texts import written


def write(new: New, root: Path) -> tuple[str, ...]:
    """Write it into the repository at `root`; the paths of what was written and changed. Raises NotPossible before any of it."""
    check(new, root)
    texts = written(new) | amended(new, root)
    for path, content in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8", newline="\n")
    return tuple(texts)
