"""What a run writes: for its owner alone, and never into what somebody else has laid out."""

import os
import stat
from pathlib import Path

import pytest

from fleet.dev import child, private
from fleet.dev.dev import signing_key


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_and_files_are_their_owners_alone(tmp_path: Path) -> None:
    logs = private.folder(tmp_path / ".fleet" / "demo" / "logs")
    os.close(private.new_file(logs / "new"))
    os.close(private.log_file(logs / "log"))
    assert [mode(each) for each in (tmp_path / ".fleet", logs.parent, logs)] == [0o700] * 3
    assert [mode(logs / "new"), mode(logs / "log")] == [0o600] * 2


def test_a_home_that_an_earlier_run_left_open_is_closed_and_other_folders_stay_as_they_are(tmp_path: Path) -> None:
    home, other = tmp_path / ".fleet", tmp_path / "other"
    for each in (home, other):
        each.mkdir()
        each.chmod(0o755)
    private.folder(home / "logs")
    private.folder(other)
    assert (mode(home), mode(other)) == (0o700, 0o755)


def test_a_home_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / ".fleet").symlink_to(tmp_path / "theirs")
    with pytest.raises(private.NotPrivate, match="remove it first"):
        private.folder(tmp_path / ".fleet" / "logs")


def test_a_folder_in_a_home_that_is_a_link_or_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    private.folder(tmp_path / ".fleet")
    (tmp_path / ".fleet" / "logs").symlink_to(tmp_path / "theirs")
    (tmp_path / ".fleet" / "file").touch()
    for name in ("logs", "file"):
        with pytest.raises(private.NotPrivate, match="remove it first"):
            private.folder(tmp_path / ".fleet" / name)


def test_a_signing_key_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    kept = signing_key(tmp_path / ".fleet")
    assert signing_key(tmp_path / ".fleet") == kept
    key = Path(kept.removeprefix("file:"))
    key.rename(tmp_path / "theirs.pem")
    key.symlink_to(tmp_path / "theirs.pem")
    with pytest.raises(private.NotPrivate, match="remove it first"):
        signing_key(tmp_path / ".fleet")


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give a folder away")
@pytest.mark.parametrize("name", ["logs", "audit-signing-key.pem"])
def test_what_somebody_else_laid_into_a_home_that_stood_open_is_refused(tmp_path: Path, name: str) -> None:
    signing_key(tmp_path / ".fleet")
    private.folder(tmp_path / ".fleet" / "logs")
    os.chown(tmp_path / ".fleet" / name, 65534, 65534)
    with pytest.raises(private.NotPrivate):
        signing_key(private.folder(tmp_path / ".fleet" / "logs").parent)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give a folder away")
def test_a_home_of_somebody_else_in_a_folder_for_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".fleet").mkdir()
    os.chown(tmp_path / ".fleet", 65534, 65534)
    with pytest.raises(private.NotPrivate):
        private.folder(tmp_path / ".fleet")


def test_a_planted_link_is_not_written_through(tmp_path: Path) -> None:
    theirs, link = tmp_path / "theirs", tmp_path / "emulator.log"
    theirs.write_text("untouched")
    link.symlink_to(theirs)
    with pytest.raises(OSError, match="symbolic link"):
        child.start(["true"], environment={}, log=link)
    os.close(private.new_file(link))
    assert (theirs.read_text(), link.is_symlink()) == ("untouched", False)


def test_a_folder_is_held_by_one_run_until_it_ends(tmp_path: Path) -> None:
    with private.held(tmp_path / "a"):
        with pytest.raises(private.Taken, match="another run"), private.held(tmp_path / "a"):
            raise AssertionError("held twice")
        with private.held(tmp_path / "b"):
            pass
    with private.held(tmp_path / "a"):
        pass
