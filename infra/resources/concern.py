"""A concern beside the fleet's four, declared whole: a queue, what fills it, a worker of the same name, and what that may do."""

from dataclasses import dataclass, field

from infra.resources.compute.settings import Source, WorkerSettings, camel
from infra.resources.queue import DAY, VISIBILITY_PER_HANDLER, QueueSettings


@dataclass(frozen=True, slots=True)
class Producers:
    """Whoever may send to the queue fills it; no service of AWS does."""


@dataclass(frozen=True, slots=True)
class BusEvents:
    """Events of these detail types on the fleet's bus."""

    detail_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableStream:
    """Every change of a table that has a stream. DynamoDB serves two readers of a stream well; the archive is one."""

    table: str


@dataclass(frozen=True, slots=True)
class OwnBucket:
    """Every object that is made in a bucket of the concern's own, which has its name."""


FilledBy = Producers | BusEvents | TableStream | OwnBucket


@dataclass(frozen=True, slots=True)
class Grant:
    """The worker may do these actions to these tables, and to objects of these buckets."""

    actions: tuple[str, ...]
    tables: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Concern:
    """`timeout`: seconds of one handler and of one invocation. `retention`: seconds, seven days at most, for a dead letter keeps its age.
    `batch`: messages of one invocation, ten at most. `concurrency`: invocations at once, 2 or more. `variables`: by their names, outputs of `messaging`.
    `backlog`: messages that wait for each task of Fargate before another is started.
    """

    name: str
    filled_by: FilledBy
    reason: str
    timeout: int = 30
    retention: int = 7 * DAY
    batch: int = 10
    concurrency: int = 10
    backlog: int = 500
    variables: dict[str, str] = field(default_factory=dict)
    grants: tuple[Grant, ...] = ()

    @property
    def queue(self) -> QueueSettings:
        """Its queue has its name."""
        return QueueSettings(
            self.name, self.timeout, self.timeout * VISIBILITY_PER_HANDLER, self.retention, self.reason
        )

    @property
    def worker(self) -> WorkerSettings:
        """How both doors run it."""
        return WorkerSettings(
            self.name,
            self.name.replace("-", "_"),
            (Source(self.name, self.batch, 0, self.concurrency, self.reason),),
            timeout=self.timeout,
            backlog=self.backlog,
            variables=self.variables,
        )

    @property
    def stem(self) -> str:
        """The CamelCase stem of its logical ids and outputs."""
        return camel(self.name)


def filled(concerns: tuple[Concern, ...], kind: type[FilledBy]) -> tuple[Concern, ...]:
    """Those whose queue is filled in this way."""
    return tuple(each for each in concerns if isinstance(each.filled_by, kind))
