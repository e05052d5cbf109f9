"""A mistake in one line of the runtime, and the few tests that have to notice it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """`old` stands exactly once in `file` and becomes `new`; `tests` are files, or single tests of them (`file::test`). `survives`: why no test can notice it."""

    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    survives: str = ""

    @property
    def title(self) -> str:
        return f"{self.file}: {self.old.strip()}  ->  {self.new.strip() or '(nothing)'}"

    def applied_to(self, text: str) -> str:
        """Raises ValueError where the line is no longer there: then this mutation is to be mended."""
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file}: {self.old!r} stands there {text.count(self.old)} times, and not once")
        return text.replace(self.old, self.new)


def of(file: str, *mutations: tuple[str, str, str]) -> list[Mutation]:
    """Mutations of one file: old, new, and the tests, separated by blanks."""
    return [Mutation(file, old, new, tuple(tests.split())) for old, new, tests in mutations]
