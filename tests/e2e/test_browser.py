"""The example page in a real Chromium, from the choice of a file to its verdict."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from fleet.dev.stand_ins import server
from tests.e2e import chromium
from tests.e2e.outside import Outside

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(200)


@pytest_asyncio.fixture(loop_scope="session")
async def page(fleet: Outside, tmp_path: Path) -> AsyncIterator[chromium.Page]:
    program = chromium.found()
    if program is None:
        pytest.skip("there is no Chromium: apt-get install chromium, or name one in CHROMIUM")
    async with chromium.browsing(program, tmp_path / "profile") as page:
        await page.open(f"{fleet.stand_ins}{server.GATEWAY}/upload.html")
        yield page


async def verdict(page: chromium.Page, file: Path) -> str:
    await page.choose("#file", file)
    await page.until("/COMPLETE|REJECTED|FAILED/.test(document.getElementById('verdict').dataset.status)")
    return str(await page.value("document.getElementById('verdict').textContent"))


@pytest.mark.parametrize(
    ("name", "content", "shown"),
    [
        ("a picture +1 ü 100%.png", PNG, "COMPLETE, image/png"),
        ("both.gif", b"GIF89a/*\x01\0*/=1;alert(1)//", "REJECTED, content_mismatch, image/gif"),
        ("<img src=x onerror=alert(1)>.png", b"<html>hello</html>", "REJECTED, content_mismatch, text/html"),
    ],
)
async def test_a_chosen_file_shows_its_verdict(
    fleet: Outside, page: chromium.Page, tmp_path: Path, *, name: str, content: bytes, shown: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    assert await verdict(page, file) == shown
    steps = str(await page.value("document.getElementById('steps').textContent"))
    session_id = steps.split("session ")[1].split(" ", maxsplit=1)[0]
    row = await fleet.until(lambda: fleet.session_row(session_id), "the session's row")
    assert row["uploadKey"] == f"session-uploads/{session_id}/{name}"
    assert await page.value("document.images.length") == 0


async def test_a_connection_that_breaks_is_made_again_and_the_verdict_not_missed(
    fleet: Outside, page: chromium.Page, tmp_path: Path
) -> None:
    await page.value("""
        window.sockets = [];
        window.WebSocket = class extends WebSocket {
          constructor(url) { super(url); sockets.push(this); }
          set onmessage(heard) {
            if (sockets.length > 1) super.onmessage = heard;
            else this.addEventListener("message", ({ data }) => JSON.parse(data).type === "session.unchanged" || this.close());
          }
        };
        0""")
    file = tmp_path / "a.png"
    file.write_bytes(PNG)
    assert await verdict(page, file) == "COMPLETE, image/png"
    assert await page.value("sockets.length") == 2


async def test_a_file_that_s3_does_not_take_fails_in_words(page: chromium.Page, tmp_path: Path) -> None:
    file = tmp_path / "empty.png"
    file.write_bytes(b"")
    assert await verdict(page, file) == "FAILED"
    assert "EntityTooSmall" in str(await page.value("document.getElementById('steps').textContent"))
