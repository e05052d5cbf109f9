"""`fleet planner`: what a traffic needs and costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from fleet.cli.command import Command, Misconfigured, text_of

if TYPE_CHECKING:
    from fleet.planner.plan import Plan
    from fleet.planner.work import Work

HERE = Path(__file__).resolve().parents[2] / "planner"
VERSION = 1


@click.command(cls=Command, short_help="Say what a traffic needs and costs, behind both doors.")
@click.option("--uploads", metavar="RATE", help="Files that are uploaded, such as 1e6/day.")
@click.option("--webhooks", metavar="RATE", help="Attempts to deliver a webhook.")
@click.option("--reminders", metavar="RATE", help="Reminders that become due.")
@click.option("--changes", metavar="RATE", help="Changed rows to archive; without it, those that the others make.")
@click.option(
    "--file", "file", type=click.Path(dir_okay=False, path_type=Path), help="A file of lines `uploads: 1e6/day` (YAML)."
)
@click.option(
    "--benchmark",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What `make bench` wrote, docs/performance/runs.json: the work of a message is read there. [default: the figures of this release]",
)
@click.option(
    "--invocations",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    metavar="N",
    help="Of Lambda at once in the account and region; a new account may have 10.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def planner(*, file: Path | None, benchmark: Path | None, invocations: int, as_json: bool, **given: str | None) -> None:
    """Say what a traffic needs and costs, behind both doors: rates of the queues, concurrency, capacity units, money a month.

    A RATE is a number per second, minute, hour, day or month. An option wins over the file. Asks nothing of AWS.
    """
    from fleet.planner.plan import dearer_from, plan
    from fleet.planner.traffic import UnknownTraffic, per_second, read
    from fleet.planner.work import NoBenchmark, Work
    from fleet.planner.work import read as read_work

    try:
        written = read(text_of(file)) if file else {}
        said = written | {name: value for name, value in given.items() if value is not None}
        rates = {name: per_second(name, value) for name, value in said.items()}
        if benchmark:
            work = read_work(text_of(benchmark, hint="; --benchmark names a file that `make bench` wrote"))
        else:
            work = Work(**orjson.loads((HERE / "work.json").read_bytes()))
    except (UnknownTraffic, NoBenchmark) as error:
        raise Misconfigured(str(error)) from error
    if not any(rates.values()):
        raise Misconfigured("no traffic: give --uploads, --webhooks, --reminders or --changes, or a --file with them")
    prices, roads = (orjson.loads((HERE / name).read_bytes()) for name in ("prices.json", "roads.json"))
    made = plan(rates, work=work, roads=roads, prices=prices, at_once=invocations)
    dearer = {need.kind: dearer_from(need.kind, work=work, roads=roads, prices=prices) for need in made.needs}
    if as_json:
        click.echo(orjson.dumps(_document(made, dearer, prices), option=orjson.OPT_INDENT_2).decode())
    else:
        _show(made, dearer, work, prices)


def _document(made: Plan, dearer: Mapping[str, float | None], prices: dict[str, Any]) -> dict[str, Any]:
    first = made.first_limit
    return {
        "version": VERSION,
        "prices": {"date": prices["date"], "region": prices["region"], "currency": prices["currency"]},
        "needs": [asdict(need) | {"lambda_dearer_from": dearer[need.kind]} for need in made.needs],
        "costs": made.costs,
        "first_limit": {**asdict(first), "reached_at": first.reached_at},
    }


def _show(made: Plan, dearer: Mapping[str, float | None], work: Work, prices: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    queues = Table("queue", "messages/s", box=box.SIMPLE_HEAD)
    needs = Table(
        "for",
        "at once",
        "tasks",
        "writes/s",
        "reads/s",
        "Lambda $",
        "Fargate $",
        "cheaper",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for need in made.needs:
        for queue, rate in need.queues.items():
            queues.add_row(queue, f"{rate:,.2f}")
        cheaper = "Fargate" if need.fargate_cost < need.lambda_cost else "Lambda"
        numbers = (need.write_units, need.read_units, need.lambda_cost, need.fargate_cost)
        needs.add_row(
            need.kind, str(need.concurrency), str(need.tasks), *[f"{number:,.1f}" for number in numbers], cheaper
        )
    bill = Table("a month, without compute", "$", box=box.SIMPLE_HEAD)
    for service, money in made.costs.items():
        bill.add_row(service, f"{money:,.2f}")
    console = Console(highlight=False, soft_wrap=True)
    for table in (queues, needs, bill):
        console.print(table)
    whole = sum(made.costs.values())
    by_door = [sum(getattr(need, f"{door}_cost") for need in made.needs) for door in ("lambda", "fargate")]
    click.echo(f"all of it: {whole + by_door[0]:,.2f} $ a month on Lambda, {whole + by_door[1]:,.2f} $ on Fargate")
    said = [f"{kind} {f'from {rate:,.1f} a second' if rate else 'never'}" for kind, rate in dearer.items()]
    click.echo(f"Lambda costs more than Fargate: {', '.join(said)}")
    first = made.first_limit
    click.echo(
        f"first limit: {first.name}, {first.used:,.0f} of {first.allowed:,.0f}; reached at {first.reached_at:,.1f} times this traffic"
    )
    click.echo(
        f"work of a message: {work.cpu * 1e6:.0f} us of CPU and {work.requests:.2f} calls to SQS, measured {work.date}; "
        f"prices of {prices['region']}, {prices['date']}",
        err=True,
    )
