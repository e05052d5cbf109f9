"""`fleet dlq`: dead letters, read and replayed by hand."""

from __future__ import annotations

import click

from workers.cli.dlq_look import groups, list_, ls, show
from workers.cli.dlq_mend import edit, export, import_
from workers.cli.dlq_plan import plan
from workers.cli.dlq_put_away import archive, purge, restore
from workers.cli.dlq_replay import cancel, replay, resume, status


@click.group(
    short_help="Dead letters: look, group, plan, replay, archive; nothing is lost.",
    epilog="Exit codes: 0 done, 1 it failed, 2 wrong usage, 3 nothing matched, 4 partly done, "
    "5 refused by a rule of safety, 130 interrupted.",
)
def dlq() -> None:
    """Dead letters, read, understood and sent back by hand."""


LOOK = (ls, groups, list_, show)
REPLAY = (plan, replay, resume, cancel, status)
MEND = (edit, export, import_, archive, restore, purge)

for command in (*LOOK, *REPLAY, *MEND):
    dlq.add_command(command)
