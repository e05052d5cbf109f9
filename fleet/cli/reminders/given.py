"""A reminder as options say it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click
import orjson

from workers.reminder_dispatch.client import Reminder

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


_FROM_NOW = re.compile(r"\+([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class At(click.ParamType[datetime]):
    """ISO 8601: with an offset an instant, without one a wall-clock time. `+5s`, `+10m`, `+2h`, `+1d`: so long from now."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, str) and (given := _FROM_NOW.fullmatch(value)):
            return datetime.now(UTC) + timedelta(seconds=int(given[1]) * _SECONDS[given[2]])
        try:
            return value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail("write 2026-12-01T09:00 with --zone, 2026-12-01T08:00:00Z, or +10m from now", param, ctx)


def _json(_: click.Context, __: click.Parameter, given: str) -> Any:
    try:
        found = orjson.loads(given)
    except orjson.JSONDecodeError as error:
        raise click.BadParameter("write a JSON object") from error
    if not isinstance(found, dict):
        raise click.BadParameter("write a JSON object")
    return found


_OPTIONS = (
    click.option("--channel", type=click.Choice(["push", "email", "webhook"]), required=True, help="Where it goes."),
    click.option(
        "--at",
        type=At(),
        required=True,
        help="When: an instant, +10m from now, or a wall-clock time in --zone; the start of a --rule.",
    ),
    click.option("--zone", "time_zone", default="", help="The recipient's, such as Europe/Berlin."),
    click.option("--rule", default="", help="RFC 5545, such as FREQ=WEEKLY;BYDAY=MO."),
    click.option("--title", required=True),
    click.option("--body", default=""),
    click.option("--data", default="{}", callback=_json, help="A JSON object for the app."),
    click.option("--token", "tokens", multiple=True, help="A device's Expo push token; once for each device."),
    click.option("--project", default="", help="The Expo project of the tokens, where there are several."),
    click.option(
        "--push", default="{}", callback=_json, help='How it is shown, in Expo\'s names: {"sound": "default"}.'
    ),
    click.option("--email", default="", help="The recipient's address."),
    click.option(
        "--mail",
        default="{}",
        callback=_json,
        help='How it is made: {"template": "tea", "unsubscribe": "https://..."}.',
    ),
    click.option("--on-gap", type=click.Choice(["shift", "skip", "gap_end"]), default="shift", show_default=True),
    click.option("--on-overlap", type=click.Choice(["first", "second", "both"]), default="first", show_default=True),
    click.option(
        "--on-unknown",
        type=click.Choice(["at_least_once", "at_most_once"]),
        default="at_least_once",
        show_default=True,
        help="Whether a request without an answer is made once more.",
    ),
    click.option("--priority", type=click.Choice(["normal", "high"]), default="normal", show_default=True),
    click.option(
        "--misfire",
        type=click.Choice(["fire_all", "fire_once", "skip"]),
        default="fire_all",
        show_default=True,
        help="What becomes of occurrences that an outage left behind.",
    ),
    click.option("--quiet", "quiet_hours", default="", metavar="HH:MM-HH:MM", help="Held until their end, in --zone."),
    click.option("--quiet-day", "quiet_days", multiple=True, help="MO to SU, on which they begin; else each day."),
    click.option("--urgent", is_flag=True, help="Goes out in quiet hours, too."),
    click.option("--max-lateness", type=int, help="Seconds after which it is not sent any more."),
)


def reminder_options(command: Decorated) -> Decorated:
    """Everything that a reminder may be, as options of the names that `reminder_of` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def reminder_of(*, tenant: str, key: str | None = None, **given: Any) -> Reminder:
    """The reminder that the options say; without a key it gets one."""
    named: dict[str, Any] = {"key": key} if key else {}
    return Reminder(tenant_id=tenant, **named, **given)
