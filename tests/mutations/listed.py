"""The mutations: what a hand might slip on in the join, the doors, the road, the settlement of messages, shared calls, and dead letters."""

from tests.mutations.by_themselves import BY_THEMSELVES
from tests.mutations.lambda_door import LAMBDA
from tests.mutations.looks import TOLD_AND_SENT
from tests.mutations.mutation import Mutation, of
from tests.mutations.orders import ORDERED
from tests.mutations.twice import SENT_ONCE
from tests.mutations.webhooks import WEBHOOKS

ROAD = "tests/shared/road"
POLLER = "tests/shared/container/test_poller.py"
SLOW_GROUPS = "tests/shared/container/test_slow_groups.py"
FAULTS = "tests/shared/container/test_intake_faults.py"
BATCHES = "tests/shared/container/test_poller_batches.py"
LEASES = "tests/shared/settlement/test_leases.py"
BURIALS = "tests/shared/road/failure/test_burials.py"
PARTLY = "tests/shared/road/failure/test_partial_outages.py"
TROUBLES = "tests/shared/container/test_troubles.py"
DELETES = "tests/shared/settlement/test_deletes.py"
SILENCE = "tests/shared/settlement/test_silence.py"
CANCELLED = "tests/shared/container/test_cancelled.py"
LINES = "tests/shared/telemetry/test_log_lines.py"
BROKEN = "tests/shared/sqs/test_broken_bodies.py"
BYTES = "tests/shared/test_limits.py"
TURNS = f"{ROAD}/test_turns.py"
PIPELINE = f"{ROAD}/test_pipeline.py"
INVOCATION = "tests/shared/lambda_door/test_invocation.py"
CUTTING = f"{ROAD}/test_batches.py"
ONCE = f"{ROAD}/test_once.py"
MARKS = "tests/fleet/dead_letters/test_marks.py"
COPIES = "tests/fleet/dead_letters/test_copies.py"
JOURNAL = "tests/fleet/dead_letters/test_journal_age.py"
OTHER_PLACES = "tests/fleet/dead_letters/test_other_places.py"
SENDS = "tests/shared/sqs/test_gathered_sends.py"


