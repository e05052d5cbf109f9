"""What the road needs from outside, joined by shared.consumer: one frozen value."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from shared.limits import Budget
from shared.message.dead_letter import Letter
from shared.message.delivery import Delivery
from shared.message.pointer import Payloads
from shared.road.failure.apart import Apart
from shared.road.failure.breakers import Breakers
from shared.road.failure.needs import Needs
from shared.road.ledger import Ledger
from shared.telemetry.troubles import Troubles


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """`hide` keeps a message from view for some seconds, `bury` sends it to the dead-letter queue; `payloads` holds
    bodies that are larger than a queue takes, None where that is off; `needs` know which of its dependencies are down; `budget` how many bytes of bodies are in hand;
    `holds` says whether a message's lease lasts, `finished` remembers that its work is done, even if its delete fails;
    `apart` knows what runs in the whole process, and lets one message run by itself that may end it; `troubles` hear of burials that fail; `dice` is uniform in [0, 1); `now` is the wall
    clock in epoch seconds.
    """

    hide: Callable[[Delivery, float], None]
    bury: Callable[[Letter], Awaitable[None]]
    ledger: Ledger | None = None
    payloads: Payloads | None = None
    needs: Needs = field(default_factory=lambda: Needs(Breakers()))
    budget: Budget = field(default_factory=Budget)
    holds: Callable[[Delivery], bool] = lambda _delivery: True
    finished: Callable[[Delivery], None] = lambda _delivery: None
    apart: Apart = field(default_factory=Apart)
    troubles: Troubles = field(default_factory=lambda: Troubles(""))
    dice: Callable[[], float] = random.random
    now: Callable[[], float] = time.time
