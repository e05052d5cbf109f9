"""A hash of this folder's sources, carried by each template: tells that one is stale without Node and without the CDK."""

import hashlib
from pathlib import Path
from typing import Final

METADATA_KEY: Final = "SourceSha256"
FOLDER: Final = Path(__file__).resolve().parent


def fingerprint(folder: Path = FOLDER) -> str:
    """SHA-256 (hex) over paths and texts of the Python files below `folder`, in the order of their paths, lines ending in LF."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")  # universal newlines: a checkout with CRLF reads the same
        digest.update(f"{path.relative_to(folder).as_posix()}\0{text}\0".encode())
    return digest.hexdigest()
