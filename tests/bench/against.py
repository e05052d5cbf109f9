"""What a message costs here and in another checkout, side by side: `python -m tests.bench.against CHECKOUT`.

CPU of the consumer's process alone, in the production setting with a handler that does nothing. The runs alternate, so that a busy
moment of the machine hits both; where it is never quiet, the least of each says more than the medians. The other checkout has its
own environment (`make setup` there).
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.bench.referee import ROOT, cores, run
from tests.sqs_server.running import SqsServer, sqs_server


def measured(server: SqsServer, root: Path, *, messages: int) -> float:
    """Microseconds of CPU for a message. Raises Invalid."""
    found = run(
        server,
        root=root,
        contestant="fleet",
        count=messages,
        warm=messages // 5,
        setting="production",
        kind="job",
        wait=0.0,
    )
    return found.cpu_us


def compared(other: list[float], here: list[float]) -> str:
    """The least and the median of each, and what one is of the other."""
    rows = [("other", min(other), median(other)), ("here", min(here), median(here)),
            ("here / other", min(here) / min(other), median(here) / median(other))]  # fmt: skip
    return "\n".join(f"{name:12}  least {least:7.2f}  median {middle:7.2f}" for name, least, middle in rows)


def main(write: Callable[[str], object] = sys.stdout.write) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.against", description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--messages", type=int, default=8_000)
    given = parser.parse_args()
    other: list[float] = []
    here: list[float] = []
    with sqs_server(prefix=("taskset", "-c", cores()[0])) as server:
        for _ in range(given.repetitions):
            other.append(measured(server, given.checkout.resolve(), messages=given.messages))
            here.append(measured(server, ROOT, messages=given.messages))
            write(f"other {other[-1]:.1f} us, here {here[-1]:.1f} us\n")
    write(f"{compared(other, here)}\n")


if __name__ == "__main__":
    main()
