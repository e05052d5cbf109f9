"""What is watched of each queue, and of the queue beside it that holds its dead letters."""

from collections.abc import Iterator

from infra.naming import name_of, pattern_of
from infra.watch.alarm import ABOVE, AT_LEAST, BELOW, Math, Metric, Watch, Window
from infra.watch.log_metrics import EXPIRES_IN, FAILED, PROCESSED, namespace
from infra.watch.subjects import (
    AGE,
    AGES,
    DEPTH,
    ERROR_MINIMUM,
    ERROR_PERCENT,
    HOUR,
    LATENCIES,
    LATENCY,
    LETTERS,
    LETTERS_MARGIN,
    STALE_MINUTES,
    hours_until_letters_expire,
)


def waiting(queue: str) -> Metric:
    """Messages of a queue that are visible."""
    return _of_queue(queue, "ApproximateNumberOfMessagesVisible")


def processed(queue: str, outcome: str, statistic: str) -> Metric:
    """Messages that came to this end (SampleCount), or how long they took (p99, in ms)."""
    return Metric(namespace(), PROCESSED, {"Queue": queue, "Outcome": outcome}, statistic)


def queue_watches(queue: str) -> Iterator[Watch]:
    """Whether messages wait too many or too long, and how the worker's handling of them ends."""
    yield Watch(
        queue,
        "deep",
        f"More messages wait in {queue} than its worker gets done",
        "alarms.md#deep",
        waiting(queue),
        DEPTH,
        window=Window(10),
    )
    yield Watch(
        queue,
        "old",
        f"The oldest message of {queue} waits longer than is promised",
        "alarms.md#old",
        _of_queue(queue, "ApproximateAgeOfOldestMessage"),
        AGES.get(queue, AGE),
        window=Window(5),
    )
    yield _stale(queue)
    yield _failing(queue)
    yield Watch(
        queue,
        "slow",
        f"One message of a hundred of {queue} takes too long",
        "alarms.md#slow",
        processed(queue, "done", "p99"),
        LATENCIES.get(queue, LATENCY),
        window=Window(5),
    )


def letter_watches(queue: str) -> Iterator[Watch]:
    """What is watched of a queue's dead letters."""
    letters = f"{queue}-dlq"
    yield letters_wait(letters, f"Messages of {queue} were given up", "runbook.md#runbook-dead-letters")
    yield letters_expire(letters, hours_until_letters_expire(queue))


def letters_wait(letters: str, says: str, page: str) -> Watch:
    """Letters that are visible; those in flight are only being looked at."""
    shows = f"queues/{pattern_of(letters)}"
    return Watch(letters, "not-empty", says, page, waiting(letters), LETTERS, AT_LEAST, shows=shows)


def letters_expire(letters: str, hours: int) -> Watch:
    """Not the age of the oldest: SQS leaves out what was received three times, and a letter is received whenever someone looks."""
    return Watch(
        letters,
        "expiring",
        f"{letters} was not empty for {hours} h: its oldest letter may go within a day",
        "runbook.md#it-disappears-in-less-than-a-day",
        waiting(letters),
        1,
        AT_LEAST,
        Window(hours, HOUR),
        shows=f"queues/{pattern_of(letters)}",
    )


def letters_vanish() -> Watch:
    """To the minute, over all queues, where somebody has `fleet dlq ls --metric emf` run on a schedule."""
    return Watch(
        "dead-letters",
        "vanishing",
        "The oldest dead letter of the fleet disappears within a day",
        "runbook.md#it-disappears-in-less-than-a-day",
        Metric(namespace(), EXPIRES_IN, {}, "Minimum"),
        LETTERS_MARGIN,
        BELOW,
        Window(1, HOUR),
    )


def _stale(queue: str) -> Watch:
    """A count of successes, and not their last time: a process that is gone tells no time, and its count is zero."""
    return Watch(
        queue,
        "stale",
        f"Messages wait in {queue}, and none is done",
        "alarms.md#stale",
        Math(
            "IF(FILL(waiting, 0) > 0 AND FILL(done, 0) == 0, 1, 0)",
            {"waiting": waiting(queue), "done": processed(queue, "done", "SampleCount")},
        ),
        1,
        AT_LEAST,
        Window(STALE_MINUTES),
    )


def _failing(queue: str) -> Watch:
    ends = {"Queue": queue}
    return Watch(
        queue,
        "failing",
        f"Too many messages of {queue} fail",
        "alarms.md#failing",
        Math(
            f"IF(FILL(ends, 0) >= ${{{ERROR_MINIMUM.name}}}, percent, 0)",
            {
                "percent": Metric(namespace(), FAILED, ends, "Average"),
                "ends": Metric(namespace(), FAILED, ends, "SampleCount"),
            },
        ),
        ERROR_PERCENT,
        ABOVE,
        Window(5),
    )


def _of_queue(queue: str, metric: str) -> Metric:
    return Metric("AWS/SQS", metric, {"QueueName": name_of(queue)}, "Maximum")
