"""What a worker of the fleet is told: how it reads its queues behind each door, and which variables it is given."""

from dataclasses import dataclass, field
from typing import Final

# Measured: the worst body budget of a process fits; Lambda gives a third of a processor with it.
MEMORY: Final = 512  # MiB
DRAIN: Final = 60  # seconds from SIGTERM to the end: the longest handler (45 s) ends by itself
STOP_TIMEOUT: Final = 90  # seconds that ECS waits before SIGKILL; 120 is its most


@dataclass(frozen=True, slots=True)
class Source:
    """One queue of a worker as Lambda reads it. `window` in seconds; AWS wants one of 1 or more above ten messages.

    `concurrency`: invocations at once, 2 or more.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    """

    queue: str
    batch: int
    window: int
    concurrency: int
    reason: str

    @property
    def stem(self) -> str:
        """The CamelCase stem of the queue's outputs."""
        return camel(self.queue)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """One worker. `timeout`: seconds of one invocation. Its variables come from outputs of `messaging` (`variables`) and of `access`
    (`kept`), and from parameters of the deployment (`asked`), where an empty one counts as unset. `backlog`: messages that wait for each task of
    Fargate before another is started.
    """

    name: str
    package: str
    sources: tuple[Source, ...]
    timeout: int
    backlog: int
    variables: dict[str, str]
    kept: dict[str, str] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """The CamelCase stem of its logical ids, parameters and outputs."""
        return camel(self.name)

    @property
    def handler(self) -> str:
        """Lambda's door in the zip."""
        return f"workers.{self.package}.app.lambda_handler"

    @property
    def concurrency(self) -> int:
        """Invocations at once of all its queues: what is reserved for it, and no less, or its mappings are throttled."""
        return sum(source.concurrency for source in self.sources)


def camel(name: str) -> str:
    """`reminder-ticks` is `ReminderTicks`."""
    return "".join(word.capitalize() for word in name.split("-"))
