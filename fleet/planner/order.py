"""The order of a stage's stacks, said once: stacks.txt, which `infra/deploy.sh` reads too."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_ROWS: Final = tuple(
    line.split()[:2]
    for line in Path(__file__).with_name("stacks.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)
ORDER: Final = tuple(name for name, _ in _ROWS)
"""Every stack, the first one first."""
DEPLOYED: Final = tuple(name for name, who in _ROWS if who != "hand")
"""What `infra/deploy.sh` deploys."""
OPTIONAL: Final = frozenset(name for name, who in _ROWS if who == "asked")
"""What a stage may stand without."""
