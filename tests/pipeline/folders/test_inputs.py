"""Which files of a folder are pictures."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from scunext_edge.errors import ConfigError, DataError
from scunext_edge.pipeline.folders.inputs import find_inputs


def names(paths, out):
    return [one.name for one in find_inputs(paths, out)]


def test_every_picture_below_a_folder_is_found_by_its_path_in_it(folder, tmp_path):
    found = names([folder], tmp_path / "out")
    assert found == ["a/x.png", "b/c/y.png", "b/x.jpg", "b/x.png", "w.bmp", "z.png"]


def test_names_begin_at_what_folders_have_in_common(folder, tmp_path):
    assert names([folder / "a", folder / "b"], tmp_path / "out")[0] == "a/x.png"
    assert names([folder / "a", folder / "z.png"], tmp_path / "out") == ["a/x.png", "z.png"]
    assert names([folder / "b" / "x.jpg"], tmp_path / "out") == ["x.jpg"]


def test_a_picture_that_is_named_twice_is_one(folder, tmp_path):
    paths = [folder / "a", folder / "a" / "x.png", folder / "b" / ".." / "a"]
    assert names(paths, tmp_path / "out") == ["x.png"]


def test_dicom_files_need_no_suffix(folder, dicom, tmp_path):
    path = dicom("in/IM000001", np.zeros((4, 4), np.uint8))
    path.with_name("DICOMDIR").write_bytes(path.read_bytes())
    assert "IM000001" in names([folder], tmp_path / "out")
    assert "DICOMDIR" not in names([folder], tmp_path / "out")


def test_other_files_and_hidden_ones_are_passed_over(folder, tmp_path):
    for name in ("notes.txt", ".hidden.png", ".thumbs/a.png", "d.png/inner.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("no picture")
    (folder / "loop").symlink_to(folder)
    assert len(names([folder], tmp_path / "out")) == 6


def test_results_inside_the_folder_are_no_pictures(folder):
    (folder / "masks").mkdir()
    (folder / "masks" / "x.mask.png").write_bytes(b"")
    assert len(names([folder], folder / "masks")) == 6


@pytest.mark.parametrize("out", [".", ".."])
def test_results_may_not_lie_where_the_pictures_are(folder, out):
    with pytest.raises(ConfigError, match="holds the pictures"):
        find_inputs([folder], folder / out)


def test_a_folder_below_that_cannot_be_read_is_an_error_that_names_it(
    folder, tmp_path, monkeypatch
):
    scan = os.scandir

    def refused(path):
        if Path(path) == folder / "b" / "c":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(DataError, match="b/c cannot be read: Permission denied") as error:
        find_inputs([folder], tmp_path / "out")
    assert "readable" in error.value.hint


def test_a_file_that_cannot_be_opened_may_be_a_picture(folder, tmp_path, monkeypatch):
    (folder / "1.2.840.1").write_bytes(b"unknown")
    (folder / "notes").write_bytes(b"no picture")
    whole = Path.open

    def refused(self, *args, **how):
        if self.name == "1.2.840.1":
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return whole(self, *args, **how)

    monkeypatch.setattr(Path, "open", refused)
    found = names([folder], tmp_path / "out")
    assert "1.2.840.1" in found
    assert "notes" not in found


def test_a_folder_that_is_missing_or_empty_is_an_error(folder, tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        find_inputs([folder, tmp_path / "absent"], tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no picture in"):
        find_inputs([tmp_path / "empty"], tmp_path / "out")
