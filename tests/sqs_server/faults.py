"""Rules that say which requests go wrong, how often, and in which way."""

import itertools
import random
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.sqs_server.errors import SqsError
from tests.sqs_server.plan import Ending, Plan, Refusal

ERRORS: dict[str, tuple[str, str, int]] = {
    "throttled": ("RequestThrottled", "The request was denied due to request throttling.", 400),
    "throttling": ("ThrottlingException", "Rate exceeded", 400),
    "internal": ("InternalFailure", "We encountered an internal error. Please try again.", 500),
    "unavailable": ("ServiceUnavailable", "Service is unavailable.", 503),
    "expired": ("ExpiredTokenException", "The security token included in the request is expired", 403),
    "denied": ("AccessDeniedException", "User is not authorized to perform this action on this resource.", 403),
    "over_limit": ("OverLimit", "Too many messages in flight: delete some before receiving more.", 400),
    "no_queue": ("QueueDoesNotExist", "The specified queue does not exist.", 400),
    "error": ("InternalFailure", "An error that a test asked for.", 500),
}
KINDS = (*ERRORS, "latency", "reset", "timeout", "lost", "duplicate", "forget", "refuse")


@dataclass(frozen=True, slots=True)
class Rule:
    """One way for requests to fail. Empty `actions` and `queues` (bare names) match all; `access_key` only requests
    signed with it; `texts` only requests with one of these as a message body or receipt handle. It fires with
    `probability`, at most `count` times, after letting `skip` matching requests pass.

    - throttled, throttling, internal, unavailable, expired, denied, over_limit, no_queue, error: answered instead of
      done; `code`, `message` and `status` override.
    - latency: `seconds` +- `spread`, by `shape` (uniform, normal or exponential), before the work or `after` it.
    - reset: the connection is reset; not done, or `after` it was done; `cut` sends the answer first, without its end.
    - timeout: not done, and silence for `seconds`. lost: done, and silence for `seconds`.
    - duplicate, forget, refuse: for each message or entry by itself. Handed out again while in flight; not deleted
      although answered so; a batch entry failed with `code` (`entries` picks places, `texts` entries; `after`: done
      all the same).
    """

    kind: str
    actions: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    access_key: str = ""
    probability: float = 1.0
    count: int | None = None
    skip: int = 0
    seed: int = 0
    seconds: float = 0.0
    spread: float = 0.0
    shape: str = "uniform"
    after: bool = False
    cut: bool = False
    code: str = ""
    message: str = ""
    status: int = 0
    entries: tuple[int, ...] = ()
    texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind} is not a kind of fault; there are {', '.join(KINDS)}")

    @classmethod
    def read(cls, content: dict[str, Any]) -> "Rule":
        """From JSON. Raises TypeError or ValueError for what is not a rule."""
        parts: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
        }
        return cls(**parts)


@dataclass(slots=True)
class Running:
    """A rule at work: its dice, and how often it met a request and fired."""

    name: str
    rule: Rule
    dice: random.Random
    met: int = 0
    fired: int = 0

    def fires(self) -> bool:
        rule = self.rule
        self.met += 1
        if self.met <= rule.skip or (rule.count is not None and self.fired >= rule.count):
            return False
        if rule.probability < 1.0 and self.dice.random() >= rule.probability:
            return False
        self.fired += 1
        return True

    def matches(self, action: str, queue: str, access_key: str, asked: dict[str, Any]) -> bool:
        rule = self.rule
        return (
            (not rule.actions or action in rule.actions)
            and (not rule.queues or queue in rule.queues)
            and (not rule.access_key or access_key == rule.access_key)
            and (not rule.texts or any(_holds(each, rule.texts) for each in (asked, *asked.get("Entries", ()))))
        )

    def delay(self) -> float:
        rule, dice = self.rule, self.dice
        match rule.shape:
            case "normal":
                return max(0.0, dice.gauss(rule.seconds, rule.spread))
            case "exponential":
                return dice.expovariate(1 / rule.seconds) if rule.seconds else 0.0
            case _:
                return max(0.0, dice.uniform(rule.seconds - rule.spread, rule.seconds + rule.spread))

    def error(self) -> SqsError:
        code, message, status = ERRORS.get(self.rule.kind, ERRORS["error"])
        rule = self.rule
        return SqsError(rule.code or code, rule.message or message, status=rule.status or status)

    def refusal(self, place: int, entry: dict[str, Any]) -> Refusal | None:
        rule = self.rule
        if (rule.entries and place not in rule.entries) or (rule.texts and not _holds(entry, rule.texts)):
            return None
        return Refusal(self.error(), self.rule.after) if self.fires() else None


@dataclass(slots=True)
class Rules:
    """All rules in force, by the names under which a test takes them back."""

    running: dict[str, Running] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def add(self, rule: Rule) -> str:
        name = f"{rule.kind}-{next(self._numbers)}"
        self.running[name] = Running(name, rule, random.Random(rule.seed))
        return name

    def plan(self, action: str, queue: str, access_key: str, asked: dict[str, Any]) -> Plan | None:
        """What will happen to this request; None where no rule knows it."""
        plan: Plan | None = None
        for running in self.running.values():
            if running.matches(action, queue, access_key, asked):
                plan = plan or Plan()
                _APPLY[running.rule.kind](running, plan)
        return plan

    def describe(self) -> list[dict[str, Any]]:
        return [{"name": each.name, "met": each.met, "fired": each.fired, **asdict(each.rule)} for each in
                self.running.values()]  # fmt: skip


def _holds(entry: dict[str, Any], texts: Collection[str]) -> bool:
    return entry.get("MessageBody") in texts or entry.get("ReceiptHandle") in texts


def _apply_error(running: Running, plan: Plan) -> None:
    if running.fires():
        plan.error = running.error()
        plan.fired.append(running.name)


def _apply_latency(running: Running, plan: Plan) -> None:
    if running.fires():
        if running.rule.after:
            plan.after += running.delay()
        else:
            plan.before += running.delay()


def _apply_ending(running: Running, plan: Plan) -> None:
    if not running.fires():
        return
    rule = running.rule
    plan.fired.append(running.name)
    match rule.kind:
        case "timeout":
            plan.instead = Ending.SILENCE
        case "lost":
            plan.then = Ending.SILENCE
        case _ if rule.cut:
            plan.then = Ending.CUT
        case _ if rule.after:
            plan.then = Ending.RESET
        case _:
            plan.instead = Ending.RESET
    plan.silence = rule.seconds or plan.silence


def _apply_duplicate(running: Running, plan: Plan) -> None:
    plan.echoes = running.fires


def _apply_forget(running: Running, plan: Plan) -> None:
    plan.forgets = running.fires


def _apply_refuse(running: Running, plan: Plan) -> None:
    plan.refusals.append(running.refusal)


_APPLY: dict[str, Callable[[Running, Plan], None]] = {
    **dict.fromkeys(ERRORS, _apply_error),
    "latency": _apply_latency,
    **dict.fromkeys(("reset", "timeout", "lost"), _apply_ending),
    "duplicate": _apply_duplicate,
    "forget": _apply_forget,
    "refuse": _apply_refuse,
}
