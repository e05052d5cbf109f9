"""What the `fleet dlq` commands share: their options, exit codes, the road to the queue, and the audit record."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, TypeVar

import click

from fleet.cli.command import Command, Failed, env_file_option
from fleet.dead_letters.audit.home import log_of
from fleet.dead_letters.audit.log import Entry, NoLog, Outcome, PartlyKept
from fleet.dead_letters.audit.renewal import closed
from fleet.dead_letters.body_check import NotMended
from fleet.dead_letters.model import redaction
from fleet.dead_letters.model.plan.plan import PlanRefused
from fleet.dead_letters.queue_lock import NotHeld, QueueBusy
from fleet.dead_letters.queues.catalog import (
    Catalog,
    NoSuchQueue,
    NotDeadLetters,
    OddAttributes,
    OtherPlace,
    connect,
)
from fleet.dead_letters.queues.own_policy import OwnPolicy
from fleet.dead_letters.replay.inventory import Desk
from fleet.dead_letters.replay.journal import JournalLost, JournalUnreadable, PlanBusy
from fleet.dead_letters.settings import ReplaySettings
from fleet.typed import typed
from shared.settings import read_settings

NOTHING, PARTLY, REFUSED, INTERRUPTED = 3, 4, 5, 130

_PARTLY_KEPT = "fleet.cli.dlq: a record was kept in part"

_FORBIDDEN = (
    PlanRefused,
    PlanBusy,
    JournalLost,
    JournalUnreadable,
    QueueBusy,
    NotHeld,
    NotMended,
    NotDeadLetters,
    OtherPlace,
    OwnPolicy,
)
"""Faults that say that a rule of safety forbids it."""

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Result = TypeVar("Result")


class Refused(click.ClickException):
    """A rule of safety forbids it."""

    exit_code = REFUSED

    def format_message(self) -> str:
        return redaction.printable(self.message)


class NotThere(click.ClickException):
    """No letter of this id is in the queue."""

    exit_code = NOTHING

    def format_message(self) -> str:
        return redaction.printable(self.message)


class DlqCommand(Command):
    """A command whose faults become one line and an exit code; a closed pipe is none of them."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return _ended(ctx, super().invoke)
        except _FORBIDDEN as error:
            raise Refused(str(error)) from error
        except (NoSuchQueue, OddAttributes) as error:
            raise Failed(str(error)) from error
        except BrokenPipeError:
            _forget_stdout()
            sys.exit(0)
        except OSError as error:
            try:
                sys.stdout.flush()
            except OSError:
                _forget_stdout()
            raise Failed(f"{error.filename or 'the disk'}: {error.strerror or error}") from error
        except (KeyboardInterrupt, asyncio.CancelledError):
            say("interrupted")
            sys.exit(INTERRUPTED)


def _ended(ctx: click.Context, invoke: Callable[[click.Context], Any]) -> Any:
    """What the command ends with: 4 for a success whose record is not everywhere where it belongs."""
    try:
        result = invoke(ctx)
    except SystemExit as ended:
        if ended.code or not ctx.meta.get(_PARTLY_KEPT):
            raise
        sys.exit(PARTLY)
    if ctx.meta.get(_PARTLY_KEPT):
        sys.exit(PARTLY)
    return result


def _forget_stdout() -> None:
    """The interpreter flushes once more at its end: what nobody takes would make that end with a code of its own."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def output_options(command: Decorated) -> Decorated:
    """`--json`, `--no-color`, `--no-input` and `--env-file`."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON: one document, or one line for each item."),
        click.option(
            "--no-color", is_flag=True, expose_value=False, callback=_colourless, is_eager=True, help="No colour."
        ),
        click.option("--no-input", is_flag=True, help="Never ask; refuse instead."),
        env_file_option,
    ):
        command = option(command)
    return command


def mutation_options(command: Decorated) -> Decorated:
    """`--reason` and `--yes`."""
    command = click.option("--reason", help="Why; kept in the audit log. Required to act.")(command)
    return click.option("--yes", is_flag=True, help="Act. Without it, only tell what would be done.")(command)


def desk() -> Desk:
    """The tools, from this process's environment."""
    return Desk(read_settings(ReplaySettings, os.environ), Catalog(connect(), os.environ), os.environ, time.time)


