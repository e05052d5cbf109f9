"""The simulated machines: processes that are started, told to leave, frozen and killed."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ReadTimeoutError

from shared.consumer import Clocks, Pace, Stores, join
from shared.container.poller import Poller
from shared.outcome import code_of, is_outage
from shared.road.failure.breakers import Breakers
from shared.road.ledger import LEDGER, DynamoDbLedger
from shared.sqs.payloads import S3Payloads
from shared.sqs.queue import SqsQueue
from tests.simulation.history import GRACE, History
from tests.simulation.rules import Rule
from tests.simulation.work import Handlers, worker_of
from tests.simulation.world.expressions import Item
from tests.simulation.world.sqs import SimulatedSqs, SqsClient
from tests.simulation.world.stores import DynamoDbClient, S3Client
from tests.simulation.world.time import Process, SimulatedLoop
from tests.simulation.world.weather import Weather

BUCKET = "bodies"


@dataclass(slots=True)
class Services:
    """What all processes share."""

    sqs: SimulatedSqs
    queue: str
    dead_letters: str
    weathers: dict[str, Weather]
    table: dict[str, Item] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setting:
    """How each process of a run is configured."""

    worker: str
    pace: Pace
    concurrency: int
    timeout: float


SILENCE = 20.0


class Bus:
    """What handlers call."""

    def __init__(self, weather: Weather) -> None:
        self._weather = weather

    async def put_events(self) -> Any:
        return await self._weather.ask("PutEvents", lambda exchange: exchange.done({}))


class watched:  # noqa: N801 - reads as the function that it stands for
    """A client that tells the breakers what comes of its calls, as `shared.clients.watch` has botocore's tell them."""

    def __init__(self, client: Any, service: str, breakers: Breakers) -> None:
        self._client, self._service, self._breakers = client, service, breakers

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def call(**asked: Any) -> Any:
            try:
                answer = await self._in_time(found(**asked))
            except Exception as error:
                if is_outage(error):
                    self._breakers.failed(self._service, code=code_of(error), call=name)
                else:
                    self._breakers.succeeded(self._service, call=name)
                raise
            self._breakers.succeeded(self._service, call=name)
            return answer

        setattr(self, name, call)  # found at once from now on
        return call

    async def _in_time(self, answer: Any) -> Any:
        """As the product's clients give up a service that is silent, inside a handler's time."""
        try:
            async with asyncio.timeout(SILENCE):
                return await answer
        except TimeoutError:
            raise ReadTimeoutError(endpoint_url=self._service) from None


