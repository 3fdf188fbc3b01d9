"""The page's modules compute what the package computes, to the bit. In Node: no browser needed."""

from __future__ import annotations

import base64
import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scunext_edge.data.synthetic import draw
from scunext_edge.runtime.contour import contour, overlay
from scunext_edge.web.build import ENGINE

GOLDEN = json.loads(
    (Path(__file__).parent.parent / "data" / "golden_resize.json").read_text(encoding="utf-8")
)
SIZES = [(256, 256), (256, 300), (97, 256), (600, 800), (40, 31), (1, 1), (700, 260)]


def encoded(array):
    """An array's bytes, or bytes, as drive.mjs takes them."""
    data = array if isinstance(array, bytes) else np.ascontiguousarray(array).tobytes()
    return {"bytes": base64.b64encode(data).decode()}


def decoded(answer, dtype=np.uint8):
    return np.frombuffer(base64.b64decode(answer["bytes"]), dtype)


def picture(image):
    return {"rgb": encoded(image), "width": image.shape[1], "height": image.shape[0]}


def test_images_reach_the_network_as_the_golden_vectors_say(node):
    cases, jobs = GOLDEN["uint8"], []
    for case in cases:
        image = np.array(case["input"], np.uint8)
        to = {"toWidth": case["width"], "toHeight": case["height"]}
        jobs.append({"call": "toNetwork", **picture(image), **to})
    for case, answer in zip(cases, node(jobs), strict=True):
        want = np.array(case["output"], np.uint8)
        np.testing.assert_array_equal(decoded(answer).reshape(want.shape), want, case["name"])


def test_logits_reach_the_image_as_the_golden_vectors_say(node):
    cases, jobs = GOLDEN["float32"], []
    for case in cases:
        logits = np.array(case["input"], np.float32)
        size = {"width": logits.shape[1], "height": logits.shape[0]}
        to = {"toWidth": case["width"], "toHeight": case["height"]}
        jobs.append({"call": "toImage", "values": encoded(logits), **size, **to})
    for case, answer in zip(cases, node(jobs), strict=True):
        want = np.array(case["output"], np.float32)
        got = decoded(answer, np.float32).reshape(want.shape)
        np.testing.assert_array_equal(got, want, case["name"])


def test_the_engine_gives_the_masks_of_the_predictor_at_every_size(node, artifact, predictor):
    images = [draw(1, number, size)[0] for number, size in enumerate(SIZES) if min(size) > 1]
    images.append(np.full((1, 1, 3), 90, np.uint8))
    load = {"call": "load", "engine": str(ENGINE / "scunext.wasm")}
    jobs = [{**load, "network": str(artifact.file(".scx"))}]
    jobs += [{"call": "masks", "thresholds": [128, 100, 160], **picture(it)} for it in images]
    isa, *answers = node(jobs)
    assert isa == "wasm"
    found = 0
    for image, answer in zip(images, answers, strict=True):
        logits = predictor.predict(image).logits_hw
        for shift, mask in zip((0, -28 / 16, 2), answer, strict=True):
            np.testing.assert_array_equal(decoded(mask).reshape(logits.shape), logits > shift)
            found += int((logits > shift).sum())
    assert found > 1000


def masks():
    random = np.random.default_rng(0)
    for height, width in ((1, 1), (1, 5), (7, 4), (30, 41)):
        for share in (0.0, 0.3, 0.6, 1.0):
            yield random.random((height, width)) < share
    yield draw(2, 0, (300, 400))[1]
    yield np.kron(np.eye(4, dtype=bool), np.ones((3, 3), bool))  # touch at corners


def test_outlines_are_those_of_the_package_point_for_point(node):
    every = list(masks())
    size = [{"width": it.shape[1], "height": it.shape[0]} for it in every]
    jobs = [
        {"call": "contour", "mask": encoded(it), **s} for it, s in zip(every, size, strict=True)
    ]
    for mask, answer in zip(every, node(jobs), strict=True):
        want = [[number for point in loop for number in point] for loop in contour(mask)]
        assert answer == want


def test_an_overlay_paints_the_rim_that_the_package_paints(node):
    every = [*masks(), draw(2, 0, (450, 90))[1], draw(2, 1, (750, 60))[1], draw(2, 1, (900, 70))[1]]
    size = [{"width": it.shape[1], "height": it.shape[0]} for it in every]
    jobs = [{"call": "rim", "mask": encoded(it), **s} for it, s in zip(every, size, strict=True)]
    for mask, answer in zip(every, node(jobs), strict=True):
        painted = overlay(np.zeros((*mask.shape, 3), np.uint8), mask).any(axis=2)
        np.testing.assert_array_equal(decoded(answer).reshape(mask.shape), painted)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_that_the_page_writes_reads_back(node, channels):
    rows = np.random.default_rng(channels).integers(0, 256, (333, 401, channels), dtype=np.uint8)
    job = {"call": "png", "rows": encoded(rows), "width": 401, "height": 333, "channels": channels}
    (answer,) = node([job])
    with Image.open(io.BytesIO(decoded(answer).tobytes())) as opened:
        assert opened.mode == {1: "L", 3: "RGB"}[channels]
        np.testing.assert_array_equal(np.asarray(opened).reshape(rows.shape), rows)


