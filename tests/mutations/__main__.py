"""`python -m tests.mutations`: each mistake is made in a copy of the tree, and its tests must turn red there.

Ends with 0 where every mistake was noticed, or is listed as one that cannot be, with the reason.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.mutations.listed import MUTATIONS
from tests.mutations.mutation import Mutation

ROOT = Path(__file__).parents[2]
COPIED = ("shared", "workers", "fleet", "tests", "infra", "docs")
AT_ONCE = 2
SECONDS = 30.0
"""A mistake may make a test hang: that is noticed as well. Without one, the slowest of these files takes ten."""

FAILED, PASSED = 1, 0
"""What pytest ends with; anything else means that the tests could not be run, and shows nothing."""


@dataclass(frozen=True)
class Result:
    mutation: Mutation
    noticed: bool
    fault: str = ""

    @property
    def is_well(self) -> bool:
        return not self.fault and self.noticed != bool(self.mutation.survives)


def tried(mutation: Mutation, tree: Path) -> Result:
    """Make the mistake in this copy, run its tests, and take it back."""
    path = tree / mutation.file
    original = path.read_text()
    try:
        path.write_text(mutation.applied_to(original))
        ended = tested(mutation.tests, tree, seconds=SECONDS)
    except ValueError as error:
        return Result(mutation, noticed=False, fault=str(error))
    except subprocess.TimeoutExpired:
        return Result(mutation, noticed=True)
    finally:
        path.write_text(original)
    if ended.returncode not in {FAILED, PASSED}:
        return Result(mutation, noticed=False, fault=f"pytest ended with {ended.returncode}: {ended.stdout[-500:]}")
    return Result(mutation, noticed=ended.returncode == FAILED)


def tested(files: Sequence[str], tree: Path, *, seconds: float) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", "--no-header", *files]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=seconds, check=False)


@contextmanager
def copies(count: int) -> Iterator[SimpleQueue[Path]]:
    """So many copies of the tree, handed from one mutation to the next."""
    free: SimpleQueue[Path] = SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        for number in range(count):
            tree = Path(folder) / str(number)
            tree.mkdir()
            shutil.copy(ROOT / "pyproject.toml", tree)
            for name in COPIED:
                shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
            free.put(tree)
        yield free


def run(mutations: Sequence[Mutation], write: Callable[[str], object]) -> list[Result]:
    """Raises RuntimeError where the tests are red without any mistake: then they would notice nothing."""
    with copies(AT_ONCE) as free:

        def unchanged(tests: Sequence[str]) -> None:
            tree = free.get()
            try:
                ended = tested(tests, tree, seconds=SECONDS * len(tests))
            finally:
                free.put(tree)
            if ended.returncode != PASSED:
                raise RuntimeError(f"red as they are: {', '.join(tests)}\n{ended.stdout[-2000:]}")

        def one(mutation: Mutation) -> Result:
            tree = free.get()
            try:
                result = tried(mutation, tree)
            finally:
                free.put(tree)
            if not result.is_well:
                write(f"{'CANNOT BE TRIED' if result.fault else 'NOT AS LISTED'} {mutation.title}\n{result.fault}\n")
            return result

        with ThreadPoolExecutor(AT_ONCE) as pool:
            every = sorted({name for each in mutations for name in each.tests})
            list(pool.map(unchanged, [every[place::AT_ONCE] for place in range(min(AT_ONCE, len(every)))]))
            return list(pool.map(one, mutations))


def main(words: Sequence[str] = sys.argv[1:], write: Callable[[str], object] = sys.stdout.write) -> int:
    """Only mutations of files whose name holds one of `words`, where any are given."""
    began = time.monotonic()
    wanted = [each for each in MUTATIONS if not words or any(word in each.file for word in words)]
    results = run(wanted, write)
    for each in results:
        if each.mutation.survives:
            write(f"survives: {each.mutation.title}\n  because {each.mutation.survives}\n")
    noticed = sum(each.noticed for each in results)
    wrong = [each for each in results if not each.is_well]
    seconds = time.monotonic() - began
    write(f"{noticed} of {len(results)} mutations noticed, {len(wrong)} not as listed, in {seconds:.0f} s\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
