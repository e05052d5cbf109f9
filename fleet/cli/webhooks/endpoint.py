"""`fleet webhooks endpoint`: register, look, change, rotate, disable, enable, remove, try out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fleet.cli.command import FAILED, NOTHING, Finite, print_json, say, tell, text_of
from fleet.cli.webhooks.frame import WebhooksCommand, shared, with_client
from fleet.cli.webhooks.terms import CLEARED, TYPES, URL, given_of, terms
from workers.webhook_delivery.client import Added, Kind, Registered, Registration, Webhooks

_kind = click.option(
    "--kind",
    type=click.Choice(["v1", "v1a"]),
    help="HMAC-SHA256 (of a new endpoint) or ed25519; else as the one before.",
)
_id = click.argument("endpoint_id", metavar="ID")


def _text(path: Path) -> str:
    if text := text_of(path).strip():
        return text
    raise click.BadParameter("the file is empty", param_hint="--secret-file")


@click.group(short_help="A tenant's endpoints.")
def endpoint() -> None:
    """A tenant's endpoints: where its webhooks go, signed with which keys."""


@endpoint.command("add", cls=WebhooksCommand, short_help="Register an endpoint and print its secret, once.")
@click.option("--url", required=True, help=URL)
@click.option("--event-type", "event_types", multiple=True, required=True, help=TYPES)
@click.option("--id", "endpoint_id", help="Its id; else one is made.")
@click.option(
    "--secret-file",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="A file that holds its secret; else one is made.",
)
@_kind
@terms
@shared
def add(
    *,
    tenant: str,
    url: str,
    event_types: tuple[str, ...],
    endpoint_id: str | None,
    secret_file: Path | None,
    kind: Kind | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Register an endpoint. The secret is printed this once: give it to whoever receives.

    Ends with 2 for a field that cannot be so, with 5 where the id is taken.
    """
    named: dict[str, Any] = {"endpoint_id": endpoint_id, "kind": kind, "secret": secret_file and _text(secret_file)}
    wanted_terms = given_of(given) | {name: value for name, value in named.items() if value}
    wanted = Registration(tenant, url, event_types, **wanted_terms)
    _print_added(with_client(lambda webhooks: webhooks.endpoints.add(wanted)), as_json=as_json)


@endpoint.command("list", cls=WebhooksCommand, short_help="All endpoints of a tenant.")
@shared
def list_(*, tenant: str, as_json: bool) -> None:
    """A line for each endpoint of the tenant. Ends with 3 where it has none."""

    async def work(webhooks: Webhooks) -> int:
        count = 0
        async for each in webhooks.endpoints.list(tenant):
            count += 1
            if as_json:
                print_json(_document(each))
            else:
                tell(f"{each.endpoint_id}  {_state(each)}  {' '.join(each.event_types)}")
        return count

    if not with_client(work):
        say("the tenant has no endpoint")
        sys.exit(NOTHING)


@endpoint.command("show", cls=WebhooksCommand, short_help="One endpoint; its keys by kind and end, no secret.")
@_id
@shared
def show(*, tenant: str, endpoint_id: str, as_json: bool) -> None:
    """Everything of one endpoint but its secrets. Ends with 3 where there is none of this id."""
    _print(with_client(lambda webhooks: webhooks.endpoints.show(tenant, endpoint_id)), as_json=as_json)


@endpoint.command("change", cls=WebhooksCommand, short_help="Change what is named; the rest stays.")
@_id
@click.option("--url", help=f"{URL} With another one it counts as healthy again.")
@click.option("--event-type", "event_types", multiple=True, help=f"{TYPES} All that it shall have.")
@terms
@click.option("--clear", multiple=True, type=click.Choice([*CLEARED]), help="Have none of its own; may be repeated.")
@shared
def change(*, tenant: str, endpoint_id: str, clear: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Change some of an endpoint's terms and print it. What is given takes the place of all that it had of its kind. Holds after 5
    seconds in every process; keys are changed by `rotate`.

    Ends with 2 for a field that cannot be so or where nothing is to be changed, with 3 where there is no such endpoint, with 5 where
    somebody else changed the same meanwhile.
    """
    named = given_of(given)
    cleared = {name.replace("-", "_"): CLEARED[name] for name in clear}
    if both := sorted(named.keys() & cleared.keys()):
        raise click.UsageError(f"--clear {both[0].replace('_', '-')} and a value for it: give one of them")
    if not named and not cleared:
        raise click.UsageError("nothing is to be changed: give an option such as --url, or --clear")
    changed = named | cleared
    _print(with_client(lambda webhooks: webhooks.endpoints.change(tenant, endpoint_id, **changed)), as_json=as_json)


@endpoint.command("rotate", cls=WebhooksCommand, short_help="Give it a new secret; the old one signs for a while.")
@_id
@click.option("--grace", type=Finite(0, 604_800), default=86_400.0, show_default=True, help="Seconds for the old one.")
@_kind
@shared
def rotate(*, tenant: str, endpoint_id: str, grace: float, kind: Kind | None, as_json: bool) -> None:
    """A new secret, printed this once. Requests carry a signature of each live key, the new one first, ten at most.

    Ends with 3 where there is no such endpoint, with 5 where ten keys are live or somebody else rotates.
    """
    rotated = with_client(lambda webhooks: webhooks.endpoints.rotate(tenant, endpoint_id, grace=grace, kind=kind))
    _print_added(rotated, as_json=as_json)


@endpoint.command("disable", cls=WebhooksCommand, short_help="Post nothing to it any more; what waits is cancelled.")
@_id
@click.option("--reason", required=True, help="Why; kept with the endpoint.")
@shared
def disable(*, tenant: str, endpoint_id: str, reason: str, as_json: bool) -> None:
    """Holds after 5 seconds in every process. Ends with 3 where there is no such endpoint."""
    with_client(lambda webhooks: webhooks.endpoints.disable(tenant, endpoint_id, reason=reason))
    _done(endpoint_id, "disabled", as_json=as_json)


@endpoint.command("enable", cls=WebhooksCommand, short_help="Let it have the events from now on.")
@_id
@shared
def enable(*, tenant: str, endpoint_id: str, as_json: bool) -> None:
    """Holds after 5 seconds in every process. What was cancelled meanwhile does not come by itself. Ends with 3 where there is no such endpoint."""
    with_client(lambda webhooks: webhooks.endpoints.enable(tenant, endpoint_id))
    _done(endpoint_id, "enabled", as_json=as_json)


@endpoint.command("remove", cls=WebhooksCommand, short_help="Forget it; what waits is cancelled.")
@_id
@click.option("--yes", is_flag=True, help="Act. Without it, only tell what would be removed.")
@shared
def remove(*, tenant: str, endpoint_id: str, yes: bool, as_json: bool) -> None:
    """Its secrets are gone for good; the record of its deliveries stays. Ends with 3 where there is no such endpoint."""
    if not yes:
        found = with_client(lambda webhooks: webhooks.endpoints.show(tenant, endpoint_id))
        if as_json:
            print_json({"endpoint_id": found.endpoint_id, "removed": False})
        else:
            tell(f"would remove {found.endpoint_id}, {_state(found)}; act with --yes")
        return
    with_client(lambda webhooks: webhooks.endpoints.remove(tenant, endpoint_id))
    _done(endpoint_id, "removed", as_json=as_json)


@endpoint.command("test", cls=WebhooksCommand, short_help="Post a signed webhook.test and print the answer.")
@_id
@shared
def test(*, tenant: str, endpoint_id: str, as_json: bool) -> None:
    """Post one `webhook.test`, from this machine, also to an endpoint that is disabled; it is not tried again.

    Ends with 1 where the answer is not 2xx, with 3 where there is no such endpoint.
    """
    trial = with_client(lambda webhooks: webhooks.test(tenant, endpoint_id))
    reply = trial.reply
    if as_json:
        print_json(
            {
                "webhook_id": trial.webhook_id,
                "status": reply.status,
                "error": reply.error,
                "body": reply.body,
                "delivered": trial.is_delivered,
            }
        )
    else:
        tell(f"{trial.webhook_id} answered {reply.status or reply.error}{f': {reply.body}' if reply.body else ''}")
    sys.exit(0 if trial.is_delivered else FAILED)


def _print_added(added: Added, *, as_json: bool) -> None:
    if as_json:
        known = {"endpoint_id": added.endpoint_id, "secret": added.secret, "public_key": added.public_key or None}
        print_json(known)
    else:
        tell(f"endpoint {added.endpoint_id}\nsecret   {added.secret}")
        if added.public_key:
            tell(f"public   {added.public_key}")


def _print(found: Registered, *, as_json: bool) -> None:
    if as_json:
        print_json(_document(found))
        return
    for name, value in _document(found).items():
        if name == "keys":
            for key in found.keys:
                tell(f"key            {key.kind} until {key.expires_at or 'it is rotated'}")
        elif name != "version":
            shown = " ".join(map(str, value)) if isinstance(value, list) else value
            tell(f"{name:<14} {'-' if shown is None else shown}".rstrip())


def _done(endpoint_id: str, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"endpoint_id": endpoint_id, what: True})
    else:
        tell(f"{endpoint_id} {what}")


def _state(found: Registered) -> str:
    if found.fault:
        return f"unreadable: {found.fault}"
    return "enabled" if found.enabled else f"disabled ({found.disabled_reason or 'no reason given'})"


def _document(found: Registered) -> dict[str, Any]:
    return {
        "tenant_id": found.tenant_id,
        "endpoint_id": found.endpoint_id,
        "url": found.url,
        "state": _state(found),
        "event_types": [*found.event_types],
        "channels": [*found.channels],
        "pattern": found.pattern,
        "header_names": [*found.header_names],
        "payload_limit": found.payload_limit,
        "retries": None if found.retries is None else [*found.retries],
        "at_most_once": found.at_most_once,
        "expires_after": found.expires_after,
        "rate": found.rate,
        "failing_since": found.failing_since,
        "created_at": found.created_at,
        "keys": [
            {"kind": each.kind, "expires_at": each.expires_at and each.expires_at.isoformat()} for each in found.keys
        ],
    }
