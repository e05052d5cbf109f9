"""`fleet dlq`: dead letters, read and replayed by hand."""

from __future__ import annotations

import click

from fleet.cli.dlq.look import groups, list_, ls, show
from fleet.cli.dlq.mend import edit, export, import_
from fleet.cli.dlq.plan import plan
from fleet.cli.dlq.put_away import archive, purge
from fleet.cli.dlq.replay import cancel, replay, resume, status
from fleet.cli.dlq.restore import restore


@click.group(
    short_help="Dead letters: look, group, plan, replay, archive; nothing is lost.",
    epilog="Exit codes: 0 done, 1 it failed, 2 wrong usage, 3 nothing matched, 4 partly done, "
    "5 refused by a rule of safety, 130 interrupted.",
)
def dlq() -> None:
    """Dead letters, read, understood and sent back by hand.

    Only queues that something names as the place of its dead letters are touched.
    """


LOOK = (ls, groups, list_, show)
REPLAY = (plan, replay, resume, cancel, status)
MEND = (edit, export, import_, archive, restore, purge)

for command in (*LOOK, *REPLAY, *MEND):
    dlq.add_command(command)
