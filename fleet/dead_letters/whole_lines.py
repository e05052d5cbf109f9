"""Lines that a disk takes whole or not at all: a half of one must not be read as a fact later."""

from __future__ import annotations

import os
from contextlib import suppress


def append(file: int, line: bytes) -> None:
    """Returns when the disk has it. Raises OSError where it takes only a part; that part is cut off again."""
    before = os.fstat(file).st_size
    try:
        rest = line
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    except OSError:
        with suppress(OSError):  # a device has no length that could be cut
            os.ftruncate(file, before)
        raise
