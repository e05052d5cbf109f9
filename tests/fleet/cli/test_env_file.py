"""The environment of a fleet as a file: private, sourced by a shell, read by every command."""

import stat
import subprocess
from pathlib import Path

import pytest

from fleet.cli import env_file

ODD = {"PLAIN": "a", "EMPTY": "", "BLANKS": "a b", "QUOTES": 'it\'s "so"', "DOLLAR": "$HOME #x", "UMLAUT": "ü=1"}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "dev.env"
    env_file.write(path, ODD)
    assert env_file.read(path) == ODD


def test_only_its_owner_may_read_it_also_when_it_was_open_before(tmp_path: Path) -> None:
    path = tmp_path / "dev.env"
    path.write_text("OLD=1\n")
    path.chmod(0o644)
    env_file.write(path, {"SECRET": "x"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_that_somebody_planted_is_replaced_and_not_followed(tmp_path: Path) -> None:
    theirs, path = tmp_path / "theirs", tmp_path / "dev.env"
    theirs.write_text("untouched")
    path.symlink_to(theirs)
    env_file.write(path, {"SECRET": "x"})
    assert (theirs.read_text(), path.is_symlink(), stat.S_IMODE(path.stat().st_mode)) == ("untouched", False, 0o600)


def test_a_shell_sources_it(tmp_path: Path) -> None:
    path = tmp_path / "dev.env"
    env_file.write(path, ODD)
    script = f'set -a; . {path}; set +a; printf "%s|%s|%s" "$BLANKS" "$QUOTES" "$DOLLAR"'
    result = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == 'a b|it\'s "so"|$HOME #x'


def test_lines_of_other_hands_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.env"
    path.write_text("# a comment\n\nexport ONE=1\nTWO='2 and more'\n")
    assert env_file.read(path) == {"ONE": "1", "TWO": "2 and more"}


@pytest.mark.parametrize("text", ["ONE=1\nnothing here\n", "A B=1", "ONE='open"])
def test_a_line_that_is_none_is_named_by_its_number(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.env"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"line [12]"):
        env_file.read(path)
