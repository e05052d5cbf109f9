"""examples/worker.py runs by `fleet run --app`, and examples/trace_message.py tells the story of one of its messages."""

import asyncio
import json
import runpy
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared import App, Clients, Each, Reject
from tests.aws import Aws
from tests.fakes import delivery
from tests.waiting import until

EXAMPLES = Path(__file__).parents[2] / "examples"


async def test_the_worker_reads_an_order_and_refuses_one_without_a_price() -> None:
    app: App = runpy.run_path(str(EXAMPLES / "worker.py"))["APP"]
    assert app.queues == ("points",)
    async with app.open_workers({}, Clients({})) as (worker,):
        do = worker.do
        assert isinstance(do, Each)
        assert do.once is not None
        order = worker.decode(delivery(json.dumps({"id": "order-42", "customer": "ada", "cents": 1250})))
        assert do.once.key(order) == "order-42"
        with capture_logs() as logged:
            await do.handle(order)
        assert [line["points"] for line in logged] == [12]
        with pytest.raises(Reject, match="without a price"):
            await do.handle(worker.decode(delivery(json.dumps({"id": "order-43", "customer": "ada", "cents": 0}))))


@pytest.fixture
def environment(aws: Aws) -> dict[str, str]:
    queues = {"POINTS_QUEUE_URL": aws.queue("points"), "POINTS_DLQ_URL": aws.queue("points-dlq")}
    ledger = aws.table("key", label="ledger")
    return {**aws.environment, **queues, "LEDGER_TABLE_NAME": ledger, "HEALTH_PORT": "0", "POLL_WAIT_SECONDS": "1"}


@contextmanager
def running(environment: dict[str, str], log: Path) -> Iterator[None]:
    """The worker, as the first lines of its file say."""
    command = [sys.executable, "-m", "fleet.cli", "run", "--app", "worker:APP"]
    with log.open("w") as output:
        worker = subprocess.Popen(command, cwd=EXAMPLES, env=environment, stdout=output)
    try:
        yield
        worker.terminate()
        assert worker.wait(30) == 0
    finally:
        worker.kill()
        worker.wait()


@pytest.mark.long
def test_the_worker_gives_points_once_and_one_messages_story_is_told(
    aws: Aws, environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    with running(environment, log):
        command = [sys.executable, str(EXAMPLES / "trace_message.py"), "order-42", str(log)]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        assert told.returncode == 0, told.stderr
        for body in (
            {"id": "order-42", "customer": "ada", "cents": 1250},
            {"id": "order-43", "customer": "ada", "cents": 0},
        ):
            aws.sqs.send_message(QueueUrl=environment["POINTS_QUEUE_URL"], MessageBody=json.dumps(body))
        asyncio.run(
            until(
                lambda: "order-43" in str(letters := aws.bodies(environment["POINTS_DLQ_URL"])) and letters,
                what="the letter",
            )
        )
    lines = told.stdout.splitlines()
    assert any("points_given" in line for line in lines), told.stdout
    assert all("order-42" in line for line in lines)
    assert log.read_text().count('"points_given"') == 1, "twice the same order, once the points"
