"""The two doors: a poller over real calls, and an event source mapping that receives, invokes and deletes."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from shared.app import App
from shared.clients import Clients
from shared.consumer import Clocks, Pace, join, open_stores
from shared.container.poller import Poller
from shared.lambda_door.entry import Sandbox
from shared.limits import Budget
from shared.settings import RuntimeSettings, read_settings
from shared.worker import Worker
from tests.behaviours.stage import Stage
from tests.lambda_events import lambda_event

SHORT = Pace(wait=1, visibility=5, drain=5.0)


class ContainerDoor:
    """What `shared.container.process` joins, with times as short as a case wants them."""

    name = "container"

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.poller: Poller | None = None
        self._stack = AsyncExitStack()
        self._stop = asyncio.Event()
        self._running: list[asyncio.Task[None]] = []
        self._before: set[asyncio.Task[Any] | None] = set()

    async def opens(
        self,
        worker: Worker[Any],
        *,
        pace: Pace = SHORT,
        dice: Callable[[], float] = random.random,
        **environment: str,
    ) -> Poller:
        """Begin to consume; may be called for several queues."""
        self._before = self._before or {*asyncio.all_tasks()}
        given = {**self.stage.environment, **environment}
        clients = await self._stack.enter_async_context(Clients(given))
        budget = Budget(read_settings(RuntimeSettings, given).body_budget_bytes)
        stores = await open_stores(worker, clients)
        poller = Poller(join(worker, stores, pace=pace, clocks=Clocks(dice=dice), budget=budget))
        self.poller = poller
        self._running.append(asyncio.create_task(poller.run(self._stop)))
        return poller

    async def drains(self) -> float:
        """Stop as SIGTERM does; seconds that it took."""
        asked_at = time.monotonic()
        self._stop.set()
        await asyncio.gather(*self._running)
        self._running.clear()
        await self._stack.aclose()
        self._stop = asyncio.Event()
        return time.monotonic() - asked_at

    async def dies(self) -> None:
        """End as kill -9 would: nothing is settled."""
        while ours := asyncio.all_tasks() - self._before - {asyncio.current_task()} if self._before else set():
            for task in ours:  # again and again: what is cancelled begins to give back, by clients that close below
                task.cancel("killed")
            await asyncio.gather(*ours, return_exceptions=True)
        self._running.clear()
        await self._stack.aclose()

    async def closes(self) -> None:
        await self.dies()


class LambdaDoor:
    """A sandbox in a thread of its own, fed as AWS feeds it: received, invoked, and what was not reported is deleted."""

    name = "lambda"

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.reports: list[list[str]] = []
        self._thread = ThreadPoolExecutor(1)
        self._sandbox: Sandbox | None = None
        self._pump: asyncio.Task[None] | None = None

    def sandbox(self, worker: Worker[Any], **environment: str) -> Sandbox:
        @asynccontextmanager
        async def open_workers(_environment: Mapping[str, str], _clients: Clients) -> AsyncIterator[tuple[Any, ...]]:
            yield (worker,)

        self._sandbox = Sandbox(App("sample", ("uploads",), open_workers), {**self.stage.environment, **environment})
        return self._sandbox

    async def opens(self, worker: Worker[Any], *, pace: Pace = SHORT) -> None:
        """Begin to pump. `pace.visibility` is the mapping's, which Lambda wants at six timeouts."""
        sandbox = self.sandbox(worker)
        self._pump = asyncio.create_task(self._pumps(sandbox, pace))

    async def invokes(self, sandbox: Sandbox, event: Mapping[str, Any], *, remaining: float = 30.0) -> list[str]:
        """One invocation; the ids that it reports."""
        invoke = asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: sandbox.invoke(event, remaining=remaining)
        )
        report = await invoke
        self.reports.append([each["itemIdentifier"] for each in report["batchItemFailures"]])
        return self.reports[-1]

    async def _pumps(self, sandbox: Sandbox, pace: Pace) -> None:
        async with self.stage.server.open() as sqs:
            while True:
                answer = await sqs.receive_message(
                    QueueUrl=self.stage.url,
                    MaxNumberOfMessages=10,
                    WaitTimeSeconds=1,
                    VisibilityTimeout=max(30, pace.visibility),
                    MessageAttributeNames=["All"],
                    MessageSystemAttributeNames=["All"],
                )
                if messages := answer.get("Messages", []):
                    await self._invokes_and_deletes(sqs, sandbox, messages)

    async def _invokes_and_deletes(self, sqs: Any, sandbox: Sandbox, messages: list[dict[str, Any]]) -> None:
        reported = await self.invokes(sandbox, lambda_event(messages, queue_name=self.stage.queue))
        done = [each for each in messages if each["MessageId"] not in reported]
        entries = [{"Id": str(place), "ReceiptHandle": each["ReceiptHandle"]} for place, each in enumerate(done)]
        if entries:
            with suppress(ClientError, BotoCoreError):
                await sqs.delete_message_batch(QueueUrl=self.stage.url, Entries=entries)

    async def dies(self) -> None:
        """The mapping loses everything that it has not deleted."""
        await self.closes()
        self._thread = ThreadPoolExecutor(1)

    async def closes(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
            self._pump = None
        if self._sandbox is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._sandbox.close)
            self._sandbox = None
        self._thread.shutdown()


Door = ContainerDoor | LambdaDoor