JOIN = of(
    "shared/consumer.py",
    ("longest=worker.limits.longest_lease", "longest=43_200.0", BATCHES),
    ("visibility=pace.visibility,", "visibility=60,", LEASES),
    ("clock=clocks.lease", "clock=time.monotonic", LEASES),
    ("hide=leases.hide,", "hide=lambda _delivery, _seconds: asyncio.sleep(0),", f"{POLLER} {TURNS}"),
    ("ledger=stores.ledger,", "", "tests/shared/test_consumer.py"),
    ("payloads=stores.payloads,", "", "tests/shared/test_consumer.py"),
    ("needs=needs,\n        budget", "budget", PARTLY),
    ("        budget=budget,\n        holds", "        holds", "tests/behaviours/test_bytes.py"),
    ("holds=leases.holds,", "", "tests/shared/test_consumer.py"),
    ("apart=stores.apart,", "", f"{ROAD}/failure/test_last_runs.py"),
    ("finished=deletes.remember,", "", DELETES),
    ("finished=deletes.remember,\n        troubles=troubles,", "finished=deletes.remember,", TROUBLES),
    ("now=clocks.wall,", "", "tests/shared/test_consumer.py"),
    ("dice=clocks.dice,\n        now", "now", "tests/shared/test_consumer.py"),
    (
        "Deletes(queue, leases, dice=clocks.dice, troubles",
        "Deletes(queue, leases, dice=random.random, troubles",
        DELETES,
    ),
    ("concurrency=pace.concurrency))", "concurrency=10))", "tests/shared/test_consumer.py"),
)
POLLING = of(
    "shared/container/poller.py",
    ("len(self._running) < max(1, self._concurrency)", "True", TURNS),
    ("self._free(deliveries)\n        error", "error", POLLER),
    ("self._free(behind)", "pass", TURNS),
    ("await self._deletes.at_once(delivery)", "self._deletes.add(delivery)", TURNS),
    ("self._start_turns()\n\n    def _end_turn", "\n    def _end_turn", TURNS),
    ("self._leases.assign(delivery, task)", "pass", LEASES),
    ("elif self._deletes.was_finished(delivery):", "elif False:", DELETES),
    ("self._turns.take_all()", "[]", TURNS),
    ("async with self._batches.one():", "if True:", BATCHES),
    ("self._batches.resize(max(1, self._concurrency))", "pass", BATCHES),
    ("stays=unsettled or not task.result()", "stays=unsettled", TURNS),
    ("self._begin(self._leases.give_back(held))", "pass", BATCHES),
    ("self._throttle.change(", "(lambda _rate: None)(", TURNS),
    ("self._in_hand(self._concurrency) + self._blocked", "self._in_hand(self._concurrency)", SLOW_GROUPS),
    ("BATCH * self._concurrency if self._is_fifo else MOST_WAITING", "10_000", SLOW_GROUPS),
    ("len(self._running) >= self._concurrency or ", "", SLOW_GROUPS),
    (" or not self._budget.is_half_free", "", SLOW_GROUPS),
)
INTAKE = of(
    "shared/container/intake.py",
    ("if len(self._polls) > self._appetite:", "if False:", "tests/shared/container/test_far_queue.py"),
    ("self._leases.take(*deliveries)", "pass", POLLER),
    ("self._throttle.spend(len(deliveries))", "pass", TURNS),
    ("self._slots.give(limit - len(deliveries))", "pass", POLLER),
    ("min(self._appetite + 1, MOST_POLLS)", "1", "tests/shared/container/test_far_queue.py"),
    ("await asyncio.sleep(self._interval)", "pass", TURNS),
    ("await asyncio.sleep(EMPTY_PAUSE)", "pass", FAULTS),
    ("is_early = not deliveries and ", "is_early = ", FAULTS),
    ("waited < self._wait / 2", "True", FAULTS),
    ("if is_early else 0", "if is_early else self._early", FAULTS),
    ("return self._early >= MOST_EARLY", "return False", FAULTS),
    ("await self._pause(EmptyTooEarly(), waited=0.0)", "pass", FAULTS),
    ("(not self._failures or self._early >= MOST_EARLY)", "not self._failures", FAULTS),
    ("self.has_polled and (not self._failures or self._early >= MOST_EARLY)", "self.has_polled", FAULTS),
    ("log.warning if self._failures == 1 else log.debug", "log.warning", FAULTS),
    ('self._failures, self.failure = 0, ""\n        self._polled_at', "self._polled_at", FAULTS),
    ("FIRST_PAUSE * 2.0 ** min(self._failures - 1, 10)", "FIRST_PAUSE", FAULTS),
    ("* 2.0 ** min(self._failures - 1, 10)) - waited)", "* 2.0 ** min(self._failures - 1, 10)))", FAULTS),
)
LIMITS = of(
    "shared/limits.py",
    ("got = min(most, self.free)", "got = most", "tests/shared/container/test_far_queue.py"),
    ("self._taken -= count", "pass", POLLER),
    ("self._tokens = min(self._most, self._tokens +", "self._tokens = max(self._most, self._tokens +", TURNS),
    ("while self._read and self.room < size:", "while False:", BYTES),
    ("while self._read and self.room < size:", "while self.room < size:", BYTES),
    ("async with self._turn:", "if True:", BYTES),
    ("if not size:", "if False:", BYTES),
    ("self._read += 1", "pass", BYTES),
    ("self._read -= 1", "pass", BYTES),
    ("self.take(size)", "pass", BYTES),
    ("self.give(size)", "pass", BYTES),
)
CLOCK = of(
    "shared/clock.py",
    ("time.CLOCK_BOOTTIME)", "time.CLOCK_MONOTONIC)", "tests/shared/test_clock.py"),
)
THE_ROAD = [
    *BY_THEMSELVES,
    *of(
        "shared/road/turns.py",
        ("self._running[group] += 1", "pass", TURNS),
        ("if stays and self._is_fifo else []", "if stays else []", f"{TURNS} {INVOCATION}"),
        ("self.waiting.move_to_end(group)", "pass", f"{TURNS} {INVOCATION}"),
        ("queue.pop(0)", "queue.pop()", TURNS),
        ("self.waiting.clear()", "pass", f"{ROAD}/test_turns_alone.py"),
        ("if not self._running[group]:", "if False:", f"{ROAD}/test_turns_alone.py"),
    ),
    *of(
        "shared/road/batches.py",
        ("self._bytes += weight(delivery)", "self._bytes += delivery.size", CUTTING),
        ("len(self._deliveries) >= self._limits.count or ", "", CUTTING),
        ("return [*batches, rest] if rest else batches", "return batches", CUTTING),
    ),
    *of(
        "shared/road/pipeline.py",
        ("return False\n        return True", "return True\n        return True", PIPELINE),
        ("if delivery.attributes:", "if not delivery.attributes:", PIPELINE),
    ),
    *of(
        "shared/road/endings.py",
        ("keep=KEPT_SECONDS", "keep=0.0", "tests/shared/test_consumer.py"),
        ("if dead.shortened and", "if", f"{ROAD}/test_pipeline_payloads.py"),
        ("cuts this task.\n            self._ports.finished(delivery)", "cuts this task.", DELETES),
        (
            "buried again.\n            self._ports.finished(delivery)",
            "buried again.",
            "tests/shared/container/test_cut.py",
        ),
        ("outcome.backoff or self._worker.backoff", "self._worker.backoff", PIPELINE),
        ('self._ports.troubles.failed("bury", [code_of(error)])', "False", TROUBLES),
        ('if self._ports.troubles.lasts("bury") else None', "if False else None", BURIALS),
        ("SHORT_BURIAL * attempt", "SHORT_BURIAL", BURIALS),
        ("return Unanswered() if limit.expired() else error", "return error", BURIALS),
    ),
    *of(
        "shared/road/failure/breakers.py",
        ("(kind.is_long and kind.beside)", "False", PARTLY),
        ("self.streak.is_long or kind.is_long", "self.streak.is_long", PARTLY),
        ("if kind.at > since}", "}", PARTLY),
        ("if attempt > OFTEN:", "if False:", f"{ROAD}/failure/test_breakers.py"),
    ),
    *of("shared/road/failure/verdict.py", ("run=run or attempt", "run=run or 1", PARTLY)),
    *of("shared/road/ledger.py", ("self._refused(code)", "pass", PARTLY)),
    *of(
        "shared/road/handling.py",
        ("loop.time() + deadlines.seconds", "loop.time() + 10 * deadlines.seconds", f"{ROAD}/test_deadlines.py"),
        ("self._cut and self._task.uncancel() <= self._cancels", "self._cut", f"{ROAD}/test_deadlines.py"),
        ("if isinstance(answer, OBJECTIONS):", "if False:", f"{ROAD}/test_decode_errors.py"),
        (
            "with Deadline(self._deadlines):\n                _checked(await self._handle(event))\n\n    async def _run_fetched",
            "_checked(await self._handle(event))\n\n    async def _run_fetched",
            PIPELINE,
        ),
        ("elif error.args:", "else:", CANCELLED),
        ("if late.args:", "if True:", CANCELLED),
    ),
    *of(
        "shared/road/once.py",
        ("self._timeout * 2, fingerprint", "self._timeout, fingerprint", f"{ROAD}/test_once_failing.py"),
        ("raise KeyReused", "return  # ", ONCE),
    ),
]
SETTLEMENT = [
    *of(
        "shared/settlement/leases.py",
        ("lease.ends > self._clock()", "True", f"{LEASES} {DELETES}"),
        ("cut_run(lease.worker, reason)", "pass", LEASES),
        ("self._tell_refused(passing, whole=len(passing) == len(chunk))", "pass", TROUBLES),
        ("return self._visibility / 3", "return self._visibility / 1_000", LEASES),
        ("lease.lost = True", "pass", LEASES),
        ("lease.ends = asked_at +", "lease.ends = self._clock() +", LEASES),
        ("lease.extending\n            or ", "", SILENCE),
        ("lease.extending = False", "pass", f"{LEASES} {SILENCE}"),
        ("asyncio.timeout(max(0.1, shortest / 3))", "asyncio.timeout(None)", SILENCE),
        ("max(0.1, shortest / 3)", "shortest", SILENCE),
        ("range(0, len(near), BATCH)", "range(0, min(BATCH, len(near)), BATCH)", SILENCE),
        ("            or lease.settling\n", "", SILENCE),
        ("lease.settling = True", "pass", SILENCE),
        ("lease.settling = False", "pass", f"{DELETES} {SILENCE}"),
        (" and not lease.settling and lease.releases_at is None", " and lease.releases_at is None", SILENCE),
        ("            or lease.releases_at is not None\n", "", SILENCE),
    ),
    *of(
        "shared/settlement/gathered.py",
        ("while len(self._finished) > REMEMBERED:", "while False:", DELETES),
        ("return delivery.message_id in self._finished", "return False", DELETES),
        ("left = [each.delivery for each in refused if not each.lost]", "left = []", f"{DELETES} {SILENCE}"),
        ("code_of(error), lost=False)", "code_of(error), lost=True)", DELETES),
        ("if each.lost], why", "if False], why", DELETES),
        ("max(SHORTEST_PAUSE, shortest / 3)", "LONGEST_TRY", SILENCE),
        ("if within < LONGEST_TRY:", "if True:", SILENCE),
        ("self._leases.settle(held)", "self._leases.shortest(held)", SILENCE),
        ("self._leases.unsettle(held)", "pass", SILENCE),
        ("pause = min(pause * 2, LONGEST_PAUSE)", "pause = 0.0", DELETES),
        ("min(pause, shortest / 2)", "pause", DELETES),
    ),
]
DEAD_LETTERS = [
    *of(
        "fleet/dead_letters/model/plan/mark.py",
        ('orjson.dumps(["fleet-replay", digest, *', 'orjson.dumps(["fleet-replay", *', MARKS),
        ('"times_replayed", "edited_from")', '"times_replayed")', MARKS),
        ("if not key or not isinstance(given, str):", "if not isinstance(given, str):", MARKS),
        ("    if (stored := stored_body(letter)) is not None:\n", "    if (stored := None) is not None:\n", MARKS),
    ),
    *of(
        "fleet/dead_letters/model/letter.py",
        ("if letter.sealed else {}", "", MARKS),
        ("if has_unverified_mark(self):", "if False:", MARKS),
        ("foreign = {identity.ATTRIBUTE, identity.REPLAY}", "foreign = {identity.REPLAY}", MARKS),
    ),
    *of(
        "fleet/dead_letters/putting_away.py",
        ('await stored.label_anew(letters, copy="sent")', "pass", COPIES),
        ('await stored.label_anew(letters, replaced=False, copy="")', "pass", COPIES),
        ("elif batch.label.copy:", 'elif batch.label.copy == "sent":', COPIES),
    ),
    *of(
        "fleet/dead_letters/replay/journal.py",
        ("max(self.progress.runs, self.progress.announced) + 1", "self.progress.runs + 1", JOURNAL),
        ("""or b'"announced":' in following""", "", JOURNAL),
    ),
    *of(
        "fleet/dead_letters/audit/story.py",
        ('if record.get("plan_id") == plan_id:', "if True:", JOURNAL),
        ('max(sent, int(counts.get("sent", 0)))', 'int(counts.get("sent", 0))', JOURNAL),
    ),
    *of(
        "fleet/dead_letters/model/named.py",
        ('host = _end(url) if _end(url) not in ends else ""', 'host = ""', OTHER_PLACES),
        ("found is not None and any(", "any(", OTHER_PLACES),
        ("if _HERE.fullmatch(host) else host", "if False else host", OTHER_PLACES),
        ('found["after"] or found["before"] or "us-east-1"', 'found["after"] or region', OTHER_PLACES),
    ),
    *of("fleet/dead_letters/replay/mover.py", ("self.withheld.get(each.id) or ", "", COPIES)),
]
TOLD = [
    *of(
        "shared/telemetry/troubles.py",
        ("if now - period.failed_at < quiet.get(kind, QUIET)", "", TROUBLES),
        ('quiet = {"bury": QUIET_BURIALS}', "quiet: dict[str, float] = {}", TROUBLES),
    ),
    *of(
        "shared/telemetry/logging.py",
        ("has_room = not line or bool(pipe.poll(PATIENCE * 1_000))", "has_room = True", LINES),
        ("0 if self._lost else PATIENCE * 1_000", "PATIENCE * 1_000", LINES),
        ("self._torn + self._loss() + line", "self._torn + line", LINES),
    ),
    *of(
        "shared/clients.py",
        ('came=partial(self.breakers.succeeded, "s3", call=READING),', "", BROKEN),
        ('failed=lambda code: self.breakers.failed("s3", code=code, call=READING),', "", BROKEN),
    ),
]
SHARED_CALLS = of(
    "shared/sqs/gathering.py",
    ("entries > self._left[0] or size > self._left[1]", "entries > self._left[0]", SENDS),
    ("entries > self._left[0] or size > self._left[1]", "size > self._left[1]", SENDS),
    ("if not each.answered.done()]", "]", SENDS),
    ("self._open.discard(asyncio.current_task())", "pass", SENDS),
    ("len(batch) > 1 and self._may_be_one(error)", "False", SENDS),
    ("len(batch) > 1 and self._may_be_one(error)", "len(batch) > 1", SENDS),
)
SENDER = of(
    "shared/sqs/sender.py",
    ("if self._is_fifo:", "if False:", SENDS),
    ("start += len(entries)", "pass", SENDS),
    ("place - start: refused[place]", "place: refused[place]", SENDS),
    ("left = [left[place] for place in refused]", "left = left if refused else []", SENDS),
)
MUTATIONS: tuple[Mutation, ...] = (
    *JOIN, *POLLING, *INTAKE, *LIMITS, *CLOCK, *LAMBDA, *THE_ROAD, *SETTLEMENT, *DEAD_LETTERS,
    *SHARED_CALLS, *SENDER, *TOLD,
    *ORDERED, *TOLD_AND_SENT, *SENT_ONCE, *WEBHOOKS,
)  # fmt: skip
