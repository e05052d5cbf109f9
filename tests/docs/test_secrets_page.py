"""The commands of docs/secrets.md that make a new text of the archive's keys, run on both forms of it."""

import json
import re
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest

from workers.audit_archive.redaction.keys import hash_keys

PAGE = (Path(__file__).parents[2] / "docs" / "secrets.md").read_text()
MADE = re.findall(r"^\$ (printf .+ > new) ", PAGE, re.MULTILINE)
FIRST, OLDER = (b64encode(bytes([number]) * 48).decode() for number in (1, 2))
JSON, PLAIN = range(2)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (JSON, json.dumps({"k1": FIRST}, separators=(",", ":"))),  # as Secrets Manager makes it
        (JSON, json.dumps({"k1": FIRST, "k0": OLDER})),
        (JSON, json.dumps({"k1": FIRST, "k0": OLDER}, indent=2)),
        (PLAIN, f"k1:{FIRST}"),
        (PLAIN, f"k1:{FIRST},k0:{OLDER}"),
    ],
)
def test_the_new_text_has_the_new_key_in_front_and_every_old_one_behind(tmp_path: Path, line: int, text: str) -> None:
    assert len(MADE) == 2
    (tmp_path / "keys").write_text(f"{text}\n")
    subprocess.run(["bash", "-euc", MADE[line]], cwd=tmp_path, check=True, timeout=10)
    new, *old = hash_keys((tmp_path / "new").read_text())
    assert (new.id, tuple(old)) == ("k2", hash_keys(text))
    assert len(new.secret) == 48
