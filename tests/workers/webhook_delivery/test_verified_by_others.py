"""What is sent is verified by the libraries that customers use: the official one, and svix's."""

from datetime import UTC, datetime

import pytest
import standardwebhooks
import svix.webhooks

from tests.workers.webhook_delivery.fakes import OLD_SECRET, PRIVATE_KEY, SECRET, endpoint
from workers.webhook_delivery.signing.request import signed

BODY = '{"type":"order.placed","timestamp":"2026-11-21T09:00:00Z","data":{"é":"☃",  "n":1.10}}'


def test_the_official_library_and_svix_s_verify_a_chain_of_mixed_keys() -> None:
    chain = endpoint(secrets=(PRIVATE_KEY, SECRET, OLD_SECRET))
    made = signed(chain, message_id="msg_1", at=datetime.now(UTC), body=BODY.encode())
    headers = dict(made.headers)
    for secret in (SECRET, OLD_SECRET):
        for library, refused in (
            (standardwebhooks.Webhook, standardwebhooks.WebhookVerificationError),
            (svix.webhooks.Webhook, svix.webhooks.WebhookVerificationError),
        ):
            library(secret).verify(BODY, headers)
            with pytest.raises(refused):
                library(secret).verify(BODY + " ", headers)
