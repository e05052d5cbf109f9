"""`fleet webhooks publish`: one event of a tenant on the bus."""

from __future__ import annotations

from typing import Any

import click
import orjson

from fleet.cli.command import print_json, tell
from fleet.cli.webhooks.frame import WebhooksCommand, shared, with_client
from workers.webhook_delivery.client import Event


class Detail(click.ParamType[dict[str, Any]]):
    """A JSON object."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        try:
            found = orjson.loads(value)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            self.fail('write a JSON object, such as \'{"total": "12.50"}\'', param, ctx)
        return found


@click.command(cls=WebhooksCommand, short_help="Put one event on the bus; print the webhook-id of its deliveries.")
@click.option("--type", "event_type", required=True, help="Its detail-type, order.placed.")
@click.option("--key", required=True, help="Yours: the same key again is the same event, and no second webhook.")
@click.option("--detail", type=Detail(), default="{}", help="A JSON object: what customers get as `data`.")
@click.option("--source", default="producer", show_default=True, help="Which system says so.")
@click.option("--correlation", default="", help="The correlation id that goes along.")
@shared
def publish(
    *, tenant: str, event_type: str, key: str, detail: dict[str, Any], source: str, correlation: str, as_json: bool
) -> None:
    """Publish an event on the bus of EVENT_BUS_NAME, for the tenant's endpoints that take its type."""
    event = Event(tenant, event_type, key, detail, source, correlation_id=correlation)
    webhook_id = with_client(lambda webhooks: webhooks.publish(event))
    if as_json:
        print_json({"webhook_id": webhook_id})
    else:
        tell(webhook_id)
