"""DICOM in: which pixels come of which header, and what is refused without naming a patient."""

from __future__ import annotations

import io
import logging
import shutil
import struct
import threading
import traceback
import warnings

import numpy as np
import pytest
from PIL import Image as PillowImage

from scunext_edge.data import dicom as reading
from scunext_edge.data import images
from scunext_edge.data.codestream import coded_size
from scunext_edge.data.images import read_gray, read_image, read_picture
from scunext_edge.data.synthetic import draw
from scunext_edge.errors import BackendMissing, DataError

pydicom = pytest.importorskip("pydicom")

CR = "1.2.840.10008.5.1.4.1.1.1"
DX = "1.2.840.10008.5.1.4.1.1.1.1"
SECONDARY = "1.2.840.10008.5.1.4.1.1.7"
TRUE_COLOUR = "1.2.840.10008.5.1.4.1.1.7.4"
BASELINE, EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
J2K, RLE = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"
PATIENT = ("Doe", "Jane", "4711")


@pytest.fixture
def lesion():
    image, _ = draw(0, 3, (48, 64))
    return image


@pytest.fixture
def ramp():
    """12 bits stored in 16: every value once."""
    return np.arange(4096, dtype=np.uint16).reshape(64, 64)


def twelve(**more):
    return {"BitsStored": 12, "HighBit": 11, "storage": DX, **more}


def shades(path):
    """The gray of a picture whose three channels are one."""
    image = read_image(path)
    assert (image == image[:, :, :1]).all()
    return image[:, :, 0]


def shipped_file(name):
    """A file of pydicom's own wheel."""
    found = pydicom.data.get_testdata_file(name, download=False)
    if found is None:
        pytest.skip(f"this pydicom has no {name}")
    from pathlib import Path

    return Path(found)


# --- colours


def test_a_photograph_comes_as_it_is(dicom, lesion):
    path = dicom("a", lesion)
    np.testing.assert_array_equal(read_image(path), lesion)
    np.testing.assert_array_equal(read_image(path.read_bytes()), lesion)
    luma = np.array(PillowImage.fromarray(lesion).convert("L"))
    np.testing.assert_array_equal(read_gray(path), luma)


@pytest.mark.parametrize("storage", ["77.1.7", "77.1.4", "7"])
def test_photographs_and_captures_are_read(dicom, lesion, storage):
    path = dicom("a", lesion, storage=f"1.2.840.10008.5.1.4.1.1.{storage}")
    np.testing.assert_array_equal(read_image(path), lesion)


def test_planes_of_colour_are_put_together(dicom, lesion):
    planes = np.ascontiguousarray(lesion.transpose(2, 0, 1)).tobytes()
    path = dicom("a", lesion, PlanarConfiguration=1, PixelData=planes)
    np.testing.assert_array_equal(read_image(path), lesion)


def test_ybr_full_becomes_rgb(dicom, lesion):
    ybr = np.array(PillowImage.fromarray(lesion).convert("YCbCr"))
    found = read_image(dicom("a", ybr, PhotometricInterpretation="YBR_FULL"))
    assert np.abs(found.astype(int) - lesion).max() <= 3  # Pillow rounds, pydicom cuts off


