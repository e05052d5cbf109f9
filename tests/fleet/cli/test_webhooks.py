"""`fleet webhooks`, as an operator types it."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result as Ended

from fleet.cli import fleet
from fleet.dev.stand_ins.webhook_receiver import signature_fault
from tests.aws import Aws
from tests.fleet.dead_letters.test_without_yes import commands
from tests.workers.webhook_delivery.fakes import SECRET, job
from workers.webhook_delivery.rules import Claimed, Exhausted, Reply, Result
from workers.webhook_delivery.store import items


class Lines:
    """`fleet webhooks ... --tenant acme` in this process."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def __call__(self, *words: str, exits: int = 0) -> Ended:
        given = ["webhooks", *words, "--tenant", "acme"]
        result = CliRunner().invoke(fleet, given, env=self.environment, prog_name="fleet")
        assert result.exit_code == exits, (result.stdout, result.stderr, result.exception)
        assert "Traceback" not in result.stderr
        return result


@pytest.fixture
def lines(aws: Aws, tmp_path: Path) -> Lines:
    table = {"WEBHOOKS_TABLE_NAME": aws.table_like("webhooks"), "WEBHOOK_ALLOW_LOOPBACK": "true"}
    return Lines({**aws.environment, **table, "XDG_STATE_HOME": str(tmp_path)})


