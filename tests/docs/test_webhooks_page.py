"""The page for receivers: its functions verify what is signed here, and its vectors are right."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.aws import Aws
from tests.workers.webhook_delivery.fakes import NOON, OLD_SECRET, PRIVATE_KEY, PUBLIC_KEY, SECRET, endpoint
from workers.webhook_delivery.rules import STANDARD_WEBHOOKS
from workers.webhook_delivery.signing.request import signed

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
BODY = b'{"test": 2432232314}'
VECTORS = re.findall(r"^\| `(wh[a-z]+_[^`]+)` \| `(v1a?,[^`]+)` \|$", PAGE, re.MULTILINE)
ID, TIMESTAMP = "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330"


def block(language: str) -> str:
    [code] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(code)


def cases() -> list[tuple[bool, dict[str, Any]]]:
    """Whether it is genuine, and what `verify` is asked."""
    made = signed(endpoint(secrets=(SECRET, PRIVATE_KEY, OLD_SECRET)), message_id="msg_1", at=NOON, body=BODY)
    ours = {"key": SECRET, "headers": dict(made.headers), "body": BODY.decode(), "now": NOON.timestamp()}
    header = made.headers["webhook-signature"]
    found = [(True, ours), (True, {**ours, "key": OLD_SECRET}), (True, {**ours, "key": PUBLIC_KEY})]
    for key, signature in VECTORS:
        headers = {"webhook-id": ID, "webhook-timestamp": TIMESTAMP, "webhook-signature": signature}
        vector = {"key": key, "headers": headers, "body": BODY.decode(), "now": int(TIMESTAMP) + 299}
        found += [(True, vector), (True, vector | {"key": key.rstrip("=")})]
        found += [(False, vector | wrong) for wrong in ({"body": "{}"}, {"now": int(TIMESTAMP) + 301}, {"now": 1.0})]
    for change in (
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "hello"},
        {"webhook-signature": header.replace("v1,", "v2,")},
        {"webhook-signature": "v1,"},
        {"webhook-signature": ""},
    ):
        found.append((False, ours | {"headers": dict(made.headers) | change}))
    changed = {"webhook-signature": header.replace(",", ",A")}
    found.append((False, ours | {"key": PUBLIC_KEY, "headers": dict(made.headers) | changed}))
    for junk in ("v9,x , v1,é", "v1,\udcff"):  # the second: as aiohttp reads a byte that is not UTF-8
        found.append((True, ours | {"headers": dict(made.headers) | {"webhook-signature": f"{junk} {header}"}}))
    return found


def test_the_python_function_takes_what_is_genuine_and_nothing_else() -> None:
    scope: dict[str, Any] = {}
    exec(compile(block("python"), "docs/webhooks.md", "exec"), scope)  # the page's own code is the subject
    assert len(VECTORS) == 3
    for genuine, asked in cases():
        assert scope["verify"](**{**asked, "body": asked["body"].encode()}) is genuine, asked


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_the_node_function_takes_what_is_genuine_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "verify.js").write_text(block("javascript"))
    (tmp_path / "cases.json").write_text(json.dumps([asked for _, asked in cases()]))
    code = (
        "const { verify } = require('./verify.js');"
        "console.log(JSON.stringify(require('./cases.json').map("
        "(each) => verify(each.key, each.headers, Buffer.from(each.body), each.now))));"
    )
    run = subprocess.run(["node", "-e", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == [genuine for genuine, _ in cases()]


def test_the_schedule_of_the_page_is_the_worker_s() -> None:
    assert "5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and 24 h" in PAGE
    minute, hour = 60, 3600
    assert STANDARD_WEBHOOKS.delays == (
        *(0, 5, 5 * minute, 30 * minute),
        *(count * hour for count in (2, 5, 10, 14, 20, 24)),
    )


async def test_the_client_s_example_registers_an_endpoint(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "webhook-worker.md").read_text()
    code, *_ = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    for name, value in (aws.environment | {"WEBHOOKS_TABLE_NAME": aws.table_like("webhooks")}).items():
        monkeypatch.setenv(name, value)
    scope: dict[str, Any] = {}
    exec(compile(code, "docs/webhook-worker.md", "exec"), scope)  # the page's own code is the subject
    assert (await scope["register"]()).startswith("whsec_")
