"""The mutations: messages that run by themselves because they may end the process, and who waits for them."""

from tests.mutations.mutation import of

FAILURE = "tests/shared/road/failure"
LAST = f"{FAILURE}/test_last_runs.py"
SUSPECTS = f"{FAILURE}/test_suspects.py"
WAITING = f"{FAILURE}/test_standing_back.py"

BY_THEMSELVES = [
    *of(
        "shared/road/attempts.py",
        ("await self._stand_back([delivery])", "await apart.passage()", WAITING),
        (
            "end = await self._handling.run(delivery)\n                finally:\n                    apart.beside -= 1",
            "end = await self._handling.run(delivery)\n                finally:\n                    pass",
            LAST,
        ),
    ),
    *of(
        "shared/road/failure/apart.py",
        ("async with self._turn:", "if True:", SUSPECTS),
        ("if self.beside:", "if False:", LAST),
        ("self.held = asyncio.Event()", "pass", LAST),
    ),
]
