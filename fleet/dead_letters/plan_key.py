"""The key that plans are sealed with: a plan that somebody else wrote, or changed and sealed again, is refused."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from fleet.dead_letters.settings import ReplaySettings
from fleet.dead_letters.whole_lines import append

LENGTH = 32  # bytes


def plan_key(settings: ReplaySettings) -> bytes:
    """DLQ_PLAN_KEY, else this user's own, made at first use. Raises OSError where it cannot be kept."""
    if settings.dlq_plan_key:
        return settings.dlq_plan_key.encode()
    path = settings.state_directory / "dlq-plan.key"
    try:
        return _read(path)
    except FileNotFoundError:
        _make(path)
        return _read(path)


def known_key(settings: ReplaySettings) -> bytes:
    """As `plan_key`, for a look: none is made, and where there is none nothing was sealed with it (b"")."""
    if settings.dlq_plan_key:
        return settings.dlq_plan_key.encode()
    try:
        return _read(settings.state_directory / "dlq-plan.key")
    except OSError:
        return b""


def _read(path: Path) -> bytes:
    key = path.read_bytes()
    if len(key) != LENGTH:
        raise OSError(0, f"{path} is not a key of {LENGTH} bytes: remove it, and plan anew")
    return key


def _make(path: Path) -> None:
    """Whole or not at all; of two that make one at once, the first wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        append(file, secrets.token_bytes(LENGTH))
    finally:
        os.close(file)
    with suppress(FileExistsError):
        path.hardlink_to(fresh)
    fresh.unlink()