@contextmanager
def receiver(answer: list[int]) -> Iterator[str]:
    """An endpoint that verifies with the stand-in's code and answers with the next status."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            now = float(self.headers["webhook-timestamp"])
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(401 if signature_fault(SECRET, headers, body, now=now) else answer.pop(0))
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook"
        finally:
            server.shutdown()
            thread.join()


def test_the_life_of_an_endpoint(lines: Lines, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    with receiver([200, 500]) as url:
        add = ("endpoint", "add", "--url", url, "--event-type", "order.*", "--id", "ep-1", "--secret-file", str(secret))
        assert lines(*add).stdout == f"endpoint ep-1\nsecret   {SECRET}\n"
        lines(*add)  # the same, after a lost answer
        lines(*add, "--event-type", "invoice.*", exits=5)
        assert "ep-1  enabled  order.*" in lines("endpoint", "list").stdout
        assert "answered 200: ok" in lines("endpoint", "test", "ep-1").stdout
        failed = json.loads(lines("endpoint", "test", "ep-1", "--json", exits=1).stdout)
    assert (failed["status"], failed["delivered"], failed["body"]) == (500, False, "ok")
    assert "answered connection_refused" in lines("endpoint", "test", "ep-1", exits=1).stdout
    rotated = json.loads(lines("endpoint", "rotate", "ep-1", "--json").stdout)
    shown = lines("endpoint", "show", "ep-1")
    assert rotated["secret"] not in shown.stdout
    assert [each["kind"] for each in json.loads(lines("endpoint", "show", "ep-1", "--json").stdout)["keys"]] == [
        "v1",
        "v1",
    ]
    lines("endpoint", "disable", "ep-1", "--reason", "asked for it")
    assert "disabled (asked for it)" in lines("endpoint", "show", "ep-1").stdout
    lines("endpoint", "enable", "ep-1")
    assert "would remove ep-1, enabled" in lines("endpoint", "remove", "ep-1").stdout
    assert json.loads(lines("endpoint", "remove", "ep-1", "--json").stdout)["removed"] is False
    lines("endpoint", "remove", "ep-1", "--yes")
    lines("endpoint", "list", exits=3)


def test_terms_are_changed_one_by_one_and_cleared(lines: Lines) -> None:
    add = ("endpoint", "add", "--url", "https://one.example/", "--event-type", "order.*", "--id", "ep-1")
    lines(*add, "--rate", "5", "--retries", "1,2", "--header", "X-Key: 1", "--at-most-once")
    change = ("endpoint", "change", "ep-1")
    shown = lines(*change, "--url", "https://two.example/", "--event-type", "a", "--event-type", "b", "--rate", "2.5")
    assert "url            https://two.example/" in shown.stdout
    changed = json.loads(lines(*change, "--clear", "retries", "--no-at-most-once", "--json").stdout)
    assert (changed["event_types"], changed["rate"], changed["retries"]) == (["a", "b"], 2.5, None)
    assert (changed["at_most_once"], changed["header_names"]) == (False, ["X-Key"])
    assert json.loads(lines(*change, "--retries", "-", "--json").stdout)["retries"] == []
    assert "nothing is to be changed" in lines(*change, exits=2).stderr
    assert "give one of them" in lines(*change, "--clear", "rate", "--rate", "1", exits=2).stderr
    assert "url: " in lines(*change, "--url", "ftp://one.example/", exits=2).stderr
    lines("endpoint", "change", "ep-9", "--rate", "1", exits=3)


def test_an_empty_secret_is_not_taken_for_none(lines: Lines, tmp_path: Path) -> None:
    empty = tmp_path / "secret"
    empty.write_text("\n")
    words = ("--url", "https://one.example/", "--event-type", "*", "--secret-file", str(empty))
    assert "the file is empty" in lines("endpoint", "add", *words, exits=2).stderr


def test_a_wrong_field_ends_with_2_and_nothing_of_that_name_with_3(lines: Lines) -> None:
    wrong = lines("endpoint", "add", "--url", "ftp://example.com/s3cret", "--event-type", "*", exits=2)
    assert wrong.stderr == "Error: url: scheme is not https\n"
    for words in (
        ("show", "ep-9"),
        ("rotate", "ep-9"),
        ("disable", "ep-9", "--reason", "x"),
        ("enable", "ep-9"),
        ("remove", "ep-9"),
        ("remove", "ep-9", "--yes"),
        ("test", "ep-9"),
    ):
        assert lines("endpoint", *words, exits=3).stderr == "Error: the tenant has no endpoint ep-9\n"
    del lines.environment["WEBHOOKS_TABLE_NAME"]
    lines.environment["WEBHOOKS_TABLE_NAME"] = ""
    assert "WEBHOOKS_TABLE_NAME" in lines("endpoint", "list", exits=2).stderr


def test_every_command_has_its_row_of_exit_codes() -> None:
    page = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
    paths = [" ".join(path[1:]) for path, _ in commands(fleet) if path[0] == "webhooks"]
    assert paths
    assert [path for path in paths if f"| `{path} " not in page and f"| `{path}`" not in page] == []


@pytest.mark.slow
def test_what_failed_is_looked_at_and_sent_again(lines: Lines, aws: Aws) -> None:
    queue = lines.environment["WEBHOOK_DELIVERIES_QUEUE_URL"] = aws.queue("deliveries")
    table = lines.environment["WEBHOOKS_TABLE_NAME"]
    lines("endpoint", "add", "--url", "https://hooks.acme.example/", "--event-type", "*", "--id", "ep-1")
    at = ("--endpoint", "ep-1")
    lines("deliveries", *at, exits=3)
    given = job(endpoint_id="ep-1", tenant_id="acme")
    now = datetime.now(UTC)
    claimed = Claimed(until=0)
    aws.dynamodb.put_item(TableName=table, **items.claim(given, claimed, now=now))
    result = Result(Reply(500, body="no\x1b[2J"), Exhausted(), now, now)
    aws.dynamodb.update_item(TableName=table, **items.result(given, claimed, result))
    [seen] = lines("deliveries", *at, "--json").stdout.splitlines()
    assert (json.loads(seen)["webhook_id"], json.loads(seen)["http_status"]) == ("msg_1", 500)
    shown = lines("show", "msg_1", *at)
    assert "EXHAUSTED  payload kept" in shown.stdout
    assert ("\x1b" in shown.stdout, "☃" in shown.stdout) == (False, False), (
        "neither a terminal's orders nor the payload"
    )
    assert "☃" in lines("show", "msg_1", *at, "--payload").stdout
    counted = lines("recover", *at, "--since", "1h")
    assert "would send 1 again; act with --since " in counted.stdout
    act = counted.stdout.partition("; act with ")[2].split()
    assert aws.bodies(queue) == []
    assert "sent as attempt 2" in lines("resend", "msg_1", *at, "--reason", "they asked").stdout.replace(
        "is sent again", "sent"
    )
    for _ in range(2):  # whether the first one's job was sent nobody knows: it is sent once more, under its number
        recovered = lines("recover", *at, *act, "--rate", "100", "--json")
        assert json.loads(recovered.stdout)["sent"] == 1
    assert sorted(json.loads(body)["attempt"] for body in aws.bodies(queue)) == [2, 3, 3]
    assert "would expunge" in lines("expunge", "msg_1").stdout
    assert json.loads(lines("expunge", "msg_1", "--json").stdout)["acted"] is False
    assert "expunged in 1 places" in lines("expunge", "msg_1", "--yes").stdout
    lines("expunge", "msg_1", "--yes", exits=3)
    lines("resend", "msg_1", *at, exits=5)
    lines("recover", *at, "--since", "1h", exits=3)
    lines("recover", *at, "--since", "31d", exits=2)
    lines("recover", *at, "--since", "yesterday", exits=2)
    for words in (("show", "msg_9"), ("resend", "msg_9")):
        assert lines(*words, *at, exits=3).stderr == "Error: the endpoint has no delivery msg_9 on record\n"
    lines("endpoint", "disable", "ep-1", "--reason", "x")
    lines("resend", "msg_1", *at, exits=5)


def test_an_event_is_published_under_one_webhook_id_however_often(lines: Lines, aws: Aws) -> None:
    key = f"order-{uuid.uuid4().hex}"
    publish = ("publish", "--type", "order.placed", "--key", key, "--detail", '{"total": "12.50"}')
    lines.environment["EVENT_BUS_NAME"] = ""
    assert "EVENT_BUS_NAME is not set" in lines(*publish, exits=2).stderr
    lines.environment["EVENT_BUS_NAME"] = aws.names["EVENT_BUS_NAME"]
    [said] = lines(*publish).stdout.split()
    assert json.loads(lines(*publish, "--json").stdout) == {"version": 1, "webhook_id": said}
    assert "write a JSON object" in lines("publish", "--type", "t", "--key", "k", "--detail", "[]", exits=2).stderr
    assert "detail-type: 'webhook.*'" in lines("publish", "--type", "webhook.test", "--key", "k", exits=2).stderr
