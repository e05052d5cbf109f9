"""What every command shares: expected faults become one line on stderr and an exit code; variables may come from a file."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import click
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from fleet.cli import env_file
from fleet.cli.given import Strict
from fleet.typed import given_file
from shared.settings import SettingsError
from shared.telemetry import logging

FAILED, MISCONFIGURED, NOTHING, REFUSED = 1, 2, 3, 5

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Finite(click.FloatRange):
    """A number within its range; `nan` and `inf` are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value} is not a finite number", param, ctx)
        return found


class Command(Strict):
    """A command whose faults are reported in a few words, by `report_faults`."""

    def invoke(self, ctx: click.Context) -> Any:
        with report_faults():
            return super().invoke(ctx)


class Failed(click.ClickException):
    """The thing itself failed."""

    exit_code = FAILED

    def format_message(self) -> str:
        """What AWS or a file said cannot speak to the terminal."""
        from fleet.dead_letters.model.redaction import printable

        return printable(self.message)


class Misconfigured(click.ClickException):
    """The environment or an option cannot be right."""

    exit_code = MISCONFIGURED


class NotThere(click.ClickException):
    """What is asked for is not there."""

    exit_code = NOTHING


class Forbidden(click.ClickException):
    """A rule forbids it."""

    exit_code = REFUSED


class ClientCommand(Command):
    """A command of a typed client, whose faults become one line and an exit code: `wrong` for a field that cannot be right, `refused` for
    what a rule forbids, `missing` for what is not there, with how that is said.
    """

    wrong: ClassVar[type[Exception]]
    refused: ClassVar[tuple[type[Exception], ...]]
    missing: ClassVar[Mapping[type[Exception], str]]

    def invoke(self, ctx: click.Context) -> Any:
        from fleet.dead_letters.model.redaction import one_line

        try:
            return super().invoke(ctx)
        except self.wrong as error:
            raise Misconfigured(one_line(str(error))) from error
        except self.refused as error:
            raise Forbidden(one_line(str(error))) from error
        except tuple(self.missing) as error:
            words = next(words for kind, words in self.missing.items() if isinstance(error, kind))
            raise NotThere(one_line(words.format(error))) from error


@contextmanager
def report_faults() -> Iterator[None]:
    """Turn the faults a user can mend into words; a bug keeps its traceback. Log lines go to stderr: stdout is for data."""
    logging.configure("warning", stream=sys.stderr.buffer)  # a door that serves configures it anew
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if os.environ.get(name) == "":
            del os.environ[name]  # boto takes an empty one for the region's name
    try:
        with _report_aws_faults():
            yield
    except SettingsError as error:
        raise Misconfigured(str(error)) from error
    except OSError as error:
        if error.filename is None:
            raise
        raise Misconfigured(f"{error.filename}: {error.strerror}") from error


@contextmanager
def _report_aws_faults() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise Failed(f"AWS refused: {error}") from error
    except NoRegionError as error:
        raise Misconfigured(_no_region()) from error
    except BotoCoreError as error:
        raise Failed(f"AWS cannot be asked: {error}") from error
    except ValueError as error:
        if not str(error).startswith("Invalid endpoint: "):  # so botocore calls an address that is no URL
            raise
        raise Misconfigured(
            "an endpoint is not a URL, such as http://127.0.0.1:4566: look at AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_SERVICE"
        ) from error


def text_of(path: Path, *, hint: str = "") -> str:
    """What a file that was named holds, as text. Raises Misconfigured."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}{hint}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path} is not text: byte {error.start} is not UTF-8") from error


def _no_region() -> str:
    """Where boto looks for one, and how to point at a stage."""
    file, profile = os.environ.get("AWS_CONFIG_FILE", "~/.aws/config"), os.environ.get("AWS_PROFILE", "default")
    unread = ", AWS_REGION is set and not read here" if os.environ.get("AWS_REGION") else ""
    return (
        f"no region: AWS_DEFAULT_REGION is not set, and {file} has none for the profile {profile}{unread}. Set it, or name a file "
        "that does with --env-file; the queues of a stage are then found with `fleet --stage prod dlq ls`"
    )


def json_option(command: Decorated) -> Decorated:
    """Give a command `--json`, as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line.")(command)


def say(words: str) -> None:
    """To a person, on stderr."""
    from fleet.dead_letters.model.redaction import one_line

    click.echo(one_line(words), err=True)


def tell(words: str) -> None:
    """Data, on stdout; what a row holds cannot speak to the terminal."""
    from fleet.dead_letters.model.redaction import printable

    click.echo(printable(words))


def print_json(document: Mapping[str, Any]) -> None:
    """A document on a line of its own, with the version of its form."""
    from fleet.dead_letters.model.redaction import json_line

    click.echo(json_line({"version": 1, **document}))


def env_file_option(command: Decorated) -> Decorated:
    """Give a command `--env-file`."""
    return click.option(
        "--env-file",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=_load,
        expose_value=False,
        is_eager=True,
        help="Read variables from this file, such as .fleet/dev.env; those that are set already win.",
    )(command)


def _load(_: click.Context, __: click.Parameter, path: Path | None) -> None:
    """Add the file to this process's environment, where boto looks for its own variables; what is set already wins."""
    if path is None:
        return
    try:
        given = env_file.read(path)
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise click.BadParameter(f"{path}: {error}") from error
    given_file(path)
    for name, value in given.items():
        os.environ.setdefault(name, value)
