from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from scunext_edge.data import images
from scunext_edge.data.images import read_gray, read_image, read_mask, write_mask
from scunext_edge.errors import DataError, StorageError

RAMP = np.arange(256, dtype=np.uint8).reshape(8, 32)


def save(path, picture, **options):
    picture.save(path, **options)
    return path


def test_rgb_comes_back_as_it_was(tmp_path, picture):
    path = save(tmp_path / "a.png", Image.fromarray(picture(1)))
    np.testing.assert_array_equal(read_image(path), picture(1))
    np.testing.assert_array_equal(read_image(path.read_bytes()), picture(1))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_gray_is_repeated_into_three_channels(tmp_path, suffix):
    path = save(tmp_path / f"gray{suffix}", Image.fromarray(RAMP))
    image = read_image(path)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, np.repeat(RAMP[:, :, None], 3, axis=2))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_gray_is_scaled_not_cut_off(tmp_path, suffix):
    deep = RAMP.astype(np.uint16) * 257
    path = save(tmp_path / f"deep{suffix}", Image.fromarray(deep))
    np.testing.assert_array_equal(read_image(path)[:, :, 1], RAMP)


def test_sixteen_bits_are_rounded_to_the_nearest_of_eight(tmp_path):
    deep = np.array([[0, 128, 129, 32_767, 65_406, 65_407, 65_535]], np.uint16)
    path = save(tmp_path / "deep.png", Image.fromarray(deep))
    assert read_gray(path).tolist() == [[0, 0, 1, 127, 254, 255, 255]]


def test_black_and_white_is_zero_and_255(tmp_path):
    path = save(tmp_path / "bits.png", Image.fromarray(RAMP > 127))
    assert set(np.unique(read_image(path))) == {0, 255}


def test_a_palette_is_looked_up_and_its_transparency_dropped(tmp_path):
    paletted = Image.new("P", (2, 1))
    paletted.putpalette([10, 20, 30, 40, 50, 60])
    paletted.putdata([0, 1])
    plain = save(tmp_path / "p.png", paletted)
    clear = save(tmp_path / "t.png", paletted, transparency=b"\x00\x80")
    for path in (plain, clear):
        assert read_image(path).tolist() == [[[10, 20, 30], [40, 50, 60]]]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_an_alpha_channel_is_dropped(tmp_path, mode):
    path = save(tmp_path / "alpha.png", Image.new(mode, (3, 2), (90, 90, 90, 7)[-len(mode) :]))
    assert (read_image(path) == 90).all()


def test_cmyk_becomes_rgb(tmp_path):
    path = save(tmp_path / "cmyk.jpg", Image.new("CMYK", (16, 16), (0, 255, 255, 0)), quality=95)
    red, green, blue = read_image(path)[8, 8].tolist()
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize(("orientation", "turned"), [(3, 2), (6, 3), (8, 1)])
def test_exif_orientation_is_applied(tmp_path, picture, orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "turned.png", Image.fromarray(picture(2)), exif=exif)
    np.testing.assert_array_equal(read_image(path), np.rot90(picture(2), turned))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.jpg does not exist"):
        read_image(tmp_path / "nowhere.jpg")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_truncated_file_is_an_error_that_names_it(tmp_path, picture, suffix):
    path = save(tmp_path / f"cut{suffix}", Image.fromarray(picture(3, 200, 300)))
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(DataError, match=r"cut\.(jpg|png) cannot be read") as caught:
        read_image(path)
    assert caught.value.hint


@pytest.mark.parametrize(
    "content", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n", b"BM" + b"\0" * 20]
)
def test_what_is_no_image_is_an_error(tmp_path, content):
    path = tmp_path / "odd.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"odd\.png"):
        read_image(path)
    with pytest.raises(DataError, match=f"an image of {len(content)} bytes"):
        read_image(content)


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_image(tmp_path)


def test_formats_outside_the_list_are_not_even_tried():
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, format="PPM")
    with pytest.raises(DataError, match="no image that can be read"):
        read_image(stream.getvalue())


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(path)
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match=r"bomb\.png is too large"):
        read_image(path)


def test_the_limit_on_pixels_is_ours_where_pillow_has_none(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 99)
    path = save(tmp_path / "ten.png", Image.new("RGB", (10, 10)))
    with pytest.raises(DataError, match="too large: 10 x 10 pixels"):
        read_image(path)


def test_floating_point_pixels_are_refused(tmp_path):
    path = save(tmp_path / "float.tif", Image.fromarray(np.ones((4, 4), np.float32)))
    with pytest.raises(DataError, match="floating-point"):
        read_image(path)


def test_a_mask_is_true_above_127(tmp_path):
    path = save(tmp_path / "m.png", Image.fromarray(RAMP))
    np.testing.assert_array_equal(read_mask(path), RAMP > 127)
    np.testing.assert_array_equal(read_gray(path), RAMP)


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "I;16"])
def test_a_mask_may_be_stored_in_any_mode(tmp_path, blob, mode):
    gray = Image.fromarray(blob()).convert("L")
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    path = save(tmp_path / "m.png", deep if mode == "I;16" else gray.convert(mode))
    np.testing.assert_array_equal(read_mask(path), blob())


def test_a_written_mask_is_one_channel_of_zero_and_255(tmp_path, blob):
    path = tmp_path / "new" / "m.png"
    write_mask(path, blob())
    with Image.open(path) as stored:
        assert (stored.mode, stored.format) == ("L", "PNG")
        assert set(np.unique(np.asarray(stored))) == {0, 255}
    np.testing.assert_array_equal(read_mask(path), blob())


def test_a_mask_that_cannot_be_written_leaves_nothing(tmp_path, blob, monkeypatch):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(StorageError, match="No space left"):
        write_mask(tmp_path / "m.png", blob())
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_mask_is_not_written(tmp_path):
    with pytest.raises(ValueError, match=r"bool \[H, W\]"):
        write_mask(tmp_path / "m.png", np.zeros((3, 3), np.uint8))
