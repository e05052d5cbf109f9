"""`python -m tests.bench`: everything into docs/performance.md and docs/performance/; `--quick` once, with few messages, only to the terminal."""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from tests.bench import aws_calls, extras, scaling
from tests.bench.archive import play as archive
from tests.bench.picture import picture
from tests.bench.plan import ROUNDS, Row, played, rows
from tests.bench.referee import PEERS, ROOT, Run, cores
from tests.bench.reminders import play as reminders
from tests.bench.report import FIRST, PICTURES, figures, first, put
from tests.bench.uploads import play as uploads
from tests.bench.webhooks import play as webhooks
from tests.bench.whole import play as whole
from tests.bench.whole.aims import aims
from tests.sqs_server.account import REGION
from tests.sqs_server.running import ACCESS_KEY, CERTIFICATE, SECRET, sqs_server

PAGE = ROOT / "docs" / "performance.md"
FOLDER = ROOT / "docs" / "performance"
TABLES = FOLDER / "figures.md"


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def lambda_doors() -> list[dict[str, Any]]:
    """Our Lambda entry and Powertools', each in its own environment."""
    found = []
    for name, python in (("fleet", sys.executable), ("powertools", str(PEERS))):
        environment = {"PYTHONPATH": str(ROOT), "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
                       "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "PATH": "/usr/bin:/bin"}  # fmt: skip
        command = ["taskset", "-c", cores()[1], python, "-m", "tests.bench.lambda_door", name]
        done = subprocess.run(command, check=True, cwd=ROOT, env=environment, capture_output=True, timeout=120)
        found.append(json.loads(done.stdout))
        say(f"lambda: {found[-1]}")
    return found


def others(given: argparse.Namespace) -> dict[str, Any]:
    """Everything beside the rounds, or what is named of it."""
    quick = given.quick
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "imports": lambda: {"imports": extras.imports(repetitions=2 if quick else 7)},
        "lambda": lambda: {"lambda": lambda_doors()},
        "aws_calls": lambda: {"aws_calls": aws_calls.take(quick=quick)},
        "whole": lambda: {"whole": whole.take(quick=quick, repetitions=given.repetitions, say=say)},
        "webhooks": lambda: {"webhooks": webhooks.take(quick=quick, repetitions=given.repetitions, say=say)},
        "uploads": lambda: {"uploads": uploads.take(quick=quick, say=say)},
        "reminders": lambda: {"reminders": reminders.take(quick=quick, say=say)},
        "archive": lambda: {"archive": archive.take(quick=quick, say=say)},
        "queues": lambda: queues(quick=quick),
        "memory": lambda: memory((2_000, 10_000) if quick else (10_000, 100_000, 1_000_000)),
    }
    found: dict[str, Any] = {}
    for name in given.extras or parts:
        found |= parts[name]()
    return found


def queues(*, quick: bool) -> dict[str, Any]:
    """What is measured at queues, on one server."""
    found: dict[str, Any] = {}
    with sqs_server(prefix=("taskset", "-c", cores()[0])) as server:
        names = ("fleet", "aioboto3_good")
        found["quiet"] = [extras.quiet(server, name, seconds=3 if quick else 10) for name in names]
        found["idle"] = [extras.idle(server, "fleet", seconds=20 if quick else 120)]
        found["slots"] = [*scaling.slots(server, (1, 16, 256) if quick else (1, 2, 4, 8, 16, 32, 64, 128, 256), say)]
        found["processes"] = scaling.processes(server, count=5_000 if quick else 8_000, say=say)
        found["proofs"] = [*scaling.proofs(server, count=100 if quick else 300, say=say)]
    return found


def memory(counts: tuple[int, ...]) -> dict[str, Any]:
    with sqs_server(prefix=("taskset", "-c", cores()[0])) as server:
        return {"memory": [*scaling.memory(server, counts, say)]}


def versions() -> dict[str, str]:
    """Of this runtime's client libraries and of the peers."""
    names = ("aioboto3", "boto3", "aiohttp", "taskiq-aio-sqs", "celery", "kombu", "dramatiq", "dramatiq-sqs", "sqs-workers",
             "aws-lambda-powertools", "pydantic", "structlog", "opentelemetry-sdk")  # fmt: skip
    code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {names!r}}}))"
    done = subprocess.run([str(PEERS), "-c", code], check=True, capture_output=True, timeout=60)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def measured(given: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each round's name and runs, as it ends."""
    for each in ROUNDS:
        if given.rounds is None or each.name in given.rounds:
            with sqs_server(prefix=("taskset", "-c", cores()[0]), tls=CERTIFICATE if each.tls else None) as server:
                runs, faults = played(server, each, repetitions=given.repetitions, messages=given.messages, say=say)
                yield each.name, {"runs": [asdict(run) for run in runs], "invalid": faults}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one repetition of few messages, printed and not kept")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument(
        "--rounds",
        nargs="*",
        choices=[each.name for each in ROUNDS],
        help="only these, or none of them and only the rest; what is not measured stays as it was",
    )
    parser.add_argument(
        "--extras",
        nargs="+",
        choices=[
            "imports",
            "lambda",
            "aws_calls",
            "whole",
            "webhooks",
            "uploads",
            "reminders",
            "archive",
            "queues",
            "memory",
        ],
        help="of what is beside the rounds only this, also with --rounds",
    )
    parser.add_argument("--note", default="", help="one sentence for the page: what else the machine did, say")
    given = parser.parse_args()
    if not PEERS.exists():
        parser.error(f"{PEERS.relative_to(ROOT)} is missing: `make bench` builds it")
    if given.quick:
        given.repetitions, given.messages = 1, min(given.messages, 2_000)
    about = {"messages": given.messages, "repetitions": given.repetitions, "note": given.note,
             "date": datetime.now(UTC).date().isoformat(), "versions": versions()}  # fmt: skip
    raw: dict[str, Any] = {"about": about, "rounds": {}, "extras": {}}
    for name, found in measured(given):
        raw["rounds"][name] = found
        if not given.quick:
            keep(raw)
    if given.extras or not given.rounds:
        raw["extras"] = others(given)
    if given.quick:
        aimed = "\n".join(aims(rows_of(raw), raw["extras"]))
        sys.stdout.write(f"{figures(rows_of(raw), raw['extras'], about)}\n{aimed}\n")
        return
    keep(raw)
    say(f"written: {PAGE.relative_to(ROOT)}, {TABLES.relative_to(ROOT)}")


def keep(new: dict[str, Any]) -> None:
    """The raw figures, the pictures and both pages; rounds and extras that were not measured now stay as they were."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    place = FOLDER / "runs.json"
    old = json.loads(place.read_text()) if place.exists() else {"rounds": {}, "extras": {}}
    kept = {"about": new["about"], **{part: {**old[part], **new[part]} for part in ("rounds", "extras")}}
    place.write_text(json.dumps(kept, indent=1) + "\n")
    found = rows_of(kept)
    for each in ROUNDS:
        if each.name in PICTURES and found.get(each.name):
            (FOLDER / f"{each.name}.svg").write_text(picture(each.title, found[each.name]))
    put(TABLES, figures(found, kept["extras"], kept["about"]))
    if found.get(FIRST):
        put(PAGE, first(found, kept["extras"], kept["about"]))


def rows_of(raw: dict[str, Any]) -> dict[str, list[Row]]:
    """Medians of each round."""
    return {
        each.name: rows([Run(**run) for run in raw["rounds"][each.name]["runs"]], each.contestants)
        for each in ROUNDS
        if each.name in raw["rounds"]
    }


if __name__ == "__main__":
    main()
