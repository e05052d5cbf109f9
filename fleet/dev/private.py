"""Folders and files of a run on this machine, which nobody but their owner may read, and nobody may have laid out before.

The standard library alone: the builder of the environments uses it before anything is installed.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOME = ".fleet"
"""Every folder of this name is ours, also where an earlier run left it open to others."""


class NotPrivate(Exception):
    """Somebody else has laid out what a run would write into."""


class Taken(Exception):
    """Another run uses the folder."""


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Keep `home` for this run, until the block or the process ends. Raises Taken, NotPrivate."""
    with os.fdopen(log_file(folder(home / "logs") / ".lock"), "ab") as door:
        try:
            fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Taken(f"another run keeps its logs and addresses in {home}") from None
        yield


def folder(path: Path) -> Path:
    """Make the folder and what is missing above it, for its owner alone; close a `.fleet` that stands open to others.

    Raises:
        NotPrivate: `.fleet`, or a folder in it, is a link, or belongs to somebody who does not own the folder around it.
    """
    for each in (*reversed(path.parents), path):
        if HOME in each.parts:
            _ours(each)
        elif not each.is_dir():
            each.mkdir(mode=0o700, exist_ok=True)
    return path


def new_file(path: Path) -> int:
    """The descriptor of an empty file of this name, for writing; what bore the name before is gone, and not followed."""
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)


def log_file(path: Path) -> int:
    """The descriptor of a file to append to; a link of this name is an error."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)


def checked(path: Path) -> os.stat_result:
    """What bears the name. Raises NotPrivate where that is a link, or another's who does not own the folder around it."""
    found, around = path.lstat(), path.parent.stat()
    if stat.S_ISLNK(found.st_mode) or found.st_uid not in {os.getuid(), around.st_uid}:
        raise NotPrivate(f"{path} is a link, or somebody else's: remove it first")
    return found


def _ours(path: Path) -> None:
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        mode = checked(path).st_mode
        if not stat.S_ISDIR(mode):
            raise NotPrivate(f"{path} is no folder: remove it first") from None
        if path.name == HOME and stat.S_IMODE(mode) & 0o077:
            path.chmod(0o700)
