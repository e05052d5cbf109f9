"""CPU of a Lambda sandbox's start: the import of each worker's handler, against that of aiobotocore's session alone.

`python -m tests.bench.lambda_start`: fresh processes one after another, in turns, medians. What is installed here and not in
Lambda's zip (rich, which structlog imports where it finds it) is hidden from them.
"""

import json
import resource
import subprocess
import sys
from statistics import median

from tests.bench.referee import ROOT

ROUNDS = 7
HIDDEN = ("rich", "pygments", "click")
"""In the container's image and the developer's environment only."""
ALONE = "aiobotocore.session"
HANDLERS = tuple(f"workers.{each.parent.name}.app" for each in sorted((ROOT / "workers").glob("*/app.py")))


def code(module: str) -> str:
    """What a process runs to import `module` as Lambda does."""
    hidden = f"import sys; sys.modules.update(dict.fromkeys({HIDDEN!r}))"
    return f"{hidden}\nimport {module}" if module else hidden


def milliseconds(module: str) -> float:
    """CPU of one process that imports `module`; of the interpreter itself where there is none."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code(module)], check=True, cwd=ROOT, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def main() -> None:
    modules = ("", ALONE, *HANDLERS)
    found: dict[str, list[float]] = {each: [] for each in modules}
    for _ in range(ROUNDS + 1):
        for each in modules:
            found[each].append(milliseconds(each))
    empty = median(found[""][1:])  # the first round fills the disk's cache
    own = {each: median(found[each][1:]) - empty for each in modules if each}
    for each, ms in own.items():
        print(json.dumps({"import": each, "ms": round(ms, 1), "of_aiobotocore": round(ms / own[ALONE], 2)}))  # noqa: T201  # the answer


if __name__ == "__main__":
    main()
