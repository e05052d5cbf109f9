"""Log lines: one JSON object each on stdout, constant event names, no payload and no secret."""

from __future__ import annotations

import hashlib
import logging
import os
import select
import stat
import sys
import time
import traceback
import weakref
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import orjson
import structlog

# The former holds all variables that were ever bound. It has no public name, and structlog's public functions all go through
# every variable of the context, at each line; if it ever moves, this import says so, and merge_contextvars alone does the same.
from structlog.contextvars import _CONTEXT_VARS, merge_contextvars

from shared.telemetry.libraries import FromLibraries, FromLoop, say_what_nobody_catches

if TYPE_CHECKING:
    from structlog.typing import ExcInfo, Processor

HIDDEN = frozenset(
    {"body", "payload", "secret", "secrets", "authorization", "password", "token", "tokens", "signature", "email"}
)
"""Field names that are blanked whoever logs them: the last line of defence, not the first."""

PLAIN = frozenset({str, int, float, bool, type(None)})
"""Types that hold no further fields."""

ABOUT: ContextVar[Mapping[str, Any]] = ContextVar("fleet_log_fields", default={})  # noqa: B039  # never changed in place
"""Fields of every line that is logged meanwhile. One variable: structlog's own would be one for each field."""

DEEPEST = 20
"""Frames kept of each error in a chain of causes."""
LONGEST_CHAIN = 5

SAID_BY_US = ("botocore.credentials", "aiobotocore.credentials")
"""Of keys that cannot be renewed these write a traceback each time: `keys_not_renewed` says it once."""
PATIENCE = 0.5
"""Seconds for which a line waits for a reader that has fallen behind; while one stands still, none waits."""


def configure(level: str = "info", *, stream: BinaryIO | None = None) -> None:
    """Called once by a door. Each line is flushed, so that a killed process loses none."""
    structlog.configure(
        processors=PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=Lines(stream or _stdout()),
        cache_logger_on_first_use=True,
    )
    for name in SAID_BY_US:
        library = logging.getLogger(name)
        library.propagate = False
        if not library.handlers:
            library.addHandler(logging.NullHandler())
    loop = logging.getLogger("asyncio")
    loop.propagate = False
    if not any(isinstance(each, FromLoop) for each in loop.handlers):
        loop.addHandler(FromLoop())
    root = logging.getLogger()
    # Lambda's runtime has a handler there that writes plain text; others (a test's, an embedding program's) are not ours to take.
    for each in [*root.handlers]:
        if isinstance(each, FromLibraries) or type(each).__module__.startswith("awslambdaric"):
            root.removeHandler(each)
    root.addHandler(FromLibraries())
    say_what_nobody_catches()


def _stdout() -> BinaryIO:
    """A process that was started without one works without a word."""
    return sys.stdout.buffer if sys.stdout is not None else Path(os.devnull).open(mode="wb")


def let_go() -> None:
    """Called at a process's end: what its output did not take must not become its exit code (Python's own is 120 then)."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        sys.stdout = None  # what Python itself has there in a process without one


def add_about(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add what is said of everything that is logged now, and what a handler bound with structlog's own context variables; where
    nobody ever did, none is looked for. A line's own fields win.
    """
    whole = {**ABOUT.get(), **event}
    return merge_contextvars(logger, method, whole) if _CONTEXT_VARS else whole


