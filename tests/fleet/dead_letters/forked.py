"""The command line as real processes that start in milliseconds: forked from one that has imported everything.

    with forked() as fork:
        ended = fork("dlq", "groups", "webhooks-dlq", environment=environment, dies_at=17)

A process dies by SIGKILL, sent by itself at a numbered point, so that every point can be met exactly, or from outside
after some seconds. A point lies before and after every call that touches the world: bytes to a socket and from it,
lines to the journal and the audit log, and their way to the disk.
"""

import json
import os
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from fleet.cli import fleet

WORLD = frozenset({"send", "sendall", "sendmsg", "recv", "recv_into", "write", "fsync"})
"""Of sockets and of `os`: what leaves a trace outside of the process, or brings one in."""


@dataclass(frozen=True)
class Ended:
    """How a process ended. `points` is how many it passed, None where it was killed or nobody counted; `peak` is the
    largest part of memory that it had, in bytes.
    """

    status: int
    points: int | None
    peak: int
    stdout: str
    stderr: str

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL


class Fork:
    """Orders to the process that forks; one at a time."""

    def __init__(self, process: "subprocess.Popen[str]", place: str) -> None:
        self._process = process
        self._place = place

    def __call__(
        self,
        *arguments: str,
        environment: Mapping[str, str],
        dies_at: int | None = None,
        dies_after: float | None = None,
        counts: bool = False,
        terminals: tuple[str, str] | None = None,
    ) -> Ended:
        """Run one command to its end. `counts` counts the points of a command that is let live; `terminals` are the
        paths of what stdout and stderr shall be instead of files.
        """
        out, err = terminals or (f"{self._place}/out", f"{self._place}/err")
        if terminals is None:
            for path in (out, err):
                Path(path).write_text("", encoding="utf-8")  # a child may die before it opens them
        order = {
            "arguments": arguments,
            "environment": {**_kept(), **environment},
            "stdin": terminals[0] if terminals else os.devnull,
            "streams": [out, err],
            "dies_at": dies_at if dies_at is not None or not counts else 0,
            "dies_after": dies_after,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        result = json.loads(self._process.stdout.readline())
        return Ended(
            result["status"],
            result["points"],
            result["peak"],
            *("" if terminals else Path(path).read_text(encoding="utf-8") for path in (out, err)),
        )


@contextmanager
def forked(place: Any) -> Iterator[Fork]:
    """A process that has imported the command line; `place` is a directory for what its children print."""
    command = [sys.executable, "-m", "tests.fleet.dead_letters.forked"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_kept())
    try:
        yield Fork(process, os.fspath(place))
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=30)
        assert process.stdout is not None
        process.stdout.close()


def _kept() -> dict[str, str]:
    """Nothing of this process's AWS settings; what a test's environment gives comes on top."""
    names = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONUTF8")
    return {name: os.environ[name] for name in names if name in os.environ}


class Fuse:
    """Counts the points that this process passes, and ends it at one of them."""

    def __init__(self, at: int) -> None:
        self._at = at
        self.burnt = 0

    def __call__(self, _frame: FrameType, event: str, function: Any) -> None:
        if event[:2] == "c_" and function.__name__ in WORLD and _touches_the_world(function):
            self.burnt += 1
            if self.burnt == self._at:
                os.kill(os.getpid(), signal.SIGKILL)


def _touches_the_world(function: Any) -> bool:
    owner = getattr(function, "__self__", None)
    return owner is os or getattr(owner, "__name__", "") == "posix" or type(owner).__name__ == "socket"


def main() -> None:
    """Fork a child for each line on standard input, and answer how it ended."""
    orders, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    _import_all()
    while line := orders.readline():
        order = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            _live(order, writing)
        os.close(writing)
        status, peak = _end_of(child, order["dies_after"])
        points = os.read(reading, 64)
        os.close(reading)
        answers.write(json.dumps({"status": status, "points": int(points) if points else None, "peak": peak}) + "\n")
        answers.flush()


def _import_all() -> None:
    """What the commands import when they are called."""
    for name in ("aioboto3", "boto3", "rich.table", "fleet.cli.dlq", "fleet.cli.audit"):
        import_module(name)


def _end_of(child: int, dies_after: float | None) -> tuple[int, int]:
    if dies_after is not None:
        ended = os.pidfd_open(child)
        if not select.select([ended], [], [], dies_after)[0]:
            os.kill(child, signal.SIGKILL)
        os.close(ended)
    _, status, used = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), used.ru_maxrss * 1024


def _live(order: dict[str, Any], writing: int) -> NoReturn:
    streams = [
        (order["stdin"], os.O_RDWR),
        *((path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) for path in order["streams"]),
    ]
    for number, (path, flags) in enumerate(streams):
        os.dup2(os.open(path, flags | os.O_NOCTTY, 0o600), number)
    os.environ.clear()
    os.environ.update(order["environment"])
    fuse = Fuse(order["dies_at"]) if order["dies_at"] is not None else None
    status: Any = 0
    try:
        sys.setprofile(fuse)
        fleet(args=order["arguments"], prog_name="fleet")
    except SystemExit as end:
        status = end.code
    except BaseException:  # noqa: BLE001 - a child never goes on as its parent
        traceback.print_exc()
        status = 70
    sys.setprofile(None)
    sys.stdout.flush()
    sys.stderr.flush()
    if fuse is not None:
        os.write(writing, str(fuse.burnt).encode())
    os._exit(status if isinstance(status, int) else 1)


if __name__ == "__main__":
    main()
