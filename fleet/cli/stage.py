"""`fleet --stage NAME`: whatever the command is, it finds queues, tables and buckets by the outputs of that stage's stack."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from fleet.cli.command import Failed, report_faults
from fleet.typed import given_stage

if TYPE_CHECKING:
    from fleet.doctor.deployed import Stage


def enter(stage: str, project: str) -> Stage:
    """Put the stage's names into this process's environment, over those that are there: one stage is never half another.

    Raises Failed where there is no such stack.
    """
    from fleet.dead_letters.queues.catalog import service
    from fleet.dead_letters.queues.stack import NoSuchStack, outputs
    from fleet.doctor.deployed import Stage

    with report_faults():
        client = service("cloudformation")
        try:
            found = outputs(client, project=project, stage=stage)
        except NoSuchStack as error:
            raise Failed(f"{error}: is it another --project, another region, or another account?") from error
        os.environ.update(found)
        os.environ.setdefault("DLQ_QUEUES", "named")  # the account may hold other stages, and other projects
        given_stage(project, stage)
        click.echo(f"stage {stage}: {project}-messaging-{stage} in {client.meta.region_name}", err=True)
    return Stage(project, stage)