def until_done(work: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end; SIGINT and SIGTERM let it give back what it holds first."""

    async def cancellable() -> Result:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    return asyncio.run(cancellable())


def end(*, matched: bool, complete: bool) -> NoReturn:
    """The exit code of a look."""
    sys.exit(PARTLY if not complete else 0 if matched else NOTHING)


def say(words: str) -> None:
    """One line on stderr; foreign text in it cannot speak to the terminal."""
    click.echo(redaction.one_line(words), err=True)


def answer(words: str) -> None:
    """One line on stdout; foreign text in it cannot speak to the terminal."""
    click.echo(redaction.one_line(words))


def print_json(document: Mapping[str, Any]) -> None:
    """One line on stdout."""
    click.echo(redaction.json_line(document))


def given_reason(reason: str | None) -> str:
    """Raises UsageError (exit 2) where there is none."""
    if not reason or not reason.strip():
        raise click.UsageError("--reason is required: it goes to the audit log")
    return reason.strip().encode(errors="replace").decode()  # what is not UTF-8 comes as half surrogates


def can_ask(*, no_input: bool) -> bool:
    return not no_input and sys.stdin.isatty() and sys.stderr.isatty()


@dataclass
class Record:
    """What a command fills in for its audit record while it works."""

    queue: str = ""
    outcome: Outcome = "done"
    ids: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    plan_id: str = ""


@contextmanager
def audited(tools: Desk, command: str, *, queue: str, reason: str) -> Iterator[Record]:
    """Append one record when the mutation has ended, also where it was refused or failed.

    The command calls `begin` directly before it changes anything.
    """
    record, note = Record(queue), ""
    try:
        sound = log_of(tools.settings).is_sound_at_its_end()
    except OSError as error:
        raise Refused(f"nothing was done: the audit log {tools.settings.audit_log}: {error.strerror}") from error
    if not sound:
        raise Refused(
            f"the audit log {tools.settings.audit_log} is damaged: see `{typed('audit', 'verify', '--file', str(tools.settings.audit_log))}`; `{typed('audit', 'renew')}` closes it and begins a new one"
        )
    try:
        yield record
    except JournalLost as error:
        record.outcome, note = "failed", str(error)
        raise
    except (Refused, *_FORBIDDEN) as error:
        record.outcome, note = "refused", str(error)
        raise
    except (KeyboardInterrupt, asyncio.CancelledError):
        record.outcome = "interrupted"
        raise
    except BaseException as error:
        record.outcome, note = "failed", type(error).__name__
        raise
    finally:
        try:
            enter(tools, command, record, reason=reason, note=note)
        except Refused:
            if not note:  # what ended the command says more than its missing record
                raise


def begin(tools: Desk, command: str, record: Record, *, reason: str, note: str = "") -> None:
    """Append `begun` before a mutation. Raises Refused where it does not reach the disk: then nothing may be done."""
    enter(tools, command, replace(record, outcome="begun"), reason=reason, note=note)


def audit_records(tools: Desk, *, about: str) -> list[dict[str, Any]]:
    """The lines of the audit log, and of those that were closed before it, that hold this text and can be read, oldest first."""
    path = tools.settings.audit_log
    found: list[dict[str, Any]] = []
    for each in [*closed(path), path]:
        with suppress(NoLog):
            found += log_of(tools.settings, each).records(about=about)
    return found


def enter(tools: Desk, command: str, record: Record, *, reason: str, note: str = "") -> None:
    """Append one record to the audit log. Raises Refused where the disk does not take it. An outcome that the log has, and its head
    or mirror has not, is told, and the command ends with 4: what was done was done.
    """
    written = Entry(
        command=command,
        queue=record.queue,
        reason=reason,
        outcome=record.outcome,
        who=tools.settings.actor,
        ids=record.ids,
        counts=record.counts,
        plan_id=record.plan_id,
        note=note,
        digests=record.digests,
    )
    try:
        log_of(tools.settings).append(written)
    except OSError as error:
        if isinstance(error, PartlyKept) and record.outcome != "begun":
            say(
                f"warning: the audit log {tools.settings.audit_log} has the record, and not all of it was kept: {error.strerror}"
            )
            click.get_current_context().meta[_PARTLY_KEPT] = True
            return
        what = "nothing was done" if record.outcome == "begun" else f"this `{command}` ended without a record"
        path = tools.settings.audit_log
        raise Refused(f"{what}: the audit log {path} cannot be written ({error.strerror})") from error


def _colourless(_: click.Context, __: click.Parameter, given: bool) -> None:  # noqa: FBT001 - click's signature
    if given:
        os.environ["NO_COLOR"] = "1"
