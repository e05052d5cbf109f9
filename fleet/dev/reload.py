"""A change of the code restarts the workers that it concerns, and no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from fleet.dev.environments import PROJECT


class NotInstalled(Exception):
    """watchfiles is not there."""


def concerned(changed: Iterable[Path], workers: Iterable[str], *, root: Path) -> tuple[str, ...]:
    """The workers that run one of these files: its own one for `workers/NAME/`, all of them for what they share."""
    found: set[str] = set()
    for path in changed:
        top, *inside = path.relative_to(root).parts
        own = inside[0].replace("_", "-") if top == "workers" and len(inside) > 1 else None
        found |= {*workers} if own is None else {own} & {*workers}
    return tuple(sorted(found))


async def watch(workers: Iterable[str], renew: Callable[[str], None]) -> None:
    """Call `renew` with each worker whose code changes, until it is cancelled. Raises NotInstalled."""
    try:
        from watchfiles import PythonFilter, awatch
    except ModuleNotFoundError as error:
        raise NotInstalled("--reload needs watchfiles: run `make setup`, or install the extra `dev`") from error
    names = tuple(workers)
    async for changes in awatch(PROJECT / "shared", PROJECT / "workers", watch_filter=PythonFilter()):
        for name in concerned((Path(path) for _, path in changes), names, root=PROJECT):
            renew(name)
