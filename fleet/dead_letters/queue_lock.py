"""One command at a time takes letters out of a dead-letter queue, puts them back, or carries out a plan, from this machine."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class QueueBusy(Exception):
    """Another command of this user is at work on the queue, or on the plan."""


class NotHeld(Exception):
    """The state directory takes no lock: nobody could tell whether another command is at work."""


@contextmanager
def held(directory: Path, name: str) -> Iterator[None]:
    """Hold a queue by its ARN, or a plan by its id; the kernel gives it free when this process dies. Raises QueueBusy, NotHeld.

    On two machines the leases of SQS and the claims of the archive do the same, letter by letter.
    """
    path = _path(directory, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise NotHeld(
            f"nothing was done: the state directory {directory} cannot be written ({error.strerror})"
        ) from error
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            what = name.rpartition(":")[2]
            raise QueueBusy(f"another command is at work on {what}: wait for its end; nothing was done") from error
        yield
    finally:
        os.close(file)


def is_held(directory: Path, name: str) -> bool:
    """Whether a command of this user holds that queue or plan."""
    try:
        file = os.open(_path(directory, name), os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def plan_lock(plan_id: str) -> str:
    """What a runner holds of its plan, whichever file that lies in."""
    return f"plan:{plan_id}"


def _path(directory: Path, name: str) -> Path:
    return directory / "locks" / hashlib.sha256(name.encode()).hexdigest()[:16]