def add_level_and_time(_logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The time is UTC, ISO 8601, to the microsecond."""
    event["level"] = method
    second, rest = divmod(time.time_ns(), 1_000_000_000)
    event["timestamp"] = f"{_second(second)}.{rest // 1_000:06}Z"
    return event


@lru_cache(maxsize=1024)
def customer(tenant: str) -> str:
    """How log lines name a customer: the first 16 digits of the SHA-256 of its id, and never the id."""
    return hashlib.sha256(tenant.encode(errors="replace")).hexdigest()[:16]


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


class Lines:
    """Writes lines, for structlog: the factory and the logger in one. A line that the stream cannot take (its reader has
    gone, the disk is full) is lost, and the work goes on. No lock: the stream has its own, and a line is one write.

    So is a line for which a pipe or a terminal has no room within PATIENCE: the loop would stand still, with its health checks and leases, until
    somebody reads. The next line that is written says how many were lost.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._write: Callable[[bytes], int] = stream.write
        self._flush = stream.flush
        self._pipe = _pipe_of(stream)
        if (terminal := _terminal_of(stream)) is not None:
            self._write = partial(_take, terminal)
            weakref.finalize(self, os.close, terminal)
        self._lost = 0
        self._torn = b""

    def __call__(self, *_names: object) -> Self:
        return self

    def msg(self, line: bytes) -> None:
        try:
            if self._pipe is not None:
                self._send(self._pipe, line + b"\n")
            else:
                self._write(line + b"\n")
                self._flush()
        except (OSError, ValueError):
            pass

    debug = info = warning = error = critical = msg

    def _send(self, pipe: select.poll, line: bytes) -> None:
        if not pipe.poll(0 if self._lost else PATIENCE * 1_000):
            self._lost += 1
            return
        line, self._lost, self._torn = self._torn + self._loss() + line, 0, b""
        has_room = True
        while line:
            # A pipe with room has room for so much; a terminal has it perhaps for less, or for nothing.
            taken = self._write(line[: select.PIPE_BUF]) if has_room else 0
            self._flush()
            if not taken:
                self._lost, self._torn = 1, b"\n"
                return
            line = line[taken:]
            has_room = not line or bool(pipe.poll(PATIENCE * 1_000))

    def _loss(self) -> bytes:
        if not self._lost:
            return b""
        told: MutableMapping[str, Any] = {"event": "log_lines_lost", "count": self._lost}
        return render(None, "", add_level_and_time(None, "warning", told)) + b"\n"


def _terminal_of(stream: BinaryIO) -> int | None:
    """A descriptor of its own for a stream that is a terminal: on it a write takes what there is room for, and returns."""
    try:
        return os.open(os.ttyname(stream.fileno()), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError, AttributeError):
        return None


def _take(terminal: int, line: bytes) -> int:
    try:
        return os.write(terminal, line)
    except BlockingIOError:
        return 0


def _pipe_of(stream: BinaryIO) -> select.poll | None:
    """What says whether a pipe, a socket or a terminal has room; None for a stream of another kind."""
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return None
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(stream.fileno())):
        return None
    pipe = select.poll()
    pipe.register(stream.fileno(), select.POLLOUT)
    return pipe


def hide(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank the fields, at any depth, whose names say that they hold what logs must not."""
    if _are_shown(tuple(event)) and PLAIN.issuperset(map(type, event.values())):
        return event
    for name, value in event.items():
        event[name] = _hidden(name, value)
    return event


@lru_cache(maxsize=1_000)
def _are_shown(names: tuple[str, ...]) -> bool:
    return HIDDEN.isdisjoint(map(str.lower, names))


def _hidden(name: object, value: Any) -> Any:
    if isinstance(name, str) and name.lower() in HIDDEN:
        return "[hidden]"
    if isinstance(value, Mapping):
        return {inner: _hidden(inner, each) for inner, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hidden(None, each) for each in value]
    return value


def _places(exc_info: ExcInfo) -> list[dict[str, Any]]:
    """Types and places of an error and its causes. Their texts stay out: they may quote a payload."""
    chain: list[dict[str, Any]] = []
    error: BaseException | None = exc_info[1]
    while error is not None and len(chain) < LONGEST_CHAIN:
        frames = list(traceback.walk_tb(error.__traceback__))[-DEEPEST:]
        stack = [f"{frame.f_globals.get('__name__', '?')}:{frame.f_code.co_name}:{line}" for frame, line in frames]
        chain.append({"type": type(error).__name__, "stack": stack})
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return chain


_add_error = structlog.processors.ExceptionRenderer(_places)


def add_error(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add where an error was raised, to the few lines that have one."""
    return _add_error(logger, method, event) if "exc_info" in event else event


def render(_logger: Any, _method: str, event: Any) -> bytes:
    """The line as JSON."""
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
    try:
        return orjson.dumps(event, default=_plain, option=options)
    except TypeError:  # half a surrogate pair, a number beyond 64 bits: the line matters more than its form
        return orjson.dumps(_mended(event), default=_plain, option=options)


def _mended(value: Any) -> Any:
    match value:
        case str():
            return value.encode(errors="replace").decode()
        case int() if not isinstance(value, bool):
            return value if value.bit_length() < 64 else str(value)
        case Mapping():
            return {_mended(str(name)): _mended(each) for name, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_mended(each) for each in value]
        case _:
            return value


def _plain(value: Any) -> Any:
    """What JSON has no form for. An arbitrary object, a Delivery say, could hold anything: only its type is logged."""
    match value:
        case set() | frozenset():
            return sorted(map(str, value))
        case Decimal() | PurePath():
            return str(value)
        case other:
            return f"<{type(other).__name__}>"


PROCESSORS: list[Processor] = [
    add_about,
    add_level_and_time,
    add_error,
    hide,
    render,
]
"""One list for the whole process: loggers keep it, and structlog's capture_logs works by changing it in place."""