class Machine:
    """Starts processes and ends them; each is what `shared.container.process` makes of a worker, above the clients."""

    def __init__(self, loop: SimulatedLoop, history: History, services: Services, setting: Setting, seed: str) -> None:
        self.loop = loop
        self.history = history
        self.services = services
        self.setting = setting
        self.running: dict[Process, asyncio.Event] = {}
        self.draining: dict[Process, None] = {}
        self.killed: list[Process] = []
        self.ends: list[float] = []
        self.checks: frozenset[str] = frozenset()
        self.is_closed = False
        self._seed = seed
        self._count = 0

    def start(self) -> None:
        if self.is_closed:
            return
        self._count += 1
        process = Process(f"process {self._count}", self.loop)
        stop = asyncio.Event()
        self.running[process] = stop
        self.history.note(f"{process.name} starts")
        self.loop.begin(process, self._life(process, stop))

    def stores(self, process: Process, dice: random.Random) -> Stores:
        weathers, sqs = self.services.weathers, self.services.sqs
        client: Any = SqsClient(sqs, weathers["sqs"], lambda name, receipt: self.history.took(process, name, receipt))
        queue = SqsQueue(
            client,
            name="simulated",
            url=sqs.url(self.services.queue),
            dead_letter_url=sqs.url(self.services.dead_letters),
            clock=process.monotonic,
        )
        breakers = Breakers(clock=process.monotonic, dice=dice.random)
        rows = DynamoDbClient(self.services.table, weathers["ledger"], self.history.recorded)
        table: Any = watched(rows, "ledger", breakers)
        bucket: Any = watched(S3Client(self.services.objects, weathers["bodies"]), "bodies", breakers)
        return Stores(
            queue,
            DynamoDbLedger(
                table,
                table="ledger",
                refused=lambda code: breakers.failed("ledger", code=code, call=LEDGER),
                answered=lambda: breakers.succeeded("ledger", call=LEDGER),
            ),
            S3Payloads(bucket, bucket=BUCKET, prefix="", threshold=1_048_576, most=67_108_864),
            breakers,
        )

    async def _life(self, process: Process, stop: asyncio.Event) -> None:
        dice = random.Random(f"{self._seed} {process.name}")
        stores = self.stores(process, dice)
        bus: Any = watched(Bus(self.services.weathers["bus"]), "bus", stores.breakers)
        handlers = Handlers(self.history, bus.put_events, lambda: self._killed_from_within(process))
        setting = self.setting
        worker = worker_of(setting.worker, handlers, concurrency=setting.concurrency, timeout=setting.timeout)
        clocks = Clocks(monotonic=process.monotonic, lease=process.monotonic, wall=process.wall, dice=dice.random)
        consumer = join(worker, stores, pace=setting.pace, clocks=clocks)
        try:
            await Poller(consumer).run(stop)
        except Exception as error:  # noqa: BLE001 - whatever it is, a process must not end by it
            self.history.blame(Rule.STAYS, process.name, f"{type(error).__name__}: {error}")
        self.loop.later_outside(0.0, self._ended, process)

    def _ended(self, process: Process) -> None:
        now, history = self.loop.time(), self.history
        history.note(f"{process.name} has ended")
        self.running.pop(process, None)
        self.draining.pop(process, None)
        self.killed.append(process)
        process.freeze()  # what it has not done by now is never done
        asked = process.stopped_at
        if asked is None:
            history.blame(Rule.STAYS, process.name, "it ended by itself")
        elif now > asked + self.setting.pace.drain + GRACE and not process.stood_still_within(asked, now):
            history.blame(Rule.ENDS, process.name, f"{now - asked:.1f} s after it was told to")
        elif "drain" in self.checks:
            self.loop.later_outside(GRACE, self._given_back, process)

    def _given_back(self, process: Process) -> None:
        for story in self.history.in_hand_of(process):
            self.history.blame(Rule.DRAINED, story.label, f"hidden by {process.name}, which has ended")

    # -- what may be done to a process

    def leave(self, process: Process, then: Callable[[], object] = lambda: None) -> None:
        """SIGTERM."""
        self.history.note(f"{process.name} is told to end (SIGTERM)")
        self.ends.append(self.loop.time())
        process.stopped_at = self.loop.time()
        self.draining[process] = None
        self.running.pop(process).set()
        then()

    def kill(self, process: Process, *, is_seen: bool) -> None:
        """SIGKILL; `is_seen`: its open connections are closed, else its host is gone and nobody knows."""
        self.history.note(f"{process.name} is killed (SIGKILL{', connections closed' if is_seen else ''})")
        self.ends.append(self.loop.time())
        self.running.pop(process, None)
        self.draining.pop(process, None)
        self.killed.append(process)
        process.freeze()
        if is_seen:
            for exchange in [*process.exchanges]:
                exchange.hang_up()

    def _killed_from_within(self, process: Process) -> None:
        """As by os._exit, or by the kernel for its memory; what restarts it does so at once."""
        if process in self.running or process in self.draining:
            self.kill(process, is_seen=True)
            self.loop.later_outside(1.0, self.start)

    def freeze(self, process: Process, seconds: float, *, timers_first: bool) -> None:
        """SIGSTOP, and SIGCONT after so many seconds."""
        self.history.note(f"{process.name} stands still for {seconds:.1f} s")
        process.freeze()
        self.loop.later_outside(seconds, self._thaw, process, timers_first)

    def _thaw(self, process: Process, timers_first: bool) -> None:  # noqa: FBT001 - of a timer
        if process.is_still and process not in self.killed:
            self.history.note(f"{process.name} goes on")
            process.thaw(timers_first=timers_first)

    def jump(self, process: Process, seconds: float) -> None:
        """Its wall clock is set."""
        self.history.note(f"the wall clock of {process.name} jumps by {seconds:.0f} s")
        process.skew += seconds
