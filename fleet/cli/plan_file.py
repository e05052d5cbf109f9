"""Files that people give and get: plans read with this user's key, mended bodies; exports and plans that only their owner can read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from fleet.cli.command import Failed
from fleet.cli.dlq.frame import Refused
from fleet.dead_letters.model import record
from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.model.plan import plan as planning
from fleet.dead_letters.model.plan.plan import Plan, PlanRefused
from fleet.dead_letters.plan_key import plan_key
from fleet.dead_letters.settings import ReplaySettings
from shared.settings import read_settings


def key() -> bytes:
    """Raises Refused where there is none and none can be kept."""
    try:
        return plan_key(read_settings(ReplaySettings, os.environ))
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise Refused(
            f"nothing was done: the key of plans cannot be read or kept: {error.strerror}{where}. Set DLQ_PLAN_KEY, or "
            "XDG_STATE_HOME to a directory that can be written"
        ) from error


def read_plan(file: Path, *, only: str = "") -> Plan:
    """The plan of this file; `only`: none but the one of this id. Raises PlanRefused where it is not, Failed where it cannot be read."""
    if not file.is_file():
        raise PlanRefused(f"{file} is not a plain file")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}") from error
    plan = planning.read(content, key=key())
    if only and plan.plan_id != only:
        raise PlanRefused(f"{file} holds the plan {plan.plan_id} now, and not {only}: look at it once more")
    return plan


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A private file that is there with all its content, or as it was before; a device is written to as it is. Raises Failed."""
    if path.exists() and not path.is_file():
        with private(path) as file:
            yield file
        return
    fresh = path.with_name(f"{path.name}.new")
    try:
        with private(fresh) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise Failed(f"{path} cannot be written: {error.strerror}; it is as it was before") from error
    except BaseException:  # of what was to be written, or of whoever ends it: no half of it stays
        fresh.unlink(missing_ok=True)
        raise


def private(path: Path) -> BinaryIO:
    """A new or emptied file that only its owner can read, open for writing. Raises Failed."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        if stat.S_ISREG(os.fstat(file).st_mode):  # not of a device, such as /dev/null
            os.fchmod(file, 0o600)
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror}") from error
    return os.fdopen(file, "wb")


def body_in(content: bytes, letter: DeadLetter) -> str:
    """The bytes as they are, but for one line end at their end, which editors add; kept where the letter's body has one. Raises
    UsageError.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"--body-file is not UTF-8: byte {error.start} cannot be read") from error
    if letter.body.endswith("\n"):
        return text
    return text.removesuffix("\n").removesuffix("\r")


def records_in(lines: list[bytes]) -> dict[str, DeadLetter]:
    """The letters of an export, by id. Raises Failed."""
    found: dict[str, DeadLetter] = {}
    for number, line in enumerate(lines, start=1):
        try:
            letter = record.read(line)
        except ValueError as error:
            raise Failed(f"line {number} is not the record of a letter") from error
        if letter.id in found:
            raise Failed(f"line {number}: the letter {letter.id} is there twice")
        found[letter.id] = letter
    return found
