"""Runs every story under a recorder: `python -m tests.infra.recording` writes what was called into tests/infra/calls.json.

The workers' stories are the end-to-end tests, through both doors; behind Lambda's one of each worker. What people and other systems
do is in people.py.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.infra import people
from tests.infra.recorded import Call, calls

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("calls.json")
STORIES = [f"tests/e2e/test_{name}.py" for name in ("audit", "dead_letters", "reminders", "uploads", "webhooks")]
WANTED = "container or upload_ends_as_a_webhook or digest_makes or email or malformed"


def of_workers(home: Path) -> dict[str, set[Call]]:
    """What workers called in their stories. Raises AssertionError where a story fails."""
    file = home / "workers.jsonl"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FLEET_TEST", "PYTEST"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "-m", "e2e and not localstack", "-k", WANTED, *STORIES],
        check=False,
        cwd=ROOT,
        env=environment | {"FLEET_TEST_CALLS": str(file)},
        capture_output=True,
        text=True,
        timeout=1_200,
    )
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
    return calls(file.read_text(encoding="utf-8").splitlines())


def of_people(home: Path) -> dict[str, set[Call]]:
    """What people and other systems called in theirs."""
    file = home / "people.jsonl"
    with people.stage(home, file) as stage:
        people.read(stage)
        people.operate(stage)
        people.produce(stage)
    return calls(file.read_text(encoding="utf-8").splitlines())


def written(found: dict[str, set[Call]]) -> str:
    """The record as it is committed."""
    ordered = {
        who: {
            action: sorted(resource for each, resource in made if each == action)
            for action in sorted({action for action, _ in made})
        }
        for who, made in sorted(found.items())
    }
    return json.dumps(ordered, indent=1) + "\n"


def main() -> int:
    """Exit status of the command."""
    from tests.infra.test_access import CONCERN_OF, QUEUES, beside  # noqa: PLC0415  it reads the record

    with tempfile.TemporaryDirectory() as folder:
        found = of_workers(Path(folder)) | of_people(Path(folder))
    RECORD.write_text(
        written({who: made - beside(who) for who, made in found.items() if who not in CONCERN_OF}), encoding="utf-8"
    )
    sys.stdout.write(
        f"{RECORD}: {sum(map(len, found.values()))} calls of {len(found)}, {len(QUEUES)} of them workers\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
