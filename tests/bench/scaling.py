"""What more brings: more messages (memory), more slots, a second process; and a proof that nobody deletes early."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.bodies import QUEUE
from tests.bench.plan import CONTESTANTS
from tests.bench.referee import LONGEST, Invalid, cores, run, started
from tests.bench.work import Task
from tests.sqs_server.checker import check
from tests.sqs_server.running import SqsServer

Say = Callable[[str], None]
BURN = 0.0003
"""Seconds of CPU of a handler that computes."""


def memory(server: SqsServer, counts: tuple[int, ...], say: Say) -> Iterator[dict[str, Any]]:
    """Peak memory after so many messages in one process."""
    for count in counts:
        found = run(
            server, contestant="fleet", setting="production", kind="job", wait=0.0, count=count, warm=count // 5
        )
        say(f"memory: {count} messages, {found.memory} KiB, {found.cpu_us:.1f} us")
        yield {"messages": count, "kib": found.memory, "cpu_us": found.cpu_us}


def slots(server: SqsServer, widths: tuple[int, ...], say: Say) -> Iterator[dict[str, Any]]:
    """Messages a second with handlers that wait 5 ms, and how full the core is."""
    for width in widths:
        count = max(300, min(20_000, width * 400))
        parts: dict[str, Any] = {"setting": "production", "kind": "job", "wait": 0.005, "slots": width}
        found = run(server, contestant="fleet", count=count, warm=count // 5, **parts)
        rate, full = found.messages / found.wall, found.cpu / found.wall
        say(f"slots: {width}, {rate:.0f} messages a second, core {full:.0%} full")
        yield {"slots": width, "per_second": rate, "core": full}


def processes(server: SqsServer, *, count: int, say: Say) -> list[dict[str, Any]]:
    """Messages a second of one process and of two, each on a core of its own; the server shares the second one's."""
    found = []
    for places in ((cores()[1],), cores()[::-1]):
        rate = _rate(server, places, count * len(places))
        say(f"processes: {len(places)}, {rate:.0f} messages a second")
        found.append({"processes": len(places), "per_second": rate})
    return found


def _rate(server: SqsServer, places: tuple[str, ...], count: int) -> float:
    server.control.reset()
    server.control.keep_ledger(on=False)
    url = server.make(QUEUE, VisibilityTimeout=300)
    with TemporaryDirectory() as folder, ExitStack() as stack:
        task = Task("fleet", url, server.endpoint_url, count, 1, "production", "job", 0.0, str(Path(folder) / "result"),
                    burn=BURN)  # fmt: skip
        with started(server, task, "load") as loading:
            loading.wait()
        for place in places:
            stack.enter_context(started(server, task, "consume", core=place))
        begun, ended = (_deleted(server, int(count * share)) for share in (0.3, 0.95))
        return (ended[1] - begun[1]) / (ended[0] - begun[0])


def _deleted(server: SqsServer, least: int) -> tuple[float, int]:
    """When at least so many messages were deleted, and how many; all processes work by then."""
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        rows = server.control.stats()["messages"]
        if (found := sum(row["count"] for row in rows if row["kind"] == "delete")) >= least:
            return time.monotonic(), found
        time.sleep(0.05)
    raise Invalid(f"not {least} messages were deleted in {LONGEST} s")


def proofs(server: SqsServer, *, count: int, say: Say) -> Iterator[dict[str, Any]]:
    """Whether each contestant deletes what its handlers have ended, and nothing before: by the server's ledger."""
    for name in CONTESTANTS:
        setting = "production" if name == "raw_lean" else "bare"  # its one line is what makes it
        try:
            run(server, contestant=name, setting=setting, kind="job", wait=0.0, count=count, warm=1, proof=True)
            early = len(check(server.control.ledger(), handled={QUEUE}).lost)
        except Invalid as fault:
            say(f"proof: {name} INVALID {fault}")
            yield {"contestant": name, "early_deletes": None, "fault": str(fault)}
            continue
        say(f"proof: {name}, {early} of {count} deleted before their handlers ended")
        yield {"contestant": name, "early_deletes": early, "messages": count}
