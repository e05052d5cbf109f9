"""Of webhooks the archive shows neither payloads, nor headers, nor keys."""

from typing import Any

from tests.workers.audit_archive.fakes import REDACTOR
from workers.audit_archive.rules import canonical


def test_payloads_headers_and_keys_of_every_kind_are_hidden_and_the_rest_is_not() -> None:
    row: dict[str, Any] = {
        "webhookPayload": {"S": '{"type":"order.placed","data":{"words":"confidential"}}'},
        "customHeaders": {"M": {"X-Words": {"S": "confidential"}}},
        "previousSecrets": {"L": [{"M": {"secret": {"S": "sealed:1:v1:confidential:x"}, "expiresAt": {"N": "1"}}}]},
        "secret": {"S": "sealed:1:v1a:confidential:x"},
        "note": {"S": "key whsk_confidential"},
        "status": {"S": "DELIVERED"},
    }
    line = canonical(REDACTOR.image(row)[0]).decode()
    assert ("confidential" in line, "DELIVERED" in line) == (False, True)
