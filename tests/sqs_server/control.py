"""The control port: faults, time, effects of handlers, and what the ledger knows, as JSON over HTTP."""

import asyncio
import resource
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import orjson

from tests.sqs_server.errors import SqsError
from tests.sqs_server.faults import Rule
from tests.sqs_server.service import Service
from tests.sqs_server.wire import Connection, response

Key = TypeVar("Key", bound=tuple[str, ...])
PHASES = ("started", "ended", "failed")
JSON = b"Content-Type: application/json\r\n"
LINES = b"Content-Type: application/jsonl\r\n"


class Control:
    """Answers `GET /faults`, `POST /clock` and so on; each method below is named after its request."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._account = service.account
        self._given = replace(service.account.options)
        self._routes: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("GET", "/faults"): self.get_faults,
            ("POST", "/faults"): self.post_fault,
            ("DELETE", "/faults"): self.delete_faults,
            ("GET", "/clock"): self.get_clock,
            ("POST", "/clock"): self.post_clock,
            ("POST", "/effect"): self.post_effect,
            ("GET", "/ledger"): self.get_ledger,
            ("POST", "/ledger"): self.post_ledger,
            ("DELETE", "/ledger"): self.delete_ledger,
            ("GET", "/requests"): self.get_requests,
            ("GET", "/stats"): self.get_stats,
            ("GET", "/options"): self.get_options,
            ("POST", "/options"): self.post_options,
            ("GET", "/messages"): self.get_messages,
            ("POST", "/recreate"): self.post_recreate,
            ("POST", "/hang-up"): self.post_hang_up,
            ("POST", "/reset"): self.post_reset,
        }

    def serve(self, connection: Connection, head: bytes, lower: bytes, body: bytes) -> None:
        method, target, _ = head.partition(b"\r\n")[0].decode().split(" ")
        path, _, query = target.partition("?")
        close = b"connection: close" in lower
        route = self._routes.get((method, path))
        if route is None:
            connection.reply(response(404, b'{"error":"no such thing to control"}', JSON), close=close)
            return
        try:
            answer = route(orjson.loads(body) if body else dict(parse_qsl(query)))
        except (AttributeError, KeyError, TypeError, ValueError, SqsError) as error:
            reason = orjson.dumps({"error": f"{type(error).__name__}: {error}"})
            connection.reply(response(400, reason, JSON), close=close)
            return
        if isinstance(answer, bytes):
            connection.reply(response(200, answer, LINES), close=close)
        else:
            connection.reply(response(200, orjson.dumps(answer), JSON), close=close)

    # -- faults

    def get_faults(self, _asked: Any) -> Any:
        return self._service.rules.describe()

    def post_fault(self, asked: dict[str, Any]) -> Any:
        return {"name": self._service.rules.add(Rule.read(asked))}

    def delete_faults(self, asked: dict[str, str]) -> Any:
        """All of them, or the one that is `name`d."""
        running = self._service.rules.running
        names = [asked["name"]] if "name" in asked else [*running]
        for name in names:
            del running[name]
        return {"removed": names}

    def post_recreate(self, asked: dict[str, Any]) -> Any:
        """Delete the `queue` with all its messages; it is back, empty, after `gone_for` real seconds."""
        queue = self._account.named(asked["queue"])
        self._account.delete(queue, self._account.clock.now())
        gone_for = float(asked.get("gone_for", 0))
        if gone_for:
            asyncio.get_running_loop().call_later(gone_for, self._account.revive, queue)
        else:
            self._account.revive(queue)
        return {}

    def post_hang_up(self, _asked: Any) -> Any:
        """Reset every open connection, as a load balancer may."""
        connections = [*self._service.connections]
        for connection in connections:
            connection.reset()
        return {"connections": len(connections)}

    # -- time

    def get_clock(self, _asked: Any) -> Any:
        clock = self._account.clock
        return {"now": clock.now(), "skewed": clock.skewed(), **asdict(clock)}

    def post_clock(self, asked: dict[str, float]) -> Any:
        """`advance` the time of all queues by seconds; `skew` what clients are shown, from now on."""
        clock = self._account.clock
        clock.advanced += float(asked.get("advance", 0))
        clock.skew = float(asked.get("skew", clock.skew))
        for queue in [*self._account.queues.values()]:
            queue.promote(clock.now())
            self._service.polls.wake(queue)
        return self.get_clock(None)

    # -- the ledger

    def post_effect(self, asked: dict[str, Any] | list[dict[str, Any]]) -> Any:
        """A handler tells what it does: `message_id`, `phase` (started, ended, failed), and `key` of its business."""
        effects = asked if isinstance(asked, list) else [asked]
        now = self._account.clock.now()
        for effect in effects:
            if effect["phase"] not in PHASES:
                raise ValueError(f"a phase is one of {', '.join(PHASES)}")
        for effect in effects:
            more = {name: value for name, value in effect.items() if name not in {"message_id", "queue"}}
            reference = (effect["message_id"], int(more.pop("receipt", 0)))
            self._account.ledger.add("effect", effect.get("queue", ""), [reference], now, **more)
        return {}

    def get_ledger(self, asked: dict[str, str]) -> Any:
        now = self._account.clock.now()
        for queue in self._account.queues.values():
            queue.sweep(now)
        return b"\n".join(self._account.ledger.lines(int(asked.get("start", 0))))

    def post_ledger(self, asked: dict[str, bool]) -> Any:
        """Switch it `on` or off: a million messages weigh a gigabyte there. Counters go on."""
        self._account.ledger.on = bool(asked["on"])
        return {}

    def delete_ledger(self, _asked: Any) -> Any:
        self._account.ledger.clear()
        return {}

    # -- what is

    def get_requests(self, _asked: Any) -> Any:
        """What was asked, in order, since `Options.keep_requests` was switched on."""
        return [{"action": action, "asked": orjson.loads(body)} for action, body in self._account.ledger.asked]

    def get_stats(self, _asked: Any) -> Any:
        """CPU seconds and KiB of this process, requests by action, queue and outcome, messages by kind and queue."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        ledger = self._account.ledger
        return {
            "cpu": usage.ru_utime + usage.ru_stime,
            "memory": usage.ru_maxrss,
            "connections": len(self._service.connections),
            "entries": len(ledger),
            "requests": _rows(ledger.requests, "action", "queue", "outcome"),
            "messages": _rows(ledger.messages, "kind", "queue"),
            "queues": {name: self._counts(name) for name in self._account.queues},
        }

    def _counts(self, name: str) -> dict[str, int]:
        queue = self._account.queues[name]
        visible, in_flight, delayed = queue.counts(self._account.clock.now())
        return {
            "visible": visible,
            "in_flight": in_flight,
            "delayed": delayed,
            "open_polls": self._service.polls.open(queue),
        }

    def get_messages(self, asked: dict[str, str]) -> Any:
        """Every message of the `queue`, without receiving it."""
        queue = self._account.named(asked["queue"])
        queue.sweep(self._account.clock.now())
        return [
            {
                "message_id": each.message_id,
                "body": each.body,
                "state": each.state.value,
                "receives": each.receives,
                "visible_at": each.visible_at,
                "group": each.group,
                "attributes": each.attributes,
                "system": each.system,
            }
            for each in queue.messages.values()
        ]

    def get_options(self, _asked: Any) -> Any:
        return asdict(self._account.options)

    def post_options(self, asked: dict[str, Any]) -> Any:
        options = self._account.options
        for name, value in asked.items():
            getattr(options, name)
            setattr(options, name, value)
        for queue in self._account.queues.values():
            queue.strict = options.strict
        return self.get_options(None)

    def post_reset(self, _asked: Any) -> Any:
        """An empty account at the right time, without faults, and with the options of the beginning."""
        now = self._account.clock.now()
        for queue in [*self._account.queues.values()]:
            self._account.delete(queue, now)
        self._account.deleted.clear()
        self._account.ledger.clear()
        self._account.clock.advanced = self._account.clock.skew = 0.0
        self._account.ledger.on = True
        self._service.rules.running.clear()
        self.post_options(asdict(self._given))
        return {}


def _rows(counter: Mapping[Key, int], *names: str) -> list[dict[str, Any]]:
    return [{**dict(zip(names, key, strict=True)), "count": count} for key, count in counter.items()]
