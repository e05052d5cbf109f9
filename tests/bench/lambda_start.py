"""CPU of a Lambda sandbox's start: the import of each worker's handler, and that with the upload worker's first invocation, against the
import of aiobotocore's session alone.

`python -m tests.bench.lambda_start`: fresh processes one after another, in turns, medians. What is installed here and not in
Lambda's zip (rich, which structlog imports where it finds it) is hidden from them.
"""

import json
import resource
import subprocess
import sys
from statistics import median
from typing import Any

from tests.bench.referee import ROOT, cores

ROUNDS = 7
HIDDEN = ("rich", "pygments", "click")
"""In the container's image and the developer's environment only."""
ALONE = "aiobotocore.session"
HANDLERS = tuple(f"workers.{each.parent.name}.app" for each in sorted((ROOT / "workers").glob("*/app.py")))


UPLOADS = "workers.upload_notification.app"
FIRST = "its first invocation"
PLAIN = {
    "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token",
    "AWS_DEFAULT_REGION": "eu-west-1", "HOME": "/nowhere", "PATH": "/usr/bin:/bin", "SESSIONS_TABLE_NAME": "sessions",
    "UPLOAD_BUCKET_NAME": "uploads", "EVENT_BUS_NAME": "bus", "WS_API_ENDPOINT": "127.0.0.1:9/none",
    "UPLOADS_QUEUE_URL": "http://127.0.0.1:9/1/uploads", "UPLOADS_DLQ_URL": "http://127.0.0.1:9/1/uploads-dlq",
}  # fmt: skip
"""Lambda's environment: a role's keys and a region; no proxy, no files, no certificates of one's own."""
INVOKED = f"""
from types import SimpleNamespace
import {UPLOADS} as app
app.lambda_handler({{"Records": []}}, SimpleNamespace(get_remaining_time_in_millis=lambda: 30000))
"""
"""All clients are opened; no message is there and nothing is sent."""


def code(module: str) -> str:
    """What a process runs to import `module` as Lambda does, or to be invoked as well."""
    hidden = f"import sys; sys.modules.update(dict.fromkeys({HIDDEN!r}))"
    if module == FIRST:
        return hidden + INVOKED
    return f"{hidden}\nimport {module}" if module else hidden


def milliseconds(module: str) -> float:
    """CPU of one process that imports `module`; of the interpreter itself where there is none."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        ["taskset", "-c", cores()[1], sys.executable, "-c", code(module)], check=True, cwd=ROOT, env=PLAIN, timeout=60
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def take(rounds: int) -> list[dict[str, Any]]:
    """A row for each import: milliseconds over an empty interpreter, and how often aiobotocore's."""
    modules = ("", ALONE, *HANDLERS, FIRST)
    found: dict[str, list[float]] = {each: [] for each in modules}
    for _ in range(rounds + 1):
        for each in modules:
            found[each].append(milliseconds(each))
    empty = median(found[""][1:])  # the first round fills the disk's cache
    own = {name: sorted(ms - empty for ms in found[name][1:]) for name in modules if name}
    alone = median(own[ALONE])
    return [
        {
            "module": name,
            "ms": round(median(times), 1),
            "least_ms": round(times[0], 1),
            "most_ms": round(times[-1], 1),
            "times_aiobotocore": round(median(times) / alone, 2),
        }
        for name, times in own.items()
    ]


def main() -> None:
    for each in take(ROUNDS):
        print(json.dumps(each))  # noqa: T201  # the answer


if __name__ == "__main__":
    main()
