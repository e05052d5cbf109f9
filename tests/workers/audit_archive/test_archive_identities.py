"""Which events are one event, and what is done about another one under the same identity."""

from shared.road.once import KeyReused
from tests.workers.audit_archive.fakes import World, row


async def test_one_event_id_of_two_tables_accounts_regions_or_shards_is_two_events() -> None:
    world = World()
    rows = [row(), row(table="fleet-webhooks-dev"), row(sequence_number="9")]
    rows += [row(account="444455556666"), row(region="us-east-1")]
    assert len(await world.worker().keep(rows)) == 5
    assert world.archived() == ["e1"] * 5
    assert {(line["account"], line["region"]) for line in world.lines()} == {
        ("111122223333", "eu-central-1"), ("444455556666", "eu-central-1"), ("111122223333", "us-east-1"),
    }  # fmt: skip


async def test_another_payload_under_an_archived_identity_is_rejected_and_costs_the_others_nothing() -> None:
    world = World()
    await world.worker().keep([row()])
    other = row(new={"status": {"S": "FORGED"}})
    results = await world.worker().keep([other, row("e2")])
    assert isinstance(results[other.identity], KeyReused)
    assert results[row("e2").identity] is None
    assert sorted(world.archived()) == ["e1", "e2"]
