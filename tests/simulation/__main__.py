"""python -m tests.simulation [--only PROFILE ...] [--seed N | --seeds N]: run, count, and tell the story of what is wrong."""

import argparse
import sys
import time
from collections import Counter

from tests.simulation.profiles import PROFILES
from tests.simulation.run import simulate


def tell(*lines: object) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[*PROFILES], metavar="PROFILE", help=", ".join(PROFILES))
    parser.add_argument("--seed", type=int, help="this one alone, with its history")
    parser.add_argument("--seeds", type=int, default=20, help="so many, from --first on, over the profiles in turn")
    parser.add_argument("--first", type=int, default=0)
    asked = parser.parse_args()
    names = asked.only or [*PROFILES]
    numbers = [asked.seed] if asked.seed is not None else range(asked.first, asked.first + asked.seeds)
    pairs = [(names[number % len(names)], number) for number in numbers]
    if asked.seed is not None and asked.only:
        pairs = [(name, asked.seed) for name in names]
    began, hours, failed = time.process_time(), 0.0, 0
    broken = Counter[str]()
    for name, number in pairs:
        outcome = simulate(name, number)
        hours += outcome.seconds / 3_600
        if outcome.violations:
            failed += 1
            broken.update({each.rule for each in outcome.violations})
            tell(f"--only {name} --seed {number}: {len(outcome.violations)} broken, first {outcome.violations[0]}")
            if asked.seed is not None:
                tell(*outcome.violations[1:10], outcome.history)
    for rule, count in broken.most_common():
        tell(f"{count:5} runs: {rule}")
    spent = time.process_time() - began
    tell(f"{len(pairs)} runs, {failed} failed, {hours:.1f} simulated hours in {spent:.1f} s of CPU")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
