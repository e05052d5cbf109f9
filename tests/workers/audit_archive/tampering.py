"""A small archive to tamper with, and the means to do it."""

from tests.workers.audit_archive.fakes import World, row
from workers.audit_archive.chain.chain import Maker
from workers.audit_archive.chain.report import Verification


async def archive() -> World:
    """Five digests of two objects each, and an empty one."""
    world = World()
    for number in range(5):
        rows = [row(f"e{number}-{place}") for place in range(10)]
        await world.worker().keep([*rows, row(f"w{number}", table="fleet-webhooks-dev")])
        world.clock.advance(300)
        await Maker(bucket=world.bucket, now=world.clock).make()
    world.clock.advance(3600)
    await Maker(bucket=world.bucket, now=world.clock).make()
    return world


def listed_in(world: World, sequence: int) -> list[str]:
    return [entry["key"] for entry in world.digests()[sequence - 1]["objects"]]


def kinds(verification: Verification) -> list[tuple[str, str]]:
    return [(finding.kind, finding.where) for finding in verification.findings]


def replace(world: World, key: str, body: bytes) -> None:
    world.bucket.objects[key] = (body, world.bucket.objects[key][1])
