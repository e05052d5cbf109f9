"""Log lines of webhooks name a customer by a digest, and never by its id."""

from pathlib import Path

from shared.telemetry.logging import customer
from tests.workers.webhook_delivery.fakes import job
from workers.webhook_delivery.telling import about

PAGE = Path(__file__).parents[3] / "docs" / "telemetry.md"


def test_a_delivery_is_named_by_a_digest_of_its_tenant() -> None:
    named = about(job(tenant_id="acme"))
    assert named["tenant"] == customer("acme") == "822b33ad87c148a0"
    assert "acme" not in named.values()


def test_no_line_that_is_documented_holds_a_tenants_id() -> None:
    assert "tenant_id" not in PAGE.read_text()
