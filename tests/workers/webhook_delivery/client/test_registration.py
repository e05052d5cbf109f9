"""What a producer may say of an endpoint, and by which field a wrong one is refused."""

from dataclasses import replace
from typing import Any

import pytest

from workers.webhook_delivery.client import Registration, WrongField

GOOD = Registration("acme", "https://hooks.acme.example/fleet?key=1", ("order.*", "invoice.paid"))


def test_what_the_worker_can_keep_to_is_taken() -> None:
    for given in (
        {},
        {"event_types": ("*",)},
        {"event_types": ("Order Placed",)},
        {"endpoint_id": "e" * 256},
        {"tenant_id": "a#b/ü"},
        {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    ):
        changed: dict[str, Any] = given
        replace(GOOD, **changed).check(allow_loopback=False)


def test_a_wrong_field_is_named_and_not_quoted() -> None:
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("tenantId", {"tenant_id": ""}),
        ("tenantId", {"tenant_id": "t" * 257}),
        ("tenantId", {"tenant_id": "a\n"}),
        ("endpointId", {"endpoint_id": ""}),
        ("endpointId", {"endpoint_id": "a#b"}),
        ("endpointId", {"endpoint_id": "e" * 257}),
        ("url", {"url": "http://hooks.acme.example/"}),
        ("url", {"url": "https://user:pw@hooks.acme.example/"}),
        ("url", {"url": "https://hooks.acme.example:22/"}),
        ("url", {"url": "https://hooks.acme.example/a b"}),
        ("url", {"url": "https://hooks.acme.example/" + "a" * 2048}),
        ("eventTypes", {"event_types": ()}),
        ("eventTypes", {"event_types": ("order.*.paid",)}),
        ("eventTypes", {"event_types": ("ord*",)}),
        ("eventTypes", {"event_types": (".*",)}),
        ("eventTypes", {"event_types": ("",)}),
        ("eventTypes", {"event_types": ("a" * 129,)}),
        ("eventTypes", {"event_types": ("a", "a")}),
        ("eventTypes", {"event_types": tuple(f"t{number}" for number in range(101))}),
        ("secret", {"secret": "whsec_c2hvcnQ="}),
        ("secret", {"secret": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}),
    ]
    for name, fields in wrong:
        with pytest.raises(WrongField, match=f"^{name}: ") as refused:
            replace(GOOD, **fields).check(allow_loopback=False)
        assert refused.value.field == name
        assert "user:pw" not in str(refused.value)


def test_no_repr_tells_the_url_or_the_secret() -> None:
    shown = repr(replace(GOOD, secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    assert "key=1" not in shown
    assert "MfKQ" not in shown
