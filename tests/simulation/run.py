"""One run: a seed and a profile make a plan; the plan is carried out; the history is judged."""

import asyncio
import gc
import hashlib
import logging
import random
from dataclasses import dataclass

import structlog

from shared.consumer import Pace
from shared.message import pointer
from tests.simulation.history import History, Story, Violation
from tests.simulation.machine import BUCKET, Machine, Services, Setting
from tests.simulation.profiles import PROFILES, Profile
from tests.simulation.rules import Rule
from tests.simulation.work import FAIR_SHARE, PATIENCE, POISON, body_of
from tests.simulation.world.sqs import SimulatedSqs
from tests.simulation.world.time import SimulatedLoop
from tests.simulation.world.weather import Odds, Outage, Weather

MOST_RUNS, OF_A_FIFO_HEAD = 5, 13
"""Runs of a message that always fails; of a FIFO message three in hand at each receipt but the last."""
MOST_STARTS = MOST_RUNS + 1
"""Of a message that ends its process: the first, of a first receipt, is not counted."""
LONGEST_QUIET = 16 * 3_600.0
"""Seconds after the last fault in which everything must be settled."""
LOOKS_EVERY = 15.0
SHORT_WAIT, LONG_WAIT = 3, 10
"""Seconds of a poll, beside the usual twenty, in short runs and in long ones: of those, quiet hours are polls and little else."""
SERVICES = ("sqs", "ledger", "bodies", "bus")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended; `seconds` of simulated time, `history` that of the first message or process to blame,
    `digest` stands for all that happened: it is the same whenever the seed is the same."""

    profile: str
    seed: int
    seconds: float
    messages: int
    violations: tuple[Violation, ...]
    history: str
    digest: str


def simulate(name: str, seed: int, *, worker: str = "") -> Outcome:
    """Carry out one run, in virtual time, and judge it."""
    before, log = random.getstate(), structlog.get_config()
    random.seed(f"{name} {seed}")  # the message ids of the simulated SQS
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
            return runner.run(Simulation(name, seed, worker=worker).run())
    finally:
        gc.enable()
        random.setstate(before)
        structlog.configure(**log)


class Simulation:
    """One run of one profile."""

    def __init__(self, name: str, seed: int, *, worker: str) -> None:
        self.name = name
        self.seed = seed
        self.worker = worker
        self.profile: Profile = PROFILES[name]
        self.dice = random.Random(f"{name} {seed}")
        self.actions: list[tuple[float, str]] = []

    async def run(self) -> Outcome:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedLoop)
        self._set_up(loop)
        began = loop.time()
        for _ in range(self.dice.randint(*self.profile.replicas)):
            self.machine.start()
        for at, action in self._plan(began):
            await asyncio.sleep(max(0.0, at - loop.time()))
            self._act(action)
        await self._until_settled()
        await self._all_leave()
        self._judge()
        self.history.is_over = loop.is_over = True
        for process in self.machine.killed:
            process.thaw(timers_first=False)
        return self._outcome(loop.time() - began)

    def _set_up(self, loop: SimulatedLoop) -> None:
        dice, profile, seed = self.dice, self.profile, f"{self.name} {self.seed}"
        kind, concurrency = self.worker or dice.choice(profile.workers), dice.choice(profile.slots)
        visibility = dice.choice((30, 60, 120))
        slack = 0.1 + 5.5 * any(each.slow > 0 for each in profile.odds.values())
        at_once = concurrency * 10 if kind == "batch" else concurrency
        self.history = History(loop, concurrency=at_once, share=FAIR_SHARE if kind == "fair" else 1, tolerance=slack)
        # A claim is a time on a wall clock: two clocks that differ by more than it lasts are not kept apart.
        self.history.is_keyed = kind in {"keyed", "waiting"} and not profile.jumps[1]
        self.history.is_repeated = "hides" in profile.checks
        sqs = SimulatedSqs(loop, self.history.see)
        name = sqs.create("simulated", max_receives=profile.receives, fifo=kind == "fifo")
        weathers = {
            each: Weather(each, loop, random.Random(f"{seed} {each}"), profile.odds.get(each, Odds()))
            for each in SERVICES
        }
        weathers["ledger"].retries = weathers["bodies"].retries = weathers["bus"].retries = 3
        self.services = Services(sqs, name, name.replace("simulated", "simulated-dlq"), weathers)
        pace = Pace(
            wait=dice.choice((SHORT_WAIT if profile.is_short else LONG_WAIT, 20, 20)), visibility=visibility, drain=25.0
        )
        self.setting = Setting(kind, pace, concurrency, timeout=3.0 * visibility + 30.0)
        self.machine = Machine(loop, self.history, self.services, self.setting, seed)
        self.machine.checks = profile.checks
        self.history.note(f"{kind} worker, {concurrency} slots, visibility {visibility} s, polls of {pace.wait} s")

    # -- what will happen

    def _plan(self, began: float) -> list[tuple[float, str]]:
        dice, profile = self.dice, self.profile
        self.until = began + 60.0 * dice.randint(*profile.minutes)
        plan: list[tuple[float, str]] = []
        for action, (least, most) in (
            ("leave", profile.leavings), ("kill", profile.kills), ("freeze", profile.freezes), ("jump", profile.jumps),
        ):  # fmt: skip
            plan += [(self._moment(began), action) for _ in range(dice.randint(least, most))]
        left = dice.randint(*profile.messages)
        while left > 0:
            burst = min(left, dice.choice((1, 1, 2, 5, 30)))
            left -= burst
            at = self._moment(began)
            plan += [(at, "send")] * burst
        for name in profile.outages:
            weather = self.services.weathers[name]
            for _ in range(dice.randint(*profile.outage_count)):
                begins = self._moment(began)
                weather.outages.append(Outage(begins, begins + dice.uniform(*profile.out), dice.choice(profile.hows)))
                self.history.processes += [
                    (begins, f"{name} is {weather.outages[-1].how}"), (weather.outages[-1].ends, f"{name} is back")
                ]  # fmt: skip
        for weather in self.services.weathers.values():
            weather.until = self.until
        return sorted(plan, key=lambda each: each[0])

    def _moment(self, began: float) -> float:
        return self.dice.uniform(began, self.until)

    def _act(self, action: str) -> None:
        dice, machine = self.dice, self.machine
        if action == "send":
            self._send()
            return
        awake = [each for each in machine.running if not each.is_still]
        if not awake:
            return
        process = dice.choice(awake)
        match action:
            case "leave":
                machine.leave(process)
                machine.loop.later_outside(dice.choice((0.0, 0.5, 5.0)), machine.start)
            case "kill":
                machine.kill(process, is_seen=dice.random() < 0.5)
                machine.loop.later_outside(dice.uniform(0.0, 10.0), machine.start)
            case "freeze":
                machine.freeze(process, dice.uniform(*self.profile.frozen), timers_first=dice.random() < 0.5)
            case "jump":
                machine.jump(process, dice.choice((-3_600.0, -60.0, 60.0, 3_600.0)))

    def _send(self) -> None:
        dice, profile, stories = self.dice, self.profile, self.history.stories
        label = f"m{len(stories) + 1}"
        kinds = {
            each: count
            for each, count in profile.kinds.items()
            if not (self.setting.worker == "fifo" and each == "later")
        }
        kind = dice.choices([*kinds], [*kinds.values()])[0]
        key = label
        if stories and dice.random() < profile.copies and self.setting.worker in {"keyed", "waiting"}:
            original = dice.choice([*stories.values()])
            kind, key = original.kind, original.key
        seconds = {"slow": dice.uniform(2.0, 15.0), "long": self.setting.pace.visibility * dice.uniform(1.2, 2.5)}
        story = Story(
            label, kind, self.machine.loop.time(), is_poison=kind in POISON, key=key,
            group=f"g{dice.randint(1, 4)}" if self.setting.worker in {"fifo", "fair"} else "",
            place=len(stories), patience=PATIENCE,
        )  # fmt: skip
        params = self._params(story, body_of(label, kind, key, seconds.get(kind, dice.uniform(0.02, 0.5))))
        self.history.sent(story, self.services.sqs.send(self.services.queue, params))

    def _params(self, story: Story, body: str) -> dict[str, object]:
        params: dict[str, object] = {"MessageBody": body}
        if story.group:
            params["MessageGroupId"] = story.group
        if self.setting.worker == "fifo":
            params["MessageDeduplicationId"] = story.label
        if self.dice.random() < self.profile.large:
            content = body.encode()
            key = pointer.key_of(content, prefix="")
            self.services.objects[key] = content
            params["MessageBody"] = pointer.Pointer(BUCKET, key, len(content)).body
            mark = {"DataType": "Number", "StringValue": str(len(content))}
            params["MessageAttributes"] = {pointer.MARK: mark}
        return params

    # -- how it ends

    async def _until_settled(self) -> None:
        loop, stories = self.machine.loop, self.history.stories
        outages = [each.ends for weather in self.services.weathers.values() for each in weather.outages]
        await asyncio.sleep(max(0.0, max([self.until, *outages]) - loop.time()))
        for _ in range(int(LONGEST_QUIET / LOOKS_EVERY)):
            if all(each.left for each in stories.values()):
                return
            await asyncio.sleep(LOOKS_EVERY)

    async def _all_leave(self) -> None:
        machine = self.machine
        machine.is_closed = True
        if any(each.is_still for each in machine.running):
            await asyncio.sleep(self.profile.frozen[1])
        for process in [each for each in machine.running if not each.is_still]:
            machine.leave(process)
        await asyncio.sleep(machine.setting.pace.drain + 300.0)
        for process in [*machine.draining, *machine.running]:
            self.history.blame(Rule.ENDS, process.name, "it is still there")

    def _judge(self) -> None:
        history, checks = self.history, self.profile.checks
        most = OF_A_FIFO_HEAD if self.setting.worker == "fifo" else MOST_RUNS
        for story in history.stories.values():
            if not story.left:
                history.blame(Rule.SETTLED, story.label, f"not settled after {story.receives} receipts")
            elif story.is_poison and not story.letters:
                history.blame(Rule.POISON, story.label, "it left without a letter")
            lived = sum(story.sent_at <= each for each in self.machine.ends)
            if "receipts" in checks and not story.is_poison and story.receives > 1 + lived:
                text = f"{story.receives} receipts, {lived} restarts"
                history.blame(Rule.RECEIPTS, story.label, text)
            if "starts" in checks and len(story.runs) > MOST_STARTS and story.is_poison:
                history.blame(Rule.CALM, story.label, f"{len(story.runs)} starts")
            copies = [run for each in history.copies(story) for run in each.runs if run.how == "finished"]
            if "once" in checks and not story.is_poison and len(copies) > 1:
                history.blame(Rule.CALM, story.label, f"finished {len(copies)} times")
            if "once" in checks and len(story.runs) > (most if story.is_poison else 2):
                history.blame(Rule.CALM, story.label, f"{len(story.runs)} runs")

    def _outcome(self, seconds: float) -> Outcome:
        found = self.history.violations
        blamed = self.history.describe(found[0].label) if found else ""
        everything = hashlib.sha256("".join(map(self.history.describe, self.history.stories)).encode()).hexdigest()
        return Outcome(self.name, self.seed, seconds, len(self.history.stories), tuple(found), blamed, everything)
