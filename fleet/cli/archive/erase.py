"""`fleet archive erase`: a subject's key destroyed, so that their hashes in the archive lead to nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click

from fleet.cli.archive.subject import subject_keys
from fleet.cli.command import env_file_option
from fleet.cli.dlq.frame import DlqCommand, Record, answer, audited, begin, desk, given_reason, mutation_options
from workers.audit_archive.store.subject_keys import CACHE_SECONDS, NAME


@click.command("erase", cls=DlqCommand, short_help="Destroy a subject's key: their hashes lead to nobody any more.")
@env_file_option
@click.argument("subject")
@mutation_options
def erase_subject(*, subject: str, yes: bool, reason: str | None) -> None:
    """Destroy the key of SUBJECT in SUBJECT_KEYS_TABLE_NAME: an id as AUDIT_SUBJECTS' attributes hold it, or the name that the
    evidence of an earlier erasure gives. No object changes, and the chain still verifies.

    Without --yes it tells what would be done. With it, the audit log has a line before and one after, with the subject's
    name as the table has it, an HMAC. What comes of the subject later is hidden with keys that nobody keeps. It cannot be undone.
    """
    if not subject.strip():
        raise click.BadParameter("is empty", param_hint="SUBJECT")
    why = given_reason(reason) if yes else ""
    names, alive, erased = asyncio.run(_standing(subject))
    if not yes:
        answer(f"would erase {alive} keys ({erased} erased before); act with --yes --reason ...")
        return
    tools = desk()
    with audited(tools, "archive erase", queue="", reason=why) as entry:
        entry.ids = [*names]
        begin(tools, "archive erase", Record(ids=[*names]), reason=why)
        gone = asyncio.run(_erased(names))
        entry.counts = {"erased": gone, "erased_before": erased}
    answer(f"{gone} keys erased ({erased} erased before); every worker knows it within {CACHE_SECONDS:.0f} s")


async def _standing(subject: str) -> tuple[Sequence[str], int, int]:
    """The subject's names, keys that stand there, and tombstones."""
    async with subject_keys() as keys:
        names = [subject] if NAME.fullmatch(subject) else [*keys.names(subject)]
        return names, *await keys.standing(names)


async def _erased(names: Sequence[str]) -> int:
    async with subject_keys() as keys:
        return await keys.erase(names)
