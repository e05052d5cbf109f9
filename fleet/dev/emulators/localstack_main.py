"""LocalStack's entry in host mode, run by the interpreter of its own environment: behind the gate, on a socket it was handed.

Not imported by the fleet, and not part of its packages' world: `localstack`, `rolo` and `twisted` live in that environment
only. Its DynamoDB is another emulator, which stands behind a gate of its own.
"""

import io
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from localstack.runtime import main
from localstack.services.dynamodb import server
from localstack.services.dynamodbstreams.v2 import provider as streams
from localstack.services.s3 import notifications
from localstack.services.s3 import provider as s3
from requests.adapters import HTTPAdapter
from rolo.serving import twisted
from twisted.internet import endpoints

sys.path.append(str(Path(__file__).parents[3]))  # last: whatever is installed here comes first

from fleet.dev.emulators.gate import LARGEST_BODY, Gate, Keys, Refused, Request, folded, refusal, signs_body

SIGNED_BEFORE = ("Authorization", "Host", "X-Amz-Date", "X-Amz-Content-SHA256", "X-Amz-Security-Token", "Origin")
Start = Callable[..., Any]
Send = Callable[..., Any]


class GatedGateway(twisted.WsgiGateway):  # type: ignore[misc]  # a class of that environment
    """LocalStack's WSGI application behind the gate; what it says to other origins is left out of its answers."""

    def __init__(self, gateway: Any, *, gate: Gate) -> None:
        super().__init__(gateway)
        self.gate = gate

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        request = head(environ)
        try:
            signature = self.gate.admit(request, now=time.time())
            body = b""
            if signs_body(request, signature):
                body = environ["wsgi.input"].read()
                environ["wsgi.input"] = io.BytesIO(body)
            self.gate.prove(request, signature, body)
        except Refused as refused:
            kind, said = refusal(request, str(refused))
            start_response("403 Forbidden", [("Content-Type", kind), ("Content-Length", str(len(said)))])
            return [said]

        def quietly(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            own = [pair for pair in headers if not pair[0].lower().startswith("access-control-")]
            return start_response(status, own, *more)

        answer: Iterable[bytes] = super().__call__(environ, quietly)
        return answer


def head(environ: dict[str, Any]) -> Request:
    """The head of a request as rolo hands it on."""
    path, _, query = environ["RAW_URI"].partition("?")
    return Request(environ["REQUEST_METHOD"], path, query, folded(environ["rolo.headers"]))


def _handed(reactor: Any, *_place: Any, **_more: Any) -> Any:
    """Its gateway ignores the host of GATEWAY_LISTEN and would listen on every interface."""
    return endpoints.AdoptedStreamServerEndpoint(reactor, int(os.environ["FLEET_LISTENER"]), socket.AF_INET)


def _without_websockets(self: Any, request: Any) -> Any:
    """The fleet opens none there; one would pass beside the gate."""
    return self.original.render(request)


def _at_most(original: Callable[[Any, bytes], None]) -> Callable[[Any, bytes], None]:
    """Twisted keeps a whole body before the gate sees its head."""

    def handle(self: Any, data: bytes) -> None:
        if self.content.tell() > LARGEST_BODY:
            self.channel.loseConnection()
        else:
            original(self, data)

    return handle


def _sending(original: Send, port: int, keys: Credentials) -> Send:
    """What LocalStack hands on to its DynamoDB bears the caller's signature, or its own: it gets one that opens the gate."""

    def send(self: Any, request: Any, *arguments: Any, **more: Any) -> Any:
        if urlsplit(request.url).port == port:
            for name in SIGNED_BEFORE:
                request.headers.pop(name, None)
            fresh = AWSRequest(request.method, request.url, {}, request.body or b"")
            SigV4Auth(keys, "dynamodb", "us-east-1").add_auth(fresh)
            request.headers.update(fresh.headers.items())
        return original(self, request, *arguments, **more)

    return send


def _in_order(original: Callable[..., Any], sequencer: str) -> Callable[..., Any]:
    """Events of S3 with a sequencer of their own, by their time: LocalStack gives all of them the same one, as if each came again."""

    def payload(context: Any, *more: Any) -> Any:
        own = f"{round(context.event_time.timestamp() * 1_000_000):018X}"
        made = original(context, *more)
        if "Detail" in made:
            made["Detail"] = made["Detail"].replace(sequencer, own)
        for each in made.get("Records", ()):
            thing = each["s3"]["object"]
            thing |= {"sequencer": own} if "sequencer" in thing else {}
        return made

    return payload


def _main() -> Any:
    """Their names are replaced, then their own main runs."""
    given = os.environ
    keys = Keys(given["FLEET_ACCESS_KEY_ID"], given["FLEET_SECRET_ACCESS_KEY"])
    port = int(given["GATEWAY_LISTEN"].rpartition(":")[2])
    gate = Gate(keys, port, controls=frozenset({"/_localstack/init"}))  # how its ready hooks went
    twisted.WsgiGateway = partial(GatedGateway, gate=gate)
    twisted.WebsocketResourceDecorator.render = _without_websockets
    twisted.TwistedRequestAdapter.handleContentChunk = _at_most(twisted.TwistedRequestAdapter.handleContentChunk)
    endpoints.TCP4ServerEndpoint = _handed
    beside = Credentials(given["FLEET_DYNAMODB_ACCESS_KEY_ID"], given["FLEET_DYNAMODB_SECRET_ACCESS_KEY"])
    sending = _sending(HTTPAdapter.send, int(given["DYNAMODB_LOCAL_PORT"]), beside)
    HTTPAdapter.send = sending  # type: ignore[method-assign]  # theirs, replaced
    server.DynamodbServer.start_dynamodb = lambda _server: True
    streams.DynamoDBStreamsProvider.modify_stream_arn_for_ddb_local = lambda _provider, stream_arn: stream_arn
    for notifier, sequencer in (
        (notifications.BaseNotifier, "0055AED6DCD90281E5"),
        (notifications.EventBridgeNotifier, "0062E99A88DC407460"),
    ):
        notifier._get_event_payload = staticmethod(_in_order(notifier._get_event_payload, sequencer))  # noqa: SLF001
    s3.DEFAULT_S3_TMP_DIR = os.path.join(given["FILESYSTEM_ROOT"], "s3")  # noqa: PTH118 - they join strings to it
    return main.main()


if __name__ == "__main__":
    sys.exit(_main())