def test_sixteen_bit_colours_become_eight(dicom, lesion):
    path = dicom("a", lesion.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_image(path), lesion)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_gives_its_colours(dicom, bits):
    indices = np.arange(256, dtype=np.uint8).reshape(16, 16)
    scale = 1 if bits == 8 else 257
    red, green, blue = (np.roll(np.arange(256), by) * scale for by in (0, 50, 100))
    elements = {
        f"{name}PaletteColorLookupTable{what}": value
        for name, table in (("Red", red), ("Green", green), ("Blue", blue))
        for what, value in (
            ("Descriptor", [256, 0, bits]),
            ("Data", table.astype(f"<u{bits // 8}").tobytes()),
        )
    }
    path = dicom("a", indices, PhotometricInterpretation="PALETTE COLOR", **elements)
    expected = np.stack([table // scale for table in (red, green, blue)], axis=-1)
    np.testing.assert_array_equal(read_image(path).reshape(256, 3), expected)


# --- compressed


def encoded(image, **how):
    stream = io.BytesIO()
    PillowImage.fromarray(image).save(stream, **how)
    return stream.getvalue()


def described(image, **more):
    """The elements of a colour picture whose pixels are given as a codestream."""
    return {
        "Rows": image.shape[0],
        "Columns": image.shape[1],
        "SamplesPerPixel": 3,
        "PlanarConfiguration": 0,
        "PhotometricInterpretation": "YBR_FULL_422",
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        **more,
    }


def test_jpeg_baseline_is_what_pillow_decodes(dicom, lesion):
    frame = encoded(lesion, format="JPEG", quality=90)
    path = dicom("a", frame, syntax=BASELINE, **described(lesion))
    expected = np.array(PillowImage.open(io.BytesIO(frame)).convert("RGB"))
    assert np.abs(read_image(path).astype(int) - expected).max() <= 2  # YCbCr to RGB rounds


def test_jpeg_2000_is_lossless(dicom, lesion):
    pytest.importorskip("openjpeg")
    frame = encoded(lesion, format="JPEG2000", irreversible=False, mct=1, no_jp2=True)
    form = described(lesion, PhotometricInterpretation="YBR_RCT")
    np.testing.assert_array_equal(read_image(dicom("a", frame, syntax=J2K, **form)), lesion)


def test_rle_is_lossless(dicom, lesion, tmp_path):
    dataset = pydicom.dcmread(dicom("plain", lesion))
    dataset.compress(RLE, encoding_plugin="pydicom", generate_instance_uid=False)
    dataset.save_as(tmp_path / "rle")
    np.testing.assert_array_equal(read_image(tmp_path / "rle"), lesion)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("SC_rgb_jpeg_gdcm.dcm", "gdcm"),  # JPEG lossless
        ("SC_rgb_jls_lossy_line.dcm", "jpeg_ls"),
        ("SC_rgb_rle_16bit.dcm", "pydicom"),
        ("SC_ybr_full_422_uncompressed.dcm", "pydicom"),
        ("SC_rgb_small_odd_big_endian.dcm", "pydicom"),
    ],
)
def test_files_of_other_makers_are_read(name, module):
    pytest.importorskip(module)
    image = read_image(shipped_file(name))
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    assert 100 < image.mean() < 150
    assert image.std() > 30


def test_a_codestream_larger_than_its_header_says_is_not_decoded(dicom, lesion):
    frame = encoded(np.zeros((3000, 3000, 3), np.uint8), format="JPEG")
    path = dicom("a", frame, syntax=BASELINE, **described(lesion))
    with pytest.raises(DataError, match="another size than its header says"):
        read_image(path)


def test_sizes_are_read_from_codestreams(lesion):
    for how in ({"format": "JPEG"}, {"format": "JPEG", "progressive": True}):
        assert coded_size(encoded(lesion, **how)) == (48, 64)
    jpeg_2000 = encoded(lesion, format="JPEG2000", no_jp2=True)
    assert coded_size(jpeg_2000) == (48, 64)
    assert coded_size(jpeg_2000[:10]) is None
    assert coded_size(b"RLE, or whatever") is None
    assert coded_size(b"\xff\xd8\xff") is None


# --- gray


def test_without_a_window_the_whole_range_is_shown(dicom, ramp):
    expected = np.rint(ramp / 4095 * 255)
    np.testing.assert_array_equal(shades(dicom("a", ramp, **twelve())), expected)


