"""A Segmentation read back: its mask is the PNG's, and it refers to where it came from."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image as PillowImage

from scunext_edge.errors import BackendMissing, ConfigError, DataError, StorageError
from scunext_edge.runtime.dicom_seg import Algorithm, check_segmented, write_seg
from scunext_edge.runtime.predict_files import Wanted, predict_files
from scunext_edge.runtime.predictor import Predictor

pydicom = pytest.importorskip("pydicom")
highdicom = pytest.importorskip("highdicom")

ALGORITHM = Algorithm(network="scunext", artifact_id="ab" * 32, engine="native")
STORAGES = {
    "dermoscopy": "1.2.840.10008.5.1.4.1.1.77.1.7",
    "photograph": "1.2.840.10008.5.1.4.1.1.77.1.4",
    "cr": "1.2.840.10008.5.1.4.1.1.1",
    "dx": "1.2.840.10008.5.1.4.1.1.1.1",
    "capture": "1.2.840.10008.5.1.4.1.1.7",
}


@pytest.fixture
def photo():
    image = np.full((40, 60, 3), 10, np.uint8)
    image[10:30, 20:40] = 240
    return image


@pytest.fixture
def mask():
    found = np.zeros((40, 60), bool)
    found[10:30, 20:41] = True
    return found


@pytest.fixture
def written(tmp_path):
    def write(source, mask, what="lesion"):
        path = tmp_path / "out" / "a.seg.dcm"
        write_seg(path, source.read_bytes(), mask, name="a.dcm", what=what, algorithm=ALGORITHM)
        return highdicom.seg.segread(path)

    return write


def pixels(segmentation):
    source = segmentation.SourceImageSequence[0].ReferencedSOPInstanceUID
    found = segmentation.get_pixels_by_source_instance([source])
    return found[0, :, :, 0] != 0


@pytest.mark.parametrize("storage", STORAGES.values(), ids=STORAGES)
def test_the_mask_comes_back_and_names_its_source(dicom, photo, mask, written, storage):
    gray = storage in (STORAGES["cr"], STORAGES["dx"])
    path = dicom("a.dcm", photo[:, :, 0].copy() if gray else photo, storage=storage)
    source, found = pydicom.dcmread(path), written(path, mask)
    np.testing.assert_array_equal(pixels(found), mask)
    assert (found.Rows, found.Columns, found.NumberOfFrames) == (40, 60, 1)
    assert (found.Modality, found.SegmentationType) == ("SEG", "BINARY")
    (reference,) = found.ReferencedSeriesSequence
    assert reference.SeriesInstanceUID == source.SeriesInstanceUID != found.SeriesInstanceUID
    (instance,) = reference.ReferencedInstanceSequence
    for item in (instance, found.SourceImageSequence[0]):
        assert item.ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert item.ReferencedSOPClassUID == storage
    assert found.SOPInstanceUID != source.SOPInstanceUID


def test_patient_and_study_are_those_of_the_source(dicom, photo, mask, written):
    frame = pydicom.uid.generate_uid()
    form = {"PatientBirthDate": "19500101", "StudyID": "7", "FrameOfReferenceUID": frame}
    path = dicom("a.dcm", photo, StudyDate="20260101", **form)
    source, found = pydicom.dcmread(path), written(path, mask)
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "StudyDate", *form):
        assert found[keyword].value == source[keyword].value, keyword


def test_what_the_source_does_not_say_is_empty(dicom, photo, mask, written):
    found = written(dicom("a.dcm", photo, PatientName=None), mask)
    for keyword in ("PatientName", "PatientBirthDate", "AccessionNumber", "StudyDate"):
        assert keyword in found
        assert not found[keyword].value


@pytest.mark.parametrize(
    ("what", "category", "kind"),
    [("lesion", "49755003", "52988006"), ("lung", "91723000", "39607008")],
)
def test_segment_and_algorithm_are_coded(dicom, photo, mask, written, what, category, kind):
    (segment,) = written(dicom("a.dcm", photo), mask, what).SegmentSequence
    found = segment.SegmentedPropertyCategoryCodeSequence[0]
    assert (found.CodeValue, found.CodingSchemeDesignator) == (category, "SCT")
    found = segment.SegmentedPropertyTypeCodeSequence[0]
    assert (found.CodeValue, found.CodingSchemeDesignator) == (kind, "SCT")
    assert segment.SegmentAlgorithmType == "AUTOMATIC"
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert algorithm.AlgorithmName == "scunext-edge"
    assert ALGORITHM.artifact_id in algorithm.AlgorithmParameters
    assert "native" in algorithm.AlgorithmParameters


def test_an_empty_mask_is_an_answer_too(dicom, photo, mask, written):
    assert not pixels(written(dicom("a.dcm", photo), mask & False)).any()


def test_of_several_frames_no_segmentation_is_made(dicom, photo, mask, written):
    both = np.stack([photo, photo]).tobytes()
    storage = "1.2.840.10008.5.1.4.1.1.7.4"
    path = dicom("a.dcm", photo, storage=storage, NumberOfFrames=2, PixelData=both)
    with pytest.raises(DataError, match=r"a\.dcm holds several frames"):
        written(path, mask)


def test_without_a_study_nothing_can_be_referred_to(dicom, photo, mask, written, tmp_path):
    path = dicom("a.dcm", photo, StudyInstanceUID=None)
    with pytest.raises(DataError, match="has no StudyInstanceUID"):
        written(path, mask)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_to_is_said(dicom, photo, mask, written, tmp_path):
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(StorageError, match=r"a\.seg\.dcm"):
        written(dicom("a.dcm", photo), mask)


def test_predicted_masks_and_segmentations_are_equal(dicom, photo, fake_runner, tmp_path):
    path = dicom("in/a.dcm", photo, PixelSpacing=[0.5, 0.25])
    PillowImage.fromarray(photo).save(tmp_path / "b.png")
    wanted = Wanted(seg="lesion", algorithm=ALGORITHM)
    records = list(
        predict_files(
            [path, tmp_path / "b.png"], Predictor(fake_runner), tmp_path / "o", wanted=wanted
        )
    )
    assert [it["status"] for it in records] == ["ok", "ok"]
    assert records[1]["seg"] is None
    mask = np.array(PillowImage.open(records[0]["mask"])) > 0
    assert mask.any()
    np.testing.assert_array_equal(pixels(highdicom.seg.segread(records[0]["seg"])), mask)
    np.testing.assert_array_equal(mask, np.array(PillowImage.open(records[1]["mask"])) > 0)
    assert records[0]["area_px"] == mask.sum()
    assert records[0]["area_mm2"] == mask.sum() / 8
    assert "Doe" not in json.dumps(records)
    assert "4711" not in json.dumps(records)


def test_what_has_no_code_is_refused():
    with pytest.raises(ConfigError, match="'liver'"):
        check_segmented("liver")


def test_without_highdicom_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("scunext_edge.errors.find_spec", lambda package: None)
    with pytest.raises(BackendMissing, match="highdicom"):
        check_segmented("lung")
