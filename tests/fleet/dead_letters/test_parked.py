"""Every letter that the fleet parks carries its whole reason: over all workers and all kinds of failure."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
import pytest

from fleet.dead_letters.body_check import READERS, check
from fleet.dev.dev import Ground as Place
from fleet.dev.dev import worker_environment
from shared.clients import Clients
from shared.consumer import lay_road
from shared.message.dead_letter import Letter
from shared.message.delivery import Attribute, Delivery
from shared.message.identity import ATTRIBUTE
from shared.outcome import Later, Reject
from shared.road.ports import Ports
from shared.worker import Each, Worker
from tests.aws import Aws
from tests.fakes import delivery
from tests.fakes_ledger import FakeLedger
from tests.made import make_worker
from workers import roster

REQUIRED = """
    version worker source_queue error_type message stack fingerprint attempts first_failure last_failure
    idempotency_key original_message_id trace_id
""".split()


def decode(given: Delivery) -> object:
    check(given.body, queue=given.queue)
    return given


async def fails(_: object) -> None:
    raise ConnectionError("the secret of a customer")


async def rejects(_: object) -> None:
    raise Reject("endpoint is gone")


async def postpones(_: object) -> None:
    raise Later("busy", after=10)


def accepts(_: Delivery) -> object:
    return object()


Handle = Callable[[Any], Awaitable[None]]
KINDS: dict[str, tuple[Callable[[Delivery], object], Handle, int, str]] = {
    "unreadable": (decode, fails, 1, "NotMended"),
    "rejected": (accepts, rejects, 2, "Reject"),
    "out of runs": (accepts, fails, 5, "ConnectionError"),
    "always later": (accepts, postpones, 5, "Later"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("worker", roster.WORKERS)
@pytest.mark.parametrize("queue", READERS)
async def test_a_parked_letter_has_every_required_field(queue: str, worker: str, kind: str) -> None:
    read, handle, attempt, error_type = KINDS[kind]
    dying = delivery(
        '{"customer": "Ada Lovelace"}',
        queue=queue,
        attempt=attempt,
        sent_at=1_800_000_000.0,
        first_received_at=1_800_000_001.0,
        attributes={"mine": Attribute("Number", "1")},
    )
    dead, result = await parked(make_worker(name=worker, queue=queue, decode=read, handle=handle), dying)
    assert [name for name in REQUIRED if name not in result] == []
    assert (result["worker"], result["source_queue"], result["attempts"]) == (worker, queue, attempt)
    assert result["error_type"] == error_type
    assert datetime.fromisoformat(result["first_failure"]) < datetime.fromisoformat(result["last_failure"])
    assert (dead.body, dead.attributes["mine"]) == (dying.body, Attribute("Number", "1"))
    assert "secret" not in str(result)
    assert "Ada" not in str(result)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", roster.WORKERS)
async def test_every_worker_as_it_is_put_together_writes_the_whole_reason(
    name: str, kind: str, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own name, queue, reader and number of attempts; only the handler is one that fails in the way asked for."""
    _, handle, attempt, error_type = KINDS[kind]
    environment = worker_environment(Place(aws.endpoint, aws.names), port=1)
    for variable, value in aws.endpoint.environment.items():
        monkeypatch.setenv(variable, value)  # where boto looks
    async with Clients(environment) as clients, roster.app(name).open_workers(environment, clients) as opened:
        assert opened
        for real in opened:
            read = real.decode if kind == "unreadable" else accepts
            worker = replace(real, decode=read, do=Each(handle))
            attempts = real.limits.max_attempts if attempt == 5 else attempt
            _, result = await parked(worker, delivery("no json", queue=real.queue, attempt=attempts))
            assert [each for each in REQUIRED if each not in result] == []
            assert (result["worker"], result["source_queue"], result["attempts"]) == (real.name, real.queue, attempts)
            assert kind == "unreadable" or result["error_type"] == error_type
            assert result["error_type"] != "ConnectionError" or kind == "out of runs"


async def parked(worker: Worker[Any], dying: Delivery) -> tuple[Letter, dict[str, Any]]:
    """What becomes of a message that this worker cannot handle: the dead letter, and its envelope."""
    letters: list[Letter] = []

    async def bury(dead: Letter) -> None:
        letters.append(dead)

    def hide(_: Delivery, seconds: float) -> None:
        raise AssertionError("this message is dead")

    ledger = FakeLedger()
    ledger.counts[f"runs#{dying.queue}#{dying.message_id}"] = dying.attempt - 1  # each receipt so far was a run
    road = lay_road(worker, Ports(hide=hide, bury=bury, ledger=ledger, now=lambda: 1_800_000_900.0))
    assert await road.travel(dying)
    [dead] = letters
    return dead, orjson.loads(dead.attributes[ATTRIBUTE].text or "")


async def test_a_worker_that_gives_its_events_keys_writes_them_on_its_letters() -> None:
    worker = make_worker(
        name="orders",
        queue="orders",
        decode=lambda given: orjson.loads(given.body),
        handle=rejects,
        key=lambda event: f"order-{event['order']}",
    )
    _, result = await parked(worker, delivery('{"order": "7"}'))
    assert result["idempotency_key"] == "order-7"
    for unreadable in ("no json", "{}"):
        _, result = await parked(worker, delivery(unreadable))
        assert result["idempotency_key"].startswith("body:")
