"""One picture in a worker: what is measured, and what is refused."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image as PillowImage

from scunext_edge.runtime.backends.fake import FakeRunner
from scunext_edge.runtime.contour import contour
from scunext_edge.runtime.predictor import Predictor
from scunext_edge.serve.problems import Problem
from scunext_edge.serve.segmentation import Asked, segment
from scunext_edge.spec import ModelSpec

ASKED = Asked(max_pixels=10_000)


@pytest.fixture
def predictor():
    return Predictor(FakeRunner(ModelSpec(size=32)))


def refused(predictor, body, asked=ASKED):
    with pytest.raises(Problem) as problem:
        segment(predictor, body, asked)
    return problem.value


def declared(width, height):
    """A PNG that says it is so large, and holds next to nothing."""

    def chunk(name, data):
        crc = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(3 * width + 1))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_the_answer_is_that_of_the_predictor(predictor, lesion):
    done = segment(predictor, lesion, Asked(max_pixels=200_000, mm_per_pixel=0.5, logits=True))
    image = np.array(PillowImage.open(io.BytesIO(lesion)))
    found = predictor.predict(image)
    assert found.mask.any()
    mask = np.array(PillowImage.open(io.BytesIO(done.blobs["mask"])))
    np.testing.assert_array_equal(mask, found.mask * np.uint8(255))
    assert done.fields["contour"] == contour(found.mask)
    assert (done.fields["width"], done.fields["height"]) == (400, 300)
    assert done.fields["area_pixels"] == found.mask.sum()
    assert done.fields["area_mm2"] == pytest.approx(found.mask.sum() / 4)
    assert (done.fields["spacing_mm"], done.fields["spacing_from"]) == ((0.5, 0.5), "request")
    logits = np.frombuffer(done.blobs["logits"], "<f4").reshape(32, 32)
    np.testing.assert_array_equal(logits, predictor.run(image).logits)
    assert set(done.blobs) == {"mask", "logits"}
    assert set(done.fields["time_ms"]) == {"decode", "network", "measure", "encode"}


def test_what_is_not_known_is_null(predictor, picture):
    fields = segment(predictor, picture, ASKED).fields
    assert [fields[it] for it in ("spacing_mm", "spacing_from", "area_mm2")] == 3 * [None]
    assert fields["quality"] is None


def test_the_picture_comes_back_as_it_was_decoded(predictor, encode):
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    body = encode(pixels, format="TIFF")
    done = segment(predictor, body, Asked(max_pixels=10_000, picture=True))
    back = np.array(PillowImage.open(io.BytesIO(done.blobs["picture"])))
    np.testing.assert_array_equal(back, pixels)


@pytest.mark.parametrize("size", [(101, 100), (9_000, 9_000), (20_000, 10_000), (65_000, 65_000)])
def test_too_many_pixels_are_refused_by_the_header(predictor, size, monkeypatch):
    monkeypatch.setattr("scunext_edge.serve.segmentation.read_picture", pytest.fail)
    problem = refused(predictor, declared(*size))
    assert (problem.kind, problem.status) == ("too-many-pixels", 413)
    assert "10,000" in problem.detail


def test_a_later_page_is_refused_by_its_own_header(predictor, encode, monkeypatch):
    small, large = np.zeros((20, 30, 3), np.uint8), np.zeros((101, 100, 3), np.uint8)
    pages = [PillowImage.fromarray(large)]
    body = encode(small, format="TIFF", save_all=True, append_images=pages)
    assert segment(predictor, body, Asked(max_pixels=10_000, frame=1)).fields["width"] == 30
    monkeypatch.setattr("PIL.TiffImagePlugin.TiffImageFile.load", pytest.fail)
    problem = refused(predictor, body, Asked(max_pixels=10_000, frame=2))
    assert (problem.kind, problem.status) == ("too-many-pixels", 413)
    assert "100 x 101" in problem.detail
    assert "10,000" in problem.detail


def test_a_dicom_file_is_refused_by_its_header(predictor, dicom, monkeypatch):
    body = dicom("a", np.zeros((101, 100, 3), np.uint8)).read_bytes()
    assert segment(predictor, body, Asked(max_pixels=10_100)).fields["height"] == 101
    monkeypatch.setattr("scunext_edge.data.dicom._image", pytest.fail)
    problem = refused(predictor, body)
    assert (problem.kind, problem.status) == ("too-many-pixels", 413)
    assert "10,000" in problem.detail


@pytest.mark.parametrize(
    "body",
    [b"garbage", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0" + 50 * b"x", b"DICM", b"%!PS\n"],
)
def test_what_is_no_picture_is_refused_in_words(predictor, body):
    problem = refused(predictor, body)
    assert (problem.kind, problem.status) == ("no-picture", 422)
    assert problem.hint


def test_a_picture_that_is_cut_off_is_refused(predictor, lesion):
    problem = refused(predictor, lesion[: len(lesion) // 2], Asked(max_pixels=200_000))
    assert problem.kind == "no-picture"


def test_a_dicom_file_that_is_cut_off_is_refused_in_words(predictor):
    problem = refused(predictor, bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00")
    assert problem.kind in ("no-picture", "wrong-type")  # the second where pydicom is absent
    assert problem.hint
