"""Which workers are started again when a file changes."""

import asyncio
from pathlib import Path

import pytest

from fleet.dev import reload
from fleet.dev.reload import concerned

ROOT = Path("/repository")
WORKERS = ("audit-archive", "webhook-delivery")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (["workers/audit_archive/rules.py"], ("audit-archive",)),
        (["workers/audit_archive/store/claims.py", "workers/webhook_delivery/app.py"], WORKERS),
        (["shared/road/pipeline.py"], WORKERS),
        (["workers/roster.py"], WORKERS),
        (["workers/not_yet_in_the_fleet/app.py"], ()),
    ],
)
def test_a_change_concerns_who_runs_it(changed: list[str], expected: tuple[str, ...]) -> None:
    assert concerned((ROOT / path for path in changed), WORKERS, root=ROOT) == expected


@pytest.mark.slow
async def test_a_changed_file_renews_its_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("shared", "workers/audit_archive"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(reload, "PROJECT", tmp_path)
    renewed: asyncio.Queue[str] = asyncio.Queue()
    watching = asyncio.create_task(reload.watch(WORKERS, renewed.put_nowait))
    async with asyncio.timeout(60):
        while renewed.empty():  # it may not watch yet: a change is made until one is seen
            (tmp_path / "workers/audit_archive/rules.py").write_text("changed = True\n")
            await asyncio.sleep(0.1)
    assert await renewed.get() == "audit-archive"
    watching.cancel("cut")
    await asyncio.gather(watching, return_exceptions=True)
