"""The webhooks' figures as rows of one table: what, what it is to be, what was found."""

from collections.abc import Iterator, Mapping
from typing import Any

HEADS = ("webhooks", "goal", "found")
Line = tuple[str, str, str]


def lines(found: Mapping[str, Any]) -> Iterator[Line]:
    for name in ("http", "tls"):
        if name in found:
            cpu = found[name]
            kind = name.upper()
            yield f"CPU of a signed POST over {kind}: aiohttp as one tunes it", "", f"{cpu['aiohttp']:.0f} us"
            yield "the same, the worker's sender", "1.5 x at most", _times(cpu["sender"], cpu["aiohttp"])
            yield "the worker's whole work: event, job, POST, records", "", _times(cpu["whole"], cpu["aiohttp"])
    for waits in found.get("waits", ()):
        what = f"from the event's send to the request, {waits['per_second']:.0f} a second, 5 ms a call: median, p99"
        yield what, "p99 50 ms at 200", f"{waits['median_ms']:.0f} ms, {waits['p99_ms']:.0f} ms"
    if reuse := found.get("reuse"):
        yield "requests over a kept connection, 500 in a burst to one endpoint", "95 %", f"{reuse['burst']:.1%}"
        yield "the same, 8 a second", "99 %", f"{reuse['quiet']:.1%}"
    for each in found.get("spread", ()):
        what = f"fan-out of one event of 20 kB to {each['endpoints']:,.0f} endpoints: memory more, time"
        yield what, "20 MiB", f"{each['mib']:.1f} MiB, {each['seconds']:.1f} s ({each['cpu']:.2f} s of CPU)"


def _times(cpu: float, bare: float) -> str:
    return f"{cpu:.0f} us, {cpu / bare:.2f} x"
