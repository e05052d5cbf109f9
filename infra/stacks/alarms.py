"""The stacks `alarms`, `queue-alarms` and `service-alarms`: what calls a person, whom, and the metrics that are made for it from log lines."""

from typing import Final

from constructs import Construct

from infra.concerns import CONCERNS
from infra.naming import arn_of
from infra.resources.concern import TableStream
from infra.resources.queue import DLQ_RETENTION
from infra.resources.queues import EVENTS_UNDELIVERED, QUEUES
from infra.resources.storage import TABLES
from infra.watch.alarm import Alarms, Watch
from infra.watch.log_metrics import log_metrics
from infra.watch.of_queues import letter_watches, letters_expire, letters_vanish, letters_wait, queue_watches
from infra.watch.of_services import pipe_watch, rule_watches, table_watch, worker_watches
from infra.watch.stack import WatchedStack
from infra.watch.subjects import (
    HOUR,
    LETTERS,
    LETTERS_MARGIN,
    LONGEST_WATCH,
    QUEUE_NUMBERS,
    RULES,
    SERVICE_NUMBERS,
    WORKERS,
)
from infra.watch.topic import Topic

TOPIC: Final = arn_of("sns", "alarms")


class AlarmsStack(WatchedStack):
    """The topic, metrics from logs, and alarms on dead letters. Needs the log groups of `workers` to exist."""

    def __init__(self, scope: Construct) -> None:
        """Declare everything."""
        super().__init__(scope, "alarms", "Whom alarms call, metrics from logs, alarms on dead letters", (LETTERS,))
        log_metrics(self)
        alarms = Alarms(self, Topic(self).arn)
        for queue in QUEUES:
            alarms.add(letter_watches(queue.name))
        alarms.add(_undelivered())
        alarms.add([letters_vanish()])


class QueueAlarmsStack(WatchedStack):
    """A template takes 51,200 bytes, so that there are three with alarms. Needs the topic of `alarms`."""

    def __init__(self, scope: Construct) -> None:
        """Declare everything."""
        super().__init__(
            scope, "queue-alarms", "Alarms on queues and on what is done with their messages", QUEUE_NUMBERS
        )
        alarms = Alarms(self, TOPIC)
        for queue in QUEUES:
            alarms.add(queue_watches(queue.name))


class ServiceAlarmsStack(WatchedStack):
    """What workers, rules, pipes and tables say of themselves. Needs the topic of `alarms`."""

    def __init__(self, scope: Construct) -> None:
        """Declare everything."""
        super().__init__(scope, "service-alarms", "Alarms on workers, rules, pipes and tables", SERVICE_NUMBERS)
        alarms = Alarms(self, TOPIC)
        for worker in WORKERS:
            alarms.add(worker_watches(worker))
        for rule, own_bus in RULES.items():
            alarms.add(rule_watches(rule, own_bus=own_bus))
        alarms.add(pipe_watch(table.name) for table in TABLES if table.streamed)
        alarms.add(
            pipe_watch(each.filled_by.table, each.name) for each in CONCERNS if isinstance(each.filled_by, TableStream)
        )
        alarms.add(table_watch(table) for table in TABLES)


def _undelivered() -> list[Watch]:
    hours = min(DLQ_RETENTION - LETTERS_MARGIN, LONGEST_WATCH) // HOUR
    says = "A rule or a pipe could not deliver; a pipe's record can be read back for 12 h only"
    return [
        letters_wait(EVENTS_UNDELIVERED, says, "alarms.md#undelivered"),
        letters_expire(EVENTS_UNDELIVERED, hours),
    ]
