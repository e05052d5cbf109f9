"""What a dependency does to the calls that reach it: latency, outages of minutes or hours, and single faults."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from tests.simulation.world.time import PROCESS, SimulatedLoop

READ_TIMEOUT = 40.0
"""Seconds after which a client gives up a silent connection, as shared.clients sets it."""
TRANSIENT = {"ServiceUnavailable", "InternalError", "ThrottlingException", "RequestThrottled"}
HOWS = ("refused", "unavailable", "throttled", "denied", "silent")
"""How a dependency is down."""
PARTLY = ("writes", "wrong")
"""How it is down for some: writes are throttled and reads are answered; every question of ours is called a wrong one."""


@dataclass(frozen=True, slots=True)
class Outage:
    """From when to when, in seconds of the loop, and one of HOWS."""

    begins: float
    ends: float
    how: str

    def meets(self, operation: str) -> bool:
        return self.how != "writes" or operation in {"PutItem", "UpdateItem", "DeleteItem"}


@dataclass(frozen=True, slots=True)
class Odds:
    """Of one call, each between 0 and 1: `reset` before anything was done, `lost` answers after it was done, `odd`
    answers of another shape, `throttled`, `partly` done batches, `slow` by seconds, and `echoed` messages (handed out twice).
    """

    reset: float = 0.0
    lost: float = 0.0
    odd: float = 0.0
    throttled: float = 0.0
    partly: float = 0.0
    slow: float = 0.0
    echoed: float = 0.0


@dataclass(slots=True)
class Weather:
    """One dependency's. `until` ends the single faults: a quiet end shows what is left."""

    name: str
    loop: SimulatedLoop
    dice: random.Random
    odds: Odds
    outages: list[Outage] = field(default_factory=list)
    until: float = float("inf")
    retries: int = 0

    def outage(self) -> Outage | None:
        now = self.loop.passed
        for each in self.outages:
            if each.begins <= now < each.ends:
                return each
        return None

    def was_out(self, begin: float, end: float) -> bool:
        """Whether it was down at any moment between these."""
        return any(each.begins < end and begin < each.ends for each in self.outages)

    def strikes(self, odds: float) -> bool:
        return odds > 0 and self.loop.passed < self.until and self.dice.random() < odds

    def latency(self) -> float:
        seconds = 0.005 + self.dice.random() * 0.01
        return seconds + self.dice.random() * 5.0 if self.strikes(self.odds.slow) else seconds

    async def ask(self, operation: str, work: Callable[["Exchange"], None]) -> Any:
        """One call with the client's own repetitions. `work` is done where the service is, and ends the exchange."""
        tries = self.retries
        while True:
            try:
                return await Exchange(self, operation, work).answered()
            except (ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError) as error:
                code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
                if not tries or (code and code not in TRANSIENT):
                    raise
            await asyncio.sleep(self.dice.random() * 2.0 ** (self.retries - tries))
            tries -= 1


class Exchange:
    """One request on its way there and back."""

    __slots__ = ("_answer", "_process", "_work", "on_gone", "operation", "weather")

    def __init__(self, weather: Weather, operation: str, work: Callable[["Exchange"], None]) -> None:
        self.weather = weather
        self.operation = operation
        self.on_gone: Callable[[], None] | None = None
        self._work = work
        self._process = PROCESS.get()
        self._answer: asyncio.Future[Any] = weather.loop.create_future()

    async def answered(self) -> Any:
        loop = self.weather.loop
        if self._process is not None:
            self._process.exchanges[self] = None
        loop.later_outside(self.weather.latency(), self._arrive)
        try:
            return await self._answer
        except asyncio.CancelledError:
            self.hang_up()
            raise
        finally:
            if self._process is not None:
                self._process.exchanges.pop(self, None)

    def hang_up(self) -> None:
        """The client closes its connection, or its host has seen it die."""
        if self.on_gone is not None:
            self.on_gone()
            self.on_gone = None

    def _arrive(self) -> None:
        weather = self.weather
        if (outage := weather.outage()) is not None and outage.meets(self.operation):
            self._turned_away(outage.how)
        elif weather.strikes(weather.odds.reset):
            self.fail(closed())
        elif weather.strikes(weather.odds.throttled):
            self._turned_away("throttled")
        else:
            self._work(self)

    def _turned_away(self, how: str) -> None:
        match how:
            case "silent":
                self.weather.loop.later_outside(
                    READ_TIMEOUT, self._set, None, ReadTimeoutError(endpoint_url="simulated")
                )
            case "refused":
                self.fail(EndpointConnectionError(endpoint_url="simulated"))
            case "denied":
                self.fail(client_error("AccessDenied", 403))
            case "wrong":
                self.fail(client_error("ValidationException", 400))
            case "throttled" | "writes":
                self.fail(client_error("ThrottlingException", 400))
            case _:
                self.fail(client_error("ServiceUnavailable", 503))

    def done(self, answer: Any) -> None:
        """The work is done; its answer may still be lost."""
        self.on_gone = None
        weather = self.weather
        outage = weather.outage()
        if weather.strikes(weather.odds.lost) or (outage is not None and outage.meets(self.operation)):
            self.fail(closed())
        else:
            self._later(answer, None)

    def fail(self, error: Exception) -> None:
        self.on_gone = None
        self._later(None, error)

    def _later(self, answer: Any, error: Exception | None) -> None:
        self.weather.loop.later_outside(self.weather.latency(), self._set, answer, error)

    def _set(self, answer: Any, error: Exception | None) -> None:
        if self._answer.done():
            return
        if error is not None:
            self._answer.set_exception(error)
        else:
            self._answer.set_result(answer)


def closed() -> Exception:
    return ConnectionClosedError(endpoint_url="simulated")


def client_error(code: str, status: int, *, kind: type[ClientError] = ClientError) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "simulated"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return kind(answer, "Simulated")
