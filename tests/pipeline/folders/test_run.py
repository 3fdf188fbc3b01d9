"""Folders in, masks and a table out: resumed, shared out, no picture lost to another's crash."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from scunext_edge.errors import (
    BackendMissing,
    BackendUnavailable,
    ConfigError,
    EngineError,
    StorageError,
)
from scunext_edge.pipeline.folders import local
from scunext_edge.pipeline.folders import run as running
from scunext_edge.pipeline.folders.inputs import find_inputs
from scunext_edge.pipeline.folders.journal import Journal
from scunext_edge.pipeline.folders.local import run_local
from scunext_edge.pipeline.folders.run import JOURNAL, LOCK, TABLE, segment_folders
from scunext_edge.pipeline.folders.station import COLUMNS, Station
from scunext_edge.quality.flags import FLAGS
from scunext_edge.quality.limits import save_limits
from scunext_edge.storage import sha256_of

parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(autouse=True)
def in_this_process(request, monkeypatch):
    """But for tests that ask for ``children``, work is done here: processes take long to start."""
    if "children" in request.fixturenames:
        return

    def rows(job, artifact_id, inputs, *, workers):
        with Station(job, artifact_id) as station:
            for one in inputs:
                yield station.row(one)

    monkeypatch.setattr(running, "run_local", rows)


@pytest.fixture
def children():
    """True worker processes."""


def table(job):
    return parquet.read_table(Path(job.out, TABLE)).to_pylist()


def files(job):
    return {
        path.relative_to(job.out).as_posix(): path.read_bytes()
        for path in Path(job.out).rglob("*")
        if path.is_file() and path.name not in (JOURNAL, LOCK, TABLE)
    }


def test_every_picture_has_a_row_and_files_at_the_same_place(folder, job):
    done = segment_folders([folder], job)
    rows = table(job)
    assert (done.images, done.kept, done.failed) == (6, 0, 0)
    assert list(rows[0]) == list(COLUMNS)
    assert [row["path"] for row in rows] == sorted(row["path"] for row in rows)
    assert {row["mask"] for row in rows} >= {"b/x.png.mask.png", "b/x.jpg.mask.png"}
    for row in rows:
        mask = np.array(PillowImage.open(Path(job.out, row["mask"]))) > 0
        assert row["sha256"] == sha256_of(folder / row["path"])
        assert (row["width"], row["height"], row["status"]) == (60, 40, "ok")
        assert row["area_px"] == mask.sum() > 0
        assert row["area_fraction"] == mask.mean()
        assert row["seconds"] > 0
        assert (row["model"], row["engine"], row["artifact_id"]) == (
            job.model,
            "fake",
            job.artifact().id,
        )
        assert row["error"] is row["area_mm2"] is row["seg"] is None
        assert row["quality"], "a picture that is no skin has reasons not to use its mask"
        assert set(row["quality"]) <= {rule.name for rule in FLAGS}
    assert len(files(job)) == 12


def test_dicom_rows_have_millimetres_and_no_patient(folder, dicom, job):
    pytest.importorskip("highdicom")
    image = np.full((40, 60, 3), 10, np.uint8)
    image[10:30, 10:40] = 240
    dicom("in/d", image, PixelSpacing=[0.5, 0.25])
    dicom("in/ct", image, storage="1.2.840.10008.5.1.4.1.1.2")
    assert segment_folders([folder], replace(job, seg="lesion")).failed == 1
    row = {row["path"]: row for row in table(job)}["d"]
    assert row["area_mm2"] == row["area_px"] / 8
    assert (row["spacing_row_mm"], row["spacing_column_mm"]) == (0.5, 0.25)
    assert (row["seg"], row["segmented"]) == ("d.seg.dcm", "lesion")
    for name in (JOURNAL, TABLE):
        content = Path(job.out, name).read_bytes()
        assert b"Doe" not in content
        assert b"4711" not in content


def test_without_overlays_there_are_masks_only(folder, job):
    segment_folders([folder], replace(job, overlay=False))
    assert len(files(job)) == 6
    assert segment_folders([folder], job).kept == 0


def counted(monkeypatch):
    """The names of the pictures that are segmented from here on."""
    found, row = [], Station.row

    def watched(self, one):
        found.append(one.name)
        return row(self, one)

    monkeypatch.setattr(Station, "row", watched)
    return found


def test_a_second_start_does_only_what_is_missing(folder, job, monkeypatch):
    segment_folders([folder], job)
    before = table(job)
    segmented = counted(monkeypatch)
    assert segment_folders([folder], job).kept == 6
    assert segmented == []
    assert table(job) == before

    shutil.copy(folder / "w.bmp", folder / "new.bmp")  # a picture more
    shutil.copy(folder / "w.bmp", folder / "b" / "x.png")  # other bytes of the same name
    Path(job.out, "z.png.mask.png").unlink()  # a mask was lost
    assert segment_folders([folder], job).kept == 4
    assert sorted(segmented) == ["b/x.png", "new.bmp", "z.png"]
    assert len(table(job)) == 7


@pytest.mark.parametrize(
    "other",
    [
        {"model": "unext"},
        {"device": "cuda"},
        {"frame": 1},
        {"seg": "lung"},
        {"threshold": 0.4},
        {"tta": True},
    ],
)
def test_rows_of_other_settings_are_not_kept(folder, job, monkeypatch, other):
    if "seg" in other:
        pytest.importorskip("highdicom")
    segment_folders([folder], job)
    monkeypatch.setattr(running, "run_local", lambda *_, **__: iter_none())
    starts = []
    with pytest.raises(EngineError, match="6 pictures were to be segmented, and 0 have a row"):
        segment_folders([folder], replace(job, **other), starting=lambda *it: starts.append(it))
    assert starts == [(6, 0)]


def test_a_row_says_how_it_was_cut_and_what_the_views_disagree_on(folder, job):
    segment_folders([folder], replace(job, threshold=0.4, tta=True))
    for row in table(job):
        assert (row["threshold"], row["tta"]) == (0.4, True)
        assert Path(job.out, row["uncertainty"]).is_file()
        assert row["uncertainty_mean"] == pytest.approx(0, abs=1e-6)  # this engine sees no sides
        assert row["uncertainty_by_area"] == pytest.approx(0, abs=1e-5)
    Path(job.out, "z.png.uncertainty.png").unlink()
    assert segment_folders([folder], replace(job, threshold=0.4, tta=True)).kept == 5
    assert [*Path(job.out).rglob("*.uncertainty.png")]
    segment_folders([folder], replace(job, threshold=0.4))
    assert not [*Path(job.out).rglob("*.uncertainty.png")]  # nothing beside a mask of one view


def test_rows_of_a_version_without_thresholds_are_kept(folder, job):
    segment_folders([folder], job)
    journal, new = (
        Path(job.out, JOURNAL),
        ("threshold", "tta", "uncertainty", "uncertainty_by_area"),
    )
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    old = [{key: value for key, value in row.items() if key not in new} for row in rows]
    journal.write_text("".join(json.dumps(row) + "\n" for row in old))
    assert segment_folders([folder], job).kept == 6


def test_a_threshold_that_is_none_is_refused_before_anything_is_done(folder, job):
    with pytest.raises(ConfigError, match="a threshold of 1"):
        segment_folders([folder], replace(job, threshold=1.0))
    assert not Path(job.out).exists()


def test_rows_of_other_limits_of_quality_are_not_kept(folder, job, tmp_path):
    segment_folders([folder], job)
    assert {row["limits_id"] for row in table(job)} == {job.limits_of(job.artifact()).id}
    limits = job.limits_of(job.artifact())
    save_limits(tmp_path / "same.json", limits)
    lower = {name: value - 1 for name, value in limits.limits.items()}
    save_limits(tmp_path / "other.json", replace(limits, limits=lower))
    starts = []
    for name in ("same.json", "other.json"):
        asked = replace(job, limits=str(tmp_path / name))
        segment_folders([folder], asked, starting=lambda *it: starts.append(it))
    assert starts == [(6, 6), (6, 0)]
    assert {row["limits_id"] for row in table(job)} == {asked.limits_of(job.artifact()).id}


def iter_none():
    yield from ()


def test_what_failed_is_tried_again(folder, job, monkeypatch):
    whole = (folder / "z.png").read_bytes()
    (folder / "z.png").write_bytes(whole[:100])
    assert segment_folders([folder], job).failed == 1
    (row,) = (row for row in table(job) if row["status"] == "failed")
    assert (row["path"], row["mask"]) == ("z.png", None)
    assert "cannot be read" in row["error"]
    (folder / "z.png").write_bytes(whole)
    segmented = counted(monkeypatch)
    assert segment_folders([folder], job).failed == 0
    assert segmented == ["z.png"]


def test_what_was_stopped_goes_on(folder, job, monkeypatch):
    class Impatient:
        def __call__(self, what, done, of):
            if done == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment_folders([folder], job, advance=Impatient())
    assert not Path(job.out, TABLE).exists()
    segmented = counted(monkeypatch)
    assert segment_folders([folder], job).kept == 2
    assert len(segmented) == 4
    assert len(table(job)) == 6


def test_files_are_on_the_disk_before_a_row_says_so(folder, job, monkeypatch):
    events, sync, append = [], os.fsync, Journal.append

    def synced(handle):
        events.append(os.fstat(handle).st_ino)
        sync(handle)

    def appended(self, row):
        events.append(row)
        append(self, row)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Journal, "append", appended)
    segment_folders([folder], job)
    for place, row in enumerate(events):
        if isinstance(row, dict):
            there = [Path(job.out, row[kind]).stat().st_ino for kind in ("mask", "overlay")]
            assert events[place - 2 : place] == there
    assert events[-1] == Path(job.out, TABLE).stat().st_ino


def test_an_empty_file_of_a_power_failure_is_made_again(folder, job, monkeypatch):
    segment_folders([folder], job)
    Path(job.out, "z.png.mask.png").write_bytes(b"")
    segmented = counted(monkeypatch)
    assert segment_folders([folder], job).kept == 5
    assert segmented == ["z.png"]


def test_of_two_runs_into_one_folder_the_second_is_refused(folder, job, monkeypatch):
    pytest.importorskip("fcntl", reason="this system has no such locks")
    monkeypatch.setattr(running, "_WAIT_S", 0.0)
    refused = []

    def second(what, done, of):
        if done == 2:
            before = Path(job.out, JOURNAL).read_bytes()
            with pytest.raises(StorageError, match="another process is at work") as error:
                segment_folders([folder], job)
            assert "choose another folder" in error.value.hint
            assert Path(job.out, JOURNAL).read_bytes() == before
            refused.append(done)

    assert segment_folders([folder], job, advance=second).images == 6
    assert refused == [2]
    assert segment_folders([folder], job).kept == 6


def test_a_table_is_written_whole_or_not_at_all(folder, job, monkeypatch):
    segment_folders([folder], job)
    before = Path(job.out, TABLE).read_bytes()

    def full(self, *_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet.ParquetWriter, "write_table", full)
    with pytest.raises(StorageError, match="No space left"):
        segment_folders([folder], job)
    assert Path(job.out, TABLE).read_bytes() == before
    assert not list(Path(job.out).glob(f".{TABLE}*"))


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
def test_a_name_that_is_not_utf_8_has_its_row(folder, job):
    (folder / "z.png").rename(folder / os.fsdecode(b"caf\xe9 \xc3\xa9.png"))
    assert segment_folders([folder], job).failed == 0
    assert segment_folders([folder], job).kept == 6
    (row,) = (row for row in table(job) if row["path"].startswith("caf"))
    assert (row["path"], row["status"]) == (r"caf\udce9 é.png", "ok")
    assert row["mask"] == r"caf\udce9 é.png.mask.png"


def test_what_is_not_installed_is_said_before_anything_is_done(folder, job, monkeypatch):
    monkeypatch.setattr("scunext_edge.errors.find_spec", lambda package: None)
    with pytest.raises(BackendMissing, match="pyarrow"):
        segment_folders([folder], job)
    assert not Path(job.out).exists()


# --- processes


def test_a_worker_that_dies_costs_one_picture(folder, job, pipe, children):
    expected = segment_folders([folder], replace(job, out=job.out + "-whole"), workers=2)
    assert expected.failed == 0
    pipe(folder / "z.png")
    inputs = find_inputs([folder, folder / "z.png"], Path(job.out))
    rows = list(run_local(job, job.artifact().id, inputs, workers=2))
    (failed,) = (row for row in rows if row["status"] != "ok")
    assert failed["path"] == "z.png"
    assert "SIGKILL" in failed["error"]
    whole = files(replace(job, out=job.out + "-whole"))
    assert files(job).items() < whole.items()
    assert len(whole) - len(files(job)) == 2


def test_an_error_of_every_picture_is_raised_and_leaves_nothing(folder, job, children):
    with pytest.raises(BackendUnavailable, match="cannot run on 'npu'"):
        segment_folders([folder], replace(job, device="npu"), workers=1)
    assert not Path(job.out).exists()


def test_a_machine_that_starts_no_process_is_an_error_and_no_empty_table(
    folder, job, monkeypatch, children
):
    def full(*_args, **_how):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(local.subprocess, "Popen", full)
    with pytest.raises(EngineError, match="Cannot allocate memory") as error:
        segment_folders([folder], job, workers=2)
    assert "--workers" in error.value.hint
    assert not Path(job.out).exists()


def test_workers_end_with_the_iterator(folder, job, children):
    inputs = find_inputs([folder], Path(job.out))
    rows = run_local(job, job.artifact().id, inputs, workers=1)
    with closing(rows):
        assert next(rows)["status"] == "ok"
    assert len(files(job)) < 12
