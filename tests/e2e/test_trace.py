"""What the workers did to one file is told by `fleet trace`: by its session, and by the webhook that came of it."""

import asyncio
import json
import os
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.outside import Outside

FLEET = Path(sys.executable).with_name("fleet")

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def told(fleet: Outside, asked: str, tenant: str) -> list[dict[str, Any]]:
    """What `fleet trace` prints, as a process of its own; the letters of the other tests are left alone."""
    process = await asyncio.create_subprocess_exec(
        *(FLEET, "trace", asked, "--tenant", tenant, "--archive", "1", "--no-letters", "--json"),
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **fleet.environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, errors = await process.communicate()
    assert process.returncode in (0, 3), errors.decode()
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("fleet", ["container"], indirect=True)  # what is read is the same behind either door
async def test_a_files_story_is_told_from_its_session_to_the_archive_and_its_webhook(fleet: Outside) -> None:
    tenant = f"tenant-{uuid.uuid4().hex[:12]}"
    endpoint = fleet.endpoint(tenant, f"/ok/{tenant}", "upload.*")
    session = fleet.session(tenant)
    fleet.upload(f"session-uploads/{session}/photo.jpg", b"jpeg" * 100)

    async def whole() -> list[dict[str, Any]] | None:
        found = await told(fleet, session, tenant)
        tables = " ".join(each["table"] for each in found if each["place"] == "archive")
        return found if "sessions" in tables and "webhooks" in tables else None

    # By its session alone also the attempt at the endpoint: the bus carried on what it is about, and its row says so.
    story = await fleet.until(whole, "the archived rows, which come with a batch of the audit worker")
    assert {each["place"] for each in story} == {"session", "archive"}
    [stands] = [each for each in story if each["what"] == "stands now"]
    assert stands["status"] == "UPLOADED"
    assert "create" in {each["what"] for each in story if each["place"] == "archive"}
    [received] = await fleet.until(lambda: fleet.received(f"/ok/{tenant}"), "the webhook")
    delivery = await told(fleet, received["webhook_id"], tenant)
    [attempted] = [each for each in delivery if each["place"] == "webhook"]
    assert (attempted["endpoint"], attempted["status"]) == (endpoint, "DELIVERED")
