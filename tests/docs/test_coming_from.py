"""docs/coming-from.md: our side of each comparison does what it says, and the others are at least Python."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from shared import App, Each, Later, Reject
from shared.clients import Clients
from tests.fakes import delivery

PAGE = (Path(__file__).parents[2] / "docs" / "coming-from.md").read_text()
OURS, *OTHERS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "charges"}
    exec(compile(OURS, "coming-from.md", "exec", dont_inherit=True), names)
    return names


async def test_our_worker_ends_as_the_page_says(ours: dict[str, Any]) -> None:
    app: App = ours["APP"]
    environment = {"BANK_URL": "https://bank.example", "CHARGES_QUEUE_URL": "https://q", "CHARGES_DLQ_URL": "https://d"}
    assert app.faults(environment) == {}
    assert app.faults(environment | {"BANK_URL": ""}) == {
        "bank_url".upper(): "BANK_URL is not set: where the bank is asked"
    }
    async with app.open_workers(environment, Clients(environment)) as (worker,):
        do = worker.do
        assert isinstance(do, Each)
        assert do.once is not None
        order = worker.decode(delivery('{"id": "o-1", "cents": 100}'))
        assert do.once.key(order) == "o-1"
        await do.handle(order)
        with pytest.raises(Reject, match="nothing to charge"):
            await do.handle(worker.decode(delivery('{"id": "o-2", "cents": 0}')))
        with pytest.raises(Later):
            await do.handle(worker.decode(delivery('{"id": "o-3", "cents": 2000000}')))


def test_the_others_are_python() -> None:
    assert len(OTHERS) == 4
    for snippet in OTHERS:
        assert ast.parse(snippet).body