def saved(kind, mode="RGB", size=(37, 21), **options):
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, format=kind, **options)
    return stream.getvalue()


def turned(orientation):
    exif = Image.Exif()
    exif[0x0110], exif[0x0112] = "a camera", orientation
    return exif


def test_a_pictures_size_is_known_before_it_is_decoded(node):
    files = {
        "png": [saved("PNG"), saved("PNG", "L")],
        "jpeg": [saved("JPEG"), saved("JPEG", progressive=True), saved("JPEG", exif=b"x" * 60000)],
        "webp": [saved("WEBP"), saved("WEBP", lossless=True), saved("WEBP", exif=turned(1))],
        "bmp": [saved("BMP")],
    }
    jobs = [{"call": "header", "file": encoded(it)} for every in files.values() for it in every]
    wanted = [kind for kind, every in files.items() for _ in every]
    assert node(jobs) == [{"format": kind, "width": 37, "height": 21} for kind in wanted]


def test_what_cannot_be_segmented_is_refused_in_words(node):
    huge = bytearray(saved("PNG"))
    huge[16:24] = struct.pack(">II", 20000, 10000)
    files = {
        "200 megapixels": bytes(huge),
        "16 bits": saved("PNG", "I;16"),
        "CMYK": saved("JPEG", "CMYK"),
        "cut off": saved("JPEG")[:60],
        "no picture": b"GIF89a, or something else that is long enough",
        "damaged": b"BM" + bytes(10),
        "stored turned": saved("WEBP", exif=turned(6)),
        "no pixels": saved("PNG")[:16] + bytes(8) + saved("PNG")[24:],
    }
    answers = node([{"call": "header", "file": encoded(it)} for it in files.values()])
    for word, answer in zip(files, answers, strict=True):
        if word == "damaged":  # shorter than its header: nothing that is known
            word = "no picture"
        assert word in answer["refusal"], answer
        assert answer["hint"]


def test_areas_in_square_millimetres_need_a_ruler_with_a_length(node):
    ruler = {"ax": 0, "ay": 0, "bx": 30, "by": 40, "lengthMm": 10}
    others = [
        None,
        {**ruler, "lengthMm": None},
        {**ruler, "lengthMm": -1},
        {**ruler, "bx": 0, "by": 0},
    ]
    jobs = [
        {"call": "measure", "name": "areaInMm2", "values": [500, it]} for it in (ruler, *others)
    ]
    known, *unknown = node(jobs)
    assert known == pytest.approx(500 * (10 / 50) ** 2)
    assert unknown == [None] * 4


def test_the_middle_of_the_threshold_is_the_models_own(node):
    names = ("logitAt", "probabilityAt")
    jobs = [{"call": "measure", "name": n, "values": [t]} for n in names for t in (128, 160)]
    assert node(jobs) == [0, 2, 0.5, pytest.approx(1 / (1 + np.exp(-2)))]


def test_the_record_says_where_it_comes_from_and_what_is_not_known(node):
    values = {
        "photo": {"name": "a.jpg", "sha256": "0f", "width": 10, "height": 8, "times": {"total": 5}},
        "cut": {"threshold": 112, "area": 20, "outlines": [[0, 0, 5, 0, 5, 4, 0, 4]]},
        "ruler": None,
        "release": {
            "version": "1.2.3",
            "model": {"id": "abc"},
            "engines": {"wasm": {"sha256": "e1"}},
            "golden": [{}, {}],
        },
        "isa": "wasm",
    }
    (record,) = node([{"call": "record", "values": values}])
    assert record["schema"] == 1
    assert record["created"] == "1970-01-01T00:00:00.000Z"
    assert record["threshold"] == {
        "score": 112,
        "logit": -1,
        "probability": pytest.approx(1 / (1 + np.e)),
    }
    assert (record["area_pixels"], record["area_fraction"]) == (20, 0.25)
    assert (record["area_mm2"], record["ruler"]) == (None, None)
    assert record["contour"] == [[[0, 0], [5, 0], [5, 4], [0, 4]]]
    assert record["engine"] == {"isa": "wasm", "sha256": "e1"}
    assert "medical device" in record["notice"]
