"""The worked example of docs/add-a-worker.md, run as it stands there."""

import asyncio
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import workers
from infra.resources.concern import Concern
from shared import App
from shared.container import process
from shared.lambda_door.entry import Sandbox
from shared.message.identity import ATTRIBUTE
from shared.worker import Together
from tests.aws import Aws
from tests.fakes_ledger import FakeLedger
from tests.lambda_events import lambda_event
from tests.shared.rig import Rig
from tests.virtual_time import virtual
from tests.waiting import until

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "add-a-worker.md"
FOUR = ("audit-archive", "reminder-dispatch", "upload-notification", "webhook-delivery")
BLOCK = re.compile(r"```python\n# (workers/loyalty_points/\w+\.py)\n(.*?)```", re.DOTALL)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The page's files in a folder that has nothing else."""
    for name, code in BLOCK.findall(PAGE.read_text()):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    return tmp_path / "workers" / "loyalty_points"


@pytest.fixture
def app(written: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """The example's files, imported as a package beside the real workers."""
    assert len(list(written.iterdir())) == 4, "three files and what makes them a package"
    monkeypatch.setattr(
        workers, "__path__", [str(written.parent), *workers.__path__]
    )  # also where one of its name is there
    _forget()
    yield importlib.import_module("workers.loyalty_points.app").APP
    _forget()


def _forget() -> None:
    for name in [name for name in sys.modules if name.startswith("workers.loyalty_points")]:
        del sys.modules[name]


def test_the_pages_files_pass_the_houses_lint(written: Path) -> None:
    ruff = [
        str(Path(sys.executable).with_name("ruff")),
        "check",
        "--no-cache",
        "--config",
        str(ROOT / "pyproject.toml"),
    ]
    found = subprocess.run([*ruff, str(written)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_the_page_names_every_file_that_names_all_workers() -> None:
    """A place that lists the workers is one that a newcomer has to know of."""
    names = [(name, name.replace("-", "_")) for name in FOUR]
    page = PAGE.read_text()
    listing = [
        path
        for pattern in ("*.yml", "workers/*.py", "infra/**/*.py", "kubernetes/**/kustomization.yaml", "fleet/**/*.py")
        for path in ROOT.glob(pattern)
        if all(any(form in path.read_text() for form in forms) for forms in names)
    ]
    assert len(listing) > 4
    assert [path for path in listing if f"`{path.relative_to(ROOT)}`" not in page] == []


def test_the_pages_entry_for_aws_is_that_of_its_worker(app: App) -> None:
    [code] = re.findall(r"```python\n# infra/concerns/loyalty_points.py\n(.*?)```", PAGE.read_text(), re.DOTALL)
    page: dict[str, Any] = {}
    exec(code, page)  # it is our own page
    concern: Concern = page["CONCERN"]
    assert (concern.name, (concern.queue.name,)) == (app.name, app.queues)
    assert concern.worker.handler == "workers.loyalty_points.app.lambda_handler"


def test_the_pages_handler_of_batches_answers_for_each_of_its_messages(app: App) -> None:
    assert app.name == "loyalty-points"
    [code] = re.findall(r"```python\n# in_batches.py\n(.*?)```", PAGE.read_text(), re.DOTALL)
    page: dict[str, Any] = {}
    exec(code, page)  # it is our own page
    decode = importlib.import_module("workers.loyalty_points.event").decode
    failures = [OSError()]

    async def add(customer: str, _points: int) -> bool:
        if customer == "unlucky" and failures:
            raise failures.pop()
        return customer != "nobody"

    async def story() -> None:
        handle = partial(page["handle_together"], add=add)
        rig = Rig(batch=handle, limits=Together(handle, count=3, seconds=1), decode=decode, ledger=FakeLedger())
        rig.queue.put(*(order_placed(f"o-{customer}", customer=customer) for customer in ("anna", "nobody", "unlucky")))
        await rig.runs_for(2)
        assert [json.loads(letter.body)["detail"]["customerId"] for letter in rig.queue.letters] == ["nobody"]
        assert len(rig.queue.left) == 1, "what failed comes again, by itself"
        await rig.runs_for(600)
        assert rig.queue.left == []
        await rig.drains()

    virtual(story())


def order_placed(order_id: str, *, customer: str) -> str:
    detail = {"id": order_id, "customerId": customer, "totalCents": 1250}
    event = {"id": "e", "source": "shop", "detail-type": "order.placed", "time": "2026-11-21T09:00:00Z"}
    return json.dumps({**event, "detail": detail})


class Shop:
    """The example's queue and table, and a customer."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.queue_url, self.dead_letter_url = aws.queue("loyalty-points"), aws.queue("loyalty-points-dlq")
        self.table = aws.table("customerId", label="customers")
        aws.dynamodb.put_item(TableName=self.table, Item={"customerId": {"S": "anna"}})
        self.environment = {
            **aws.environment,
            "LOYALTY_POINTS_QUEUE_URL": self.queue_url,
            "LOYALTY_POINTS_DLQ_URL": self.dead_letter_url,
            "CUSTOMERS_TABLE_NAME": self.table,
            "HEALTH_PORT": "0",
            "POLL_WAIT_SECONDS": "1",
        }

    def order(self, order_id: str, *, customer: str = "anna") -> None:
        self.aws.sqs.send_message(QueueUrl=self.queue_url, MessageBody=order_placed(order_id, customer=customer))

    def points(self) -> int:
        item = self.aws.dynamodb.get_item(TableName=self.table, Key={"customerId": {"S": "anna"}})["Item"]
        return int(item.get("points", {"N": "0"})["N"])

    def dead_letters(self) -> list[str]:
        found = self.aws.sqs.receive_message(QueueUrl=self.dead_letter_url, MessageAttributeNames=["All"])
        return [
            str(json.loads(each["MessageAttributes"][ATTRIBUTE]["StringValue"])["message"])
            for each in found.get("Messages", [])
        ]


@pytest.fixture
def shop(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Shop:
    for name, value in aws.endpoint.environment.items():
        monkeypatch.setenv(name, value)
    return Shop(aws)


async def test_the_example_adds_points_once_per_order_in_a_container(app: App, shop: Shop) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(process.run(app, shop.environment, stop=stop))
    for order_id in ("o-1", "o-1", "o-2", "o-1"):
        shop.order(order_id)
    shop.order("o-3", customer="nobody")
    await until(lambda: shop.points() == 24, what="twelve points for each of two orders")
    assert await until(shop.dead_letters, what="the dead letter") == ["no such customer"]
    stop.set()
    await running
    assert shop.points() == 24


def test_the_example_adds_points_once_per_order_behind_lambdas_door(app: App, shop: Shop) -> None:
    sandbox = Sandbox(app, shop.environment)
    for _ in range(3):
        shop.order("o-7")
        received = shop.aws.sqs.receive_message(
            QueueUrl=shop.queue_url, MaxNumberOfMessages=1, MessageSystemAttributeNames=["All"]
        )
        event = lambda_event(received["Messages"], queue_name=shop.queue_url.rsplit("/", 1)[-1])
        assert sandbox.invoke(event, remaining=20) == {"batchItemFailures": []}
    sandbox.close()
    assert shop.points() == 12
