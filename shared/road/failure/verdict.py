"""What an error means for its message: try again later, or never."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from pydantic import ValidationError

from shared.outcome import (
    USED_UP,
    Contended,
    Dead,
    Later,
    Reject,
    Retry,
    Stalled,
    Unavailable,
    checked_seconds,
    checked_text,
    code_of,
    describe_outage,
    is_outage,
)
from shared.settings import in_words
from shared.worker import Worker

FIRST_RETRY_SECONDS = 1.0
"""Seconds after which work that somebody else holds is looked at again; three times as long each time."""

DEEPEST = 12
"""Frames kept of a stack: enough to find the line, small enough for a message attribute."""

_WORD, _DIGIT = re.compile(r"[\w-]++"), re.compile(r"\d")

OURS = frozenset({"shared", "workers"})
"""Packages whose every frame is kept; of a run of frames inside any other package only the innermost is."""


def judge(
    error: BaseException, *, worker: Worker[Any], run: int, attempt: int, down: Mapping[str, str] | None = None
) -> Retry | Dead | Stalled:
    """Reject is final; any other error is tried again, until the work was begun `max_attempts` times (`run`; 0 where that is not
    known). `down` names dependencies that failed during this run, each with the code of its failure: then the message is not at
    fault, and the run does not count.

    The fleet buries a message at its last receipt and does not leave that to SQS, which moves a message without saying why.
    """
    error, limits = _sole(error), worker.limits
    is_final, is_last = isinstance(error, Reject), attempt >= limits.max_receives
    failed = down or _failed(error)
    if failed and not is_final:
        why = explain(error)
        if down or not isinstance(error, Unavailable):
            why += f": {', '.join(f'{name} {describe_outage(code)}' for name, code in sorted(failed.items()))}"
        return Stalled(why, unless_kept=dead(error, worker=worker.name) if is_last else None)
    if is_final or is_last:
        return dead(error, worker=worker.name)
    after = _asked_for(error) if isinstance(error, Later) else None
    if after is not None and isinstance(error, Contended):
        return Retry(why=explain(error), after=_until_free(after, attempt, limits.max_receives), counts=False)
    if run >= limits.max_attempts:
        return dead(error, worker=worker.name)
    if after is not None:
        return Retry(why=explain(error), after=after)
    place = _frames(error.__traceback__)[-1:]
    # Where runs are unknown, receipts pace them: else a message would use up all of them in minutes.
    return Retry(
        why=" at ".join((explain(error), *(f"{module}:{function}:{line}" for module, function, line in place))),
        run=run or attempt,
        backoff=next((each for kind, each in worker.backoffs.items() if isinstance(error, kind)), None),
    )


def _asked_for(error: Later) -> float | None:
    """Seconds; None where a subclass has left nothing that can be waited for: such an error is like any other."""
    try:
        return checked_seconds(error.after)
    except Exception:
        return None


def _until_free(after: float, attempt: int, receipts: int) -> float:
    """Seconds before the work that somebody else holds is looked at again: soon, for it is often free before its claim ends. In
    the second half of its receipts a message waits for the whole claim, so that looking does not use up the last one.
    """
    if 2 * attempt >= receipts:
        return after
    return min(after, FIRST_RETRY_SECONDS * 3.0 ** min(attempt - 1, 10))


def spent(run: int, worker: Worker[Any]) -> Dead:
    """The end of a message that is buried before this run: its work was begun as often as it may be, and no run ever ended."""
    why = f"its work was begun {run - 1} times and never ended: does it end its process?"
    return dead(NeverEnded(why), worker=worker.name)


def spent_receipts(attempt: int, worker: Worker[Any]) -> Dead:
    """The end of a message at its last receipt, where nothing counts its runs: SQS would move it next, without a reason."""
    why = f"it was received {attempt} times and never settled: does it end its process, or was it never run?"
    return dead(NeverEnded(why), worker=worker.name)


class NeverEnded(Reject):
    """The work on a message was begun again and again, and no run of it came to an end."""


def unreadable(error: BaseException, *, worker: str) -> Dead:
    """A decoder is pure: what it cannot read now it cannot read later."""
    return dead(error, worker=worker)


def dead(error: BaseException, *, worker: str) -> Dead:
    """Name the fault without quoting the payload: type, place and a text that is known to be safe."""
    frames = _frames(error.__traceback__)[-DEEPEST:]
    # No line numbers and no library's inner functions here: a fault keeps its fingerprint over an edit elsewhere in
    # the file and over an upgrade.
    code = code_of(error)
    said = _mask(_why(error)) if isinstance(error, Reject) else code if code != _type(error) else ""
    ground = "|".join((worker, _type(error), said, *(_named(module, function) for module, function, _ in frames)))
    return Dead(
        error_type=_type(error),
        message=explain(error),
        fingerprint=hashlib.sha256(ground.encode(errors="replace")).hexdigest()[:16],
        stack=tuple(f"{module}:{function}:{line}" for module, function, line in frames),
    )


def explain(error: BaseException) -> str:
    """A short text for logs and envelopes. An arbitrary exception's own text may quote the payload: only its type."""
    if isinstance(error, (Reject, Later, Unavailable)):
        return _why(error)[:300]
    if isinstance(error, ValidationError):
        faults = error.errors(include_url=False, include_input=False)
        return checked_text("; ".join(f"{_place(fault)}: {in_words(fault)}" for fault in faults))[:300]
    code = code_of(error)
    return _type(error) if code == _type(error) else f"{_type(error)} {code}"


def _why(error: Reject | Later | Unavailable) -> str:
    """What it says; its type where a subclass has left nothing, or something that is not text."""
    try:
        return checked_text(error.why)
    except Exception:
        return _type(error)


def _failed(error: BaseException) -> dict[str, str]:
    """Whose trouble it is, with its code, where it is not the message's."""
    if (trouble := others_trouble(error)) is None:
        return {}
    code = code_of(trouble)
    return {"this machine" if code in USED_UP else "AWS": code}


def others_trouble(error: BaseException) -> BaseException | None:
    """This error, or what it was raised from, where that is an AWS call that could not be made or answered, or this machine's trouble;
    None where it is the message's. A group is others' trouble where each error in it is.
    """
    return _outage(error) or (None if isinstance(error, Later) else _shortage())


def _outage(error: BaseException) -> BaseException | None:
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None or is_outage(seen):
            return seen
        if isinstance(seen, BaseExceptionGroup):
            outages = [_outage(each) for each in seen.exceptions]
            if all(outages):
                return outages[0]
        seen = seen.__cause__ if seen.__cause__ is not None else seen.__context__
    return None


def _shortage() -> OSError | None:
    """What this machine has run out of, where it has no descriptor left now. Libraries hide that behind a name that is not known or a
    database that cannot be opened.
    """
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error if is_outage(error) else None
    return None


def _sole(error: BaseException) -> BaseException:
    """The one error inside an ExceptionGroup: a handler that runs two calls in a TaskGroup may still raise Reject or Later."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _place(fault: Mapping[str, Any]) -> str:
    """The model's own field, and positions in lists below it; deeper names may be keys from the payload."""
    if not fault["loc"] or fault["type"] == "extra_forbidden":
        return "body"
    top, *below = fault["loc"]
    return ".".join((str(top), *(str(part) if isinstance(part, int) else "*" for part in below)))


def _mask(text: str) -> str:
    """The text without what differs between messages: numbers, and words that contain a digit (ids, hashes, times)."""
    return _WORD.sub(lambda word: "#" if _DIGIT.search(word[0]) else word[0], text)[:300]


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
