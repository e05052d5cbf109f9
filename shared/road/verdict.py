"""What an error means for the message it met: again later, or never."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from pydantic import ValidationError

from shared.outcome import Contended, Dead, Later, Reject, Retry

FIRST_LOOK = 1.0
"""Seconds after which work that somebody else holds is looked at again; three times as long each time."""

DEEPEST = 12
"""Frames kept of a stack: enough to find the line, small enough for a message attribute."""

OURS = frozenset({"shared", "workers"})
"""Packages whose every frame is kept; of a run of frames inside any other package only the innermost is."""


def judge(error: BaseException, *, worker: str, attempt: int, max_attempts: int) -> Retry | Dead:
    """Reject is final; everything else may pass, until the message has been received `max_attempts` times.

    The last receipt is buried by us and not left to SQS, because SQS moves a message without saying why.
    """
    error = _sole(error)
    if isinstance(error, Reject):
        return dead(error, worker=worker)
    if attempt >= max_attempts:
        return dead(error, worker=worker)
    if isinstance(error, Contended) and attempt < max_attempts - 1:
        return Retry(why=error.why, after=min(error.after, FIRST_LOOK * 3.0 ** (attempt - 1)))
    if isinstance(error, Later):
        return Retry(why=error.why, after=error.after)
    place = _frames(error.__traceback__)[-1:]
    return Retry(
        why=" at ".join((explain(error), *(f"{module}:{function}:{line}" for module, function, line in place)))
    )


def unreadable(error: BaseException, *, worker: str) -> Dead:
    """A decoder is pure: what it could not read today it cannot read tomorrow."""
    return dead(error, worker=worker)


def dead(error: BaseException, *, worker: str) -> Dead:
    """Name the fault without quoting the payload: type, place and a text that is known to be safe."""
    frames = _frames(error.__traceback__)[-DEEPEST:]
    # No line numbers and no library's inner functions here: a fault keeps its fingerprint over an edit elsewhere in
    # the file and over an upgrade.
    said = _service_code(error) or (_masked(error.why) if isinstance(error, Reject) else "")
    ground = "|".join((worker, _type(error), said, *(_named(module, function) for module, function, _ in frames)))
    return Dead(
        error_type=_type(error),
        message=explain(error),
        fingerprint=hashlib.sha256(ground.encode()).hexdigest()[:16],
        stack=tuple(f"{module}:{function}:{line}" for module, function, line in frames),
    )


def explain(error: BaseException) -> str:
    """A short text for logs and envelopes. An arbitrary exception's own text may quote the payload: only its type."""
    if isinstance(error, (Reject, Later)):
        return error.why[:300]
    if isinstance(error, ValidationError):
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        return "; ".join(f"{_place(fault)}: {fault['type']}" for fault in faults)[:300]
    code = _service_code(error)
    return f"{_type(error)} {code}" if code else _type(error)


def _sole(error: BaseException) -> BaseException:
    """What a TaskGroup wrapped: a handler that runs two calls side by side may still say Reject or Later."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _place(fault: Mapping[str, Any]) -> str:
    """The model's own field, and positions in lists below it; deeper names may be keys out of the payload."""
    if not fault["loc"] or fault["type"] == "extra_forbidden":
        return "body"
    top, *below = fault["loc"]
    return ".".join((str(top), *(str(part) if isinstance(part, int) else "*" for part in below)))


def _service_code(error: BaseException) -> str:
    """The error code of a botocore ClientError, known by its shape: this file imports no AWS."""
    response = getattr(error, "response", None)
    fault = response.get("Error") if isinstance(response, dict) else None
    code = fault.get("Code") if isinstance(fault, dict) else None
    return code if isinstance(code, str) and re.fullmatch(r"[A-Za-z0-9.]{1,100}", code) else ""


def _masked(text: str) -> str:
    """Without what differs from one message to the next: numbers, and words that hold a digit (ids, hashes, times)."""
    return re.sub(r"[\w-]*\d[\w-]*", "#", text)[:300]


def _type(error: BaseException) -> str:
    return type(error).__name__


def _frames(traceback: TracebackType | None) -> list[tuple[str, str, int]]:
    """(module, function, line) from the outside in."""
    found: list[tuple[str, str, int]] = []
    while traceback is not None:
        frame = traceback.tb_frame
        module = str(frame.f_globals.get("__name__", "?"))
        if found and _package(module) not in OURS and _package(module) == _package(found[-1][0]):
            found.pop()
        found.append((module, frame.f_code.co_name, traceback.tb_lineno))
        traceback = traceback.tb_next
    return found


def _named(module: str, function: str) -> str:
    package = _package(module)
    return f"{module}:{function}" if package in OURS else package


def _package(module: str) -> str:
    return module.partition(".")[0]
