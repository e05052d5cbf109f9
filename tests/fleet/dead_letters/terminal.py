"""A command at two pseudo-terminals, one for each stream: what people get to see, to the byte."""

import fcntl
import os
import pty
import struct
import termios
import threading
from collections.abc import Callable
from dataclasses import dataclass

COLUMNS = 260  # wider than any table here, which a file shows as wide as it is


@dataclass(frozen=True)
class Seen:
    """What came out, with the line ends of a file."""

    stdout: str
    stderr: str
    status: int


class Terminal:
    """One pseudo-terminal, read until the last process has let go of it."""

    def __init__(self) -> None:
        self._ours, self._theirs = pty.openpty()
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
        self.path = os.ttyname(self._theirs)
        self._told = b""
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def text(self) -> str:
        """Everything, once nobody writes any more."""
        os.close(self._theirs)
        self._reading.join()
        os.close(self._ours)
        return self._told.decode().replace("\r\n", "\n")

    def _read(self) -> None:
        try:
            while chunk := os.read(self._ours, 65_536):
                self._told += chunk
        except OSError:  # Linux's way to say that the other side has closed
            return


def seen(run: Callable[[tuple[str, str]], int]) -> Seen:
    """What `run` shows at the two terminals whose paths it is given."""
    out, err = Terminal(), Terminal()
    try:
        status = run((out.path, err.path))
    finally:
        stdout, stderr = out.text(), err.text()
    return Seen(stdout, stderr, status)
