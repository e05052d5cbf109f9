"""The terms on which a session is opened: what cannot be so is refused by its field."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from workers.upload_notification.client import Opening, WrongField

START = datetime.now(UTC).replace(microsecond=0)
WANTED = Opening("acme", ("image/*",), max_bytes=1000, min_bytes=1, scan_required=True, seconds=600)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"session_id": "a/b"}, "sessionId"),
        ({"session_id": ".."}, "sessionId"),
        ({"secret": "short"}, "secret"),
        ({"tenant_id": "a\nb"}, "tenantId"),
        ({"allowed_types": ("image",)}, "allowedTypes"),
        ({"allowed_types": ("image/png", "image/png")}, "allowedTypes"),
        ({"max_bytes": 0}, "maxBytes"),
        ({"min_bytes": 9, "max_bytes": 8}, "maxBytes"),
        ({"min_bytes": -1}, "minBytes"),
        ({"seconds": 86_401}, "seconds"),
    ],
)
def test_a_field_that_cannot_be_so_is_named(changed: dict[str, Any], named: str) -> None:
    with pytest.raises(WrongField, match=f"^{named}: ") as caught:
        replace(WANTED, **changed).row(START)
    assert caught.value.field == named


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allowed_types", "image/png"),
        ("max_bytes", "10"),
        ("min_bytes", True),
        ("scan_required", "true"),
        ("seconds", 1.5),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_name(name: str, value: Any) -> None:
    wrong: dict[str, Any] = {name: value}
    with pytest.raises(WrongField, match=f"^{name}: it has to be "):
        replace(WANTED, **wrong).check()
