"""`fleet archive find` and `query`: rows of the archive, from a laptop, without a server."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from fleet.archive.find import Wanted, find, query
from fleet.archive.searched import Answer
from fleet.archive.terms import forms
from fleet.cli.archive.searched import As, archive_at, end, faults_in_words, show, span_of, span_options
from fleet.cli.archive.subject import known_subject, search_keys
from fleet.cli.command import Command, env_file_option
from workers.audit_archive.store.subject_keys import Known


@click.command("find", cls=Command, short_help="Find rows by actor, id, correlation id, time or changed attribute.")
@env_file_option
@span_options
@click.option("--actor", metavar="WHO", help="Who changed it.")
@click.option(
    "--id",
    "id_",
    metavar="ID",
    help="The row's key, event id, any attribute named like an id, or anything hashed: an e-mail, a telephone number.",
)
@click.option(
    "--subject",
    metavar="WHO",
    help="Rows about this person, and ids hashed with their key as well; needs SUBJECT_KEYS_TABLE_NAME.",
)
@click.option("--correlation", metavar="ID", help="The correlation id.")
@click.option("--change", "changes", multiple=True, metavar="ATTRIBUTE", help="It changed; may be given often.")
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="At most so many rows.")
def find_rows(
    *,
    bucket: str | None,
    directory: Path | None,
    table: str | None,
    since: datetime | None,
    until: datetime | None,
    shown_as: As,
    actor: str | None,
    id_: str | None,
    subject: str | None,
    correlation: str | None,
    changes: tuple[str, ...],
    limit: int,
) -> None:
    """Find rows that fit all that is given, oldest first; each once, compacted or not.

    Give ids in clear: they are hashed here with every key of AUDIT_HASH_KEYS. Ends with 0 also where nothing fits, and with 1 where a part of the archive could not be read.
    """
    for name, given in (("actor", actor), ("id", id_), ("subject", subject), ("correlation", correlation)):
        _not_empty(name, given)
    for change in changes:
        _not_empty("change", change)
    keys = asyncio.run(search_keys())
    known = asyncio.run(known_subject(subject)) if subject else None
    if known and not known.keys:
        click.echo(f"no row can be found: {_unknown(known)}", err=True)
        return
    keys = (*keys, *(known.keys if known else ()))
    wanted = Wanted(
        actor=forms(actor, keys) if actor else (),
        id=forms(id_, keys, within=True) if id_ else (),
        correlation=forms(correlation, keys) if correlation else (),
        changes=changes,
        subject=[each for each in forms(subject, known.keys) if each.startswith("hmac:")] if subject and known else (),
    )
    span = span_of(table, since, until)

    async def found() -> Answer:
        async with archive_at(bucket, directory) as place:
            return await find(place, span, wanted, limit=limit + 1, is_whole=shown_as != "table")

    with faults_in_words():
        answer = asyncio.run(found())
    show(Answer(answer.columns, answer.rows[:limit]), shown_as)
    if len(answer.rows) > limit:
        click.echo(f"the oldest {limit} rows; there are more: --limit, --since", err=True)
    elif not answer.rows:
        click.echo(
            f"no row fits{'' if keys else '; AUDIT_HASH_KEYS is not set, so nothing hashed was searched for'}", err=True
        )
    end(answer)


def _not_empty(name: str, given: str | None) -> None:
    """A variable that is not set must not find everything."""
    if given is not None and not given.strip():
        raise click.BadParameter("is empty", param_hint=f"--{name}")


def _unknown(known: Known) -> str:
    return f"the subject was erased on {known.erased_at}" if known.erased_at else "no key is of this subject"


@click.command("query", cls=Command, short_help="Ask the archive in SQL.")
@env_file_option
@span_options
@click.argument("sql")
def query_rows(*, sql: str, shown_as: As, bucket: str | None, directory: Path | None, **span: Any) -> None:
    """Answer one SELECT over the view `rows` in DuckDB's SQL; columns: docs/archive.md. It reads the archive's files and nothing else, here or elsewhere."""
    within = span_of(**span)

    async def answered() -> Answer:
        async with archive_at(bucket, directory) as place:
            return await query(place, within, sql)

    with faults_in_words():
        answer = asyncio.run(answered())
    show(answer, shown_as)
    end(answer)
