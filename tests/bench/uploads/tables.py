"""The figures of uploads as rows of one table: what, what it is to be, what was found."""

from collections.abc import Iterator, Mapping
from typing import Any

HEADS = ("uploads", "goal", "found")
Line = tuple[str, str, str]


def lines(found: Mapping[str, Any]) -> Iterator[Line]:
    if keys := found.get("keys"):
        what = f"random Unicode keys through {keys['shapes']} shapes that come back otherwise, of {keys['keys']:,}"
        yield what, "0", f"{keys['wrong']} ({keys['us']:.0f} us of CPU to read one)"
    if recorded := found.get("recorded"):
        yield f"poison among {recorded['files']} recorded shapes", "0 of 30 or more", f"{recorded['poison']}"
    if gate := found.get("gate"):
        yield f"wrong decisions of the content gate, {gate['samples']} samples", "0", f"{gate['wrong']}"
        yield "CPU of one, median and worst sample", "200 us", f"{gate['median_us']:.0f} us, {gate['most_us']:.0f} us"
    if gone := found.get("gone"):
        what = f"calls and writes for a 410, at most; newer connections lost, {gone['races']:,} races"
        yield what, "1, 1, 0", f"{gone['posts']}, {gone['writes']}, {gone['lost']}"
    if waits := found.get("waits"):
        what = f"receipt to browser, {waits['per_second']:.0f} a second, 5 ms a call: median, p99"
        yield what, "p99 50 ms at 200", f"{waits['median_ms']:.0f} ms, {waits['p99_ms']:.0f} ms"
