"""An endpoint's terms as options of `add` and `change`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from fleet.cli.command import Decorated, Finite


def _delays(_: click.Context, __: click.Parameter, given: str | None) -> tuple[float, ...] | None:
    if given is None or given.strip() == "-":
        return None if given is None else ()
    try:
        return tuple(float(each) for each in given.split(","))
    except ValueError as error:
        raise click.BadParameter("seconds, separated by commas") from error


URL = "https, called byte for byte."
TYPES = "Exact, 'upload.*' or '*'; may be repeated."
_TERMS = (
    click.option("--channel", "channels", multiple=True, help="Only events of one of these; may be repeated."),
    click.option("--pattern", help="Only events that fit: EventBridge's form, equality on detail."),
    click.option("--header", "headers", multiple=True, help="'Name: value', sent along; may be repeated."),
    click.option("--payload-limit", type=int, help="Bytes; larger events are counted and not sent."),
    click.option("--retries", callback=_delays, metavar="S,S", help="Seconds before each retry; '-' for none."),
    click.option("--at-most-once/--no-at-most-once", default=None, help="Try again only what provably never began."),
    click.option("--expires-after", type=Finite(1, 2_592_000), help="Seconds; no attempt begins later."),
    click.option("--rate", type=Finite(0.001, 1000), help="Requests a second, from each process."),
)


def terms(command: Decorated) -> Decorated:
    """What `add` and `change` may say of an endpoint."""
    for option in reversed(_TERMS):
        command = option(command)
    return command


def given_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those that were given, as the client takes them."""
    given = {name: value for name, value in options.items() if value is not None and value != ()}
    given |= {"retries": ()} if options["retries"] == () else {}
    if "headers" in given:
        parts = (each.partition(":") for each in given["headers"])
        given["headers"] = tuple((name.strip(), value.strip()) for name, _, value in parts)
    return given


CLEARED: Mapping[str, Any] = {
    "channels": (),
    "pattern": "",
    "headers": (),
    "payload-limit": 0,
    "retries": None,
    "expires-after": None,
    "rate": None,
}
"""What stands for none of its own, by the name on the command line."""
