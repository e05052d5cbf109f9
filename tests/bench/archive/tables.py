"""The archive's figures as rows of one table: what, what it is to be, what was found."""

from collections.abc import Iterator, Mapping
from typing import Any

HEADS = ("archive", "goal", "found")
Line = tuple[str, str, str]
GOALS = {1: "50 ms", 30: "200 ms"}


def lines(found: Mapping[str, Any]) -> Iterator[Line]:
    rows = found.get("rows", 0)
    for per in ("hour", "day"):
        if each := found.get(per):
            what = f"compact {rows:,} rows of 30 days, one file per {per}"
            size = f"{each['bytes'] / 1e6:.0f} MB of {each['written_bytes'] / 1e6:.0f} MB as gzip"
            yield what, "", f"{each['seconds']:.1f} s ({each['cpu']:.1f} s of CPU), {each['files']:,.0f} files, {size}"
    for each in found.get("searches", ()):
        days = "one day" if each["days"] == 1 else f"{each['days']} days"
        what = (
            f"find one {each['what']} in {days}, one file per {each['per']}, five hash keys: {each['rows']:,.0f} rows"
        )
        goal = GOALS.get(each["days"], "") if each["what"] == "actor" else ""
        yield what, goal, f"{each['ms']:.0f} ms ({each['cpu_ms']:.0f} ms of CPU), again {each['again_ms']:.0f} ms"
