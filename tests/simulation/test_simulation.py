"""Simulated runs of the container's door: what it promises holds, and what breaks a promise is found."""

import subprocess
import sys

import pytest

from tests.simulation.planted import MISTAKES
from tests.simulation.profiles import PROFILES
from tests.simulation.run import simulate

RUNS = 20
FAILED_ONCE = [("storm", 949), ("frozen", 1468)]
"""Of a process that was frozen while its key was claimed, the handler started on a dead lease; and what a handler asks for after its lease
is over was taken for a promise.
"""
SEARCHED = 40
"""Seeds in which a planted mistake must show."""


@pytest.mark.parametrize(
    ("name", "seed"), [([*PROFILES][seed % len(PROFILES)], seed) for seed in range(RUNS)] + FAILED_ONCE
)
def test_a_run_keeps_every_promise(name: str, seed: int) -> None:
    outcome = simulate(name, seed)

    assert not outcome.violations, f"--only {name} --seed {seed}\n{outcome.violations[0]}\n{outcome.history}"


def test_a_seed_tells_the_same_story_each_time() -> None:
    first = simulate("storm", 3)
    simulate("leaving", 1)

    assert simulate("storm", 3).digest == first.digest


def test_a_seed_tells_the_same_story_in_every_process() -> None:
    said = "from tests.simulation.run import simulate; print(simulate('frozen', 5).digest)"

    answers = {
        subprocess.run(
            [sys.executable, "-c", said], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }

    assert answers == {simulate("frozen", 5).digest + "\n"}


@pytest.mark.long
@pytest.mark.parametrize("name", MISTAKES)
def test_a_known_mistake_is_found(name: str) -> None:
    mistake = MISTAKES[name]

    with mistake.planted():
        found = any(simulate(mistake.profile, seed, worker=mistake.worker).violations for seed in range(SEARCHED))

    assert found
