"""Temporary files, journals and units in rare states: swept too early, already complete, empty, without locks."""

import errno
import os
import sys

import pytest

from zoo import ZooError, journal
from zoo.files import recover, replacing_together, sha256, write_text
from zoo.journal import Entry, create_part, digest, finish, journal_path, sweep, write_journal
from zoo.replacement import Unit, writable_target

pytestmark = pytest.mark.skipif(os.name == "nt", reason="locks of POSIX")


@pytest.fixture
def folder(tmp_path):
    """An empty folder."""
    made = tmp_path / "folder"
    made.mkdir()
    return made


def test_a_temporary_file_that_was_swept_before_its_lock_is_created_again(folder, monkeypatch):
    lock, swept = journal._lock, []

    def late(handle, wait):
        if not swept:
            swept.extend(folder.iterdir())
            swept[0].unlink()
        return lock(handle, wait)

    monkeypatch.setattr(journal, "_lock", late)
    part, handle = create_part(folder / "a.txt")
    assert part != swept[0]
    assert os.path.samestat(os.fstat(handle), os.stat(part))
    os.close(handle)


def pair(folder, *, parts=True):
    """Two old files with a journal that replaces both, as a killed process leaves them."""
    entries = []
    for name in "ab":
        write_text(folder / name, f"old {name}")
    for name in "ab":
        part, handle = create_part(folder / name)
        part.write_text(f"new {name}")
        entries.append(Entry(name, sha256(folder / name), part.name, sha256(part)))
        if not parts:
            part.unlink()
        os.close(handle)
    write_journal(journal_path(folder / "a"), entries)
    return entries


def contents(folder):
    return [(folder / name).read_text() for name in "ab"]


def test_a_pair_that_a_kill_left_old_is_not_mentioned(folder, caplog):
    """The temporary files are gone, so it cannot be completed, and nothing was changed."""
    pair(folder, parts=False)
    recover(folder / "a")
    assert contents(folder) == ["old a", "old b"]
    assert caplog.text == ""
    assert sorted(os.listdir(folder)) == ["a", "b"]


def test_a_pair_is_completed_once(folder, caplog):
    entries = pair(folder)
    os.replace(folder / entries[0].part, folder / "a")
    recover(folder / "a")
    assert contents(folder) == ["new a", "new b"]
    assert "A process was killed while it replaced a, b; this is completed now." in caplog.text
    journal.apply(folder, entries)  # a second time
    (folder / "b").write_text("of the user")
    with pytest.raises(FileNotFoundError):
        journal.apply(folder, entries)
    finish(journal_path(folder / "a"))  # there is none any more
    assert contents(folder) == ["new a", "of the user"]


def test_a_pair_that_cannot_be_completed_is_one_line(folder, monkeypatch):
    pair(folder)

    def refuse(folder):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(journal, "locked", refuse)
    with pytest.raises(
        ZooError, match=r"a was being replaced when the process was killed.*: Permission denied\. Repeat"
    ):
        recover(folder / "a")


def test_only_regular_files_have_a_hash(folder):
    write_text(folder / "a", "content")
    (folder / "link").symlink_to("a")
    os.mkfifo(folder / "pipe")
    assert digest(folder / "a") == sha256(folder / "a")
    assert [digest(folder / name) for name in ("link", "pipe", "missing", ".")] == [""] * 4


def test_without_locks_temporary_files_stay(folder, monkeypatch):
    """Their owner may still run: there is no way to find out."""
    part, handle = create_part(folder / "a")
    os.close(handle)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    sweep(folder)
    assert part.exists()
    monkeypatch.undo()
    sweep(folder)
    assert not part.exists()


def test_a_lock_of_a_file_system_without_locks_is_none(folder, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with replacing_together(folder / "a") as (part,):
        part.write_text("new")
    assert (folder / "a").read_text() == "new"


# units


def test_a_unit_without_files_changes_nothing(folder):
    before = os.stat(folder).st_mtime_ns
    with Unit(folder / "a"):
        pass
    assert list(folder.iterdir()) == []
    assert os.stat(folder).st_mtime_ns == before


def test_a_file_in_a_folder_that_is_a_link_is_refused(folder):
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (folder / "sub").symlink_to(elsewhere)
    with (
        pytest.raises(ZooError, match=r"sub/b: its folder is a link\. Delete the link\."),
        Unit(folder / "a") as unit,
    ):
        unit.add(folder / "sub" / "b")
    assert list(elsewhere.iterdir()) == []


def test_a_missing_folder_and_an_impossible_name_are_one_line(folder):
    with pytest.raises(ZooError, match=r"Its folder is missing: create it"), Unit(folder / "no" / "a"):
        pass
    with pytest.raises(ZooError, match=r"Choose a shorter name\."):
        writable_target(folder / ("a" * 300))
    with pytest.raises(ZooError, match=r"'a\\x00b': a file name cannot contain NUL\."):
        writable_target(folder.__class__("a\0b"))


def test_a_folder_that_was_made_for_a_unit_is_removed_with_it(folder):
    with pytest.raises(ZooError, match="Permission denied"), Unit(folder / "a") as unit:
        unit.add(folder / "sub" / "b")
        raise PermissionError(errno.EACCES, "Permission denied")
    assert list(folder.iterdir()) == []
