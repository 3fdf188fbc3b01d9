"""The program in C that the documents show draws the mask that Python does."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from scunext_edge.data.synthetic import draw
from scunext_edge.kernels import native

SOURCES = Path(native.__file__).parent / "csrc"
WEIGHTS = Path(native.__file__).parents[1] / "weights"
STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-O1"]
BAD_INPUT, BAD_FILE = 2, 4


def compiler(name):
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here to compile with")
    return found


@pytest.fixture(scope="module")
def program(native_library, tmp_path_factory):
    out = tmp_path_factory.mktemp("example") / "segment_ppm"
    source = SOURCES / "example" / "segment_ppm.c"
    linked = [native_library, f"-Wl,-rpath,{native_library.parent}"]
    command = [compiler("cc"), *STRICT, "-I", SOURCES / "include", source, *linked, "-o", out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def segment(program, tmp_path):
    """``segment(ppm, model=...)``: exit code, what it said, and the mask's bytes or None."""

    def run(ppm, model=WEIGHTS / "unext" / "native-int8" / "model.scx", mask="mask.pgm"):
        image, out = tmp_path / "image.ppm", tmp_path / mask
        image.write_bytes(ppm)
        command = [program, model, image, out]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.stdout == ""
        return done.returncode, done.stderr, out.read_bytes() if out.is_file() else None

    return run


def ppm(pixels, head="P6\n{width} {height}\n255\n"):
    height, width, _ = pixels.shape
    return head.format(width=width, height=height).encode() + pixels.tobytes()


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("network", ["scunext", "unext"])
def test_its_mask_is_the_one_that_python_draws(segment, network, precision):
    model = WEIGHTS / network / f"native-{precision}" / "model.scx"
    pixels = draw(0, 1, (192, 256))[0]
    code, said, mask = segment(ppm(pixels), model)
    assert (code, said) == (0, "")
    with_python = native.open_model(model, size=(192, 256)).run(pixels[None])[0, 0] >= 128
    assert 0.01 < with_python.mean() < 0.99
    assert mask == b"P5\n256 192\n255\n" + (with_python * np.uint8(255)).tobytes()


@pytest.mark.parametrize(
    "head",
    [
        "P6 {width} {height} 255 ",
        "P6\n# made by hand\n{width}\t# 64\n {height} # {height}\n#\n255\n",
        "P6\r\n00{width}\r\n{height}\v255\f",
    ],
)
def test_white_space_and_comments_of_a_header_change_nothing(segment, head):
    pixels = draw(0, 2, (64, 96))[0]
    plain = segment(ppm(pixels))
    assert plain[0] == 0
    assert segment(ppm(pixels, head)) == plain


def test_pixels_that_look_like_white_space_are_pixels(segment):
    """One character ends the header; the picture begins at once."""
    code, said, _ = segment(ppm(np.full((32, 32, 3), ord("\n"), np.uint8)))
    assert (code, said) == (0, "")


BLACK = np.zeros((32, 32, 3), np.uint8)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not begin with P6; convert"),
        (b"P3\n32 32\n255\n" + b"0 " * 3072, "does not begin with P6; convert"),
        (b"P6", "no width, height and maxval"),
        (b"P6\n# no end", "no width, height and maxval"),
        (b"P6\n32 -32 255\n" + BLACK.tobytes(), "no width, height and maxval"),
        (b"P6\n32 32x255\n" + BLACK.tobytes(), "no width, height and maxval"),
        (b"P6\n99999999999999999999 32 255\n", "no width, height and maxval"),
        (b"P6\n32 32 255", "no width, height and maxval"),
        (b"P6\n32 32 65535\n" + BLACK.tobytes() * 2, "a maxval of 65535; convert it to 8 bits"),
        (b"P6\n100 64 255\n" + bytes(100 * 64 * 3), "is 100 x 64; resize it: .* multiples of 32"),
        (b"P6\n64 0 255\n", "is 64 x 0; resize it"),
        (b"P6\n65504 32 255\n", "is 65504 x 32; resize it: .* up to 4096"),
        (ppm(BLACK)[:-1], "ends before its last pixel; copy it again"),
        (ppm(BLACK) + b"\n", "goes on after its last pixel"),
    ],
)
def test_a_picture_that_it_cannot_take_is_refused_with_the_reason(segment, content, said):
    code, error, mask = segment(content)
    assert (code, mask) == (BAD_INPUT, None)
    assert re.fullmatch(rf"segment_ppm: \S+image\.ppm .*{said}.*\n", error), error


def test_a_file_that_is_no_model_is_refused_in_the_words_of_the_library(segment, tmp_path):
    (tmp_path / "broken.scx").write_bytes(b"SCUNEXT\0" + bytes(300))
    for model, words in (
        (tmp_path / "nowhere.scx", "nowhere.scx cannot be opened"),
        (tmp_path / "broken.scx", "of version 0"),
    ):
        code, error, mask = segment(ppm(BLACK), model)
        assert (code, mask) == (BAD_FILE, None)
        assert words in error


def test_a_mask_that_cannot_be_written_is_code_4(segment):
    code, error, mask = segment(ppm(BLACK), mask="no-such-folder/mask.pgm")
    assert (code, mask) == (BAD_FILE, None)
    assert "mask.pgm cannot be written; choose a folder" in error


def test_a_full_disk_leaves_no_half_mask(program, tmp_path):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no device here that is always full")
    (tmp_path / "image.ppm").write_bytes(ppm(BLACK))
    model = WEIGHTS / "unext" / "native-int8" / "model.scx"
    (tmp_path / "mask.pgm").symlink_to(full)
    command = [program, model, tmp_path / "image.ppm", tmp_path / "mask.pgm"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "is the disk full?" in done.stderr) == (BAD_FILE, True)
    assert not (tmp_path / "mask.pgm").is_symlink()


@pytest.mark.parametrize("arguments", [[], ["a"], ["a", "b", "c", "d"]])
def test_without_its_three_arguments_it_says_what_they_are(program, arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == BAD_INPUT
    assert done.stderr == "segment_ppm: usage: segment_ppm MODEL.scx IMAGE.ppm MASK.pgm\n"


@pytest.mark.parametrize(("language", "suffix"), [("cc", "c"), ("c++", "cpp")])
def test_the_header_alone_is_enough_in_c_and_in_cpp(language, suffix, tmp_path):
    """And says nothing that a strict compiler would warn of."""
    source = tmp_path / f"alone.{suffix}"
    source.write_text('#include "scunext.h"\nint main(void) { return scx_version() == 0; }\n')
    strict = [it for it in STRICT if language == "cc" or not it.startswith("-std")]
    command = [compiler(language), *strict, "-fsyntax-only", "-I", SOURCES / "include", source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
