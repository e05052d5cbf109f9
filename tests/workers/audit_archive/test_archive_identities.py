"""Which events are one event, and what is done about another one under the same identity."""

from dataclasses import replace

from shared.road.once import KeyReused
from tests.workers.audit_archive.fakes import World, row


async def test_one_event_id_of_two_tables_or_two_shards_is_two_events() -> None:
    world = World()
    rows = [row(), row(table="fleet-webhooks-dev"), row(sequence_number="9")]
    assert len(await world.worker().keep(rows)) == 3
    assert world.archived() == ["e1", "e1", "e1"]


async def test_another_payload_under_an_archived_identity_is_rejected_and_costs_the_others_nothing() -> None:
    world = World()
    await world.worker().keep([row()])
    other = row(new={"status": {"S": "FORGED"}})
    results = await world.worker().keep([other, row("e2")])
    assert isinstance(results[other.identity], KeyReused)
    assert results[row("e2").identity] is None
    assert sorted(world.archived()) == ["e1", "e2"]


async def test_a_claim_written_without_a_fingerprint_is_taken_for_the_same_event() -> None:
    world = World()
    await world.worker().keep([row()])
    held = world.claims.held
    held |= {name: replace(claim, fingerprint="") for name, claim in held.items()}
    assert await world.worker().keep([row()]) == {row().identity: None}
    assert world.archived() == ["e1"]
