"""What a producer calls: endpoints registered and kept, without a key of the table computed by hand.

async with open_webhooks(os.environ) as webhooks:
    added = await webhooks.endpoints.add(Registration("acme", "https://hooks.acme.example/fleet", ("order.*",)))
    give_to_the_customer(added.secret)
    await webhooks.publish(Event("acme", "order.placed", key="order-42", detail={"total": "12.50"}))
"""

from workers.webhook_delivery.client.deliveries import Deliveries, NoSuchDelivery
from workers.webhook_delivery.client.endpoints import Added, Contested, Endpoints, NoSuchEndpoint, Planned, Refused
from workers.webhook_delivery.client.opened import ClientSettings, Webhooks, open_webhooks
from workers.webhook_delivery.client.publishing import Event
from workers.webhook_delivery.client.recovery import Recovered, Wanted, recover
from workers.webhook_delivery.client.registration import Registration
from workers.webhook_delivery.client.terms import Terms, WrongField
from workers.webhook_delivery.client.trial import Trial
from workers.webhook_delivery.store.delivered import Attempted, Delivery
from workers.webhook_delivery.store.registered import Key, Kind, Registered

__all__ = [
    "Added",
    "Attempted",
    "ClientSettings",
    "Contested",
    "Deliveries",
    "Delivery",
    "Endpoints",
    "Event",
    "Key",
    "Kind",
    "NoSuchDelivery",
    "NoSuchEndpoint",
    "Planned",
    "Recovered",
    "Refused",
    "Registered",
    "Registration",
    "Terms",
    "Trial",
    "Wanted",
    "Webhooks",
    "WrongField",
    "open_webhooks",
    "recover",
]