def test_monochrome1_is_inverted(dicom, ramp):
    plain = shades(dicom("a", ramp, **twelve()))
    form = twelve(PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    found = shades(dicom("b", ramp, **form)).astype(int)
    assert np.abs(found - (255 - plain)).max() <= 1  # a half is rounded to even both times


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_a_window_is_that_of_pydicom(dicom, ramp, function):
    from pydicom.pixels import apply_windowing

    path = dicom(
        "a",
        ramp,
        **twelve(WindowCenter=1500, WindowWidth=1000, VOILUTFunction=function),
    )
    expected = apply_windowing(ramp, pydicom.dcmread(path)) / 4095 * 255
    assert np.abs(shades(path) - expected).max() <= 0.5 + 1e-9


def test_the_first_of_several_windows_is_used(dicom, ramp):
    one = shades(dicom("a", ramp, **twelve(WindowCenter=1000, WindowWidth=500)))
    two = dicom("b", ramp, **twelve(WindowCenter=[1000, 9], WindowWidth=[500, 9]))
    np.testing.assert_array_equal(shades(two), one)


def test_a_window_of_one_is_a_threshold(dicom, ramp):
    found = shades(dicom("a", ramp, **twelve(WindowCenter=1000, WindowWidth=1)))
    np.testing.assert_array_equal(found, np.where(ramp >= 1000, 255, 0))


def test_a_window_is_in_rescaled_units(dicom, ramp):
    one = shades(dicom("a", ramp, **twelve(WindowCenter=1000, WindowWidth=501)))
    moved = twelve(WindowCenter=-24, WindowWidth=501, RescaleSlope=1, RescaleIntercept=-1024)
    np.testing.assert_array_equal(shades(dicom("b", ramp, **moved)), one)


def test_a_negative_slope_turns_black_and_white(dicom, ramp):
    form = twelve(RescaleSlope=-1, RescaleIntercept=4095)
    np.testing.assert_array_equal(
        shades(dicom("a", ramp, **form)), np.rint((4095 - ramp) / 4095 * 255)
    )


def lut(name, descriptor, values):
    item = pydicom.Dataset()
    item.LUTDescriptor = descriptor
    item.add_new("LUTData", "US", values)
    return {name: pydicom.Sequence([item])}


def test_a_voi_lut_goes_before_a_window(dicom, ramp):
    table = [min(255, n // 8) for n in range(4096)]
    form = twelve(WindowCenter=1, WindowWidth=1, **lut("VOILUTSequence", [4096, 0, 8], table))
    np.testing.assert_array_equal(
        shades(dicom("a", ramp, **form)).ravel(), np.minimum(255, np.arange(4096) // 8)
    )


def test_a_lut_of_eight_bits_may_be_packed(dicom, ramp):
    table = np.minimum(255, np.arange(4096) // 8).astype(np.uint8)
    form = twelve(**lut("VOILUTSequence", [4096, 0, 8], table.view("<u2").tolist()))
    np.testing.assert_array_equal(shades(dicom("a", ramp, **form)).ravel(), table)


def test_a_lut_may_begin_below_zero(dicom):
    values = np.arange(-8, 8, dtype=np.int16)[None]
    form = {"BitsStored": 4, "HighBit": 3, "PixelRepresentation": 1, "storage": DX}
    for first in (-8, 65528):
        table = lut("VOILUTSequence", [16, first, 16], [n * 4369 for n in range(16)])
        kind = "SS" if first < 0 else "US"
        table["VOILUTSequence"][0].add_new("LUTDescriptor", kind, [16, first, 16])
        found = shades(dicom("a", values.astype(np.uint16) & 15, **form, **table))
        np.testing.assert_array_equal(found[0], np.arange(16) * 17)


def test_a_lut_that_is_too_short_is_refused(dicom, ramp):
    form = twelve(**lut("VOILUTSequence", [4096, 0, 16], [1, 2, 3]))
    with pytest.raises(DataError, match="shorter than it says"):
        read_image(dicom("a", ramp, **form))


def test_a_modality_lut_comes_first(dicom, ramp):
    table = [n // 4 for n in range(4096)]  # 10 bits
    form = twelve(**lut("ModalityLUTSequence", [4096, 0, 10], table))
    expected = np.rint(ramp // 4 / 1023 * 255)
    np.testing.assert_array_equal(shades(dicom("a", ramp, **form)), expected)


def test_signed_values_and_bits_outside_are_told_apart(dicom):
    values = np.array([[-2048, -1, 0, 2047]], np.int16)
    dirty = (values.astype(np.uint16) & 0x0FFF) | 0x7000  # an old overlay in the bits above
    path = dicom("a", dirty, **twelve(PixelRepresentation=1))
    np.testing.assert_array_equal(shades(path), np.rint((values + 2048.0) / 4095 * 255))


def test_values_may_lie_in_the_upper_bits(dicom, ramp):
    path = dicom("a", ramp << 4, **twelve(HighBit=15))
    np.testing.assert_array_equal(shades(path), np.rint(ramp / 4095 * 255))


# --- frames


def test_of_several_frames_one_is_chosen(dicom, lesion):
    both = np.stack([lesion, 255 - lesion]).tobytes()
    path = dicom("a", lesion, storage=TRUE_COLOUR, NumberOfFrames=2, PixelData=both)
    with pytest.raises(DataError, match="holds 2 frames") as error:
        read_image(path)
    assert "--frame, from 1 to 2" in error.value.hint
    np.testing.assert_array_equal(read_picture(path, frame=1).image, lesion)
    np.testing.assert_array_equal(read_picture(path, frame=2).image, 255 - lesion)
    with pytest.raises(DataError, match="no frame 3"):
        read_picture(path, frame=3)


def test_pages_of_a_tiff_are_frames(tmp_path, lesion):
    first, second = (PillowImage.fromarray(it) for it in (lesion, 255 - lesion))
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second])
    with pytest.raises(DataError, match="holds 2 frames"):
        read_image(tmp_path / "a.tif")
    found = read_picture(tmp_path / "a.tif", frame=2).image
    np.testing.assert_array_equal(found, 255 - lesion)


# --- millimetres


@pytest.mark.parametrize(
    ("storage", "elements", "spacing", "at"),
    [
        (DX, {}, None, None),
        (DX, {"ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1), "detector"),
        (DX, {"PixelSpacing": [0.2, 0.1]}, (0.2, 0.1), "detector"),
        (DX, {"PixelSpacing": [2, 2], "ImagerPixelSpacing": [2, 2]}, (2, 2), "detector"),
        (CR, {"PixelSpacing": [1, 1], "ImagerPixelSpacing": [2, 2]}, (1, 1), "object"),
        (
            CR,
            {"PixelSpacing": [2, 2], "PixelSpacingCalibrationType": "FIDUCIAL"},
            (2, 2),
            "object",
        ),
        (SECONDARY, {"PixelSpacing": [0.5, 0.5]}, (0.5, 0.5), "object"),
        (SECONDARY, {"PixelSpacing": [0, 0.5]}, None, None),
    ],
)
def test_millimetres_are_those_of_the_object_or_the_detector(
    dicom, ramp, storage, elements, spacing, at
):
    picture = read_picture(dicom("a", ramp, **twelve(storage=storage), **elements))
    assert (picture.spacing_mm, picture.spacing_at) == (spacing, at)
    area = None if spacing is None else 10 * spacing[0] * spacing[1]
    assert picture.area_mm2(10) == area


# --- refused


@pytest.mark.parametrize(
    ("uid", "name"),
    [
        ("1.2.840.10008.5.1.4.1.1.2", "CT Image Storage"),
        ("1.2.840.10008.5.1.4.1.1.481.3", "RT Structure Set Storage"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "Encapsulated PDF Storage"),
        ("1.2.840.10008.5.1.4.1.1.1.1.1", "For Processing"),
        ("1.2.3.4", r"1\.2\.3\.4"),
    ],
)
def test_other_objects_are_refused_by_name(dicom, lesion, uid, name):
    with pytest.raises(DataError, match=name):
        read_image(dicom("a", lesion, storage=uid))


def test_a_size_is_refused_before_a_pixel_is_decoded(dicom, lesion, monkeypatch):
    path = dicom("a", lesion, Rows=30000, Columns=30000)
    monkeypatch.setattr(reading, "_image", lambda *_: pytest.fail("decoded"))
    with pytest.raises(DataError, match="too large: 30000 x 30000 pixels"):
        read_image(path)
    monkeypatch.setattr(images, "MAX_PIXELS", 99)
    with pytest.raises(DataError, match="too large: 64 x 48"):
        read_image(dicom("b", lesion))


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"PhotometricInterpretation": "CMYK"}, "interpretation that is not read"),
        ({"SamplesPerPixel": 1}, "number of samples"),
        ({"PixelRepresentation": 1}, "signed colours"),
        ({"Rows": 0}, "no pixels"),
        ({"Rows": None}, "cannot be read"),
        ({"PixelData": None}, "cannot be read"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(dicom, lesion, elements, reason):
    with pytest.raises(DataError, match=reason):
        read_image(dicom("a", lesion, **elements))


@pytest.mark.parametrize(
    "elements",
    [
        {"WindowCenter": 5, "WindowWidth": 0},
        {"WindowCenter": 5, "WindowWidth": 5, "VOILUTFunction": "CURVE"},
        {"HighBit": 5},
        {"PresentationLUTShape": "INVERSE"},
        {"RescaleSlope": "1e300", "RescaleIntercept": "0", "WindowCenter": 1, "WindowWidth": 1e-9},
    ],
)
def test_gray_that_contradicts_itself_is_refused(dicom, ramp, elements):
    with pytest.raises(DataError, match="cannot be read"):
        read_image(dicom("a", ramp, **{**twelve(), **elements}))


def test_32_bits_are_refused(dicom):
    with pytest.raises(DataError, match="values of 32 bits"):
        read_image(dicom("a", np.zeros((4, 4), np.uint32), storage=DX))


def test_a_codec_without_a_decoder_is_refused_with_its_name(dicom, lesion):
    video = dicom("a", b"\0" * 8, syntax="1.2.840.10008.1.2.4.100", **described(lesion))
    with pytest.raises(DataError, match="MPEG2"):
        read_image(video)
    with pytest.raises(DataError, match="JPEG Extended"):
        read_image(shipped_file("JPGExtended.dcm"))  # 12 bits


def test_a_decoder_that_is_not_installed_is_named(dicom, lesion, monkeypatch):
    frame = encoded(lesion, format="JPEG2000", no_jp2=True)
    path = dicom("a", frame, syntax=J2K, **described(lesion))
    monkeypatch.setattr(reading, "find_spec", lambda module: None)
    with pytest.raises(DataError, match="decoder is not installed") as error:
        read_image(path)
    assert "pylibjpeg-openjpeg pylibjpeg" in error.value.hint


def test_what_is_deflated_is_never_inflated():
    with pytest.raises(DataError, match="compressed as a whole"):
        read_image(shipped_file("image_dfl.dcm"))


def test_without_pydicom_the_extra_is_named(dicom, lesion, monkeypatch):
    path = dicom("a", lesion)
    monkeypatch.setattr("scunext_edge.errors.find_spec", lambda package: None)
    with pytest.raises(BackendMissing, match="pydicom") as error:
        read_image(path)
    assert "scunext-edge[dicom]" in error.value.hint


def test_without_a_preamble_it_is_no_dicom_file(dicom, lesion, tmp_path):
    (tmp_path / "bare").write_bytes(dicom("a", lesion).read_bytes()[132:])
    with pytest.raises(DataError, match="no image") as error:
        read_image(tmp_path / "bare")
    assert "DICOM with its preamble" in error.value.hint


@pytest.mark.parametrize("frame", [False, True])
def test_a_file_that_is_cut_off_is_refused_wherever_it_ends(dicom, lesion, frame):
    pixels = encoded(lesion, format="JPEG") if frame else lesion
    form = {"syntax": BASELINE, **described(lesion)} if frame else {}
    whole = dicom("a", pixels, **form).read_bytes()
    for length in range(133, len(whole) - 8, max(1, len(whole) // 60)):
        with pytest.raises(DataError) as error:
            read_image(whole[:length])
        assert error.value.hint


# --- patients


def names_nobody(error):
    """Neither the message nor what a log of the traceback would hold."""
    text = "".join(traceback.format_exception(error)) + str(error.hint)
    return not any(word in text for word in PATIENT)


@pytest.mark.parametrize(
    "elements",
    [
        {"PhotometricInterpretation": "Doe^Jane"},
        {"WindowCenter": 1, "WindowWidth": 1, "VOILUTFunction": "DOE 4711"},
        {"Rows": None},
    ],
)
def test_no_message_holds_what_a_header_says_of_a_patient(
    dicom, ramp, elements, caplog, recwarn, capfd
):
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        path = dicom("a", ramp, **{**twelve(), **elements})
        caplog.clear()
        recwarn.clear()
        with pytest.raises(DataError) as error:
            read_image(path)
    assert names_nobody(error.value)
    assert (caplog.text, len(recwarn), capfd.readouterr()) == ("", 0, ("", ""))


@pytest.mark.parametrize("inside", [ValueError, OSError, reading.Unusable])
def test_an_error_holds_on_to_nothing_that_failed_inside(dicom, lesion, inside):
    path = dicom("a", lesion)
    with pytest.raises(DataError) as error, reading.opened(path, name="a") as dataset:
        raise inside(
            "bad value" if inside is reading.Unusable else f"bad value {dataset.PatientName}"
        )
    assert names_nobody(error.value)
    assert error.value.__context__ is error.value.__cause__ is None


def test_values_that_pydicom_warns_of_are_not_seen(dicom, lesion, caplog, recwarn):
    path = dicom("a", lesion)
    raw = path.read_bytes().replace(b"MRN-4711", b"MRN\\4711")
    raw = raw.replace(
        struct.pack("<HH2sH", 0x10, 0x20, b"LO", 8), struct.pack("<HH2sH", 0x10, 0x30, b"DA", 8)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        np.testing.assert_array_equal(read_image(raw), lesion)
    assert (caplog.text, len(recwarn)) == ("", 0)


def test_threads_leave_the_warnings_as_they_were(dicom, lesion):
    content = dicom("a", lesion).read_bytes()
    before, disabled = list(warnings.filters), logging.getLogger("pydicom").disabled
    threads = [
        threading.Thread(target=lambda: [read_image(content) for _ in range(10)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
    assert logging.getLogger("pydicom").disabled is disabled


def test_a_folder_that_is_no_file_is_no_dicom(tmp_path):
    assert not reading.is_dicom(tmp_path)
    assert not reading.is_dicom(tmp_path / "absent")
    shutil.copy(__file__, tmp_path / "text")
    assert not reading.is_dicom(tmp_path / "text")
