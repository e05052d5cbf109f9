"""A process that ends with the one that started it, even when that one is killed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fleet.dev import private

# Runs in the new process just before the program proper: asks the kernel for SIGTERM at the parent's death (Linux only;
# elsewhere a kill -9 leaves the child behind), and gives up if the parent died before it could ask. A preexec function
# would do the same inside a fork of a program that may have threads, which can deadlock.
_LEASH = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execvp(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, slots=True)
class Child:
    """One running process; what it prints goes to `log`."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def ended_within(self, seconds: float) -> bool:
        """Wait up to `seconds` for the process to end, and say whether it did: a pause that notices a crash."""
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, *, patience: float = 5.0) -> int:
        """Ask it to end (SIGTERM), after `patience` seconds kill it and what it started; answer its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            if not self.ended_within(patience):
                with suppress(ProcessLookupError):
                    os.killpg(self.pid, signal.SIGKILL)
        return self.process.wait()

    def last_words(self, lines: int = 20) -> str:
        """The end of its log, for the message that says it failed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def start(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    cwd: Path | None = None,
    listener: socket.socket | None = None,
) -> Child:
    """Start `command` with exactly `environment`, its output appended to `log`.

    A `listener` is handed on: the number of its descriptor stands in FLEET_LISTENER. So its port is the fleet's from the
    beginning, and nobody can take it between the choice of a port and the start of its server.

    It gets a session of its own: Ctrl-C reaches only the starter, which ends its children in the order it wants.
    The leash is tied to the calling *thread*: start children from one that lives as long as the program.
    """
    private.folder(log.parent)
    handed = {"FLEET_LISTENER": str(listener.fileno())} if listener else {}
    with os.fdopen(private.log_file(log), "ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LEASH, str(os.getpid()), *command],
            env={**environment, **handed},
            pass_fds=[listener.fileno()] if listener else [],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            start_new_session=True,
        )
    return Child(process, log)


def listening() -> socket.socket:
    """A socket that listens on a loopback port of the system's choice: no other process can have it, nor get it later."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(256)
    return listener


def process_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """A process's whole environment: the caller's without any AWS setting of its own, and the fleet's."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**inherited, **environment}
