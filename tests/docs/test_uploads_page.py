"""docs/uploads.md: its example is run, and its message is the one that is sent."""

import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from textwrap import indent
from typing import Any

import orjson
import pytest

from tests.aws import Aws
from workers.upload_notification.announcement import message
from workers.upload_notification.client import Form, Opened, Opening, open_sessions
from workers.upload_notification.event import UploadFinished
from workers.upload_notification.rules import Session

PAGE = (Path(__file__).parents[2] / "docs" / "uploads.md").read_text()
MARK = "<!-- executed by tests/docs/test_uploads_page.py -->\n"


def example(language: str) -> str:
    found = re.search(f"{re.escape(MARK)}```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"the page has no {language} example"
    return found[1]


async def test_the_example_opens_a_session_with_a_form_and_a_token(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    named = {"SESSIONS_TABLE_NAME": aws.table_like("sessions"), "UPLOAD_BUCKET_NAME": "fleet-uploads-dev"}
    for name, value in {**aws.environment, **named}.items():
        monkeypatch.setenv(name, value)
    names: dict[str, Any] = {"os": os, "Opening": Opening, "open_sessions": open_sessions}
    body = indent(example("python") + "    made.extend((opened, form, token))\n", "    ")
    exec(f"async def run(made):\n{body}", names)
    made: list[Any] = []
    await names["run"](made)
    opened, form, token = made
    assert isinstance(opened, Opened)
    assert isinstance(form, Form)
    async with open_sessions(os.environ) as sessions:
        assert await sessions.admit(opened.session_id, token)


def test_the_message_is_the_one_that_is_sent() -> None:
    shown = orjson.loads(example("json"))
    upload = UploadFinished(
        id="upload_1",
        session_id=shown["sessionId"],
        bucket="b",
        key=shown["key"],
        size=shown["size"],
        etag=shown["etag"],
        order=shown["sequencer"],
        occurred_at=datetime(2026, 11, 21, 9, tzinfo=UTC),
        version=shown["versionId"],
    )
    session = Session(shown["sessionId"], status="COMPLETE", content_type="image/jpeg")
    assert orjson.loads(message(upload, session)) == shown
    rejected = orjson.loads(message(upload, replace(session, status="REJECTED", reason="too_large")))
    assert (rejected["type"], rejected["reason"]) == ("upload.rejected", "too_large")
