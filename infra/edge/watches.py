"""What is watched of what browsers call: answers of the two APIs, and the functions behind them.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html and apigateway-websocket-api-logging.html
"""

from collections.abc import Iterator
from typing import Final

from infra.edge.functions import CALLS, NAME
from infra.watch.alarm import Math, Metric, Watch, Window
from infra.watch.of_services import breaking, of_function
from infra.watch.subjects import LAMBDA_ERRORS, MINUTE, THROTTLES, Number

API_ERRORS: Final = Number("ApiErrors", 5, "Calls of an API that fail in 5 minutes and are borne")
REFUSED: Final = Number("ApiRefusedPercent", 50, "Calls of an API that are refused, of all in 5 minutes")
CALLED: Final = Number("ApiMinimumCalls", 50, "Calls in 5 minutes below which no share is formed")
NUMBERS: Final = (API_ERRORS, REFUSED, CALLED, LAMBDA_ERRORS, THROTTLES)
WINDOW: Final = Window(1, 5 * MINUTE)


def edge_watches(sessions: str, browsers: str) -> Iterator[Watch]:
    """`sessions`, `browsers`: ids of the HTTP and the WebSocket API."""
    yield _failing("sessions", _sum(sessions, "5xx"))
    yield _refusing("sessions", _sum(sessions, "4xx"), _sum(sessions, "Count"), "calls")
    errors = {"execution": _sum(browsers, "ExecutionError"), "integration": _sum(browsers, "IntegrationError")}
    yield _failing("browsers", Math("FILL(execution, 0) + FILL(integration, 0)", errors))
    # Who is refused at the door is no connection.
    yield _refusing("browsers", _sum(browsers, "ClientError"), _sum(browsers, "ConnectCount"), "calls + refused")
    for call in CALLS:
        yield breaking(f"{NAME}-{call.name}")
    yield _throttled()


def _throttled() -> Watch:
    """One alarm for all: what they share is the account's concurrency."""
    throttles = {f"f{number}": of_function(f"{NAME}-{call.name}", "Throttles") for number, call in enumerate(CALLS)}
    says = "Lambda refuses to run a function that browsers call"
    looks_at = Math(" + ".join(f"FILL({key}, 0)" for key in throttles), throttles)
    return Watch(NAME, "throttled", says, "alarms.md#throttled", looks_at, THROTTLES)


def _failing(api: str, looks_at: Metric | Math) -> Watch:
    says = f"Calls of the API {api} fail"
    return Watch(f"{api}-api", "failing", says, "alarms.md#api-failing", looks_at, API_ERRORS, window=WINDOW)


def _refusing(api: str, refused: Metric, calls: Metric, every: str) -> Watch:
    """Silent where hardly anybody calls: one stranger would be all of them."""
    every = every.replace("calls", "FILL(calls, 0)").replace("refused", "FILL(refused, 0)")
    share = f"IF({every} >= ${{{CALLED.name}}}, 100 * FILL(refused, 0) / ({every}), 0)"
    return Watch(
        f"{api}-api",
        "refusing",
        f"Most calls of the API {api} are refused",
        "alarms.md#api-refusing",
        Math(share, {"refused": refused, "calls": calls}),
        REFUSED,
        window=WINDOW,
    )


def _sum(api: str, metric: str) -> Metric:
    return Metric("AWS/ApiGateway", metric, {"ApiId": api}, "Sum")
