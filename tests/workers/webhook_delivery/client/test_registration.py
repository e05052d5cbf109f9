"""What a producer may say of an endpoint, and by which field a wrong one is refused."""

from dataclasses import replace
from typing import Any

import pytest

from workers.webhook_delivery.client import Registration, Terms, WrongField
from workers.webhook_delivery.client.terms import check

GOOD = Registration("acme", "https://hooks.acme.example/fleet?key=1", ("order.*", "invoice.paid"))

PATTERNS = (
    "paid",
    "[]",
    '{"source": ["shop"]}',
    '{"detail": []}',
    '{"detail": {"a": "paid"}}',
    '{"detail": {"a": []}}',
    '{"detail": {"a": {}}}',
    '{"detail": {"a": [{"prefix": "p"}]}}',
    '{"detail": {"a": [NaN]}}',
    '{"detail": ' + '{"a": ' * 21 + '["b"]' + "}" * 22,
    '{"detail": ' + '{"a": ' * 5000 + '["b"]' + "}" * 5001,
)
HEADERS = (
    *(
        "Content-Type",
        "content-length",
        "Host",
        "Connection",
        "User-Agent",
        "Webhook-Id",
        "webhook-anything",
        "svix-id",
    ),
    *(
        "Transfer-Encoding",
        "Expect",
        "Metadata-Flavor",
        "X-aws-ec2-metadata-token",
        "X-Amz-Date",
        "Proxy-Authorization",
    ),
    *("", "a b", "é", "a:", "a\r\nb"),
)


def test_what_the_worker_can_keep_to_is_taken() -> None:
    for given in (
        {},
        {"event_types": ("*",)},
        {"event_types": ("Order Placed",)},
        {"endpoint_id": "e" * 256},
        {"tenant_id": "a#b/ü"},
        {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
        {"channels": ("eu", "project 1")},
        {"pattern": '{"detail": {"status": ["paid", 1, 1.0, null, true], "order": {"kind": ["gift"]}}}'},
        {"headers": (("Authorization", "Bearer abc def"), ("X-Key", "1"))},
        {"payload_limit": 20_000},
        {"retries": (), "at_most_once": True, "expires_after": 60.0},
        {"retries": (0.0, 5.0, 14 * 86_400.0)},
        {"rate": 0.001},
        {"rate": 1000.0},
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
        ("url", {"url": "https://hooks.acme.example/a#b"}),
        ("url", {"url": "https://hooks.acme.example/" + "a" * 2048}),
        ("eventTypes", {"event_types": ()}),
        ("eventTypes", {"event_types": ("order.*.paid",)}),
        ("eventTypes", {"event_types": ("ord*",)}),
        ("eventTypes", {"event_types": ("webhook.*",)}),
        ("eventTypes", {"event_types": (".*",)}),
        ("eventTypes", {"event_types": ("",)}),
        ("eventTypes", {"event_types": ("a" * 129,)}),
        ("eventTypes", {"event_types": ("a", "a")}),
        ("eventTypes", {"event_types": tuple(f"t{number}" for number in range(101))}),
        ("secret", {"secret": "whsec_c2hvcnQ="}),
        ("secret", {"secret": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}),
        ("secret", {"secret": "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="}),
        ("channels", {"channels": tuple(f"c{number}" for number in range(11))}),
        ("channels", {"channels": ("a", "a")}),
        ("channels", {"channels": ("",)}),
        ("payloadLimit", {"payload_limit": -1}),
        *(("retrySchedule", {"retries": each}) for each in ((-1.0,), (14 * 86_400.5,), (float("nan"),), (1.0,) * 100)),
        *(("expiresAfter", {"expires_after": each}) for each in (0.5, 2_592_001.0, float("nan"))),
        ("payloadLimit", {"payload_limit": 900_001}),
        *(("rateLimit", {"rate": each}) for each in (0.0, -1.0, 1000.5, float("nan"), float("inf"))),
        *(("eventPattern", {"pattern": each}) for each in PATTERNS),
        *(("customHeaders", {"headers": ((name, "v"),)}) for name in HEADERS),
        *(
            ("customHeaders", {"headers": (("X-Key", value),)})
            for value in ("", " v", "v ", "a\r\nb: c", "é", "v" * 4097)
        ),
        ("customHeaders", {"headers": (("X-Key", "1"), ("x-key", "2"))}),
        ("customHeaders", {"headers": tuple((f"X-{number}", "1") for number in range(21))}),
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


def test_a_number_is_written_with_all_its_digits_and_without_an_exponent() -> None:
    row = replace(GOOD, retries=(1_209_599.0, 1_209_599.5), expires_after=2_591_999.0, rate=0.001).row()
    assert row["retrySchedule"] == {"L": [{"N": "1209599"}, {"N": "1209599.5"}]}
    assert (row["expiresAfter"], row["rateLimit"]) == ({"N": "2591999"}, {"N": "0.001"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("event_types", "upload.*"),  # as a tuple of texts it would hold '*' and take all
        ("channels", "vip"),
        ("headers", {"x-a": "b"}),
        ("payload_limit", "7"),
        ("payload_limit", True),
        ("retries", (None,)),
        ("at_most_once", "false"),
        ("rate", "2"),
        ("url", None),
        ("tenant_id", 7),
        ("endpoint_id", None),
        ("kind", None),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_name(name: str, value: Any) -> None:
    wrong: dict[str, Any] = {name: value}
    with pytest.raises(WrongField, match=f"^{name}: it has to be "):
        replace(GOOD, **wrong).check(allow_loopback=False)
    if name in Terms.__annotations__:
        with pytest.raises(WrongField, match=f"^{name}: it has to be "):
            check(wrong, allow_loopback=False)  # type: ignore[arg-type]  # what a change names


def test_a_term_that_there_is_not_is_refused_by_its_name() -> None:
    with pytest.raises(WrongField, match=r"^colour: no term"):
        check({"colour": "red"}, allow_loopback=False)  # type: ignore[typeddict-unknown-key]  # what a change names
