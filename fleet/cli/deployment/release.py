"""`fleet release`: which version runs behind each worker's alias, and the way back."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
import orjson

from fleet.cli.command import Command, Failed, Misconfigured, env_file_option
from fleet.cli.given import Strict
from workers import roster

if TYPE_CHECKING:
    from fleet.release.alias import Standing

VERSION = 1
PARTLY, REFUSED = 4, 5


class Refused(click.ClickException):
    """A rule of safety forbids it."""

    exit_code = REFUSED


class Group(Strict, click.Group):
    """Commands about what runs at Lambda."""


@click.group(cls=Group, short_help="Say which version of each worker runs; go back to one.")
def release() -> None:
    """Versions of the workers' functions. A new one comes with the stack `workers` (docs/deploy.md); the way back needs no deployment."""


_stage = click.argument("stage")
_project = click.option("--project", default="fleet", show_default=True, help="Names begin with it.")


@release.command(cls=Command, short_help="Which version each worker of a stage runs, and which one is before it.")
@_stage
@_project
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@env_file_option
def status(stage: str, *, project: str, as_json: bool) -> None:
    """Say of each worker of STAGE which version its alias runs, since when, what a canary takes, and where the way back leads.

    Ends with 1 where no worker of the stage is at Lambda, and with 4 where some are not, or an alias runs no version.
    """
    from fleet.release.alias import NotDeployed, NoWayBack, standing

    client = _client("lambda")
    found: dict[str, Standing | None] = {}
    odd: dict[str, str] = {}
    for worker in roster.WORKERS:
        try:
            found[worker] = standing(client, f"{project}-{worker}-{stage}")
        except NotDeployed:
            found[worker] = None
        except NoWayBack as error:
            found[worker], odd[worker] = None, str(error)
    if as_json:
        rows = {worker: each and asdict(each) for worker, each in found.items()}
        document = {"version": VERSION, "stage": stage, "workers": rows, "without_version": odd}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(found, odd)
    for says in odd.values():
        click.echo(says, err=True)
    missing = [worker for worker, each in found.items() if each is None]
    if len(missing) == len(found) and not odd:
        raise Failed(
            f"no function of {project}-*-{stage} in {client.meta.region_name}: another region, stage or --project?"
        )
    if missing:
        raise SystemExit(PARTLY)


def _show(found: dict[str, Standing | None], odd: dict[str, str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("worker", "runs", "since", "canary", "way back", "note", box=box.SIMPLE_HEAD)
    for worker, each in found.items():
        if each is None:
            table.add_row(worker, "no version" if worker in odd else "not at Lambda", "", "", "", "")
            continue
        canary = f"{each.canary[1]:.0%} to {each.canary[0]}" if each.canary else ""
        back = next((str(older.number) for older in each.older if older.code != each.current.code), "none")
        table.add_row(worker, str(each.current.number), each.current.since[:19], canary, back, each.note)
    Console(highlight=False, soft_wrap=True).print(table)


@release.command(cls=Command, short_help="Let a worker run the version before, within seconds.")
@_stage
@click.argument("worker", type=click.Choice([*roster.WORKERS]))
@click.option("--to", type=click.IntRange(1), help="This version; by default the newest older one of another code.")
@_project
@click.option("--reason", help="Why; kept as the alias's description. Required to act.")
@click.option("--yes", is_flag=True, help="Do it; without it only say what would be done.")
@env_file_option
def rollback(stage: str, worker: str, *, to: int | None, project: str, reason: str | None, yes: bool) -> None:
    """Let WORKER of STAGE run an older version again: its alias is moved, nothing is deployed.

    A canary that CodeDeploy is still shifting is stopped instead, and CodeDeploy puts the alias back. Messages in flight
    end where they are, or return to their queue. The next deployment of the stack `workers` moves the alias forward again.
    """
    from fleet.release.alias import ChangedMeanwhile, NotDeployed, NoWayBack, go_back, standing, stop_canary

    function = f"{project}-{worker}-{stage}"
    client = _client("lambda")
    try:
        stands = standing(client, function)
        if stands.canary and to is not None:
            raise Refused(f"{worker}: a canary runs; stop it first, without --to")
        target = stands.current if stands.canary else stands.way_back(to)
    except NotDeployed as error:
        raise Failed(str(error)) from error
    except NoWayBack as error:
        raise Refused(str(error)) from error
    says = f"{worker}: from {_runs(stands)} to version {target.number} of {target.since[:19]}"
    if not yes:
        click.echo(f"{says}\nnothing was changed: add --yes and --reason")
        return
    if not reason or not reason.strip():
        raise Misconfigured("--reason is required: it is kept with the alias")
    stopped = stop_canary(_client("codedeploy"), function) if stands.canary else []
    if stopped:
        click.echo(f"{worker}: stopped {', '.join(stopped)}; CodeDeploy puts the alias back to version {target.number}")
        return
    try:
        go_back(client, stands, target, note=f"rolled back by {getpass.getuser()}: {reason.strip()}")
    except ChangedMeanwhile as error:
        raise Refused(str(error)) from error
    click.echo(says)


def _runs(stands: Standing) -> str:
    canary = f" and {stands.canary[1]:.0%} of {stands.canary[0]}" if stands.canary else ""
    return f"version {stands.current.number}{canary}"


def _client(service: str) -> Any:
    from fleet.dead_letters.queues.catalog import service as made

    return made(service)
