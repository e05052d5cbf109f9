"""`python -m tests.bench`: everything into docs/performance.md and docs/performance/; `--quick` once, with few messages, only to the terminal.

A section that fails is named at the end, with status 1; the others are measured and written all the same.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from fleet.planner.work import read
from tests.bench.agenda import EXTRAS, Extent, sections
from tests.bench.picture import picture
from tests.bench.plan import ROUNDS, Row, rows
from tests.bench.referee import PEERS, ROOT, Run
from tests.bench.report import FIRST, PICTURES, figures, first, put
from tests.bench.sections import Found, Section, taken
from tests.bench.whole.aims import aims, concerns

PAGE = ROOT / "docs" / "performance.md"
FOLDER = ROOT / "docs" / "performance"
TABLES = FOLDER / "figures.md"
WORK = ROOT / "fleet" / "planner" / "work.json"


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def versions() -> dict[str, str]:
    """Of this runtime's client libraries and of the peers."""
    names = ("aioboto3", "boto3", "aiohttp", "taskiq-aio-sqs", "celery", "kombu", "dramatiq", "dramatiq-sqs", "sqs-workers",
             "aws-lambda-powertools", "pydantic", "structlog", "opentelemetry-sdk")  # fmt: skip
    code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {names!r}}}))"
    done = subprocess.run([str(PEERS), "-c", code], check=True, capture_output=True, timeout=60)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one repetition of few messages, printed and not kept")
    parser.add_argument("--repetitions", type=int, help="of every section, instead of its own number")
    parser.add_argument("--messages", type=int, default=5_000)
    parser.add_argument(
        "--rounds",
        nargs="*",
        choices=[each.name for each in ROUNDS],
        help="only these, or none of them and only the rest; what is not measured stays as it was",
    )
    parser.add_argument(
        "--extras", nargs="+", choices=EXTRAS, help="of what is beside the rounds only this, also with --rounds"
    )
    parser.add_argument(
        "--pages", action="store_true", help="measure nothing: write the pages anew from docs/performance/runs.json"
    )
    parser.add_argument("--note", default="", help="one sentence for the page: what else the machine did, say")
    given = parser.parse_args()
    if not given.pages and not PEERS.exists():
        parser.error(f"{PEERS.relative_to(ROOT)} is missing: `make bench` builds it")
    if given.quick:
        given.repetitions, given.messages = 1, min(given.messages, 2_000)
    return given


def main() -> int:
    given = parsed()
    if given.pages:
        write(json.loads((FOLDER / "runs.json").read_text()))
        return 0
    began = datetime.now(UTC).isoformat(timespec="minutes")
    about = {"messages": given.messages, "note": given.note, "date": began[:10], "versions": versions()}
    raw: Found = {"about": about, "taken": {}, "rounds": {}, "extras": {}}

    def keep_section(section: Section, found: Found) -> None:
        raw[section.part] |= found
        raw["taken"] |= dict.fromkeys(found, began)
        if not given.quick:
            keep(raw)

    extent = Extent(quick=given.quick, messages=given.messages, repetitions=given.repetitions)
    result = taken(sections(extent, say, rounds=given.rounds, only=given.extras), keep=keep_section, say=say)
    if given.quick:
        more = [*aims(rows_of(raw), raw["extras"]), *concerns(raw["extras"])]
        sys.stdout.write("\n".join([figures(rows_of(raw), raw["extras"], about), *more, ""]))
    else:
        keep(raw | {"about": about | {"seconds": result.seconds, "failed": result.failed}})
        say(f"written: {PAGE.relative_to(ROOT)}, {TABLES.relative_to(ROOT)}")
    return result.status


def keep(new: Found) -> None:
    """The raw figures, the pictures and both pages; rounds and extras that were not measured now stay as they were."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    place = FOLDER / "runs.json"
    old = json.loads(place.read_text()) if place.exists() else {}
    parts = ("taken", "rounds", "extras")
    kept = {"about": new["about"], **{part: {**old.get(part, {}), **new.get(part, {})} for part in parts}}
    place.write_text(json.dumps(kept, indent=1) + "\n")
    write(kept)


def write(kept: dict[str, Any]) -> None:
    """The pictures, both pages and what the planner reads where it is given no file."""
    found, about = rows_of(kept), kept["about"] | {"taken": kept.get("taken", {})}
    for each in ROUNDS:
        if each.name in PICTURES and found.get(each.name):
            (FOLDER / f"{each.name}.svg").write_text(picture(each.title, found[each.name]))
    put(TABLES, figures(found, kept["extras"], about))
    WORK.write_text(json.dumps(asdict(read(json.dumps(kept))), indent=2) + "\n")
    if found.get(FIRST):
        put(PAGE, first(found, kept["extras"], about))


def rows_of(raw: dict[str, Any]) -> dict[str, list[Row]]:
    """Medians of each round."""
    return {
        each.name: rows([Run(**run) for run in raw["rounds"][each.name]["runs"]], each.contestants)
        for each in ROUNDS
        if each.name in raw["rounds"]
    }


if __name__ == "__main__":
    sys.exit(main())
