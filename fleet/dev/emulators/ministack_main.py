"""MiniStack behind the gate, run by the interpreter of its own environment on a socket that it was handed.

Not imported by the fleet, and not part of its packages' world: `ministack` and `hypercorn` live in that environment only.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[3]))  # last: whatever is installed here comes first

from fleet.dev.emulators.gate import LARGEST_BODY, Gate, Keys, Refused, Request, folded, refusal, signs_body

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]


_LARGEST_RECORDED = 2_000_000  # bytes; what is larger is the zip of a function


class Gone(Exception):
    """The client left before its request was whole."""


def with_gate(application: Application, gate: Gate) -> Application:
    """The application behind the gate; what it says to browsers of other origins is left out of its answers."""

    async def guard(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await application(scope, receive, send)
            return
        if scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        request = head(scope)
        try:
            signature = gate.admit(request, now=time.time())
            body = b""
            if signs_body(request, signature):
                body = await _whole(receive)
                receive = _again(body, receive)
            gate.prove(request, signature, body)
        except Refused as refused:
            await _refuse(send, request, str(refused))
        except Gone:
            return
        else:
            await application(scope, receive, _without_cors(send))

    return guard


def recorded(application: Application, calls: Path) -> Application:
    """The application, with a line of JSON in `calls` for each request that it has answered: by whom, what, and how it ended."""

    async def record(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        request, body, status = head(scope), bytearray(), 0

        async def heard() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def said(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await application(scope, heard, said)
        headers = {name: request.headers.get(name, "") for name in ("authorization", "user-agent", "x-amz-target")}
        is_object = "/s3/" in headers["authorization"] and request.method != "POST"
        is_text = len(body) < _LARGEST_RECORDED and not is_object
        line = {
            **headers,
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "status": status,
            "body": body.decode("utf-8", "replace") if is_text else "",
        }
        with calls.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    return record


def head(scope: Mapping[str, Any]) -> Request:
    """The head of an ASGI request."""
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    return Request(scope["method"], path, query, folded(scope["headers"]))


async def _whole(receive: Receive) -> bytes:
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > LARGEST_BODY:
            raise Refused(f"a request has at most {LARGEST_BODY} bytes")
        if not message.get("more_body", False):
            return b"".join(chunks)


def _again(body: bytes, receive: Receive) -> Receive:
    """Says the body that was read already, once, then goes on with what the client says."""
    said: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return said.pop() if said else await receive()

    return again


def _without_cors(send: Send) -> Send:
    async def quietly(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [pair for pair in message["headers"] if not pair[0].lower().startswith(b"access-control-")]
            message = {**message, "headers": headers}
        await send(message)

    return quietly


async def _refuse(send: Send, request: Request, why: str) -> None:
    kind, body = refusal(request, why)
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def sources_of_dead_letters(sqs: Any) -> Callable[[Mapping[str, Any], str], Mapping[str, Any]]:
    """ListDeadLetterSourceQueues, which MiniStack lacks: a look at dead letters has to ask every queue otherwise."""
    found, queues = vars(sqs)["_get_q"], vars(sqs)["_queues"]

    def answer(asked: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        arn = found(asked.get("QueueUrl", path), "sqs:ListDeadLetterSourceQueues")["attributes"]["QueueArn"]
        return {"queueUrls": [url for url, queue in queues.items() if _redrives_to(queue["attributes"]) == arn]}

    return answer


def _redrives_to(attributes: Mapping[str, str]) -> str:
    return str(json.loads(attributes.get("RedrivePolicy") or "{}").get("deadLetterTargetArn", ""))


def _without_functions_in_stacks() -> None:
    """A stack makes no function either, nor does a custom resource call one: the type is refused as unsupported."""
    from ministack.services.cloudformation import provisioners

    handlers = vars(provisioners)["_RESOURCE_HANDLERS"]
    for name in [name for name in handlers if name.startswith("AWS::Lambda::")]:
        del handlers[name]


def main() -> None:
    """Serve on FLEET_LISTENER, a listening socket's number, until SIGTERM."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app
    from ministack.services import sqs

    vars(sqs)["_HANDLERS"]["ListDeadLetterSourceQueues"] = sources_of_dead_letters(sqs)
    keys = Keys(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    has_functions = "lambda" in os.environ["SERVICES"].split(",")
    if not has_functions:
        _without_functions_in_stacks()
    gate = Gate(keys, int(os.environ["GATEWAY_PORT"]), functions=has_functions)
    config = Config()
    config.bind = [f"fd://{os.environ['FLEET_LISTENER']}"]
    config.keep_alive_timeout = 75  # as MiniStack's own main has it
    calls = os.environ.get("FLEET_EMULATOR_CALLS")
    asyncio.run(serve(with_gate(recorded(app, Path(calls)) if calls else app, gate), config))


if __name__ == "__main__":
    main()
