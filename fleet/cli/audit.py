"""`fleet audit`: the log of what people did."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path

import click

from fleet.cli.command import FAILED, Command, env_file_option
from fleet.cli.dlq.frame import print_json
from fleet.dead_letters.audit_log import AuditLog
from fleet.dead_letters.settings import ReplaySettings
from shared.settings import read_settings


@click.group(short_help="The log of what people did to dead letters.")
def audit() -> None:
    """The log of what people did to dead letters."""


@audit.command("verify", cls=Command, short_help="Find every line that was edited, removed or moved.")
@click.option("--file", type=click.Path(dir_okay=False, path_type=Path), help="The log; else DLQ_AUDIT_LOG.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@env_file_option
def verify(*, file: Path | None, as_json: bool) -> None:
    """Walk the chain; ends with 1 and the number of every line that is not as it was written."""
    path = file or Path(read_settings(ReplaySettings, os.environ).dlq_audit_log)
    lines, faults = AuditLog(path, now=lambda: "").verify()
    if as_json:
        reported = [asdict(fault) for fault in faults]
        print_json({"version": 1, "ok": not faults, "file": os.fspath(path), "lines": lines, "faults": reported})
    else:
        for fault in faults:
            click.echo(f"{path}:{fault.line}: {fault.why}")
        if not faults:
            click.echo(f"{lines} lines, all as they were written")
    sys.exit(FAILED if faults else 0)
