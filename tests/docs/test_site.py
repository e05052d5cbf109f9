"""The site of the documentation has every page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


def pages(part: Any) -> Iterator[str]:
    match part:
        case str():
            yield part
        case list() | dict():
            for each in part.values() if isinstance(part, dict) else part:
                yield from pages(each)


def test_every_page_is_in_the_sites_contents_once() -> None:
    told = [*pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])]
    there = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert sorted(told) == sorted(there)
