"""What a new worker is called and what fills its queue; a name that some place would refuse is refused first."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

Source = Literal["queue", "bus", "s3", "stream"]
SOURCES: Final[tuple[Source, ...]] = get_args(Source)
TABLES: Final = ("sessions", "reminders", "webhooks")
"""Tables with a stream."""

LONGEST: Final = 24
"""Letters and hyphens of a name: with project, stage and the longest ending AWS still takes it as a bucket, a role and a function."""

NAME = re.compile(r"[a-z]+(-[a-z]+)*")
EVENT = re.compile(r"[A-Za-z0-9_./:-]{1,80}")
RESOURCE = re.compile(r"\$\{ProjectName\}-([a-z-]+)-\$\{Stage\}")
LOGICAL_ID = re.compile(r'^ +"(\w+)":\{', re.MULTILINE)


class NotPossible(Exception):
    """No worker can be written by this name; the text says why, and what would do."""


@dataclass(frozen=True, slots=True)
class New:
    """`event`: the detail type that a worker of the bus asks for. `table`: whose changes one of a stream follows."""

    name: str
    source: Source
    event: str
    table: str = TABLES[0]

    @property
    def package(self) -> str:
        """Of the folder: `loyalty_points`."""
        return self.name.replace("-", "_")

    @property
    def stem(self) -> str:
        """Of classes, logical ids and outputs: `LoyaltyPoints`."""
        return "".join(word.capitalize() for word in self.name.split("-"))

    @property
    def variable(self) -> str:
        """Of variables: `LOYALTY_POINTS`."""
        return self.package.upper()


def check(new: New, root: Path) -> None:
    """Raises NotPossible. Physical names and logical ids that are taken are read from the committed templates."""
    name = new.name
    if not (root / "infra" / "templates").is_dir():
        raise NotPossible(
            f"{root} holds no repository of the fleet: run the command from a checkout, after `make setup`"
        )
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise NotPossible(
            f"{name!r} is no name for a worker: lower-case letters a to z in words joined by single hyphens, "
            f"{LONGEST} at most, such as loyalty-points"
        )
    if keyword.iskeyword(new.package):
        raise NotPossible(f"{name!r} is a word of Python's own, and no folder that it could import: add a word to it")
    if name.endswith("-dlq"):
        raise NotPossible(f"{name!r} ends as dead-letter queues do: leave `-dlq` out")
    if not EVENT.fullmatch(new.event):
        raise NotPossible(f"--event {new.event!r} is no detail type: letters, digits and . _ / : - , 80 at most")
    if there := [path for path in folders(new, root) if path.exists()]:
        raise NotPossible(
            f"{there[0].relative_to(root)} is there already, and nothing was changed: choose another name"
        )
    if by := _taken(new, root):
        raise NotPossible(f"{name!r} is taken: the fleet has {by} of that name already")


def folders(new: New, root: Path) -> tuple[Path, ...]:
    """What must not be there yet."""
    return (
        root / "workers" / new.package,
        root / "tests" / "workers" / new.package,
        root / "infra" / "concerns" / f"{new.package}.py",
        root / "kubernetes" / "base" / f"{new.name}.yaml",
    )


def _taken(new: New, root: Path) -> str | None:
    for path in sorted((root / "infra" / "templates").glob("*.json")):
        text = path.read_text(encoding="utf-8")
        if {new.name, f"{new.name}-dlq"} & {*RESOURCE.findall(text)}:
            return f"a resource (infra/templates/{path.name})"
        ids = {f"{new.stem}{what}" for what in ("Queue", "Rule", "Pipe", "Bucket", "Role", "Function")}
        if ids & {*LOGICAL_ID.findall(text)}:
            return f"a logical id (infra/templates/{path.name})"
    if new.name in _services(root):
        return "a service (docker-compose.yml)"
    return None


def _services(root: Path) -> set[str]:
    _, _, services = (root / "docker-compose.yml").read_text(encoding="utf-8").partition("\nservices:\n")
    return {*re.findall(r"^  ([a-z-]+):$", services, re.MULTILINE)}
