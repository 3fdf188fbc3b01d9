"""A reader sees the old file, the new one, or none; whatever stops the writing."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scunext_edge.errors import ArtifactError, StorageError
from scunext_edge.storage import (
    locked,
    new_directory,
    new_file,
    read_json,
    sha256_of,
    storage_errors,
    write_json,
    write_text,
)

STOPS = [ValueError("a bug"), KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")]
NAMES = ["exception", "ctrl-c", "full disk"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fail(after, stop):
    """Raise ``stop``, after something else was done."""
    raise stop


def expected(stop):
    return StorageError if isinstance(stop, OSError) else type(stop)


@pytest.mark.parametrize("stop", STOPS, ids=NAMES)
def test_a_file_that_is_not_finished_leaves_the_old_one_and_nothing_else(tmp_path, stop):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(expected(stop)), new_file(path) as temporary:
        fail(temporary.write_text("ne"), stop)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("stop", STOPS, ids=NAMES)
def test_a_file_that_is_not_finished_does_not_appear(tmp_path, stop):
    with pytest.raises(expected(stop)), new_file(tmp_path / "a.json"):
        raise stop
    assert names(tmp_path) == []


@pytest.mark.parametrize("stop", STOPS, ids=NAMES)
def test_a_directory_that_is_not_finished_leaves_the_old_one_and_nothing_else(tmp_path, stop):
    path = tmp_path / "a"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(expected(stop)), new_directory(path) as temporary:
        fail((temporary / "new").touch(), stop)
    assert names(tmp_path) == ["a"]
    assert names(path) == ["old"]


def test_while_a_file_is_written_its_name_shows_the_old_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with new_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


def test_a_directory_replaces_another_as_a_whole(tmp_path):
    path = tmp_path / "a"
    (path / "deep").mkdir(parents=True)
    (path / "deep" / "old").touch()
    with new_directory(path) as temporary:
        (temporary / "new").touch()
        assert names(path) == ["deep"]
    assert names(path) == ["new"]
    assert names(tmp_path) == ["a"]


def test_ctrl_c_while_the_old_directory_is_removed_leaves_the_new_one_whole(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.mkdir()
    (path / "old").touch()
    real, calls = shutil.rmtree, []

    def interrupted(folder, **options):
        calls.append(folder)
        if len(calls) == 1:
            raise KeyboardInterrupt
        real(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt), new_directory(path) as temporary:
        (temporary / "new").touch()
    assert names(path) == ["new"]


def test_an_old_directory_comes_back_if_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.mkdir()
    (path / "old").touch()
    real = Path.replace

    def refuse_the_new(self, target):
        if target == path and (self / "new").exists():
            raise OSError(errno.EBUSY, "busy")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", refuse_the_new)
    with pytest.raises(StorageError, match="busy"), new_directory(path) as temporary:
        (temporary / "new").touch()
    assert names(path) == ["old"]
    assert names(tmp_path) == ["a"]


def test_a_directory_does_not_replace_a_file(tmp_path):
    path = tmp_path / "a"
    path.write_text("mine")
    with pytest.raises(StorageError, match="a file is in the way"), new_directory(path):
        pass
    assert path.read_text() == "mine"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("new", [new_file, new_directory])
def test_a_folder_that_takes_no_files_is_named_with_what_to_do(tmp_path, new):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "below" / "a"
    with pytest.raises(StorageError, match="cannot write") as caught, new(path):
        pytest.fail("the block must not be entered")
    assert str(path) in str(caught.value)
    assert "folder that can be written to" in caught.value.hint
    assert names(tmp_path) == ["file"]


def test_a_disk_that_fills_up_while_text_is_written_leaves_nothing(tmp_path, monkeypatch):
    def full(self, *args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_text", full)
        with pytest.raises(StorageError, match="No space left on device"):
            write_text(tmp_path / "a.txt", "text")
    assert names(tmp_path) == []


def test_errors_that_are_not_of_the_disk_pass_unchanged(tmp_path):
    with pytest.raises(ArtifactError), storage_errors(tmp_path):
        raise ArtifactError("mine")


def test_json_comes_back_as_it_was_with_paths_and_numpy_scalars_made_plain(tmp_path):
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"a": [1, None, "é"], "path": tmp_path, "b": np.float32(0.5)})
    assert read_json(path) == {"a": [1, None, "é"], "path": str(tmp_path), "b": 0.5}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("nan")])
def test_nan_is_refused_since_unknown_is_null(tmp_path, value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": value})
    assert names(tmp_path) == []


def test_what_has_no_json_is_refused(tmp_path):
    with pytest.raises(TypeError, match="cannot store a set"):
        write_json(tmp_path / "a.json", {"a": {1}})
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe\x00", b"nothing"])
def test_broken_json_is_an_artifact_error_that_names_the_file(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"a\.json cannot be read"):
        read_json(path)


def test_missing_json_is_an_artifact_error(tmp_path):
    with pytest.raises(ArtifactError, match="does not exist"):
        read_json(tmp_path / "a.json")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_json(tmp_path)


def test_a_files_digest_is_that_of_its_bytes_across_blocks(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    path.write_bytes(b"\0" * (1 << 20) + b"x")
    first = sha256_of(path)
    path.write_bytes(b"\0" * (1 << 20) + b"y")
    assert sha256_of(path) != first


def test_files_can_be_read_by_others(tmp_path):
    write_json(tmp_path / "a.json", {})
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o644
    json.loads((tmp_path / "a.json").read_text())


def test_a_drive_without_locks_holds_nothing_back(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl", reason="this system has no such locks")
    done = []
    for number in (errno.ENOLCK, errno.EIO):

        def fails(*_args, number=number):
            raise OSError(number, "no locks here")

        monkeypatch.setattr(fcntl, "flock", fails)
        with contextlib.suppress(OSError), locked(tmp_path, wait_s=0.0):
            done.append(number)
    assert done == [errno.ENOLCK]


def test_what_is_locked_is_refused_to_others_until_its_holder_ends(tmp_path):
    pytest.importorskip("fcntl", reason="this system has no such locks")
    script = (
        "import sys, time; from pathlib import Path; from scunext_edge.storage import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(StorageError, match="another process"), locked(tmp_path, wait_s=0.2):
        pass
    holder.kill()
    holder.communicate()
    with locked(tmp_path, wait_s=0.2):
        pass
